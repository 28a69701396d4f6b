"""Learning curves: the score against the number of labelled rows, and what twice as many would bring.

The law is score = a − b·n^−c (Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically"; for learning
curves of classifiers Cortes et al. 1994). How sure the fit is comes from a bootstrap over the rows that the scores were
taken on, each resample the same for every size, so that rows hard at all sizes cancel out; each also gets noise as
large as the law's own misses, which stands for the luck of single trainings and for curves that are no power law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from tunewheel.evaluation import Interval, Report
from tunewheel.evaluation.intervals import Array, Sample, distribution, percentiles

POINTS = 4
"""Sizes that a law of three numbers needs, if they are to tell how well it fits."""

_EXPONENTS = np.arange(0.05, 2.001, 0.01)
_BAND = 40


class Law(NamedTuple):
    """score = ``a`` − ``b`` · n^−``c``; ``a`` is where the curve ends, in [0, 1]."""

    a: float
    b: float
    c: float

    def at(self, rows: float) -> float:
        """The score with so many labelled rows."""
        return float(self.a - self.b * rows**-self.c)


class Gain(NamedTuple):
    """What labelling twice as many ``rows`` projects, with its 95 % interval, as a fraction of 1."""

    rows: int
    value: float
    low: float
    high: float

    @property
    def claimed(self) -> bool:
        """Whether there is a gain at all: the interval lies above 0."""
        return self.low > 0


class Reach(NamedTuple):
    """The interval of the curve at ``rows``."""

    rows: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Scores of one method at several numbers of rows; law, gain and band where there are `POINTS` of them."""

    method: str
    rows: tuple[int, ...]
    scores: tuple[Interval, ...]
    law: Law | None
    gain: Gain | None
    band: tuple[Reach, ...]

    def as_dict(self) -> dict[str, Any]:
        """The curve as JSON values."""
        return {
            "method": self.method,
            "rows": list(self.rows),
            "scores": [asdict(score) for score in self.scores],
            "law": self.law and self.law._asdict(),
            "gain": self.gain and {**self.gain._asdict(), "claimed": self.gain.claimed},
        }


def learning_curve(
    method: str, rows: Sequence[int], reports: Sequence[Report], *, resamples: int = 1000, seed: int = 13
) -> Curve:
    """The curve through ``reports``, all on the same rows in one order, of models that learned from ``rows`` each."""
    metric = reports[0].task.headline[0]
    scores = tuple(report.metrics[metric] for report in reports)
    if len(set(rows)) < POINTS:
        return Curve(method, tuple(rows), scores, None, None, ())
    drawn, units = _drawn(reports, metric, resamples, seed)
    return curve_of(method, rows, scores, drawn, units, seed=seed)


def curve_of(
    method: str, rows: Sequence[int], scores: Sequence[Interval], drawn: Array, units: int, *, seed: int = 13
) -> Curve:
    """The curve through ``scores``, whose resamples are ``drawn`` [resamples, sizes] over ``units`` rows."""
    values = np.array([score.value for score in scores])
    (whole,) = fit_laws(rows, values[None])
    law, last = Law(*whole.tolist()), max(rows)
    missed = values - [law.at(n) for n in rows]
    noise = np.sqrt(missed @ missed / (len(rows) - len(law)))
    laws = fit_laws(rows, drawn + np.random.default_rng(seed).normal(0.0, noise, drawn.shape))
    gains = _at(laws, 2 * last) - _at(laws, last)
    value = law.at(2 * last) - law.at(last)
    low, high = percentiles(gains, units)
    grid = np.geomspace(min(rows), 2 * last, _BAND).tolist()
    band = [Reach(n, *percentiles(_at(laws, n), units)) for n in grid]
    gain = Gain(last, value, min(low, value), max(high, value))
    return Curve(method, tuple(rows), tuple(scores), law, gain, tuple(band))


def fit_laws(rows: Sequence[int], scores: Array) -> Array:
    """The laws [r, 3] of least squares through ``scores`` [r, sizes] at ``rows`` [sizes].

    For each exponent of a grid the other two follow in closed form; ``a`` stays in [0, 1], and ``b`` may be negative,
    so that a curve without a slope is as often found falling as rising.

    >>> n = [100, 200, 400, 800, 1600]
    >>> fit_laws(n, np.array([[0.9 - 2 * m**-0.5 for m in n]])).round(2).tolist()
    [[0.9, 2.0, 0.5]]
    """
    found = np.zeros((len(scores), 3))
    least = np.full(len(scores), np.inf)
    for c in _EXPONENTS:
        x = np.asarray(rows, dtype=np.float64) ** -c
        centred = x - x.mean()
        slope = scores @ centred / (centred @ centred)
        a = np.clip(scores.mean(axis=1) - slope * x.mean(), 0.0, 1.0)
        b = (a[:, None] - scores) @ x / (x @ x)
        squares = ((scores - (a[:, None] - b[:, None] * x)) ** 2).sum(axis=1)
        better = squares < least - 1e-15
        found[better] = np.stack([a, b, np.full(len(a), c)], axis=1)[better]
        least = np.minimum(least, squares)
    return found


def _at(laws: Array, rows: float) -> Array:
    return np.asarray(laws[:, 0] - laws[:, 1] * rows ** -laws[:, 2])


def _drawn(reports: Sequence[Report], metric: str, resamples: int, seed: int) -> tuple[Array, int]:
    """The metric [resamples, reports] on the same resamples of the rows, and how many rows or documents each draws."""
    joint = {f"{i}.{key}": array for i, report in enumerate(reports) for key, array in report.scores.items()}
    sample = Sample.of(joint, reports[0].documents)
    columns = []
    for i, report in enumerate(reports):
        scores = {key: sample.scores[f"{i}.{key}"] for key in report.scores}
        # The same seed again: every size sees the same draws.
        draws = sample.bootstrap(np.random.default_rng(seed), resamples)
        columns.append(distribution(report.task, scores, draws)[metric])
    return np.stack(columns, axis=1), sample.units
