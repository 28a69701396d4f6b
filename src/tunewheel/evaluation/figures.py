"""Figures of probabilities, beside the task's own metrics: areas under curves, Brier score, calibration, scope.

Sources: Brier (1950), "Verification of Forecasts Expressed in Terms of Probability" (halved, so that two labels give
the usual squared error); Davison & Hinkley (1997), "Bootstrap Methods and their Application", § 5.2 (basic interval).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tunewheel.evaluation.intervals import EQUAL, Array, Interval, Method, percentiles, wilson
from tunewheel.evaluation.ranking import areas, fpr_at_recall, macro_areas
from tunewheel.tasks.calibration import BINS, Claims, bin_of, calibration_error

if TYPE_CHECKING:
    from tunewheel.tasks import Prediction, Probabilities, Row, Scope, Task

RESAMPLES = 200
"""Most resamples of these figures: a sort's worth of work a label each."""

FEWEST_RESAMPLES = 50
_WORK = 5e7
_BLOCK = 2e6


@dataclass(frozen=True)
class Bin:
    """Claims of like confidence, from ``low`` to ``high``: how many, how sure on average, which share of them right."""

    low: float
    high: float
    claims: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """How far confidences may be believed.

    ``ece``: expected calibration error over `BINS` bins of equal width (Naeini et al. 2015, Guo et al. 2017), ``bins``
    those that hold any of the ``claims``; ``brier`` where every label's probability is known. Chance alone makes some
    error in every bin, so the interval of ``ece`` is a basic one; with a few hundred claims it still is too narrow.
    """

    ece: Interval
    brier: Interval | None
    claims: int
    bins: list[Bin]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Build it again from ``dataclasses.asdict``."""
        brier = stored["brier"] and Interval(**stored["brier"])
        return cls(Interval(**stored["ece"]), brier, stored["claims"], [Bin(**one) for one in stored["bins"]])


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples of the rows, or of whole documents where rows carry one: the same ones for each figure."""

    rows: int
    documents: Array | None
    seed: int
    resamples: int

    @property
    def units(self) -> int:
        """How many rows, or documents, a resample draws."""
        return self.rows if self.documents is None else int(self.documents.max()) + 1

    def interval(
        self, figure: Callable[[Array], Array], *, width: int = 1, trials: int, basic: bool = False
    ) -> Interval:
        """The one of `intervals` for a ``figure`` that takes weights [r, rows] to one number a resample [r]."""
        return self.intervals(lambda weights: figure(weights)[None], width=width, trials=trials, basic=basic)[0]

    def intervals(
        self, figures: Callable[[Array], Array], *, width: int, trials: int, basic: bool = False
    ) -> list[Interval]:
        """The values of ``figures`` (weights [r, rows] to [kinds, r]) with their 95 % intervals.

        ``width`` numbers a row are looked at, which bounds the resamples; ``trials`` are for Wilson's interval where
        all resamples agree. ``basic`` reflects the percentiles at the value: for figures that every resample inflates.
        """
        wanted = min(self.resamples, RESAMPLES)
        count = max(min(FEWEST_RESAMPLES, wanted), min(wanted, int(_WORK / (self.rows * width))))
        values = figures(np.ones((1, self.rows)))[:, 0].tolist()
        drawn = np.concatenate([figures(block) for block in self._blocks(count)], axis=1)
        return [self._bounded(value, each, trials, basic) for value, each in zip(values, drawn, strict=True)]

    def _bounded(self, value: float, drawn: Array, trials: int, basic: bool) -> Interval:
        drawn = drawn[~np.isnan(drawn)]
        if not len(drawn) or drawn.max() - drawn.min() < EQUAL:
            return Interval(value, *wilson(min(1.0, max(0.0, value)), trials), "wilson")
        low, high = percentiles(drawn, self.units)
        if basic:
            low, high = max(0.0, 2 * value - high), min(1.0, 2 * value - low)
        method: Method = "bootstrap" if self.documents is None else "document bootstrap"
        return Interval(value, min(low, value), max(high, value), method)

    def _blocks(self, count: int) -> Iterator[Array]:
        """Row weights [some, rows] until ``count`` resamples are drawn, little memory at a time."""
        rng = np.random.default_rng(self.seed)
        units = self.units
        size = max(1, int(_BLOCK / self.rows))
        for start in range(0, count, size):
            weights = rng.multinomial(units, np.full(units, 1 / units), size=min(size, count - start)).astype(float)
            yield weights if self.documents is None else weights[:, self.documents]


def figures(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], draws: Draws) -> dict[str, Interval]:
    """Areas under the curves and figures of the scope, those that these predictions allow."""
    known, scope = task.probabilities(rows, predictions), task.scope(rows, predictions)
    return {**(_label_areas(known, draws) if known else {}), **(_scope_figures(scope, draws) if scope else {})}


def _label_areas(known: Probabilities, draws: Draws) -> dict[str, Interval]:
    """AUROC and AUPRC over the labels that occur; of two labels of which a row has one, of the second."""
    ours = slice(1, None) if known.exclusive and known.values.shape[1] == 2 else slice(None)
    values, gold = known.values[:, ours], known.gold[:, ours]
    found = draws.intervals(
        lambda weights: np.stack(macro_areas(values, gold, weights[:, known.row])),
        width=gold.shape[1],
        trials=len(gold),
    )
    return {name: one for name, one in zip(("auroc", "auprc"), found, strict=True) if not np.isnan(one.value)}


def _scope_figures(scope: Scope, draws: Draws) -> dict[str, Interval]:
    score, inside = scope
    outside = int((~inside).sum())
    trials = min(outside, len(inside) - outside)
    area = draws.interval(lambda weights: areas(score, inside, weights).roc, trials=trials)
    passed = draws.interval(lambda weights: fpr_at_recall(score, inside, weights), trials=outside)
    return {"oos_auroc": area, "oos_fpr95": passed}


def calibration(task: Task, rows: Sequence[Row], predictions: Sequence[Prediction], draws: Draws) -> Calibration | None:
    """Calibration of what the task claims; None where no confidence is known."""
    claims = task.claims(rows, predictions)
    if claims is None:
        return None
    ece = draws.interval(
        lambda weights: calibration_error(claims, weights[:, claims.row]),
        width=BINS,
        trials=len(claims.row),
        basic=True,
    )
    known = task.probabilities(rows, predictions)
    return Calibration(ece, None if known is None else _brier(known, draws), len(claims.row), _bins(claims))


def _brier(known: Probabilities, draws: Draws) -> Interval:
    squares = (known.values - known.gold) ** 2
    # A gold label that was never learned has no probability: a whole square is missing.
    missing = 1.0 - known.gold.sum(axis=1)
    each = (squares.sum(axis=1) + missing) / 2 if known.exclusive else squares.mean(axis=1)

    def mean(weights: Array) -> Array:
        ours = weights[:, known.row]
        return np.asarray(ours @ each / np.maximum(ours.sum(axis=1), np.finfo(np.float64).tiny))

    return draws.interval(mean, trials=len(each))


def _bins(claims: Claims) -> list[Bin]:
    place = bin_of(claims.confidence)
    held = np.bincount(place, minlength=BINS)
    sure = np.bincount(place, claims.confidence, BINS)
    right = np.bincount(place, claims.correct, BINS)
    return [
        Bin(i / BINS, (i + 1) / BINS, int(held[i]), float(sure[i] / held[i]), float(right[i] / held[i]))
        for i in np.flatnonzero(held).tolist()
    ]
