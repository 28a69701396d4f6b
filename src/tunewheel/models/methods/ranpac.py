"""Ridge regression on random features of a frozen base: learned in one reading, and gone on with as if at once.

Source: McDonnell et al. (2023), "RanPAC: Random Projections and Pre-trained Models for Continual Learning", without its
first session of fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tunewheel.models.methods.base import Adaptation, Job, MethodError, Refusal, whole_texts
from tunewheel.models.methods.engine import Frozen
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.methods.trying import best_on
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.models.remembering import Floats, Memory, Remembering
from tunewheel.tasks import Head, Row, Task, TaskError

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained

RIDGES = (1e-2, 1e-1, 1.0, 1e-3)
"""What the ridge is chosen from, best first where nothing tells them apart."""

SHARPNESS = 10.0
"""Log-odds between a target that is met and one that is missed, before a temperature is fitted on dev."""

_CHUNK = 1024


@dataclass(frozen=True)
class RanPac(Frozen):
    """The base stays as it is; a ridge regression on random features of its vectors is solved.

    ``features`` are how many, more being better and dearer (their square is kept in the model's folder, four bytes for
    two); ``ridge`` is the penalty in parts of the features' mean square, chosen on dev by default. A model that went on
    from another one in turns is the one that would have learned from all rows at once, and needs none of the old ones.
    """

    features: Annotated[int, Field(ge=16, le=20_000)] = 3000
    ridge: Annotated[float, Field(gt=0)] | None = None

    name: ClassVar[str] = "ranpac"
    summary: ClassVar[str] = "a regression on random features of a base that stays as it is; goes on without forgetting"
    settings: ClassVar[frozenset[str] | None] = frozenset({"seed", "window", "precision"})
    continues: ClassVar[bool] = True
    remembers: ClassVar[bool] = True
    rate: ClassVar[float] = 1e-2

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """It sees a text as one vector."""
        return None if whole_texts(task) else Refusal("it labels whole texts, not places in them", "full")

    def prepare(self, job: Job) -> Adaptation:
        """The network with random features and a head that says nothing yet; and what ``start`` remembers."""
        if job.task.head().loss == "binary" and job.task.head().class_weights:
            raise MethodError(f"method {self.name!r}: weights of several labels cannot be told apart; leave them out")
        if job.start and job.task.head().class_weights:
            raise MethodError(f"method {self.name!r}: weights of labels change with every row; leave class_weights out")
        before = self._known(job.start) if job.start else None
        made = self.ready(job)
        network = made.model.network
        network.expand(self.features, job.recipe.seed)
        if before:
            network.projection.copy_(before.network.projection)
        recipe = replace(job.recipe, precision=made.recipe.precision)
        return Gathering(self, made.model, recipe, before.memory if before else None, job.start, job.gone)

    def _known(self, start: Model) -> Remembering:
        """What is gone on from."""
        if not isinstance(start.body, Remembering):
            raise MethodError(f"method {self.name!r} goes on from its own models alone; begin from a base")
        if (known := start.network.config.expanded) != self.features:
            raise MethodError(
                f"method {self.name!r}: the model to go on from has {known} features, not {self.features}"
            )
        return start.body


@dataclass(frozen=True)
class Gathering(Adaptation):
    """A network whose head will be solved for, from ``memory`` on where there is one."""

    method: RanPac
    model: Model
    recipe: Recipe
    memory: Memory | None
    start: Model | None = None
    gone: Sequence[Row] = ()
    """Rows in ``memory`` that do not hold any more."""

    @property
    def untrained(self) -> Model:
        """The base with a head that says nothing."""
        return self.model

    def described(self) -> str:
        """Base, method and what the regression is on."""
        given, size = self.method.ridge, f"{self.model.parameters / 1e6:.1f} M parameters"
        ridge = f"ridge {given:g}" if given else f"ridge chosen from {', '.join(f'{ridge:g}' for ridge in RIDGES)}"
        known = f", {self.memory.rows:,} rows remembered" if self.memory else ""
        told = f"regression on {self.method.features:,} random features, {ridge}{known}"
        return f"{self.model.origin.base} ({size}), method {self.method.name}: {told}"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained | None]:
        """Read the rows once and solve: a killed run begins anew."""
        import torch

        model, outputs = self.model, self.model.task.outputs
        memory = self._gathered(train)
        head = model.network.head

        def solve(ridge: float) -> None:
            weights = torch.from_numpy(memory.solved(ridge, outputs).T)
            with torch.no_grad():
                head.weight.copy_(SHARPNESS * weights)
                head.bias.fill_(-SHARPNESS / 2)

        given = self.method.ridge
        ridge, scores = best_on(dev, model, (RIDGES if dev else RIDGES[:1]) if given is None else (given,), solve)
        model.network.requires_grad_(True).eval()
        settings = {**model.origin.settings, **asdict(self.recipe), "ridge": ridge, "features": self.method.features}
        body = Remembering(model.network, model.encoder, memory)
        return fitted(Model(body, model.task, replace(model.origin, settings=settings, dev=scores)), dev), None

    def _gathered(self, train: Sequence[Row]) -> Memory:
        """What the rows come to, with what was known before, but for what does not hold any more."""
        memory = self.memory
        if memory and self.start:
            # Of a label that is no more: only the model that learned it knows it.
            memory = reduce(Memory.less, self._read(self.gone, self.start.task), memory)
        for more in self._read(train, self.model.task):
            memory = memory.plus(more) if memory else more
        if memory is None:
            raise TaskError("the train split holds no text to learn from")
        return memory

    def _read(self, rows: Sequence[Row], task: Task) -> Iterator[Memory]:
        """What the rows come to, some of them at a time."""
        import torch

        from tunewheel.models.probe import features_of

        model = self.model
        windows = [w for w in task.encode(rows, model.encoder, labelled=True) if model.encoder.size(w)]
        for at in range(0, len(windows), _CHUNK):
            some = windows[at : at + _CHUNK]
            vectors, labels = features_of(model.network, model.encoder, some, self.recipe.precision)
            with torch.inference_mode():
                features = torch.relu(vectors @ model.network.projection).double().cpu().numpy()
            yield Memory.of(*_weighted(features, labels.cpu().numpy(), task.head()), task.outputs)


def _weighted(features: Floats, labels: npt.NDArray[Any], head: Head) -> tuple[Floats, Floats]:
    """Features and targets [n, outputs], 1 for a label that a row has, each row counting as its label does."""
    if head.loss == "binary":
        return features, labels.astype(np.float64)
    weights = np.sqrt(np.ones(head.outputs) if head.class_weights is None else np.array(head.class_weights))[labels]
    return features * weights[:, None], np.eye(head.outputs)[labels] * weights[:, None]
