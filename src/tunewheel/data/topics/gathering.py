"""Sampled texts gathered into topics, and the way to tell the topic of any other text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tunewheel.data.check.corpus import Progress
from tunewheel.data.features import Vectors, unit
from tunewheel.data.topics.clustering import Axes, Floats, Numbers, Stability, centres, nearest, too_far
from tunewheel.data.topics.joined import Joined, one_way
from tunewheel.data.topics.topics import OTHER
from tunewheel.data.topics.words import shared, told_words, topic_words

Embed = Callable[[Sequence[str]], Vectors]
"""Takes texts and gives their vectors [texts, width]."""

BLOCK = 2048
"""Texts whose vectors are made at once."""

_ALIKE = 0.6
"""Share of their words from which on two topics are one."""

_LEAST = 3
_THOUSANDTH = 1000


class Space:
    """The texts that topics are made of, with their ``vectors`` [n, width] and ``points`` [n, axes].

    ``joined`` says whether TF-IDF stands beside what ``embed`` gave, for that points one way.
    """

    def __init__(self, texts: Sequence[str], embed: Embed, seed: int, progress: Progress) -> None:
        self.texts, self.embed = texts, embed
        blocks = []
        for at in range(0, len(texts), BLOCK):
            blocks.append(unit(embed(texts[at : at + BLOCK])))
            progress("vectors", min(at + BLOCK, len(texts)), len(texts))
        self.vectors = np.concatenate(blocks)
        self.joined = one_way(self.vectors)
        if self.joined:
            self.embed = joined = Joined(embed, texts, self.vectors, seed)
            self.vectors = joined.beside(self.vectors, texts)
        self.axes = Axes.of(self.vectors, seed)
        self.points = self.axes(self.vectors)


@dataclass(frozen=True)
class Gathering:
    """Topics as sets of centres.

    Attributes:
        centres: [clusters, axes].
        heads: [clusters, width], the direction in which a cluster's own vectors point.
        owner: [clusters], the topic that a cluster belongs to; `OTHER` for one that is too small to be one.
        cluster, distance: [n], of each text that topics were made of, its cluster and how far it is from the direction
            of the others in it; 0 where it is alone.
        limit: the distance from a head from which a text belongs nowhere. It is taken in all of the vectors' width:
            what a text has in common with no topic does not show along the axes in which topics differ.
        words: of each topic, those that tell it, the best first.
    """

    centres: Floats
    heads: Floats
    owner: Numbers
    cluster: Numbers
    distance: Floats
    limit: float
    words: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, space: Space, masked: Sequence[str], rows: Numbers, count: int | None, seed: int) -> Gathering:
        """Gather texts.

        ``masked`` are the same without personal data, for no word of it shall name a topic; each says what ``rows`` [n]
        rows say, so that one text that many repeat can be a topic.
        """
        middle = centres(space.points, count, seed)
        cluster, _ = nearest(space.points, middle)
        sums = np.stack([space.vectors[cluster == k].sum(0) for k in range(len(middle))])
        distance = _to_others(space.vectors, sums[cluster])
        limit = too_far(distance)
        counts = _words_of(len(middle), np.where(distance <= limit, cluster, OTHER).tolist(), masked)
        sizes = np.bincount(cluster, rows * (distance <= limit), len(middle))
        least = 1 if count else max(_LEAST, int(rows.sum()) // _THOUSANDTH)
        owner = owners((sizes >= least).tolist(), topic_words(counts), merge=count is None)
        told = [sum((counts[k] for k in np.flatnonzero(owner == topic)), Counter()) for topic in range(owner.max() + 1)]
        return cls(
            middle, unit(sums), owner, cluster, distance, limit, tuple(tuple(words) for words in topic_words(told))
        )

    @property
    def topics(self) -> Numbers:
        """The topic [n] of each text that topics were made of."""
        return np.where(self.distance <= self.limit, self.owner[self.cluster], OTHER)

    def tell(self, vectors: Vectors, points: Vectors) -> tuple[Numbers, Floats]:
        """The topic of further texts by their vectors and points, and how far they are from the middle of it."""
        cluster, _ = nearest(points, self.centres)
        distance = 1 - (vectors * self.heads[cluster]).sum(1)
        return np.where(distance <= self.limit, self.owner[cluster], OTHER), distance.astype(np.float32)

    def firmness(self, firm: Stability, topic: int) -> float:
        """How stable a topic is: the mean of its clusters, weighed by their texts."""
        sizes = np.bincount(self.cluster, minlength=len(self.owner)) * (self.owner == topic)
        return float((firm.clusters * sizes).sum() / sizes.sum())

    def confidence(self, firm: Stability, points: Vectors, topics: Numbers) -> Floats:
        """In what share of the resamples each of the points [n] falls into its own topic again; 0 without a topic."""
        kept = sum((self.owner[again] == topics for again in firm.again(points)), np.zeros(len(points)))
        return np.where(topics == OTHER, 0, kept / len(firm.centres)).astype(np.float32)


def _words_of(clusters: int, member: Sequence[int], texts: Sequence[str]) -> list[Counter[str]]:
    """How often each word that can tell a topic stands in each cluster; stop words where one has nothing else.

    ``member`` [n] is each text's cluster, `OTHER` where it belongs to none.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(clusters)]
    for stops in (False, True):
        silent = {k for k, each in enumerate(counts) if not each}
        for k, text in zip(member, texts, strict=True):
            if k in silent:
                counts[k].update(told_words(text, stops=stops))
    return counts


def _to_others(vectors: Vectors, sums: Vectors) -> Floats:
    """The distance [n] of vectors to the sum of their cluster without them.

    A vector pulls the middle of a small cluster to itself; further texts, which do not, would all be far beside it.
    """
    others = sums - vectors
    alone = np.linalg.norm(others, axis=1) < 1e-4
    return np.where(alone, 0, 1 - (vectors * unit(others)).sum(1)).astype(np.float32)


def owners(large: Sequence[bool], words: Sequence[Sequence[str]], *, merge: bool) -> Numbers:
    """The topic of each cluster: one for those that are told by the same words, none for one that is not large.

    >>> owners([True, True, False, True], [["fee", "card"], ["rent"], ["fee"], ["card", "fee"]], merge=True).tolist()
    [0, 1, -1, 0]
    """
    owner = np.full(len(words), OTHER, np.int64)
    topics: list[list[int]] = []
    for k in np.flatnonzero(large).tolist():
        same = (
            i for i, others in enumerate(topics) if merge and any(shared(words[k], words[o]) >= _ALIKE for o in others)
        )
        place = next(same, len(topics))
        if place == len(topics):
            topics.append([])
        topics[place].append(k)
        owner[k] = place
    return owner
