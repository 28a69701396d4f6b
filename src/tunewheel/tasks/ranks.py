"""Figures of a ranking by scores, where a row of weight two counts as two rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import ratio

Array = npt.NDArray[Any]


def average_precision(scores: Array, positive: Array, weights: Array) -> float:
    """Σ (recall's step × precision) down the ranking, ties as one step, as scikit-learn has it; 0 without positives."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = (weights * positive)[order].cumsum()[ends]
    above = weights[order].cumsum()[ends]
    return float(ratio(np.diff(hits, prepend=0.0) @ ratio(hits, above), hits[-1]))


def spearman(one: Array, other: Array, weights: Array) -> float:
    """Spearman's rank correlation under weights, ties at their mean rank; 0 where it is negative or not defined."""
    x, y = (_ranks(values, weights) for values in (one, other))
    x, y = (ranks - np.average(ranks, weights=weights) if weights.sum() else ranks for ranks in (x, y))
    spread = np.sqrt((weights @ x**2) * (weights @ y**2))
    return float(np.clip(ratio(weights @ (x * y), spread), 0, 1))


def _ranks(values: Array, weights: Array) -> npt.NDArray[np.float64]:
    """Mean rank of each value where a row of weight two is two rows."""
    _, group = np.unique(values, return_inverse=True)
    held = np.bincount(group, weights)
    return np.asarray((held.cumsum() - held / 2)[group])
