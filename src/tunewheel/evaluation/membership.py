"""Can it be told from a model's losses which rows it learned from? The simplest attack, as a check.

Sources: Yeom et al. (2018), "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting": a row whose
loss is low is taken for one that was learned from. Carlini et al. (2022), "Membership Inference Attacks From First
Principles", for the rate of true alarms at few false ones: a leak of some rows shows there, where the area does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import exp
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tunewheel.evaluation.intervals import Array, EvaluationError, Interval, percentiles, wilson
from tunewheel.evaluation.ranking import areas
from tunewheel.tasks.base import ratio

FPR = 0.01
FEWEST = 100
"""Rows not learned from, below which no false alarm in a hundred can be told."""

MOST = 5000
"""Rows of either kind that are looked at; a sample of more."""

_AT_ONCE = 50


@dataclass(frozen=True)
class Attack:
    """How well rows learned from (``members``) are told from ``others`` by their loss: 0.5 is chance, 1 always.

    ``tpr`` is the share of members found where 1 % of the others are taken for some; None for fewer than `FEWEST`
    others.
    """

    members: int
    others: int
    auc: Interval
    tpr: Interval | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_dict` gave."""
        tpr = stored["tpr"]
        return cls(stored["members"], stored["others"], Interval(**stored["auc"]), tpr and Interval(**tpr))


def attack(
    members: npt.ArrayLike,
    others: npt.ArrayLike,
    *,
    units: npt.ArrayLike | None = None,
    resamples: int = 400,
    seed: int = 13,
) -> Attack:
    """Attack by the losses of rows learned from [n] and of others [m]; what is not finite is left out.

    ``units`` [n] numbers whose the members are, which are then resampled together. Raises `EvaluationError` where a
    kind has no rows.

    >>> found = attack([0.1, 0.2, 0.3, 0.4], [0.3, 0.5, 0.6])
    >>> f"{found.auc.value:.3f}"
    '0.875'
    """
    rng = np.random.default_rng(seed)
    inside, outside = np.asarray(members, dtype=np.float64), np.asarray(others, dtype=np.float64)
    whose = np.arange(len(inside)) if units is None else np.asarray(units)
    whose, inside, outside = whose[np.isfinite(inside)], inside[np.isfinite(inside)], outside[np.isfinite(outside)]
    if not len(inside) or not len(outside):
        raise EvaluationError("a membership attack needs rows learned from and others")
    chosen = rng.choice(len(inside), MOST, replace=False) if len(inside) > MOST else np.arange(len(inside))
    inside, whose = inside[chosen], np.unique(whose[chosen], return_inverse=True)[1]
    outside = rng.choice(outside, MOST, replace=False) if len(outside) > MOST else outside
    scores, positive = -np.concatenate([inside, outside]), np.arange(len(inside) + len(outside)) < len(inside)
    once = np.ones((1, len(scores)))
    drawn = list(_draws(whose, len(outside), rng, resamples))
    smaller = min(int(whose.max()) + 1, len(outside))
    auc = [areas(scores, positive, weights).roc for weights in (once, *drawn)]
    found = _interval(auc, smaller)
    if len(outside) < FEWEST:
        return Attack(len(inside), len(outside), found, None)
    tpr = [found_at(scores, positive, weights) for weights in (once, *drawn)]
    return Attack(len(inside), len(outside), found, _interval(tpr, smaller))


def found_at(scores: Array, positive: Array, weights: Array, share: float = FPR) -> Array:
    """The share [r] of positive rows above the lowest threshold that at most ``share`` of the others pass.

    ``scores`` and ``positive`` (bool) are [n], ``weights`` [r, n]; equal scores pass together.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = (weights * positive)[:, order].cumsum(axis=1)[:, ends]
    alarms = (weights * ~positive)[:, order].cumsum(axis=1)[:, ends]
    within = np.where(alarms <= share * alarms[:, -1:] + 1e-9, found, 0.0)
    return ratio(within.max(axis=1), found[:, -1])


def most_found(epsilon: float, delta: float, share: float = FPR) -> float:
    """The share of members that no attack can pass at a rate ``share`` of false alarms, under (ε, δ).

    Kairouz, Oh & Viswanath (2015), "The Composition Theorem for Differential Privacy".

    >>> f"{most_found(1.0, 1e-5):.3f} {most_found(8.0, 1e-5):.3f}"
    '0.027 1.000'
    """
    above = share * exp(min(epsilon, 700.0)) + delta
    return float(min(1.0, above, 1 - exp(-epsilon) * (1 - delta - share)))


def _draws(whose: Array, others: int, rng: np.random.Generator, resamples: int) -> Iterator[Array]:
    """Weights of resamples, both kinds drawn apart, members by whose they are."""
    units = int(whose.max()) + 1
    for start in range(0, resamples, _AT_ONCE):
        count = min(_AT_ONCE, resamples - start)
        inside = rng.multinomial(units, np.full(units, 1 / units), count)[:, whose]
        outside = rng.multinomial(others, np.full(others, 1 / others), count)
        yield np.concatenate([inside, outside], axis=1).astype(np.float64)


def _interval(values: list[Array], units: int) -> Interval:
    value, drawn = float(values[0][0]), np.concatenate(values[1:])
    low, high = percentiles(drawn, units)
    if high - low < 1e-9:
        return Interval(value, *wilson(value, units), "wilson")
    return Interval(value, max(0.0, min(low, value)), min(1.0, max(high, value)))
