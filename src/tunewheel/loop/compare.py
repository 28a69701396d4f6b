"""`compare`: which road from a base to the task is best for some data, by measuring them side by side."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.learn import NO_BASE, planned
from tunewheel.loop.private import refuse_private
from tunewheel.loop.reading import LoopError, default_name, read_revision
from tunewheel.loop.unlabelled import content_hash, texts_beside
from tunewheel.models.methods import idle_settings, method_class
from tunewheel.training import Say, Training

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunewheel.data import Dataset
    from tunewheel.evaluation import Report
    from tunewheel.models import Adaptation, Model, Progress, Recipe
    from tunewheel.registry import Version
    from tunewheel.tasks import Row
    from tunewheel.tuning.climbing.ladder import Climb, Left
    from tunewheel.tuning.climbing.subsets import Fold

_READING = ("task", "text", "label", "format", "ends", "dev", "test", "group", "time", "on_error")
_TEST = "test-"
_FIXED: dict[str, Any] = {"method": "full", "options": {}, "slices": None, "robustness": ()}
"""What `train` takes and a comparison does not, with what it is then."""

_FLAGS = ("task", "text", "label", "group", "time", "parent", "on_error", "base", "class_weights")


@dataclass(frozen=True, eq=False)
class Compared:
    """What one `climb` found: the ladder, the advised model's report, and where the page stands.

    ``report`` is on the test split and the only look at it, None where there is no such split or no advice; ``earlier``
    names methods that an earlier call with other methods or minutes advised, and so scored there too. ``version`` is
    what was registered, ``command`` the line that trains the advised model; None without advice.
    """

    climb: Climb
    report: Report | None
    earlier: tuple[str, ...]
    version: Version | None
    command: str | None
    page: Path

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            **self.climb.as_dict(),
            "test": self.report.as_dict() if self.report else None,
            "earlier": list(self.earlier),
            "version": self.version.ref if self.version else None,
            "command": self.command,
            "page": str(self.page),
        }


def climb(
    data: str | Path | Dataset,
    *,
    name: str | None = None,
    methods: Sequence[str] | None = None,
    minutes: float = 10.0,
    unlabelled: str | Path | None = None,
    register: str | None = None,
    recipe: Recipe | None = None,
    parent: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Compared:
    """Climb the ladder of methods on data and advise one of them; see `tunewheel.tuning.climbing`.

    ``methods`` are tried in their order, by default those of `LADDER` there, within ``minutes``; they
    are judged on dev, or by cross-fitting where there is none, and only the advised one is scored on test.
    ``unlabelled`` is a file of further texts for methods that use them, ``register`` the name under which the advised
    model is registered; ``options`` are those of `tunewheel.train`.

    Finished fits stay in the workspace: the same command goes on where it was killed, and one with more methods or
    minutes does only what is new. Raises what `train` raises.

    >>> import tunewheel as tw
    >>> found = tw.climb("tickets.jsonl", minutes=30)          # doctest: +SKIP
    >>> found.climb.advice.method                              # doctest: +SKIP
    'lora'
    """
    from tunewheel.data.infer import PLAIN
    from tunewheel.models import Recipe as Usual
    from tunewheel.store import Workspace
    from tunewheel.tuning.climbing.ladder import usable

    refuse_private("compare", options)
    if wrong := [key for key, usual in _FIXED.items() if options.pop(key, usual) != usual]:
        raise LoopError(f"{', '.join(wrong)}: not for compare, which tries every method with its own options")
    recipe, called = recipe or Usual(), register or name or default_name(data)
    reading = {key: options[key] for key in _READING if key in options}
    workspace = Workspace.open(home, database)
    dataset = read_revision(data, workspace, called, parent, say, seed=recipe.seed, **reading)
    plain = dataset.task == PLAIN  # which `planned` refuses, saying what to do
    chosen, left = ([], []) if plain else usable(methods, dataset.task, beside=unlabelled is not None)
    if not (plain or chosen):
        refused = "; ".join(f"{each.method}: {each.reason}" for each in left)
        raise LoopError(f"no method is of use for task {dataset.task!r} ({refused})")
    if unlabelled is not None and chosen and all(method_class(each).unlabelled == "unused" for each in chosen):
        raise LoopError(f"none of {', '.join(chosen)} makes use of texts without labels; leave --unlabelled out")
    given = {**options, "recipe": recipe, "home": home, "database": database, "lang": lang, "say": say}
    training = planned(dataset, name=called, called=_told(data), **given)
    training = replace(training, settings={**training.settings, "data": _told(data), "parent": parent})
    beside = () if unlabelled is None else texts_beside(workspace, dataset, unlabelled, options.get("text"), say)
    told = {**options, "parent": parent, "name": called, "unlabelled": unlabelled}
    work = Comparing(training, beside, told, lang)
    return work.run(chosen, left, minutes, register=register is not None, progress=progress)


@dataclass(frozen=True, eq=False)
class Comparing:
    """One piece of work, named by data and settings but not by methods or minutes: fits are kept for the next call."""

    training: Training
    unlabelled: tuple[str, ...]
    options: Mapping[str, Any]
    lang: Literal["en", "zh"]

    def run(
        self, methods: Sequence[str], left: Sequence[Left], minutes: float, *, register: bool, progress: Progress | None
    ) -> Compared:
        """Climb, advise, score the advised model on test, register it where asked, and write the page."""
        from tunewheel.tuning.climbing.fits import Bench
        from tunewheel.tuning.climbing.ladder import Ladder

        training = self.training
        with self._recorded() as folder:
            bench = Bench(
                self._prepare,
                training.task,
                self._folds(),
                folder,
                seed=training.recipe.seed,
                clock=time.perf_counter,
                rows=list(training.dataset["train"]),
                progress=progress,
            )
            found = Ladder(bench, methods, left, minutes, training.say).climb()
            advised = found.advice.method
            model = bench.model(advised) if advised else None
            report = self._tested(model, folder) if model else None
            version = self._adopted(model, report) if model and register else None
            tested = [path.name.removeprefix(_TEST) for path in sorted(folder.glob(f"{_TEST}*"))]
        earlier = tuple(name for name in tested if name != advised)
        return self._shown(found, report, earlier, version)

    @contextmanager
    def _recorded(self) -> Iterator[Path]:
        """The run's folder, held by this process alone; how the run ends is recorded."""
        from tunewheel.registry import keep_dataset
        from tunewheel.store import fail_run, finish_run, start_run

        workspace, dataset, settings = self.training.workspace, self.training.dataset, dict(self.training.settings)
        # What the rows and splits came to stands in the dataset's fingerprint.
        told = {k: v for k, v in settings.items() if k not in (*_FIXED, "name", "data", "on_error", "parent")}
        content = json.dumps([dataset.fingerprint, told, content_hash(self.unlabelled)], sort_keys=True)
        key = f"compare-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        with workspace.lock(key):
            keep_dataset(workspace, dataset, str(settings["data"]))
            start_run(workspace, key, command="compare", settings=told, dataset=dataset.fingerprint)
            try:
                yield workspace.runs_dir / key
            except Exception as error:
                fail_run(workspace, key, f"{type(error).__name__}: {error}")
                raise
            finish_run(workspace, key)

    def _folds(self) -> list[Fold]:
        """The dev split to be judged on, else folds of train."""
        from tunewheel.tuning.climbing.subsets import Fold, folds_of

        dataset, training = self.training.dataset, self.training
        train = list(dataset["train"])
        if "dev" in dataset.splits:
            return [Fold(train, list(dataset["dev"]))]
        folds = folds_of(train, training.task, training.recipe.seed)
        training.say("data", f"no dev split: methods are judged by cross-fitting, {len(folds)} folds of train")
        return folds

    def _of(self, method: str) -> Training:
        """The work that `train` would do with this method, so that its models and ours are the same."""
        road, training = method_class(method), self.training
        settings = {**training.settings, "method": method}
        base = training.base if road.based else NO_BASE
        beside = self.unlabelled if road.unlabelled != "unused" else ()
        if beside:
            given = {"unlabelled": str(self.options["unlabelled"]), "unlabelled_sha256": content_hash(beside)}
            settings |= given
        return replace(training, method=method, base=base, settings={**settings, "base": base}, unlabelled=beside)

    def _prepare(self, method: str, rows: Sequence[Row], recipe: Recipe | None) -> Adaptation:
        return self._of(method).prepare(rows, recipe or self.training.recipe)

    def _tested(self, model: Model, folder: Path) -> Report | None:
        """The advised model's report on test, made once and kept; None where there is no test split."""
        from tunewheel.evaluation import Report

        if "test" not in self.training.dataset.splits:
            return None
        kept = folder / f"{_TEST}{model.origin.method}"
        if (kept / "report.json").is_file():
            return Report.load(kept)
        report = self._of(model.origin.method).report(model)
        if report:
            report.save(kept, lang=self.lang)
        return report

    def _adopted(self, model: Model, report: Report | None) -> Version:
        training = self._of(model.origin.method)
        return training.adopt(model, report or training.report(model)).version

    def _shown(
        self, found: Climb, report: Report | None, earlier: tuple[str, ...], version: Version | None
    ) -> Compared:
        from tunewheel.tuning.climbing.page import write_html

        training = self.training
        path = training.workspace.reports_dir / f"{training.name}-compare" / "compare.html"
        data = str(training.settings["data"])
        command = self._command(data, found.advice.method) if found.advice.method else None
        page = write_html(found, report, path, data=data, command=command, earlier=earlier, lang=self.lang)
        return Compared(found, report, earlier, version, command, page)

    def _command(self, data: str, method: str) -> str:
        """The line that trains on the same data with the same settings by ``method``."""
        from tunewheel.models import Recipe

        road, recipe = method_class(method), self.training.recipe
        usual = {name: parameter.default for name, parameter in signature(planned).parameters.items()}
        changed = {key: value for key, value in {**self.options, "method": method}.items() if value != usual[key]}
        unread = {*(() if road.based else ("base",)), *(() if road.unlabelled != "unused" else ("unlabelled",))}
        set_otherwise = {key: value for key, value in asdict(recipe).items() if value != getattr(Recipe(), key)}
        changed |= {key: value for key, value in set_otherwise.items() if key not in idle_settings(method)}
        words = ["tunewheel", "train", data]
        for key in [key for key in changed if key not in unread]:
            flag, value = key in (*_FLAGS, "name", "seed", "method", "unlabelled"), changed[key]
            words += [f"--{key.replace('_', '-')}", str(value)] if flag else ["--set", f"{key}={json.dumps(value)}"]
        return shlex.join(words)


def _told(data: str | Path | Dataset) -> str:
    from tunewheel.data.sources import shown

    return shown(data) if isinstance(data, str | Path) else data.fingerprint
