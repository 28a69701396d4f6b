"""What is compared of a window and the reference: each test with its p-value and an effect, 0 where they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tunewheel.data.drift import LabelDrift, fine_p, label_drift, two_sample
from tunewheel.data.features import sample, words
from tunewheel.feedback.drift.seen import Floats, Seen

Name = Literal["vectors", "novelty", "words", "length", "language", "labels", "confidence", "feedback"]

LEAST_ROWS = 50
"""Fewer rows on either side are not tested."""

LEAST: dict[Name, float] = {
    "vectors": 0.0005,
    "novelty": 0.02,
    "words": 0.01,
    "length": 0.05,
    "language": 0.01,
    "labels": 0.05,
    "confidence": 0.05,
    "feedback": 0.02,
}
"""Effects below these are let pass, however certain: on a window of a million rows everything is significant."""

PERMUTATIONS = 999
MOST = 2_000
"""Rows a side whose vectors are compared."""

_FIRST, _OPEN = 99, 0.1
"""So few permutations tell that there is nothing; only where they give a p this small is it worked out."""

_NEIGHBOUR = 3
_FAR = 0.05
_BINS = 20


@dataclass(frozen=True)
class Statistic:
    """One test of a window. ``p`` is before any correction, ``rows`` and ``reference`` say how many were compared.

    ``effect``, by name: ``vectors`` the energy coefficient (0: alike, 1: nothing in common); ``novelty`` by how much
    the share of rows far from all of the reference is above what it is there; ``words`` by how much the share of
    unknown words is; ``length`` and ``confidence`` the largest gap between the distribution functions; ``language`` the
    share of rows that would have to change; ``labels`` Cramér's V without what chance alone gives it; ``feedback`` the
    loss of the share right. ``before`` and ``now`` are what a reader wants to see (medians, shares), None where there
    is no one number.
    """

    name: Name
    p: float
    effect: float
    rows: int
    reference: int
    before: float | None = None
    now: float | None = None


class Reference:
    """What windows are compared with: the rows, and what is read off them once.

    Args:
        seen: its rows; more than `MOST` vectors are sampled.
        vocabulary: texts that tell which words are known, such as those a model learned from; the rows' own by default.
        seed: of samples and permutations.
    """

    def __init__(self, seen: Seen, vocabulary: Iterable[str] | None = None, *, seed: int = 13) -> None:
        self.seen, self.seed = seen, seed
        self._known: Counter[str] = Counter()
        for text in seen.texts if vocabulary is None else vocabulary:
            self._known.update(set(words(text)))
        # A row's own words are no proof that they are known.
        self._own = int(vocabulary is None)
        self.unknown = np.array([self._unknown(text, self._own) for text in seen.texts])
        self.lengths = np.array([len(text) for text in seen.texts], dtype=np.float64)
        self.languages = Counter(seen.languages)
        self.labels = Counter(seen.labels or ())
        self.near = None
        if seen.vectors is not None and len(seen) > _NEIGHBOUR + 1:
            self.vectors = seen.vectors[sample(len(seen), MOST, seed).rows]
            # A row is its own nearest neighbour.
            self.near = self._nearest(self.vectors, _NEIGHBOUR)
            self.far = float(np.quantile(self.near, 1 - _FAR))

    def _unknown(self, text: str, own: int = 0) -> float:
        """The share of a text's words that stand in no other text of the vocabulary."""
        found = words(text)
        return sum(self._known[word] <= own for word in found) / len(found) if found else 0.0

    def _nearest(self, vectors: npt.NDArray[np.float32], rank: int) -> Floats:
        from scipy.spatial.distance import cdist

        blocks = [vectors[at : at + 512] for at in range(0, len(vectors), 512)]
        return np.concatenate([np.partition(cdist(block, self.vectors), rank, axis=1)[:, rank] for block in blocks])

    def statistics(self, window: Seen) -> list[Statistic]:
        """Every test that both sides have enough rows for, in a fixed order; the order of rows changes nothing.

        >>> from random import Random
        >>> draw = Random(13)
        >>> texts = ["my card is " + draw.choice(["gone", "lost", "broken"]) for _ in range(400)]
        >>> reference = Reference(Seen.of(texts[:300]))
        >>> [each.name for each in reference.statistics(Seen.of(texts[300:]))]
        ['words', 'length', 'language']
        """
        found: list[Statistic | None] = []
        if min(len(window), len(self.seen)) >= LEAST_ROWS:
            found += [self._vectors(window), self._novelty(window), self._words(window), self._length(window)]
            found += [self._language(window), self._labels(window)]
        found += [self._confidence(window), self._feedback(window)]
        return [test for test in found if test is not None]

    def far_rows(self, window: Seen) -> npt.NDArray[np.bool_]:
        """Which rows of a window stand far from all of the reference; none where there are no vectors."""
        if self.near is None or window.vectors is None:
            return np.zeros(len(window), dtype=np.bool_)
        return self._nearest(window.vectors, _NEIGHBOUR - 1) > self.far

    def _vectors(self, window: Seen) -> Statistic | None:
        if self.near is None or window.vectors is None:
            return None
        # Sorted, so that the order in which rows came draws no other permutations.
        both = self.vectors, _sorted(window.vectors)
        drift = two_sample(*both, seed=self.seed, permutations=_FIRST, most=MOST)
        if drift.p <= _OPEN:
            drift = two_sample(*both, seed=self.seed + 1, permutations=PERMUTATIONS, most=MOST)
        return Statistic("vectors", drift.fine, drift.effect, len(drift.second.rows), len(self.vectors))

    def _novelty(self, window: Seen) -> Statistic | None:
        from scipy.stats import hypergeom

        if self.near is None or window.vectors is None:
            return None
        there, here = int((self.near > self.far).sum()), int(self.far_rows(window).sum())
        sizes = len(self.near), len(window)
        p = float(hypergeom.sf(here - 1, sum(sizes), there + here, sizes[1]))
        before, now = there / sizes[0], here / sizes[1]
        return Statistic("novelty", p, max(now - before, 0.0), sizes[1], sizes[0], before, now)

    def _words(self, window: Seen) -> Statistic:
        here = np.array([self._unknown(text) for text in window.texts])
        p = _more(self.unknown, here, self.seed)
        before, now = float(self.unknown.mean()), float(here.mean())
        return Statistic("words", p, max(now - before, 0.0), len(here), len(self.unknown), before, now)

    def _length(self, window: Seen) -> Statistic:
        return _kolmogorov("length", self.lengths, np.array([len(text) for text in window.texts], dtype=np.float64))

    def _language(self, window: Seen) -> Statistic:
        drift = label_drift(self.languages, Counter(window.languages), seed=self.seed, permutations=PERMUTATIONS)
        return Statistic("language", drift.fine, drift.moved, len(window), len(self.seen))

    def _labels(self, window: Seen) -> Statistic | None:
        if self.seen.labels is None or window.labels is None:
            return None
        drift = label_drift(self.labels, Counter(window.labels), seed=self.seed, permutations=PERMUTATIONS)
        effect = _unbiased(drift, len(window) + len(self.seen))
        return Statistic("labels", drift.fine, effect, len(window), len(self.seen))

    def _confidence(self, window: Seen) -> Statistic | None:
        there, here = _known(self.seen.confidences), _known(window.confidences)
        return _kolmogorov("confidence", there, here) if min(len(there), len(here)) >= LEAST_ROWS else None

    def _feedback(self, window: Seen) -> Statistic | None:
        from scipy.stats import hypergeom

        there, here = _known(self.seen.right), _known(window.right)
        if min(len(there), len(here)) < LEAST_ROWS:
            return None
        wrong = int((there < 0.5).sum()), int((here < 0.5).sum())
        p = float(hypergeom.sf(wrong[1] - 1, len(there) + len(here), sum(wrong), len(here)))
        before, now = 1 - wrong[0] / len(there), 1 - wrong[1] / len(here)
        return Statistic("feedback", p, max(before - now, 0.0), len(here), len(there), before, now)


def _known(column: Floats | None) -> Floats:
    return np.zeros(0) if column is None else column[~np.isnan(column)]


def _sorted(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vectors[np.lexsort(vectors.T)])


def _kolmogorov(name: Name, there: Floats, here: Floats) -> Statistic:
    """The two-sample test of Kolmogorov and Smirnov; equal values make it the more careful."""
    from scipy.stats import ks_2samp

    found = ks_2samp(there, here, method="asymp")
    medians = float(np.median(there)), float(np.median(here))
    return Statistic(name, float(found.pvalue), float(found.statistic), len(here), len(there), *medians)


def _more(there: Floats, here: Floats, seed: int) -> float:
    """The chance of so large a mean ``here`` where both are of one kind: rows dealt out anew, in `_BINS` kinds."""
    edges = np.linspace(0, 1, _BINS + 1)
    counts = np.array([np.bincount(np.searchsorted(edges, side), minlength=_BINS + 1) for side in (there, here)])
    dealt = np.random.default_rng(seed).multivariate_hypergeometric(
        counts.sum(0), len(here), size=PERMUTATIONS, method="marginals"
    )
    drawn, statistic = dealt @ edges, float(counts[1] @ edges)
    return fine_p(statistic, drawn, float((1 + (drawn >= statistic - 1e-9).sum()) / (1 + PERMUTATIONS)))


def _unbiased(drift: LabelDrift, rows: int) -> float:
    """Cramér's V less what chance gives it (Bergsma 2013, "A bias-correction for Cramér's V and Tschuprow's T")."""
    labels = sum(1 for shares in drift.shares.values() if any(shares))
    freedom = max(labels - 1, 0)
    return float(np.sqrt(max(drift.effect**2 - freedom / (rows - 1), 0.0)))
