"""What a ranking is worth: MRR, nDCG, recall and MAP, with intervals over the queries.

Sources: Voorhees (1999), "The TREC-8 Question Answering Track Report" (MRR); Järvelin & Kekäläinen (2002), "Cumulated
Gain-Based Evaluation of IR Techniques" (nDCG, gains as they are and log2 discounts, as scikit-learn has it); Manning,
Raghavan & Schütze (2008), "Introduction to Information Retrieval", § 8.4 (MAP).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tunewheel.evaluation.intervals import EQUAL, Array, EvaluationError, Interval, percentiles, wilson

Gold = Collection[str] | Mapping[str, float]
"""The ids that answer a query; as a mapping, with how well each does (above 0)."""


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Figures of a ranking over queries: ``metrics`` with 95 % intervals, ``scores`` a number a query each.

    ``units`` [queries] numbers what was resampled: queries, or groups of queries that stand or fall together.
    """

    metrics: dict[str, Interval]
    scores: dict[str, Array]
    units: Array

    def __str__(self) -> str:
        told = "   ".join(f"{name} {interval}" for name, interval in self.metrics.items())
        return f"{told}   ({len(self.units):,} queries)"

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {"queries": len(self.units), "metrics": {name: asdict(one) for name, one in self.metrics.items()}}

    def gain(self, before: Retrieval, metric: str, *, resamples: int = 1000, seed: int = 13) -> Interval:
        """How much this ranking gains on another one of the same queries, in [-1, 1], with its paired interval."""
        if len(before.units) != len(self.units) or (before.units != self.units).any():
            raise EvaluationError("two rankings compare on the same queries, in the same order and groups")
        return _interval(self.scores[metric] - before.scores[metric], self.units, resamples, seed, -1.0)


def measure(
    ranked: Sequence[Sequence[str]],
    gold: Sequence[Gold],
    *,
    groups: Sequence[Any] | None = None,
    cuts: Sequence[int] = (1, 10),
    resamples: int = 1000,
    seed: int = 13,
) -> Retrieval:
    """Score the ranked ids of every query against its ``gold``: ``mrr``, ``map``, and ``recall@k``, ``ndcg@k`` a cut.

    Queries are resampled for the intervals, or whole ``groups`` of them [queries] where queries of one group are alike
    (rewordings of one question). Raises `EvaluationError` for a query without gold, for counts that differ and for an
    id that is ranked twice.

    >>> print(measure([["a", "b"], ["b", "a"]], [{"a"}, {"a"}]).metrics["mrr"].value)
    0.75
    """
    if len(ranked) != len(gold) or not gold:
        raise EvaluationError(f"{len(ranked)} rankings for {len(gold)} queries; give one a query, and at least one")
    each = [_scored(i, ids, right, cuts) for i, (ids, right) in enumerate(zip(ranked, gold, strict=True))]
    scores = {name: np.array([one[name] for one in each]) for name in each[0]}
    units = np.unique(np.array(groups if groups is not None else range(len(gold))), return_inverse=True)[1]
    if len(units) != len(gold):
        raise EvaluationError(f"{len(units)} groups for {len(gold)} queries; give one a query")
    metrics = {name: _interval(values, units, resamples, seed) for name, values in scores.items()}
    return Retrieval(metrics, scores, units)


def _scored(query: int, ids: Sequence[str], gold: Gold, cuts: Sequence[int]) -> dict[str, float]:
    gains = {id: float(gold[id]) if isinstance(gold, Mapping) else 1.0 for id in gold}
    if not gains or min(gains.values()) <= 0:
        raise EvaluationError(f"query {query}: expected gold ids, each with a gain above 0, found {gains or 'none'}")
    if len(set(ids)) != len(ids):
        raise EvaluationError(f"query {query}: an id is ranked twice")
    found = np.array([gains.get(id, 0.0) for id in ids])
    ideal = np.sort(np.array(list(gains.values())))[::-1]
    ranks = np.flatnonzero(found > 0) + 1
    precisions = np.arange(1, len(ranks) + 1) / ranks
    figures = {"mrr": float(1 / ranks[0]) if len(ranks) else 0.0, "map": float(precisions.sum() / len(gains))}
    for cut in cuts:
        figures[f"recall@{cut}"] = float((ranks <= cut).sum() / len(gains))
        figures[f"ndcg@{cut}"] = _discounted(found[:cut]) / _discounted(ideal[:cut])
    return figures


def _discounted(gains: Array) -> float:
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def _interval(values: Array, units: Array, resamples: int, seed: int, lowest: float = 0.0) -> Interval:
    """The mean of ``values`` [queries], from ``lowest`` to 1, with its percentile interval, whole units drawn."""
    sums, sizes = np.bincount(units, values), np.bincount(units)
    count, value = len(sizes), float(values.mean())
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    means = (draws @ sums) / (draws @ sizes)
    if means.max() - means.min() < EQUAL:
        # All queries alike: the bootstrap would claim certainty, Wilson's interval of all or nothing does not.
        reach = 1 - wilson(1.0, count)[0]
        return Interval(value, max(lowest, value - reach), min(1.0, value + reach), "wilson")
    low, high = percentiles(means, count)
    return Interval(value, min(low, value), max(high, value))
