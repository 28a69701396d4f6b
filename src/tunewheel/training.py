"""The resumable piece of work behind `train`: adapt, evaluate, register; done once for the same data and settings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tunewheel.models.recipe import Recipe

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Comparison, Report
    from tunewheel.models import Adaptation, Model, Progress, Trained
    from tunewheel.registry import Registry, Version
    from tunewheel.store import Workspace
    from tunewheel.tasks import Row, Task

Say = Callable[[str, str], None]
"""Takes a heading and a line about it; the commands print it, a program may ignore it."""


_RECIPE = "recipe.json"


@dataclass(frozen=True)
class Turn:
    """What one `train` made: the model, its version, its report and how it compares with what stood before.

    ``comparison`` is with the model before it learned (a student: with its teacher), ``champion`` with the version that
    was champion. ``trained`` is None where no updates were made: by a method without any, or because an earlier, equal
    run had done the work.
    """

    model: Model
    version: Version
    report: Report | None
    comparison: Comparison | None
    champion: Comparison | None
    trained: Trained | None
    folder: Path


@dataclass(frozen=True)
class Training:
    """One piece of work, named by its data and settings: done once, taken up again when it was cut off."""

    command: ClassVar[str] = "train"

    workspace: Workspace
    dataset: Dataset
    name: str
    base: str
    method: str
    method_options: Mapping[str, Any]
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    recipe: Recipe
    lang: Literal["en", "zh"]
    say: Say
    slices: Sequence[str] | None = None
    robustness: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    promotes: bool = True
    """Whether the first version of a name, or one that is better than its champion, comes in front."""

    def run(self, progress: Progress | None, report_to: Sequence[str], *, again: bool) -> Turn:
        """Do the work, or what is left of it; with ``again`` also where an equal run is done."""
        return self._once(self._key(again), lambda key: self._adapt(key, progress, report_to))

    def report(self, model: Model) -> Report | None:
        """Score a model that these data and settings gave elsewhere, as `run` would: on test, else on dev."""
        return self._evaluated(model, self.name, self._key(again=False))

    def adopt(self, model: Model, report: Report | None) -> Turn:
        """Register such a model with its report, as `run` would have: an equal run is then done."""
        return self._once(self._key(again=False), lambda key: self._registered(model, None, report, None, key))

    def _once(self, key: str, work: Callable[[str], Turn]) -> Turn:
        """The version that a run of this key registered, or what ``work`` makes of it now."""
        from tunewheel.registry import keep_dataset, note_dataset
        from tunewheel.store import fail_run, finish_run, get_run, start_run

        name = str(self.settings["data"])
        with self.workspace.lock(key):
            done = get_run(self.workspace, key)
            if done and done.version:
                finish_run(self.workspace, key)
                note_dataset(self.workspace, self.dataset, name)
                return self._found(done.version, key)
            keep_dataset(self.workspace, self.dataset, name)
            start_run(
                self.workspace, key, command=self.command, settings=self.settings, dataset=self.dataset.fingerprint
            )
            try:
                turn = work(key)
            except Exception as error:
                fail_run(self.workspace, key, f"{type(error).__name__}: {error}")
                raise
            finish_run(self.workspace, key)
            shutil.rmtree(self._folder(key), ignore_errors=True)
        return turn

    def _key(self, again: bool) -> str:
        """The same data and settings give the same key, ``again`` a fresh one."""
        from tunewheel.store import get_run

        # What the rows and splits came to stands in the dataset's fingerprint, texts without labels have a hash.
        told = {k: v for k, v in self.settings.items() if k not in ("data", "on_error", "parent", "unlabelled")}
        content = json.dumps([self.dataset.fingerprint, told], sort_keys=True)
        first = key = hashlib.sha256(content.encode()).hexdigest()[:16]
        tries = 1
        # A repeat that was cut off must be found again: it is the first key without a version.
        while again and (run := get_run(self.workspace, key)) is not None and run.version:
            tries += 1
            key = f"{first}-{tries}"
        return key

    def _folder(self, key: str) -> Path:
        return self.workspace.runs_dir / key

    def _recipe(self, key: str) -> Recipe:
        """The recipe as a try that was cut off resolved it: what was measured then might come out otherwise now."""
        begun = self._folder(key) / _RECIPE
        return Recipe(**json.loads(begun.read_text(encoding="utf-8"))) if begun.exists() else self.recipe

    @cached_property
    def rows(self) -> list[Row]:
        """The rows that are learned from."""
        return list(self.dataset["train"])

    @cached_property
    def task(self) -> Task:
        """The dataset's task under these options."""
        return self._task()

    def prepare(self, rows: Sequence[Row], recipe: Recipe) -> Adaptation:
        """Make the method ready to learn from ``rows``, all of train or some, and from the texts without labels."""
        from tunewheel.models import prepare

        return prepare(
            self.task,
            self.base,
            rows,
            recipe,
            method=self.method,
            options=self.method_options,
            unlabelled=[{"text": text} for text in self.unlabelled],
            settings=self.settings,
            **self._declared(),
        )

    def _declared(self) -> dict[str, Any]:
        """What the model's folder shall name of the data."""
        parents = (self.dataset.parent,) if self.dataset.parent else ()
        split, columns = asdict(self.dataset.split), self.dataset.columns
        return {"dataset": self.dataset.fingerprint, "parents": parents, "split": split, "columns": columns}

    def _adapt(self, key: str, progress: Progress | None, report_to: Sequence[str]) -> Turn:
        from tunewheel.store import write_whole

        dataset, task = self.dataset, self.task
        self._try_report(task)
        ready = self._prepared(task, key)
        write_whole(self._folder(key) / _RECIPE, json.dumps(asdict(ready.recipe)))
        self.say("base", ready.described())
        before = self._before(ready, key)
        model, trained = ready.train(
            self.rows,
            list(dataset["dev"]) if "dev" in dataset.splits else [],
            self._folder(key) / "checkpoints",
            progress=progress,
            report_to=report_to,
        )
        if trained:
            self.say("train", _speed(trained))
        for heading, fact in model.task.facts().items():
            self.say(heading, fact)
        report = self._evaluated(model, self.name, key, robustness=self.robustness)
        return self._registered(model, before, report, trained, key)

    def _task(self) -> Task:
        from tunewheel.tasks import task_class

        return task_class(self.dataset.task).from_dataset(self.dataset, **self.options)

    def _prepared(self, task: Task, key: str) -> Adaptation:
        return self.prepare(self.rows, self._recipe(key))

    def _before(self, ready: Adaptation, key: str) -> Report | None:
        """The report that the new one is compared with."""
        return self._evaluated(ready.untrained, f"{self.name} before tuning", key) if ready.untrained else None

    @property
    def _scored(self) -> str | None:
        """The split that reports are on."""
        return next((s for s in ("test", "dev") if s in self.dataset.splits and len(self.dataset[s])), None)

    def _try_report(self, task: Task) -> None:
        """Raise what stands in the way of the slices and the robustness asked for now, not after the training."""
        from tunewheel.evaluation.robustness import trials
        from tunewheel.evaluation.slices import partition

        if self._scored is None or not (self.slices or self.robustness):
            return
        rows = list(self.dataset[self._scored])
        partition(task, rows, self.slices)
        if self.robustness:
            trials(self.robustness, task, rows, donors=self.dataset["train"])

    def _evaluated(self, model: Model, name: str, key: str, robustness: Sequence[str] = ()) -> Report | None:
        from tunewheel.evaluation import evaluate
        from tunewheel.models.machine import library_versions

        dataset, split = self.dataset, self._scored
        if split is None:
            return None
        return evaluate(
            model,
            dataset[split],
            name=name,
            dataset=dataset.fingerprint,
            seen=dataset.overlap("train", split),
            near=dataset.overlap("train", split, near=True),
            slices=self.slices,
            robustness=robustness,
            donors=dataset["train"],
            facts={"split": split, "run": key, "base": self.base, **library_versions()},
        )

    def _registered(
        self, model: Model, before: Report | None, report: Report | None, trained: Trained | None, key: str
    ) -> Turn:
        from tunewheel.evaluation import compare
        from tunewheel.registry import CHAMPION, Registry

        registry = Registry(self.workspace)
        folder, champion = self._folder(key), _champion(registry, self.name)
        comparison = compare(before, report) if before and report else None
        against = _against(champion, report)
        better = against is not None and next(iter(against.verdicts.values())) == "better"
        for stale in ("model", "report"):
            shutil.rmtree(folder / stale, ignore_errors=True)
        model.save(folder / "model")
        if report:
            report = self._told(model, report, comparison)
            report.save(folder / "report", comparison=comparison, lang=self.lang)
        version = registry.register(
            folder / "model",
            name=self.name,
            task=model.task.name,
            method=model.origin.method,
            base=self.base,
            dataset=self.dataset.fingerprint,
            run=key,
            metrics={name: interval.value for name, interval in report.metrics.items()} if report else {},
            report=folder / "report" if report else None,
            alias=CHAMPION if self.promotes and (champion is None or better) else None,
            why=f"better than {champion} on the same test rows" if champion else "the first version",
        )
        return Turn(model, version, report, comparison, against, trained, _show(self.workspace, version))

    def _told(self, model: Model, report: Report, comparison: Comparison | None) -> Report:
        """The report with what else it should state."""
        return report

    def _found(self, reference: str, key: str) -> Turn:
        from tunewheel.evaluation import Report
        from tunewheel.models import Model
        from tunewheel.registry import Registry

        self.say("done", f"{reference} came of this data and these settings already (--again to train anew)")
        shutil.rmtree(self._folder(key), ignore_errors=True)
        version = Registry(self.workspace).resolve(reference)
        report = Report.load(version.report) if version.report else None
        champion = _champion(Registry(self.workspace), self.name)
        against = None if champion is None or champion.ref == version.ref else _against(champion, report)
        return Turn(Model.load(version.path), version, report, None, against, None, _show(self.workspace, version))


def _champion(registry: Registry, name: str) -> Version | None:
    from tunewheel.registry import CHAMPION, RegistryError

    try:
        return registry.resolve(f"{name}@{CHAMPION}")
    except RegistryError:
        return None


def _against(champion: Version | None, report: Report | None) -> Comparison | None:
    """The champion's report against the new one, where both stand on the same test rows."""
    from tunewheel.evaluation import EvaluationError, Report, compare

    if champion is None or champion.report is None or report is None:
        return None
    try:
        return compare(Report.load(champion.report), report)
    except EvaluationError:
        return None


def _show(workspace: Workspace, version: Version) -> Path:
    """Copy a version's report to where people look for it, whole or not at all."""
    from tunewheel.store.files import temporary_folder

    shown = workspace.reports_dir / f"{version.name}-{version.number}"
    if version.report and not shown.exists():
        beside = temporary_folder(workspace.reports_dir, ".tmp-")
        shutil.copytree(version.report, beside, dirs_exist_ok=True)
        beside.rename(shown)
    return shown


def _speed(trained: Trained) -> str:
    line = f"{trained.updates:,} updates in {trained.seconds:.0f} s, {trained.tokens_per_second:,.0f} tok/s"
    return line + (f", taken up at update {trained.resumed_from:,}" if trained.resumed_from else "")
