"""How far two models are apart on the same rows, and what so many rows can show.

Sources: Tango (1998), "Equivalence Test and Confidence Interval for the Difference in Proportions for the
Paired-Sample Design" (score test, bounds); McNemar (1947) and the sign test for rows that one of two gets right;
Koehn (2004) and Yeh (2000), as in `tunewheel.evaluation.comparison`, for metrics that are no share of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tunewheel.evaluation.intervals import Array, Sample, distribution, percentiles

if TYPE_CHECKING:
    from tunewheel.tasks import Scores, Task

_HALVINGS = 40


@dataclass(frozen=True)
class Paired:
    """A metric of two models on the same rows, after minus before.

    ``low`` and ``high`` each are passed by the true difference with probability ``alpha``; ``worse`` and ``better``
    are one-sided p-values of no difference at all; ``spread`` is the standard deviation of one unit's difference;
    ``apart`` counts the rows that one of the two gets right alone, None where rows are not right or wrong.
    """

    units: int
    before: float
    after: float
    low: float
    high: float
    worse: float
    better: float
    spread: float
    apart: int | None

    @property
    def value(self) -> float:
        """After minus before."""
        return self.after - self.before


def score_statistic(won: Array, lost: Array, rows: Array, shift: Array) -> Array:
    """Tango's z of a true difference ``shift``, with ``won`` and ``lost`` of ``rows`` right in one model alone.

    Variance is taken under the hypothesis, so that rows without a single disagreement do not feign certainty.

    >>> float(score_statistic(np.array(12), np.array(3), np.array(100), np.array(0.0)).round(3))
    2.324
    """
    a = 2 * rows
    b = -won - lost + (2 * rows - won + lost) * shift
    c = -lost * shift * (1 - shift)
    q = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)
    variance = rows * np.maximum(2 * q + shift * (1 - shift), 0)
    distance = won - lost - rows * shift
    return np.asarray(distance / np.sqrt(np.maximum(variance, 1e-12)))


def score_bounds(won: Array, lost: Array, rows: Array, alpha: float) -> tuple[Array, Array]:
    """Tango's lower and upper bound of the difference, each of level ``alpha``, elementwise.

    >>> low, high = score_bounds(np.array([0.0]), np.array([0.0]), np.array([500.0]), 0.025)
    >>> [round(float(edge[0]), 5) for edge in (low, high)]
    [-0.00762, 0.00762]
    """
    z = NormalDist().inv_cdf(1 - alpha)
    # A gain seen from the other model is a loss: one search finds both.
    ours, theirs = (np.concatenate(pair).astype(np.float64) for pair in ((won, lost), (lost, won)))
    n = np.concatenate([rows, rows]).astype(np.float64)
    below, above = np.full(len(n), -1.0), (ours - theirs) / n
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        far = score_statistic(ours, theirs, n, middle) > z
        below, above = np.where(far, middle, below), np.where(far, above, middle)
    half = len(won)
    return below[:half], -below[half:]


def sign_test(fewer: Array, more: Array) -> Array:
    """Probability of at most ``fewer`` of ``fewer + more`` when each falls either way alike: exact at any size.

    >>> sign_test(np.array([0]), np.array([5])).tolist()
    [0.03125]
    """
    from scipy.special import bdtr

    return np.asarray(np.minimum(1.0, bdtr(np.asarray(fewer, np.float64), np.asarray(fewer + more, np.int64), 0.5)))


def paired_shares(before: Array, after: Array, parts: list[Array], alpha: float) -> list[Paired]:
    """Compare who is right (bool [n] each) on each of the ``parts`` (indices of rows)."""
    won = np.array([np.count_nonzero(after[part] & ~before[part]) for part in parts])
    lost = np.array([np.count_nonzero(before[part] & ~after[part]) for part in parts])
    rows = np.array([len(part) for part in parts])
    low, high = score_bounds(won, lost, rows, alpha)
    worse, better = sign_test(won, lost), sign_test(lost, won)
    found = []
    for i, part in enumerate(parts):
        b, c, n = int(won[i]), int(lost[i]), len(part)
        # One pair more than was seen: rows that never disagree do not prove that they never would.
        spread = sqrt(max((b + c + 1) / n - ((b - c) / n) ** 2, 1 / n))
        share = float(before[part].mean())
        found.append(
            Paired(
                *(n, share, share + (b - c) / n, float(low[i]), float(high[i])),
                *(float(worse[i]), float(better[i]), spread, b + c),
            )
        )
    return found


def paired_metric(
    task: Task,
    metric: str,
    before: Scores,
    after: Scores,
    documents: Array | None,
    *,
    alpha: float,
    resamples: int,
    seed: int,
) -> Paired:
    """Compare any metric by paired bootstrap and approximate randomisation, over documents where rows carry them.

    Where hardly any row tells the models apart, resamples do so even less: the bounds are never nearer than those of
    a share of rows on which two models agree throughout (z² / units).
    """
    joint = {f"{side}.{key}": array for side, s in (("0", before), ("1", after)) for key, array in s.items()}
    sample = Sample.of(joint, documents)
    first = {key: sample.scores[f"0.{key}"] for key in before}
    second = {key: sample.scores[f"1.{key}"] for key in before}
    both = {key: np.concatenate([first[key], second[key]]) for key in before}

    def swaps(own: bool) -> Iterator[Array]:
        for k in sample.swaps(np.random.default_rng(seed), resamples):
            kept = sample.weights - k
            yield np.concatenate([kept, k] if own else [k, kept])

    drawn = [
        distribution(task, scores, sample.bootstrap(np.random.default_rng(seed), resamples))[metric]
        for scores in (first, second)
    ]
    mixed = distribution(task, both, swaps(False))[metric] - distribution(task, both, swaps(True))[metric]
    values = task.metrics(before)[metric], task.metrics(after)[metric]
    difference = values[1] - values[0]
    low, high = percentiles(drawn[1] - drawn[0], sample.units, 1 - 2 * alpha)
    floor = NormalDist().inv_cdf(1 - alpha) ** 2 / sample.units
    reach = [sqrt(max(0.0, side) ** 2 + floor**2) for side in (difference - low, high - difference)]
    # Sums in another order differ by a few bits.
    as_low, as_high = (int((sign * (mixed - difference) <= 1e-12).sum()) for sign in (1, -1))
    spread = max(float((drawn[1] - drawn[0]).std()), 1 / sample.units) * sqrt(sample.units)
    return Paired(
        *(sample.units, *values, difference - reach[0], difference + reach[1]),
        *((1 + as_low) / (1 + resamples), (1 + as_high) / (1 + resamples), spread, None),
    )


def paired_mean(before: Array, after: Array, alpha: float) -> Paired:
    """Compare means of one number a row, by Student's t; a lower number counts as better."""
    from scipy.special import stdtr, stdtrit

    change = after - before
    n = len(change)
    # As above: rows that all agree are no proof.
    spread = max(float(change.std(ddof=1)) if n > 1 else 1.0, 1 / n)
    value, error = float(change.mean()), spread / sqrt(n)
    reach = float(stdtrit(max(1, n - 1), 1 - alpha)) * error
    higher = float(stdtr(max(1, n - 1), -value / error))
    mean = float(before.mean())
    return Paired(n, mean, mean + value, value - reach, value + reach, higher, 1 - higher, spread, None)


def rows_needed(distance: float, spread: float, alpha: float, power: float) -> int | None:
    """Units that show a difference ``distance`` beyond a border with probability ``power``; None for no distance.

    >>> rows_needed(0.005, 0.08**0.5, 0.025, 0.8)
    25117
    """
    if distance <= 0:
        return None
    normal = NormalDist()
    return ceil(((normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * spread / distance) ** 2)


def resolved(units: int, spread: float, alpha: float, power: float) -> float:
    """The smallest margin within which ``units`` show an equal model to be, with probability ``power``."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * spread / sqrt(max(units, 1))
