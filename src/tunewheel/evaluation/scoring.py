"""Scoring a model, or anyone's predictions, on labelled rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tunewheel.evaluation.figures import Draws, calibration, figures
from tunewheel.evaluation.intervals import Array, EvaluationError, Interval, intervals, number_documents
from tunewheel.evaluation.report import Report, find_mistakes
from tunewheel.evaluation.slices import RESAMPLES, find_slices

if TYPE_CHECKING:
    from tunewheel.tasks import Prediction, Row, Task

WORST = 50


class Predicts(Protocol):
    """What `evaluate` needs of a model."""

    @property
    def task(self) -> Task:
        """The task whose predictions it makes."""

    def predict(self, rows: Any, /) -> list[Prediction]:
        """One prediction a row, in order."""


def evaluate(
    model: Predicts,
    rows: Iterable[Row],
    *,
    name: str = "model",
    dataset: str | None = None,
    task: Task | None = None,
    seen: npt.ArrayLike | None = None,
    near: npt.ArrayLike | None = None,
    slices: Sequence[str] | None = None,
    robustness: Iterable[str] = (),
    donors: Iterable[Row] | None = None,
    resamples: int = 1000,
    seed: int = 13,
    facts: Mapping[str, str] | None = None,
) -> Report:
    """Let ``model`` predict ``rows`` and score it.

    ``task`` scores in another task than the model's own: give the one with more labels when two models that
    know different labels are to be compared. ``robustness`` names perturbations (``all``: every one that the task
    takes) under which the rows are predicted once more; ``donors`` are rows, best those of train, whose entities
    stand in for others. For the rest see `score_predictions`.
    """
    from tunewheel.evaluation.robustness import RESAMPLES as DRAWS
    from tunewheel.evaluation.robustness import measure, trials

    listed, scoring = list(rows), task or model.task
    tried = trials(robustness, scoring, listed, donors=donors, seed=seed)
    start = perf_counter()
    predictions = model.predict(listed)
    seconds = perf_counter() - start
    report = score_predictions(
        scoring,
        listed,
        predictions,
        name=name,
        dataset=dataset,
        seen=seen,
        near=near,
        slices=slices,
        resamples=resamples,
        seed=seed,
        seconds=seconds,
        facts={**model.task.facts(), **(facts or {})},
    )
    draws = min(resamples, DRAWS)
    measured = [measure(each, model, scoring, listed, predictions, resamples=draws, seed=seed) for each in tried]
    return replace(report, robustness=measured)


def score_predictions(
    task: Task,
    rows: Iterable[Row],
    predictions: Sequence[Prediction],
    *,
    name: str = "predictions",
    dataset: str | None = None,
    seen: npt.ArrayLike | None = None,
    near: npt.ArrayLike | None = None,
    slices: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 13,
    seconds: float | None = None,
    facts: Mapping[str, str] | None = None,
) -> Report:
    """Score ``predictions``, one a row, in order.

    Args:
        task: how rows and predictions compare.
        rows: canonical rows with their gold labels; where they carry ``document``, documents are resampled.
        predictions: what ``Task.decode`` yields.
        name: what the report calls the model.
        dataset: fingerprint of the dataset.
        seen: bool [n], rows whose text stands in train too; the report then also scores the others alone.
        near: bool [n], rows whose text stands there but for case, punctuation or width: these count as seen too.
        slices: columns whose values are scored apart, beside length and language; by default those with few values.
        resamples: bootstrap resamples.
        seed: of the resampling; the same seed gives the same intervals.
        seconds: how long predicting took.
        facts: what else the report should state, such as library versions.

    Raises:
        EvaluationError: no rows, counts that differ, or a column that makes no slices.
    """
    listed = list(rows)
    report = scored(
        task, listed, predictions, name, dataset=dataset, seen=seen, near=near, resamples=resamples, seed=seed
    )
    parts = find_slices(
        task,
        listed,
        report.scores,
        report.documents,
        columns=slices,
        resamples=min(resamples, RESAMPLES),
        seed=seed,
    )
    draws = Draws(report.rows, report.documents, seed, resamples)
    return replace(
        report,
        slices=parts,
        figures=figures(task, listed, predictions, draws),
        calibration=calibration(task, listed, predictions, draws),
        seconds=seconds,
        facts=dict(facts or {}),
    )


def scored(
    task: Task,
    rows: Sequence[Row],
    predictions: Sequence[Prediction],
    name: str,
    *,
    dataset: str | None = None,
    seen: npt.ArrayLike | None = None,
    near: npt.ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 13,
) -> Report:
    """The report without its slices; see `score_predictions`."""
    if not rows:
        raise EvaluationError("there are no rows to score")
    if len(predictions) != len(rows):
        raise EvaluationError(f"{len(predictions)} predictions for {len(rows)} rows; one each is needed")
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1, got {resamples}")
    scores = task.score(rows, predictions)
    documents = number_documents(rows)
    exact, alike = _mask("seen", seen, len(rows)), _mask("near", near, len(rows))
    mask = exact if alike is None else alike if exact is None else exact | alike
    ids = [str(row.get("id", place)) for place, row in enumerate(rows)]
    wrong = find_mistakes(task, rows, predictions, ids)

    def measured(part: Array) -> dict[str, Interval]:
        inside = None if documents is None else documents[part]
        chosen = {key: array[part] for key, array in scores.items()}
        return intervals(task, chosen, inside, resamples=resamples, seed=seed)

    return Report(
        task=task,
        model=name,
        dataset=dataset,
        rows=len(rows),
        metrics=measured(np.ones(len(rows), dtype=bool)),
        table=task.table(scores),
        confusion=task.confusion(scores),
        clean=measured(~mask) if mask is not None and mask.any() and not mask.all() else None,
        seen_rows=None if mask is None else int(mask.sum()),
        near_rows=0 if mask is None else int(mask.sum()) - (0 if exact is None else int(exact.sum())),
        worst=wrong[:WORST],
        mistakes=len(wrong),
        seconds=None,
        scores=scores,
        ids=np.array(ids),
        documents=documents,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        resamples=resamples,
        seed=seed,
    )


def _mask(name: str, given: npt.ArrayLike | None, rows: int) -> Array | None:
    if given is None:
        return None
    mask = np.asarray(given, dtype=bool)
    if mask.shape != (rows,):
        raise EvaluationError(f"`{name}` has shape {mask.shape}, but there are {rows} rows")
    return mask
