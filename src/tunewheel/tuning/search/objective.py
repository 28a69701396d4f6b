"""What a trial is: train on train under some settings, answer dev, be scored there. No other split is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.methods import method_class
from tunewheel.tuning.search.plan import Plan

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.models import Adaptation, Progress
    from tunewheel.tasks import Prediction, Row, Task

STEPS = 8
"""Parts of a run in which it is compared with others: runs of 2 and of 20 epochs are alike far when a half is done."""


class Pruned(Exception):
    """A run was ended since others were further at this point."""


@dataclass(frozen=True)
class Outcome:
    """What a trial came to: the dev score, the answers it was taken from, seconds of training."""

    value: float
    metrics: dict[str, float]
    answers: list[dict[str, Any]]
    seconds: float


class Watch:
    """Reports a run's dev scores by the share of it that is done, and ends it when `hopeless` says so."""

    def __init__(self, metric: str, hopeless: Callable[[float, int], bool], shown: Progress | None) -> None:
        self.metric, self.hopeless, self.shown = metric, hopeless, shown
        self.total, self.done, self.told = 1, 0, 0

    def start(self, total: int, done: int) -> None:
        """Learn how long the run is."""
        self.total, self.done = max(1, total), done
        if self.shown:
            self.shown.start(total, done)

    def step(self, done: int, loss: float | None, tokens: int, seconds: float) -> None:
        """Learn how far it is."""
        self.done = done
        if self.shown:
            self.shown.step(done, loss, tokens, seconds)

    def evaluated(self, epoch: float, metrics: dict[str, float]) -> None:
        """Report the first score in each part of the run; the end needs none."""
        part = STEPS * self.done // self.total
        # Preferences are scored by metrics of their own on the way: nothing to compare trials by.
        if self.metric not in metrics or not self.told < part < STEPS:
            return
        self.told = part
        if self.hopeless(metrics[self.metric], part):
            self.stop()
            raise Pruned

    def stop(self) -> None:
        """Take the display away."""
        if self.shown:
            self.shown.stop()


def made_ready(
    plan: Plan, dataset: Dataset, base: str, method: str, values: Mapping[str, Any], seed: int | None = None
) -> Adaptation:
    """The base made ready under a trial's values."""
    from tunewheel.models import prepare

    recipe, options, of_task = plan.settled(values, seed)
    task = _task(dataset, base, of_task)
    beside = [{"text": text} for text in plan.unlabelled if method_class(method).unlabelled != "unused"]
    return prepare(task, base, list(dataset["train"]), recipe, method=method, options=options, unlabelled=beside)


def trained(
    plan: Plan,
    dataset: Dataset,
    values: Mapping[str, Any],
    folder: Path,
    *,
    seed: int | None = None,
    hopeless: Callable[[float, int], bool] = lambda value, part: False,
    progress: Progress | None = None,
) -> Outcome:
    """Train under ``values`` and score dev as the model answers it; ``folder`` keeps what a killed run is taken up by.

    Raises `Pruned` when ``hopeless``, asked with a dev score and the part of the run that is done, says yes.
    """
    base, method = values["base"], values["method"]
    started = time.perf_counter()
    ready = made_ready(plan, dataset, base, method, values, seed)
    dev = list(dataset["dev"])
    metric = _task(dataset, base, plan.settled(values)[2]).selection
    watch = Watch(metric, hopeless, progress)
    model, _ = ready.train(list(dataset["train"]), dev, folder, progress=watch)
    predictions = model.predict(dev)
    metrics = model.task.metrics(model.task.score(dev, predictions))
    answers = [_answer(prediction) for prediction in predictions]
    return Outcome(float(metrics[metric]), metrics, answers, time.perf_counter() - started)


def _task(dataset: Dataset, base: str, options: Mapping[str, Any]) -> Task:
    from tunewheel.tasks import task_class

    crf = base in FROM_NOTHING if options.get("crf") is None else options["crf"]
    return task_class(dataset.task).from_dataset(dataset, **{**options, "crf": crf})


def _answer(prediction: Prediction) -> dict[str, Any]:
    """What of a prediction is scored: all but the probabilities of every label."""
    return {key: value for key, value in prediction.items() if key != "probabilities"}


def numbered(rows: list[Row], seed: int) -> list[Row]:
    """The rows as one seed's part of a pool: ids apart, a row's own document the same for every seed."""
    return [
        {**row, "id": f"{row.get('id', at)}/{seed}", "document": row.get("document") or f"row {row.get('id', at)}"}
        for at, row in enumerate(rows)
    ]
