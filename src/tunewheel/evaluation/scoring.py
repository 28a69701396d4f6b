"""Scoring a model, or anyone's predictions, on labelled rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from tunewheel.evaluation.figures import Draws, calibration, figures
from tunewheel.evaluation.intervals import Array, EvaluationError, Interval, intervals, number_documents
from tunewheel.evaluation.report import Report, find_mistakes

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
    resamples: int = 1000,
    seed: int = 13,
    facts: Mapping[str, str] | None = None,
) -> Report:
    """Let ``model`` predict ``rows`` and score it.

    ``task`` scores in another task than the model's own: give the one with more labels when two models that
    know different labels are to be compared. For the rest see `score_predictions`.
    """
    listed = list(rows)
    start = perf_counter()
    predictions = model.predict(listed)
    seconds = perf_counter() - start
    return score_predictions(
        task or model.task,
        listed,
        predictions,
        name=name,
        dataset=dataset,
        seen=seen,
        resamples=resamples,
        seed=seed,
        seconds=seconds,
        facts={**model.task.facts(), **(facts or {})},
    )


def score_predictions(
    task: Task,
    rows: Iterable[Row],
    predictions: Sequence[Prediction],
    *,
    name: str = "predictions",
    dataset: str | None = None,
    seen: npt.ArrayLike | None = None,
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
        resamples: bootstrap resamples.
        seed: of the resampling; the same seed gives the same intervals.
        seconds: how long predicting took.
        facts: what else the report should state, such as library versions.

    Raises:
        EvaluationError: no rows, or counts that differ.
    """
    listed = list(rows)
    if not listed:
        raise EvaluationError("there are no rows to score")
    if len(predictions) != len(listed):
        raise EvaluationError(f"{len(predictions)} predictions for {len(listed)} rows; one each is needed")
    if resamples < 1:
        raise EvaluationError(f"resamples must be at least 1, got {resamples}")
    scores = task.score(listed, predictions)
    documents = number_documents(listed)
    mask = _mask(seen, len(listed))
    ids = [str(row.get("id", place)) for place, row in enumerate(listed)]
    wrong = find_mistakes(listed, predictions, ids)

    draws = Draws(len(listed), documents, seed, resamples)

    def measured(part: Array) -> dict[str, Interval]:
        inside = None if documents is None else documents[part]
        chosen = {key: array[part] for key, array in scores.items()}
        return intervals(task, chosen, inside, resamples=resamples, seed=seed)

    return Report(
        task=task,
        model=name,
        dataset=dataset,
        rows=len(listed),
        metrics=measured(np.ones(len(listed), dtype=bool)),
        table=task.table(scores),
        confusion=task.confusion(scores),
        clean=measured(~mask) if mask is not None and mask.any() and not mask.all() else None,
        seen_rows=None if mask is None else int(mask.sum()),
        worst=wrong[:WORST],
        mistakes=len(wrong),
        seconds=seconds,
        scores=scores,
        ids=np.array(ids),
        documents=documents,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        resamples=resamples,
        seed=seed,
        facts=dict(facts or {}),
        figures=figures(task, listed, predictions, draws),
        calibration=calibration(task, listed, predictions, draws),
    )


def _mask(seen: npt.ArrayLike | None, rows: int) -> Array | None:
    if seen is None:
        return None
    mask = np.asarray(seen, dtype=bool)
    if mask.shape != (rows,):
        raise EvaluationError(f"`seen` has shape {mask.shape}, but there are {rows} rows")
    return mask
