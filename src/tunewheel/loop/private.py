"""`train` under differential privacy: what it refuses, what the model's folder leaves out, what its report adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tunewheel.loop.reading import LoopError
from tunewheel.models.private import Privacy
from tunewheel.training import Training, Turn

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Report
    from tunewheel.evaluation.membership import Attack
    from tunewheel.models import Adaptation, Model, Progress, Trained
    from tunewheel.tasks import Task


@dataclass(frozen=True, kw_only=True)
class PrivateTraining(Training):
    """The piece of work behind a private `train`.

    The model's folder names no fingerprint of the rows: whoever holds all rows but one could try guesses of it against
    that. The registry, which does not leave the house, keeps it.
    """

    privacy: Privacy
    progress: Progress | None = None

    def _declared(self) -> dict[str, Any]:
        return {"privacy": self.privacy}

    def _adapt(self, key: str, progress: Progress | None, report_to: Sequence[str]) -> Turn:
        return Training._adapt(replace(self, progress=progress), key, progress, report_to)

    def _prepared(self, task: Task, key: str) -> Adaptation:
        from tunewheel.evaluation.protection import promise
        from tunewheel.models.methods.engine import Ready

        ready = super()._prepared(task, key)
        assert isinstance(ready, Ready) and ready.plan
        plan = ready.plan
        self.say("privacy", promise(plan.told(plan.updates)))
        drawn = f"{plan.expected:,.0f} units an update on average, drawn by chance, {plan.updates:,} updates"
        self.say("", f"{drawn}; dev rows, labels and the number of units are not protected")
        return ready

    def _registered(
        self, model: Model, before: Report | None, report: Report | None, trained: Trained | None, key: str
    ) -> Turn:
        if report:
            report = replace(report, protection=self._protection(model, report, key))
        return super()._registered(model, before, report, trained, key)

    def _protection(self, model: Model, report: Report, key: str) -> Any:
        """The guarantee, what an attack finds, and both beside the same training without privacy."""
        from tunewheel.evaluation import compare
        from tunewheel.evaluation.protection import Protection

        spent = dict(model.origin.privacy)
        if not self.privacy.beside:
            return Protection(spent, self._attacked(model))
        self.say("beside", "the same without privacy, to tell what it costs; not kept (--no-dp-compare to do without)")
        plain = self._without_privacy(key)
        beside = self._evaluated(plain, f"{self.name} without privacy", key)
        cost = compare(beside, report).differences if beside else {}
        return Protection(spent, self._attacked(model), self._attacked(plain), cost)

    def _without_privacy(self, key: str) -> Model:
        from tunewheel.models import prepare

        train = list(self.dataset["train"])
        dev = list(self.dataset["dev"]) if "dev" in self.dataset.splits else []
        recipe = replace(self.recipe, precision="fp32")
        ready = prepare(self.task, self.base, train, recipe, method=self.method, options=self.method_options)
        model, _ = ready.train(train, dev, self._folder(key) / "without-privacy", progress=self.progress)
        return model

    def _attacked(self, model: Model) -> Attack | None:
        """The attack on train and test rows; None without test rows that stand in no part of train."""
        import numpy as np

        from tunewheel.evaluation.membership import attack
        from tunewheel.models.private.losses import row_losses
        from tunewheel.models.private.privacy import units_of

        dataset, unit = self.dataset, self.privacy.unit
        if "test" not in dataset.splits:
            return None
        train, test = list(dataset["train"]), list(dataset["test"])
        apart = ~(dataset.overlap("train", "test") | dataset.overlap("train", "test", near=True))
        if unit:
            known = {row[unit] for row in train}
            apart &= np.array([row.get(unit) not in known for row in test], dtype=bool)
        others = row_losses(model, [row for row, new in zip(test, apart, strict=True) if new])
        if not np.isfinite(others).any():
            return None
        return attack(row_losses(model, train), others, units=units_of(train, unit))


def private_settings(privacy: Privacy) -> dict[str, Any]:
    """What a run of this promise is known by, under the names that a settings file has for it."""
    told = {"dp_compare" if name == "beside" else f"dp_{name}": value for name, value in asdict(privacy).items()}
    return told


def check_data(dataset: Dataset, privacy: Privacy) -> None:
    """Raise `LoopError` where a unit of train stands in dev too, `MethodError` where a row's unit is not known."""
    from tunewheel.models.private.privacy import units_of

    train = list(dataset["train"])
    units_of(train, privacy.unit)
    if privacy.unit is None or "dev" not in dataset.splits:
        return
    known = {row[privacy.unit] for row in train}
    shared = {row.get(privacy.unit) for row in dataset["dev"]} & known
    if shared:
        raise LoopError(
            f"dp_unit={privacy.unit}: {len(shared):,} of its values stand in dev as well as in train, and dev rows are "
            f"not protected; divide anew by it (--group {privacy.unit} --parent none), or do without dev (--set dev=0)"
        )


def check_trackers(privacy: Privacy | None, report_to: Sequence[str]) -> None:
    """Raise `LoopError` where the losses of the training rows would leave through a tracker."""
    if privacy and report_to:
        names = ", ".join(report_to)
        raise LoopError(f"--report-to {names}: the training losses that go there are not private; leave it out")


def refuse_private(verb: str, given: Mapping[str, Any]) -> None:
    """Raise `LoopError` where ``privacy`` is asked of a verb that trains many models on the same rows."""
    if given.get("privacy") is not None:
        raise LoopError(
            f"dp_epsilon: not for {verb}, which trains many models on the same rows: what each spends adds up, and the "
            "choice among them tells of the rows too; `tunewheel train` takes it"
        )
