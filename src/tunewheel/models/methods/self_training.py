"""Texts without labels beside few with: a teacher labels what it is sure of, and a student learns from both."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunewheel.models.methods.base import Adaptation, Job, Method, Refusal, one_text
from tunewheel.models.methods.engine import Full, Ready
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Prediction, Row, Task

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained


@dataclass(frozen=True)
class SelfTraining(Method):
    """Self-training (Yarowsky 1995): a model by `Full` labels the unlabelled texts, and a fresh one learns from both.

    A text is taken by its label where the teacher's ``confidence`` (calibrated, if dev allows) is at least that, the
    surest first and at most ``share`` for each labelled row of the label, so that no label crowds out another. The
    student is the teacher of the next of ``iterations``; of all models the one that scores best on dev is kept, without
    dev the last.
    """

    confidence: Annotated[float, Field(ge=0, le=1)] = 0.9
    share: Annotated[float, Field(gt=0)] = 10.0
    iterations: Annotated[int, Field(ge=1)] = 1

    name: ClassVar[str] = "self-training"
    summary: ClassVar[str] = "a model labels the unlabelled texts that it is sure of, and a fresh one learns from both"
    unlabelled: ClassVar[Literal["unused", "used", "needed"]] = "needed"

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """How sure a model is of a whole text is what it goes by."""
        return None if one_text(task) else Refusal("it goes by how sure a model is of a single text's answer", "full")

    def prepare(self, job: Job) -> Adaptation:
        """Make the first teacher ready."""
        teacher = Full().ready(job)
        # Students have more rows, for which the rest is resolved anew; what was measured is not measured again.
        return Generations(self, job, teacher, replace(job.recipe, precision=teacher.recipe.precision))


@dataclass(frozen=True)
class Generations(Adaptation):
    """A teacher made ready, and the job for its students."""

    method: SelfTraining
    job: Job
    teacher: Ready
    recipe: Recipe

    @property
    def untrained(self) -> Model:
        """The base with its fresh head."""
        return self.teacher.untrained

    def described(self) -> str:
        """The teacher, and what is left to it."""
        texts = f"{len(self.job.unlabelled):,} texts without labels"
        return f"{self.teacher.described()}; self-training: the teacher of {self.method.iterations} more on {texts}"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained | None]:
        """Train teacher and students; each stays in ``folder`` once it is whole, where a killed run finds it."""
        watched: dict[str, Any] = {"progress": progress, "report_to": report_to}
        models: list[Model] = []
        runs: list[Trained] = []
        taken: list[list[Row]] = []
        ready, rows = self.teacher, train
        for i in range(self.method.iterations + 1):
            if i:
                taken.append(self.taken(models[-1], train))
                if not taken[-1]:
                    break
                rows = [*train, *taken[-1]]
                ready = Full().ready(replace(self.job, train=rows, recipe=self.recipe))
            kept = folder / f"generation-{i}"
            if not kept.exists():
                model, trained = ready.train(rows, dev, folder / f"run-{i}", **watched)
                runs.append(trained)
                _keep(model, kept)
            models.append(Model.load(kept))
        scores = [model.origin.dev.get(self.job.task.selection, 0.0) for model in models]
        best = scores.index(max(scores)) if dev else len(models) - 1
        told = {"pseudo_labelled": [len(each) for each in taken], "generation": best}
        origin = replace(models[best].origin, settings={**models[best].origin.settings, **told})
        return Model(models[best].body, models[best].task, origin), _together(runs, origin.dev)

    def taken(self, teacher: Model, train: Sequence[Row]) -> list[Row]:
        """The unlabelled rows that ``teacher`` is sure of, with its labels, the surest of each label."""
        task, rows = teacher.task, self.job.unlabelled
        sure: dict[Any, list[tuple[float, int, Any]]] = {}
        for i, prediction in enumerate(teacher.stream(rows)):
            answer, confidence = task.answer(prediction), sureness(prediction)
            if confidence >= self.method.confidence:
                sure.setdefault(_hashable(answer), []).append((-confidence, i, answer))
        labelled = [_hashable(task.truth(row)) for row in train if task.learns(row)]
        most = {key: max(1, int(self.method.share * labelled.count(key))) for key in sure}
        chosen = sorted((i, answer) for key, found in sure.items() for _, i, answer in sorted(found)[: most[key]])
        column = next(target for target in task.targets() if target in train[0])
        return [{"text": rows[i]["text"], column: answer} for i, answer in chosen if task.learns({column: answer})]


def sureness(prediction: Prediction) -> float:
    """How sure a prediction is as a whole: its confidence, or of several labels that of the least sure decision."""
    if "confidence" in prediction:
        return float(prediction["confidence"])
    given = prediction["labels"]
    return float(min(p if label in given else 1 - p for label, p in prediction["probabilities"].items()))


def _hashable(answer: Any) -> Any:
    return tuple(sorted(answer)) if isinstance(answer, list) else answer


def _keep(model: Model, folder: Path) -> None:
    """Save a model whole or not at all."""
    beside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    model.save(beside).rename(folder)


def _together(runs: Sequence[Trained], dev: Mapping[str, float]) -> Trained | None:
    """Several runs as one; None where all had been made before."""
    if not runs:
        return None
    seconds, tokens, updates = (sum(getattr(run, name) for run in runs) for name in ("seconds", "tokens", "updates"))
    return replace(runs[0], seconds=seconds, tokens=tokens, updates=updates, dev=dict(dev))
