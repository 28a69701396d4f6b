"""Is one model better than another? Paired bootstrap and approximate randomisation on the same rows.

Sources: Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation" (paired bootstrap);
Noreen (1989), "Computer-Intensive Methods for Testing Hypotheses", and Yeh (2000), "More Accurate Tests for
the Statistical Significance of Result Differences" (approximate randomisation, for figures such as F1 that
are no means over rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tunewheel.evaluation.intervals import LEVEL, Array, EvaluationError, Sample, Z, distribution, percentiles
from tunewheel.evaluation.report import Report

if TYPE_CHECKING:
    from tunewheel.tasks import Scores

Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True)
class Difference:
    """One metric, after minus before: 95 % paired-bootstrap interval and p-value of the permutation test."""

    before: float
    after: float
    value: float
    low: float
    high: float
    p: float

    @property
    def standard_error(self) -> float:
        """The interval's half width as that of a normal distribution."""
        return (self.high - self.low) / (2 * Z)

    @property
    def verdict(self) -> Verdict:
        """``better`` or ``worse`` only when interval and test agree that the difference is real.

        ``undecided`` is no acquittal: it says that these rows do not show a difference, not that there is
        none.
        """
        if self.low <= 0 <= self.high or self.p >= 1 - LEVEL:
            return "undecided"
        return "better" if self.low > 0 else "worse"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two reports on the same rows and, for each headline metric, their `Difference`."""

    before: Report
    after: Report
    differences: dict[str, Difference]
    resamples: int
    seed: int

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Verdict of each headline metric."""
        return {name: difference.verdict for name, difference in self.differences.items()}

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "before": self.before.model,
            "after": self.after.model,
            "dataset": self.after.dataset,
            "rows": self.after.rows,
            "differences": {n: asdict(d) | {"verdict": d.verdict} for n, d in self.differences.items()},
            "resamples": self.resamples,
            "seed": self.seed,
        }

    def __str__(self) -> str:
        from tunewheel.evaluation.terminal import comparison_view, plain

        return plain(comparison_view(self))


def compare(
    before: Report, after: Report, *, metrics: Sequence[str] = (), resamples: int = 1000, seed: int = 13
) -> Comparison:
    """Compare two reports on the same rows, in whatever order these were scored.

    Both models are seen on each resample, so that rows hard for both cancel out. The permutation test swaps
    the two models' scores of a row (of a document, when rows carry one) on the toss of a coin: were the
    models alike, the difference seen would be an ordinary one among these (two-sided; (1 + as large) / (1 +
    permutations)). The task's headline metrics are compared, and ``metrics`` where the answers give them.

    Raises:
        EvaluationError: rows, labels or gold answers differ.
    """
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1, got {resamples}")
    task = after.task
    ours, theirs = before.scores, _aligned(before, after)
    joint = {f"{side}.{key}": array for side, s in (("0", ours), ("1", theirs)) for key, array in s.items()}
    sample = Sample.of(joint, before.documents)
    first = {key: sample.scores[f"0.{key}"] for key in ours}
    second = {key: sample.scores[f"1.{key}"] for key in ours}
    both = {key: np.concatenate([first[key], second[key]]) for key in ours}

    def draws(scores: Scores, weights: Callable[[np.random.Generator], Iterator[Array]]) -> dict[str, Array]:
        # The same seed again: both models see the same draws, and none has to be kept.
        return distribution(task, scores, weights(np.random.default_rng(seed)))

    def resampled(rng: np.random.Generator) -> Iterator[Array]:
        return sample.bootstrap(rng, resamples)

    def mixed(rng: np.random.Generator) -> Iterator[Array]:
        return (np.concatenate([sample.weights - k, k]) for k in sample.swaps(rng, resamples))

    def mirrored(rng: np.random.Generator) -> Iterator[Array]:
        return (np.concatenate([k, sample.weights - k]) for k in sample.swaps(rng, resamples))

    boot = draws(first, resampled), draws(second, resampled)
    swapped = draws(both, mixed), draws(both, mirrored)
    values = task.metrics(ours), task.metrics(theirs)
    differences = {
        name: _difference(
            values[0][name],
            values[1][name],
            boot[1][name] - boot[0][name],
            swapped[1][name] - swapped[0][name],
            sample.units,
        )
        for name in dict.fromkeys((*task.headline, *metrics))
        if all(name in one for one in values)
    }
    return Comparison(before, after, differences, resamples, seed)


def _difference(before: float, after: float, resampled: Array, permuted: Array, units: int) -> Difference:
    value = after - before
    low, high = percentiles(resampled, units)
    # Sums in another order differ by a few bits: such a permutation is as large, not smaller.
    as_large = int((np.abs(permuted) >= abs(value) - 1e-12).sum())
    p = (1 + as_large) / (1 + len(permuted))
    return Difference(before, after, value, min(low, value), max(high, value), p)


def _aligned(before: Report, after: Report) -> Scores:
    """The scores of ``after`` in the row order of ``before``, once both are known to be comparable."""
    _same_task(before, after)
    ours, theirs = before.ids, after.ids
    order = np.arange(len(theirs))
    if len(ours) != len(theirs) or (ours != theirs).any():
        _same_rows(ours, theirs)
        order[np.argsort(ours, kind="stable")] = np.argsort(theirs, kind="stable")
    scores = {key: array[order] for key, array in after.scores.items()}
    gold = before.scores.get("gold")
    if gold is not None and not np.array_equal(gold, scores["gold"]):
        rows = (gold != scores["gold"]).reshape(len(gold), -1).any(axis=1)
        raise EvaluationError(
            f"{int(rows.sum())} rows have another gold answer in {after.model} than in {before.model} "
            f"(the first is {str(ours[rows.argmax()])!r}); score both on the same revision of the dataset"
        )
    return scores


def _same_task(before: Report, after: Report) -> None:
    if before.task.name != after.task.name or before.scores.keys() != after.scores.keys():
        raise EvaluationError(f"cannot compare {before.task.name} with {after.task.name}: they are different tasks")
    if before.task.labels != after.task.labels:
        other = sorted(set(before.task.labels) ^ set(after.task.labels))
        what = f"these stand in one only: {', '.join(other[:5])}" if other else "they are in another order"
        raise EvaluationError(
            f"{before.model} and {after.model} were scored with different labels ({what}); "
            "score both with the same task: evaluate(model, rows, task=…)"
        )


def _same_rows(ours: Array, theirs: Array) -> None:
    lacking, extra = np.setdiff1d(ours, theirs), np.setdiff1d(theirs, ours)
    if len(lacking) or len(extra):
        example = str(lacking[0] if len(lacking) else extra[0])
        raise EvaluationError(
            f"the reports are on different rows: {len(lacking)} stand in the first only, {len(extra)} in the "
            f"second only (for example {example!r}); evaluate both models on the same rows"
        )
    if len(ours) != len(theirs) or len(np.unique(ours)) != len(ours):
        raise EvaluationError("the reports hold rows with the same id in another order; give every row its own id")
