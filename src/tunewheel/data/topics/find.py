"""`topics`: from texts to topics, every text that says the same counted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from tunewheel.data.check.corpus import Corpus, Progress
from tunewheel.data.check.examples import shortened
from tunewheel.data.features import sample, text_space, unit
from tunewheel.data.topics.clustering import Floats, Numbers, stability
from tunewheel.data.topics.gathering import BLOCK, Embed, Gathering, Space
from tunewheel.data.topics.map import DOTS, plane
from tunewheel.data.topics.topics import OTHER, Dot, Topic, Topics, TopicsError
from tunewheel.data.topics.votes import Votes
from tunewheel.data.topics.words import topic_names

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset

LEAST = 20
"""Distinct texts below which no topics are looked for."""

SAMPLE = 20_000
"""Texts that topics are made of, at most; further ones are told by them."""

EXAMPLES = 5


def find_topics(
    dataset: Dataset,
    data: str = "DATA",
    *,
    vectors: Embed | None = None,
    by: str = "TF-IDF",
    count: int | None = None,
    near: float = 0.8,
    size: int = SAMPLE,
    seed: int = 13,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Topics:
    """Find the topics of the texts of all splits; labels they may have are not looked at.

    Args:
        dataset: never held in memory as a whole; ``size`` texts are, and a few numbers a row.
        data: what commands call it.
        vectors: what tells how alike texts are; TF-IDF through an SVD by default. ``by`` is its name.
        count: how many topics; by default as many as their silhouettes speak for, those that are too small taken away
            and those that are told by the same words made one.
        near: the least similarity of two texts (Jaccard over shingles) at which they count once.
        size: texts that topics are made of, at most.
        seed: of the sample, the clusters, the resamples and the map.
        notes: what is to be said with them.
        progress: is told the step, the texts seen and the texts there are.

    Raises:
        TopicsError: fewer than `LEAST` distinct texts with words, fewer than ``count``, or nothing in common.
    """
    corpus = Corpus(dataset, near=near, progress=progress)
    votes = Votes.among(corpus)
    _check(votes, data, count, size)
    search = _Search(corpus, votes, vectors, count, size, seed)
    if not search.gathering.words:
        raise TopicsError(f"{data}: no topic in {len(votes.rows):,} texts: no three of them are about one thing")
    found, confidence, distance = search.told()
    sizes, texts = (
        np.bincount(each[each >= 0], minlength=len(search.gathering.words))
        for each in (votes.spread(found, OTHER), found)
    )
    order = np.argsort(-sizes, kind="stable")
    place = np.append(np.argsort(order), OTHER)
    member = votes.spread(place[found], OTHER)
    return Topics(
        data=data,
        fingerprint=dataset.fingerprint,
        rows=len(corpus),
        texts=len(votes.rows),
        sampled=len(search.space.texts),
        topics=search.topics(order, sizes, texts),
        other=int((member == OTHER).sum()),
        agreement=search.firm.agreement,
        by=f"{by} + TF-IDF" if search.space.joined else by,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        member=member,
        confidence=votes.spread(confidence, 0),
        distance=votes.spread(distance, 1),
        central=votes.central,
        dots=search.dots(place),
        notes=(*notes, *votes.notes),
    )


def _check(votes: Votes, data: str, count: int | None, size: int) -> None:
    """Refuse what has no topics, saying why."""
    texts = len(votes.rows)
    if texts == 1:
        raise TopicsError(f"{data}: all {len(votes.of):,} rows say the same, repeats and near repeats counted once")
    if texts < LEAST:
        repeats = f"{len(votes.of):,} rows, what repeats another or has no words left out"
        raise TopicsError(f"{data}: {texts} texts ({repeats}); topics need at least {LEAST}: add texts")
    if size < LEAST:
        raise TopicsError(f"sample is a number of texts, at least {LEAST}, not {size}")
    if count is not None and not 1 <= count <= min(texts, size) // 2:
        raise TopicsError(f"{count} topics cannot be made of {min(texts, size):,} texts: ask for 1 to half as many")


class _Search:
    """What is found on the way: the sampled texts in their space, the topics they make, and how firm these are."""

    def __init__(
        self, corpus: Corpus, votes: Votes, embed: Embed | None, count: int | None, size: int, seed: int
    ) -> None:
        from tunewheel.data.privacy import Masker

        self.corpus, self.votes, self.seed = corpus, votes, seed
        self.chosen = sample(len(votes.rows), size, seed).rows
        texts = self._texts(self.chosen)
        self.space = Space(texts, embed or text_space(texts, seed=seed), seed, corpus.progress)
        masker = Masker()
        self.masked = [masker.mask(text).text for text in texts]
        self.gathering = Gathering.of(self.space, self.masked, votes.weights[self.chosen], count, seed)
        self.member, self.distance = self.gathering.topics, self.gathering.distance
        self.firm = stability(self.space.points, self.gathering.cluster, len(self.gathering.owner), seed)

    def told(self) -> tuple[Numbers, Floats, Floats]:
        """The topic, the confidence and the distance of every vote; those not sampled are read a block at a time."""
        total = len(self.votes.rows)
        member = np.full(total, OTHER, np.int64)
        confidence, distance = np.zeros(total, np.float32), np.ones(total, np.float32)
        member[self.chosen], distance[self.chosen] = self.member, self.distance
        confidence[self.chosen] = self.gathering.confidence(self.firm, self.space.points, self.member)
        rest = np.setdiff1d(np.arange(total), self.chosen, assume_unique=True)
        for at in range(0, len(rest), BLOCK):
            block = rest[at : at + BLOCK]
            vectors = unit(self.space.embed(self._texts(block)))
            points = self.space.axes(vectors)
            member[block], distance[block] = self.gathering.tell(vectors, points)
            confidence[block] = self.gathering.confidence(self.firm, points, member[block])
            self.corpus.progress("telling", min(at + BLOCK, len(rest)), len(rest))
        return member, confidence, distance

    def topics(self, order: Numbers, rows: Numbers, texts: Numbers) -> tuple[Topic, ...]:
        """The topics in an ``order``; ``rows`` and ``texts`` are how many belong to each."""
        names = topic_names([self.gathering.words[k] for k in order])
        return tuple(
            Topic(
                number=place,
                name=name,
                words=self.gathering.words[k],
                rows=int(rows[k]),
                texts=int(texts[k]),
                share=float(rows[k] / len(self.corpus)),
                stability=self.gathering.firmness(self.firm, k),
                examples=self._central(k),
            )
            for place, (k, name) in enumerate(zip(order.tolist(), names, strict=True))
        )

    def dots(self, place: Numbers) -> list[Dot]:
        """A sample of the sampled texts on a plane; ``place`` is what each topic has become."""
        some = sample(len(self.masked), DOTS, self.seed).rows
        places = plane(self.space.points[some], self.seed)
        return [
            Dot(round(float(x), 2), round(float(y), 2), int(place[self.member[row]]), shortened(self.masked[row]))
            for row, (x, y) in zip(some.tolist(), places, strict=True)
        ]

    def _central(self, topic: int) -> tuple[str, ...]:
        own = np.flatnonzero(self.member == topic)
        nearest = own[np.argsort(self.distance[own], kind="stable")][:EXAMPLES]
        return tuple(shortened(self.masked[row]) for row in nearest.tolist())

    def _texts(self, votes: Numbers) -> list[str]:
        rows = self.votes.rows[votes]
        taken = self.corpus.take(rows)
        return [taken[row].text for row in rows.tolist()]
