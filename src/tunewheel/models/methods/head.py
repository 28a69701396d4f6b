"""The head alone: solved for on the vectors of a frozen base, or learned by updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from tunewheel.models.methods.base import Adaptation, Job, MethodError
from tunewheel.models.methods.engine import Frozen
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.methods.naming import name_rows
from tunewheel.models.methods.trying import best_on
from tunewheel.models.model import Model
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, TaskError

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained

DECAYS = (1e-2, 1e-3, 1e-4, 1e-5)
"""What the decay is chosen from, where it is not given and there are dev rows."""

_KEPT = ("seed", "window", "precision")
"""What a recipe may say and the head still be solved for."""


@dataclass(frozen=True)
class HeadOnly(Frozen):
    """The base stays as it is; the head on top of it learns.

    A head on whole texts has one best value: vectors are computed once, and L-BFGS finds it on them
    (`tunewheel.models.probe`). ``decay``, the weight of half its squared norm, is chosen on dev by default. A head on
    every token, or one that goes on from a model or learns privately, learns by updates, and so does any other as soon
    as the recipe says how (epochs, a rate, …); there ``decay`` and ``names`` have no meaning. ``names``: whether the
    labels' names are solved for as one more row each, by default where rows are few (`name_rows`).
    """

    decay: Annotated[float, Field(gt=0)] | None = None
    names: bool | None = None

    name: ClassVar[str] = "head"
    summary: ClassVar[str] = "the base stays as it is, the head on top of it learns"
    private: ClassVar[bool] = True
    continues: ClassVar[bool] = True
    rate: ClassVar[float] = 1e-2

    def prepare(self, job: Job) -> Adaptation:
        """The network with its fresh head, to be solved for where that can be."""
        made = self.ready(job)
        asked = replace(job.recipe, **{name: getattr(Recipe(), name) for name in _KEPT})
        if job.task.head().level == "sequence" and not (job.privacy or job.start) and asked == Recipe():
            return Solved(self, made.model, replace(job.recipe, precision=made.recipe.precision))
        given = [name for name in ("decay", "names") if getattr(self, name) is not None]
        if given:
            raise MethodError(
                f"method {self.name!r}: {' and '.join(given)} can be given for a head on whole texts that is solved "
                "for, not with what says how updates are made (epochs, learning_rate, …); leave out one or the other"
            )
        return made


@dataclass(frozen=True)
class Solved(Adaptation):
    """A network whose head will be fitted to the vectors of its frozen backbone."""

    method: HeadOnly
    model: Model
    recipe: Recipe

    @property
    def untrained(self) -> Model:
        """The base with its fresh head."""
        return self.model

    def described(self) -> str:
        """Base, method and how the head is found."""
        given, size = self.method.decay, f"{self.model.parameters / 1e6:.1f} M parameters"
        decay = f"decay {given:g}" if given else f"decay chosen from {', '.join(f'{decay:g}' for decay in DECAYS)}"
        return f"{self.model.origin.base} ({size}), method {self.method.name}: fitted to its vectors, {decay}"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained | None]:
        """Compute the vectors once and fit, which takes one reading of the rows: a killed run begins anew."""
        from tunewheel.models.probe import DECAY, Probe

        model, encoder = self.model, self.model.encoder
        windows = [window for window in self.method.windows(model, train) if encoder.size(window)]
        if not windows:
            raise TaskError("the train split holds no text to learn from")
        names = name_rows(model.task, train, self.method.names)
        windows += self.method.windows(model, names)
        probe = Probe(model.network, encoder, windows, precision=self.recipe.precision)
        given = self.method.decay
        decays = (DECAYS if dev else (DECAY,)) if given is None else (given,)
        decay, scores = best_on(dev, model, decays, probe.fit)
        model.network.requires_grad_(True).eval()
        told = {**asdict(self.recipe), "decay": decay, "names": bool(names)}
        origin = replace(model.origin, settings={**model.origin.settings, **told}, dev=scores)
        return fitted(Model(model.body, model.task, origin), dev), None
