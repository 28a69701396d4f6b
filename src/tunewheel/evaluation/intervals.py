"""Uncertainty of a metric: percentile bootstrap over rows or documents, Wilson's interval where that fails.

Sources: Efron & Tibshirani (1993), "An Introduction to the Bootstrap", ch. 13 (percentile interval); Hesterberg
(2015), "What Teachers Should Know About the Bootstrap", § 4.3 (expanded percentiles for small samples); Wilson
(1927) and Brown, Cai & DasGupta (2001), "Interval Estimation for a Binomial Proportion" (small samples and
the borders 0 and 1); Davison & Hinkley (1997), "Bootstrap Methods and their Application", § 3.8 (resampling
whole clusters).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tunewheel.tasks import Scores, Task

Array = npt.NDArray[Any]
Method = Literal["bootstrap", "document bootstrap", "wilson"]

LEVEL = 0.95
Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
SMALL = 30
"""Below so many rows the percentile bootstrap of a proportion is too narrow."""

EQUAL = 1e-9


class EvaluationError(ValueError):
    """Predictions or reports do not fit the rows, or each other."""


@dataclass(frozen=True)
class Interval:
    """A metric and its 95 % interval, fractions in [0, 1]; ``method`` says how the interval was found."""

    value: float
    low: float
    high: float
    method: Method = "bootstrap"

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def wilson(share: float, trials: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of ``share`` of ``trials``; all of [0, 1] when nothing was tried.

    >>> "{:.3f} {:.3f}".format(*wilson(1.0, 20))
    '0.839 1.000'
    >>> wilson(0.0, 0)
    (0.0, 1.0)
    """
    if trials == 0:
        return 0.0, 1.0
    centre = share + Z * Z / (2 * trials)
    reach = Z * sqrt(share * (1 - share) / trials + (Z / (2 * trials)) ** 2)
    scale = 1 + Z * Z / trials
    # The borders are exact in theory and off by one bit in floating point.
    low = 0.0 if share <= 0 else max(0.0, (centre - reach) / scale)
    high = 1.0 if share >= 1 else min(1.0, (centre + reach) / scale)
    return low, high


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores arranged for resampling: ``units`` are drawn, and every record belongs to one.

    Without documents a unit is a *distinct* record and ``counts`` says how many rows share it: drawing
    multinomial counts of distinct records is the same distribution as drawing rows, and a million rows of a
    classifier are at most labels² records. With documents a unit is a document. Its rows stand or fall
    together (one topic, one name repeated), so drawing single rows would feign more evidence than there is;
    whole documents are drawn instead (Davison & Hinkley 1997, § 3.8).
    """

    scores: Scores
    counts: Array
    unit_of: Array

    @classmethod
    def of(cls, scores: Scores, documents: Array | None = None) -> Self:
        """Arrange ``scores`` (first axis the row); ``documents`` [n] numbers each row's document."""
        if documents is not None:
            names, unit_of = np.unique(documents, return_inverse=True)
            return cls(scores, np.ones(len(names), dtype=np.int64), unit_of)
        first, counts = _distinct(scores)
        kept = {key: array[first] for key, array in scores.items()}
        return cls(kept, counts, np.arange(len(first)))

    @property
    def units(self) -> int:
        """How many rows, or documents, a resample draws."""
        return int(self.counts.sum())

    @property
    def weights(self) -> Array:
        """Weight of each record in the sample as it is."""
        return np.asarray(self.counts[self.unit_of], dtype=np.float64)

    def bootstrap(self, rng: np.random.Generator, resamples: int) -> Iterator[Array]:
        """Record weights of each resample with replacement."""
        for _ in range(resamples):
            yield rng.multinomial(self.units, self.counts / self.units)[self.unit_of].astype(np.float64)

    def swaps(self, rng: np.random.Generator, resamples: int) -> Iterator[Array]:
        """How many of each record's rows change sides, when every unit does so on the toss of a coin."""
        for _ in range(resamples):
            yield rng.binomial(self.counts, 0.5)[self.unit_of].astype(np.float64)


def _distinct(scores: Scores) -> tuple[Array, Array]:
    """First index and number of each distinct record."""
    parts = []
    for array in scores.values():
        flat = np.ascontiguousarray(array).reshape(len(array), -1)
        parts.append(flat.view(np.uint8).reshape(len(array), -1))
    record = np.ascontiguousarray(np.concatenate(parts, axis=1))
    keys = record.view(np.dtype((np.void, record.shape[1]))).ravel()
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return first, counts


def distribution(task: Task, scores: Scores, weights: Iterable[Array]) -> dict[str, Array]:
    """Every metric under each weighting: one array a metric."""
    draws = [task.metrics(scores, w) for w in weights]
    return {name: np.array([draw[name] for draw in draws]) for name in draws[0]}


def percentiles(values: Array, units: int, level: float = LEVEL) -> tuple[float, float]:
    """Borders of the middle ``level`` of resamples of ``units`` rows or documents, drawn outwards for small samples.

    The plain percentile interval is too narrow by the factor √((n − 1) / n) and by the normal's quantile standing where
    Student's belongs; Hesterberg's expanded percentiles make up for both. The k-th of r resamples stands for the share
    k / (r + 1) (Davison & Hinkley 1997, § 5.2.3).
    """
    tail = NormalDist().cdf(-sqrt(units / max(1, units - 1)) * _student(max(1, units - 1), level))
    low, high = np.quantile(values, [tail, 1 - tail], method="weibull")
    return float(low), float(high)


def _student(freedom: int, level: float) -> float:
    """Student's upper point, 2.5 % at 0.95 (Abramowitz & Stegun 26.7.5): 3 % short at two degrees, 0.2 % from 5."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def intervals(
    task: Task, scores: Scores, documents: Array | None = None, *, resamples: int = 1000, seed: int = 13
) -> dict[str, Interval]:
    """Give every metric of the task its 95 % interval, headline figures first.

    Shares of rows (`Task.proportions`) take Wilson's interval where fewer than `SMALL` rows hold anything to count
    (`Task.counted`). So does any metric whose resamples are all equal, as they are at exactly 0 and 1: there the
    bootstrap would claim certainty. Its trials are the rows (or documents) that hold anything for the metric to
    count, a careful choice because entities of one row are not independent.
    """
    sample = Sample.of(scores, documents)
    values = task.metrics(scores)
    draws = distribution(task, sample.scores, sample.bootstrap(np.random.default_rng(seed), resamples))
    order = [*task.headline, *(name for name in values if name not in task.headline)]
    found = {}
    for name in order:
        value = values[name]
        low, high = percentiles(draws[name], sample.units)
        trials = _trials(task, name, scores, documents)
        small = name in task.proportions and documents is None and trials < SMALL
        if small or high - low < EQUAL:
            found[name] = Interval(value, *wilson(value, trials), "wilson")
        else:
            method: Method = "bootstrap" if documents is None else "document bootstrap"
            # Resamples that miss a rare label bias macro figures: never leave the value outside.
            found[name] = Interval(value, min(low, value), max(high, value), method)
    return found


def _trials(task: Task, metric: str, scores: Scores, documents: Array | None) -> int:
    """Rows, or documents, that hold anything for ``metric`` to count."""
    holds = task.counted(metric, scores)
    return int(holds.sum()) if documents is None else len(np.unique(documents[holds]))


def number_documents(rows: Sequence[Any]) -> Array | None:
    """Number each row's ``document``, a row without one alone; None when no row carries any.

    >>> number_documents([{"document": "a"}, {"document": "a"}, {"document": None}]).tolist()
    [0, 0, 1]
    """
    numbers: dict[Any, int] = {}
    documents, given = [], False
    for place, row in enumerate(rows):
        document = row.get("document")
        given = given or document is not None
        documents.append(numbers.setdefault((place,) if document is None else document, len(numbers)))
    return np.array(documents, dtype=np.int64) if given else None
