"""How much worse a model answers rows that were changed in ways that leave their labels as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tunewheel.evaluation.comparison import Difference, Verdict, compare
from tunewheel.evaluation.intervals import Array, Interval
from tunewheel.evaluation.perturbations import Perturbation, chosen, perturb
from tunewheel.evaluation.scoring import Predicts, scored

if TYPE_CHECKING:
    from tunewheel.tasks import Prediction, Row, Task

RESAMPLES = 500
"""Of each perturbation's intervals and tests at most: there are several."""


@dataclass(frozen=True)
class Robustness:
    """A model's headline figures on the rows that one perturbation changed, beside those rows as they were.

    ``rows`` are the rows that were changed at all; the others are not looked at. ``metrics`` and ``differences``
    (changed minus unchanged) are empty where none was. ``example`` is a text before and after.
    """

    name: str
    variant: str
    rate: float
    rows: int
    metrics: dict[str, Interval]
    differences: dict[str, Difference]
    example: tuple[str, str] | None

    @property
    def verdict(self) -> Verdict | None:
        """Of the first headline figure; None where no row was changed."""
        return next((difference.verdict for difference in self.differences.values()), None)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        told = {name: asdict(d) | {"verdict": d.verdict} for name, d in self.differences.items()}
        return asdict(self) | {"differences": told, "example": self.example and list(self.example)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The result that `as_dict` gave."""
        same = {key: stored[key] for key in ("name", "variant", "rate", "rows")}
        told = {
            name: Difference(**{key: value for key, value in found.items() if key != "verdict"})
            for name, found in stored["differences"].items()
        }
        metrics = {name: Interval(**found) for name, found in stored["metrics"].items()}
        example = stored["example"] and (stored["example"][0], stored["example"][1])
        return cls(metrics=metrics, differences=told, example=example, **same)


@dataclass(frozen=True)
class Trial:
    """A perturbation and what it made of the rows."""

    perturbation: Perturbation
    rows: list[Row]


def trials(
    names: Iterable[str], task: Task, rows: Sequence[Row], *, donors: Iterable[Row] | None = None, seed: int = 13
) -> list[Trial]:
    """Carry out the perturbations of these names; raises `EvaluationError` before anything is predicted."""
    return [Trial(each, perturb(rows, each, seed=seed, donors=donors)) for each in chosen(names, task)]


def measure(
    trial: Trial,
    model: Predicts,
    task: Task,
    rows: Sequence[Row],
    predictions: Sequence[Prediction],
    *,
    resamples: int = RESAMPLES,
    seed: int = 13,
) -> Robustness:
    """Let ``model`` answer a trial's rows and compare with its ``predictions`` of ``rows``, row by row."""
    changed = np.array([after["text"] != before["text"] for before, after in zip(rows, trial.rows, strict=True)])
    each = trial.perturbation
    if not changed.any():
        return Robustness(each.name, each.variant, each.rate, 0, {}, {}, None)
    answers = _answers(trial, model, changed)
    options: dict[str, Any] = {"resamples": resamples, "seed": seed}
    before = scored(task, _only(rows, changed), _only(predictions, changed), "as they were", **options)
    after = scored(task, _only(trial.rows, changed), answers, "changed", **options)
    first = int(changed.argmax())
    return Robustness(
        each.name,
        each.variant,
        each.rate,
        int(changed.sum()),
        {name: after.metrics[name] for name in task.headline},
        compare(before, after, **options).differences,
        (rows[first]["text"], trial.rows[first]["text"]),
    )


def _answers(trial: Trial, model: Predicts, changed: Array) -> list[Prediction]:
    """Predictions for the changed rows; all rows are read where the model reads a row with its neighbours."""
    if any(model.task.joins(row, following) for row, following in pairwise(trial.rows)):
        return _only(model.predict(trial.rows), changed)
    return model.predict(_only(trial.rows, changed))


def _only(values: Sequence[Any], mask: Array) -> list[Any]:
    return [value for value, kept in zip(values, mask, strict=True) if kept]
