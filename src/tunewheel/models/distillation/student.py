"""Students: small networks that learn from a teacher's answers through the one engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy.typing as npt

from tunewheel.models.backbones import Backbone
from tunewheel.models.distillation.loss import Blend
from tunewheel.models.distillation.pieces import reader_of
from tunewheel.models.distillation.thin import thinned
from tunewheel.models.encoding import TextEncoder
from tunewheel.models.methods.base import Job, MethodError
from tunewheel.models.methods.engine import Full, Ready
from tunewheel.models.model import Model
from tunewheel.models.network import Network
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import IGNORED, Head, Level, Row, Task, Window

STUDENTS = ("pieces", "bilstm", "textcnn", "thin")
"""What a student may be beside any base: one starts from the teacher's table, two from nothing, one from its layers.

The first is what it is unless told otherwise: of the teacher's score on CoNLL-2003 it has 93.6 % where a BiLSTM over
characters has 82.6 %, and on 432 Chinese messages 94.9 and 84.9 %.
"""

EPOCHS = 30
"""Passes of a student from nothing, unless told otherwise: beside labels it has a teacher's every doubt to learn."""


@dataclass(frozen=True, eq=False)
class Student(Full):
    """Any base that learns from a teacher: its ``answers`` on the labelled rows, then on ``text``, one a row."""

    name: ClassVar[str] = "distill"
    summary: ClassVar[str] = "every weight of a small base learns from a teacher's answers"

    text: Sequence[Row]
    answers: Sequence[npt.NDArray[Any]]
    blend: Blend

    def ready(self, job: Job) -> Ready:
        """Put a fresh head on the base, its tokenizer made of the labelled and the unlabelled text."""
        if job.recipe.head_first:
            raise MethodError("head_first: a student's head learns from soft answers; leave it off")
        return super().ready(replace(job, train=[*job.train, *self.text]))

    def resolved(self, recipe: Recipe, backbone: Backbone, tokens: int, level: Level) -> Recipe:
        """What starts from nothing gets more epochs."""
        usual = super().resolved(recipe, backbone, tokens, level)
        if backbone.pretrained or recipe.epochs is not None:
            return usual
        return replace(usual, epochs=max(EPOCHS, usual.epochs or 0))

    def changed(self, network: Network) -> Network:
        """The network with its loss."""
        network.blend = self.blend
        return network

    def windows(self, model: Model, train: Sequence[Row]) -> list[Window]:
        """The labelled rows with labels and answers, all other text with answers alone."""
        task, encoder = model.task, model.encoder
        told = [task.learns(row) for row in train]
        gold = [i for i, learns in enumerate(told) if learns]
        rest = [i for i, learns in enumerate(told) if not learns]
        rest += range(len(train), len(train) + len(self.text))
        rows = [*train, *self.text]
        return [
            *_taught(task, encoder, [rows[i] for i in gold], [self.answers[i] for i in gold], labelled=True),
            *_taught(task, encoder, [rows[i] for i in rest], [self.answers[i] for i in rest], labelled=False),
        ]


@dataclass(frozen=True, eq=False)
class Reader(Student):
    """A BiLSTM over the teacher's pieces; their table does not learn, so that rare ones still stand by their like."""

    teacher: Model

    def backbone(self, job: Job) -> Backbone:
        """The BiLSTM, and the teacher's tokenizer."""
        model = reader_of(self.teacher)
        return Backbone(job.base, model, self.teacher.encoder.tokenizer, pretrained=False, source=job.base)

    def changed(self, network: Network) -> Network:
        """Let all learn but the table."""
        network.get_input_embeddings().requires_grad_(False)
        return super().changed(network)

    def finished(self, network: Network) -> Network:
        """All of it may learn again, if anyone goes on from it."""
        network.requires_grad_(True)
        return super().finished(network)


@dataclass(frozen=True, eq=False)
class Thin(Student):
    """Some ``layers`` of the teacher (half of them by default), with its head, learn to say what all said."""

    teacher: Model
    layers: int | None = None

    def backbone(self, job: Job) -> Backbone:
        """The teacher's transformer with fewer layers, and its tokenizer."""
        model = thinned(self.teacher.network.backbone, self.layers).cpu()
        return Backbone(job.base, model, self.teacher.encoder.tokenizer, pretrained=True, source=job.base)

    def changed(self, network: Network) -> Network:
        """Whatever stands on the teacher's transformer is taken over too."""
        mine = network.state_dict()
        above = {k: v for k, v in self.teacher.network.state_dict().items() if not k.startswith("backbone.")}
        fitting = {k: v.cpu() for k, v in above.items() if k in mine and mine[k].shape == v.shape}
        network.load_state_dict(fitting, strict=False)
        return super().changed(network)


def _taught(
    task: Task,
    encoder: TextEncoder,
    rows: Sequence[Row],
    answers: Sequence[npt.NDArray[Any]],
    *,
    labelled: bool,
) -> list[Window]:
    windows = task.encode(rows, encoder, labelled=labelled)
    targets = task.soft_targets(rows, encoder, windows, answers)
    for window, target in zip(windows, targets, strict=True):
        window.soft = target
        if not labelled:
            window.labels = _no_labels(task.head(), window)
    return windows


def _no_labels(head: Head, window: Window) -> int | list[int] | list[float]:
    if head.level == "token":
        return [IGNORED] * len(window.ids)
    return [float(IGNORED)] * head.outputs if head.loss == "binary" else IGNORED
