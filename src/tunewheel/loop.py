"""The wheel: one function per verb, joining the nouns. The commands and the Python API both call it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.recipe import Recipe

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Comparison, Report
    from tunewheel.models import Adaptation, Model, Progress, Trained
    from tunewheel.registry import Registry, Version
    from tunewheel.store import Workspace

Say = Callable[[str, str], None]
"""Takes a heading and a line about it; the commands print it, a program may ignore it."""

_CHINESE = re.compile(r"[\u3400-\u9fff]")


class LoopError(ValueError):
    """A verb cannot be carried out on what it was given."""


@dataclass(frozen=True)
class Turn:
    """What one `train` made: the model, its version, its report and how it compares with what stood before.

    ``before`` is the same network with a fresh head, ``champion`` the comparison with the version that was champion.
    ``trained`` is None when an earlier, equal run had done the work.
    """

    model: Model
    version: Version
    report: Report | None
    comparison: Comparison | None
    champion: Comparison | None
    trained: Trained | None
    folder: Path


def train(
    data: str | Path | Dataset,
    *,
    name: str | None = None,
    task: str | None = None,
    text: str | None = None,
    label: str | None = None,
    format: str | None = None,
    dev: float = 0.1,
    test: float = 0.1,
    base: str | None = None,
    method: Literal["full"] = "full",
    class_weights: Literal["none", "balanced"] = "none",
    out_of_scope: str | Literal[False] | None = None,
    crf: bool | None = None,
    context: int = 0,
    recipe: Recipe | None = None,
    home: str | Path = ".tunewheel",
    report_to: Sequence[str] = (),
    again: bool = False,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Turn:
    """Read, adapt, evaluate, register: labelled text in, a version with its report out.

    The first version of a name becomes ``champion``; a later one only when it is measurably better on the same test
    rows. A run that was killed is taken up where it stood; a run that was finished with the same data and settings is
    not repeated unless ``again``. Raises `tunewheel.DataError` for bad input and `LoopError` for settings that do not
    fit it.

    >>> import tunewheel as tw
    >>> turn = tw.train("tickets.jsonl", base="minilm")        # doctest: +SKIP
    >>> turn.model.predict(["my card was swallowed"])          # doctest: +SKIP
    """
    from tunewheel.registry import check_name
    from tunewheel.store import Workspace

    if method != "full":
        raise LoopError(f"method {method!r}: only 'full' is there yet")
    recipe = recipe or Recipe()
    _check_trackers(report_to)
    chosen = name or default_name(data)
    check_name(chosen)
    workspace = Workspace.open(home)
    dataset = read_dataset(
        data,
        workspace,
        task=task,
        text=text,
        label=label,
        format=format,
        dev=dev,
        test=test,
        seed=recipe.seed,
    )
    for note in dataset.notes:
        say("data", note)
    base = base or default_base(dataset, say)
    options: dict[str, Any] = {
        "class_weights": class_weights,
        "out_of_scope": _scope(dataset, out_of_scope, say),
        "crf": base == "bilstm" if crf is None else crf,
        "context": context,
    }
    settings = {
        "data": str(data) if isinstance(data, str | Path) else dataset.fingerprint,
        "name": chosen,
        **{"task": dataset.task, "text": text, "label": label, "format": format, "dev": dev, "test": test},
        **{"base": base, "method": method, **options},
        "out_of_scope": options["out_of_scope"] or out_of_scope,
        **asdict(recipe),
    }
    training = _Training(workspace, dataset, chosen, base, options, settings, recipe, lang, say)
    return training.run(progress, report_to, again=again)


_TRACKERS = ("tensorboard", "mlflow", "wandb")


def _check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is unknown or not installed before any work is done."""
    from importlib.util import find_spec

    for name in names:
        if name not in _TRACKERS:
            raise LoopError(f"--report-to {name}: expected one of {', '.join(_TRACKERS)}")
        if find_spec(name) is None:
            raise LoopError(f"--report-to {name} needs a package: pip install 'tunewheel[{name}]'")


def read_dataset(data: str | Path | Dataset, workspace: Workspace, **options: Any) -> Dataset:
    """The dataset itself, or read from a file or folder through the workspace's cache."""
    from tunewheel.data import Dataset

    if isinstance(data, Dataset):
        return data
    return Dataset.read(data, cache=workspace.cache_dir, **options)


def default_name(data: str | Path | Dataset) -> str:
    """A model name made from the data's file or folder name."""
    if not isinstance(data, str | Path):
        return "model"
    stem = Path(data).resolve().name.split(".")[0]
    return re.sub(r"[^\w.-]+", "-", stem).strip("-._") or "model"


def default_base(dataset: Dataset, say: Say) -> str:
    """``bilstm`` where a third of the characters are Chinese, which no bundled base reads; else ``minilm``."""
    from itertools import islice

    texts = [row["text"] for row in islice(iter(dataset["train"]), 500)]
    characters = sum(len(text) for text in texts)
    share = sum(len(_CHINESE.findall(text)) for text in texts) / max(1, characters)
    base = "bilstm" if share > 1 / 3 else "minilm"
    say("base", f"{base}, for text with {share:.0%} Chinese characters (--base to change)")
    return base


def _scope(dataset: Dataset, asked: str | Literal[False] | None, say: Say) -> str | None:
    """The label of texts that are about something else, said aloud; asked for or inferred from its name."""
    from tunewheel.tasks.scope import scope_label

    if dataset.task != "classification" or dataset.multi_label:
        if asked:
            raise LoopError(f"out_of_scope={asked}: only a classification with one label a text can tell such texts")
        return None
    label = scope_label(dataset.labels, asked)
    if label is not None:
        counts = ", ".join(f"{list(dataset[split]['label']).count(label):,} {split}" for split in dataset.splits)
        how = "" if asked else " (--set out_of_scope=false to learn it like any other)"
        say("scope", f"{label!r} means out of scope: {counts} rows, none trained on{how}")
    return label


@dataclass(frozen=True)
class _Training:
    """One piece of work, named by its data and settings: done once, taken up again when it was cut off."""

    workspace: Workspace
    dataset: Dataset
    name: str
    base: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    recipe: Recipe
    lang: Literal["en", "zh"]
    say: Say

    def run(self, progress: Progress | None, report_to: Sequence[str], *, again: bool) -> Turn:
        from tunewheel.store import fail_run, finish_run, get_run, start_run

        key = self._key(again)
        with self.workspace.lock(key):
            done = get_run(self.workspace, key)
            if done and done.version:
                finish_run(self.workspace, key)
                return self._found(done.version, key)
            self._keep_dataset()
            start_run(self.workspace, key, command="train", settings=self.settings, dataset=self.dataset.fingerprint)
            try:
                turn = self._adapt(key, progress, report_to)
            except Exception as error:
                fail_run(self.workspace, key, f"{type(error).__name__}: {error}")
                raise
            finish_run(self.workspace, key)
            shutil.rmtree(self._folder(key), ignore_errors=True)
        return turn

    def _key(self, again: bool) -> str:
        """The same data and settings give the same key, ``again`` a fresh one."""
        from tunewheel.store import get_run

        told = {k: v for k, v in self.settings.items() if k != "data"}
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

    def _keep_dataset(self) -> None:
        """Put the rows among the artifacts, so that the lineage outlives the user's file."""
        from tunewheel.store import record_dataset

        dataset = self.dataset
        with TemporaryDirectory(dir=self.workspace.cache_dir) as beside:
            dataset.save(Path(beside) / "dataset")
            artifact = self.workspace.artifacts.put(Path(beside) / "dataset")
        record_dataset(
            self.workspace,
            dataset.fingerprint,
            name=str(self.settings["data"]),
            parent=dataset.parent,
            artifact=artifact,
            summary={split: len(dataset[split]) for split in dataset.splits},
        )

    def _adapt(self, key: str, progress: Progress | None, report_to: Sequence[str]) -> Turn:
        from tunewheel.models import prepare
        from tunewheel.tasks import task_class

        dataset = self.dataset
        ready = prepare(
            task_class(dataset.task).from_dataset(dataset, **self.options),
            self.base,
            list(dataset["train"]),
            self.recipe,
            dataset=dataset.fingerprint,
            parents=(dataset.parent,) if dataset.parent else (),
            settings=self.settings,
        )
        self.say("base", _described(ready, self.base))
        before = self._evaluated(ready.model, f"{self.name} before tuning", key)
        model, trained = ready.train(
            list(dataset["train"]),
            list(dataset["dev"]) if "dev" in dataset.splits else [],
            self._folder(key) / "checkpoints",
            progress=progress,
            report_to=report_to,
        )
        self.say("train", _speed(trained))
        for heading, fact in model.task.facts().items():
            self.say(heading, fact)
        return self._registered(model, before, self._evaluated(model, self.name, key), trained, key)

    def _evaluated(self, model: Model, name: str, key: str) -> Report | None:
        from tunewheel.evaluation import evaluate
        from tunewheel.models.machine import library_versions

        dataset = self.dataset
        split = next((s for s in ("test", "dev") if s in dataset.splits and len(dataset[s])), None)
        if split is None:
            return None
        facts = {"split": split, "run": key, "base": self.base, **library_versions()}
        seen = dataset.overlap("train", split)
        return evaluate(model, dataset[split], name=name, dataset=dataset.fingerprint, seen=seen, facts=facts)

    def _registered(
        self, model: Model, before: Report | None, report: Report | None, trained: Trained, key: str
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
            alias=CHAMPION if champion is None or better else None,
            why=f"better than {champion} on the same test rows" if champion else "the first version",
        )
        return Turn(model, version, report, comparison, against, trained, _show(self.workspace, version))

    def _found(self, reference: str, key: str) -> Turn:
        from tunewheel.evaluation import Report
        from tunewheel.models import Model
        from tunewheel.registry import Registry

        self.say("done", f"{reference} came of this data and these settings already (--again to train anew)")
        shutil.rmtree(self._folder(key), ignore_errors=True)
        version = Registry(self.workspace).resolve(reference)
        report = Report.load(version.report) if version.report else None
        return Turn(Model.load(version.path), version, report, None, None, None, _show(self.workspace, version))


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
    """Copy a version's report to where people look for it."""
    shown = workspace.reports_dir / f"{version.name}-{version.number}"
    if version.report and not shown.exists():
        shutil.copytree(version.report, shown)
    return shown


def evaluate(
    data: str | Path,
    models: Sequence[str],
    *,
    split: str | None = None,
    home: str | Path = ".tunewheel",
    **options: Any,
) -> list[Report]:
    """Score one model or several on a split of ``data`` (its test split, else all of a single file's rows)."""
    from tunewheel.evaluation import evaluate as score

    loaded = [load(name, home=home) for name in models]
    dataset, chosen = _scored_rows(data, split, {"task": loaded[0].task.name, **_given(options)}, home)
    return [
        score(model, dataset[chosen], name=name, dataset=dataset.fingerprint, facts={"split": chosen})
        for name, model in zip(models, loaded, strict=True)
    ]


def score_file(
    data: str | Path,
    predictions: Path,
    *,
    split: str | None = None,
    home: str | Path = ".tunewheel",
    **options: Any,
) -> Report:
    """Score a file of predictions against ``data``; a column file brings its gold tags in its last column but one."""
    from tunewheel.evaluation import read_conll_predictions, read_predictions, score_predictions
    from tunewheel.tasks import task_class

    if predictions.suffix in {".jsonl", ".ndjson", ".json"}:
        dataset, chosen = _scored_rows(data, split, _given(options), home)
        rows = list(dataset[chosen])
        scope = _scope(dataset, None, lambda heading, line: None)
        task = task_class(dataset.task).from_dataset(dataset, split=chosen, out_of_scope=scope)
        found = read_predictions(predictions, task, rows)
        return score_predictions(task, rows, found, name=predictions.name, dataset=dataset.fingerprint)
    gold, found = read_conll_predictions(predictions)
    types = sorted({entity["label"] for row in [*gold, *found] for entity in row["entities"]})
    task = task_class("ner").from_config({"types": types or ["O"]})
    return score_predictions(task, gold, found, name=predictions.name)


def predict(
    model: str | Path,
    source: Path | None,
    target: Path | None,
    *,
    text: str | None = None,
    format: str | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    home: str | Path = ".tunewheel",
) -> int:
    """Predict rows from ``source`` into ``target`` (None: standard input and output) at constant memory, in order.

    Every column is kept; ``prediction`` is added, in a table beside ``confidence``. Returns the number of rows.
    """
    from tunewheel.data.streams import format_of, read_stream, texts_of, write_stream

    form = format_of(source, format)
    loaded = load(model, home=home)
    column = text or loaded.origin.settings.get("text")
    kept: deque[dict[str, Any]] = deque()
    shown = str(source or "<stdin>")
    written = format_of(target, format or (form if target is None else None))
    count = 0
    with write_stream(target, written) as write:
        for prediction in loaded.predictor(precision).stream(texts_of(read_stream(source, form), column, kept, shown)):
            write({**kept.popleft(), **_answer(prediction, table=written != "jsonl")})
            count += 1
    return count


def _answer(prediction: Mapping[str, Any], *, table: bool) -> dict[str, Any]:
    """The columns that a prediction adds; a table gets the label alone and its confidence."""
    if not table:
        return {"prediction": dict(prediction)}
    for key in ("label", "labels", "entities"):
        if key in prediction:
            return {
                "prediction": prediction[key],
                **{k: prediction[k] for k in ("confidence",) if k in prediction},
            }
    return {"prediction": dict(prediction)}


def _scored_rows(
    data: str | Path, split: str | None, options: Mapping[str, Any], home: str | Path
) -> tuple[Dataset, str]:
    """The dataset as its files have it, and the split to score: the one named, else test, else its only one."""
    from tunewheel.store import Workspace

    dataset = read_dataset(data, Workspace.open(home), dev=0.0, test=0.0, **options)
    chosen = split or ("test" if "test" in dataset.splits else dataset.splits[0])
    if chosen not in dataset.splits:
        raise LoopError(f"{data} has no split {chosen!r}; it has {', '.join(dataset.splits)}")
    return dataset, chosen


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def load(model: str | Path, *, home: str | Path = ".tunewheel") -> Model:
    """Load a model by folder, ``name``, ``name:3`` or ``name@champion``."""
    from tunewheel.models import Model
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    if (Path(model) / "tunewheel.json").is_file():
        return Model.load(model)
    if "/" in str(model):
        raise LoopError(f"{model}: no model folder (no tunewheel.json in it)")
    return Model.load(Registry(Workspace.open(home)).resolve(str(model)).path)


def _described(ready: Adaptation, base: str) -> str:
    r = ready.recipe
    return (
        f"{base} ({ready.model.parameters / 1e6:.1f} M parameters), full fine-tuning, {r.precision}, "
        f"{r.epochs} epochs, learning rate {r.learning_rate:g}, {r.batch_tokens} tokens a batch"
    )


def _speed(trained: Trained) -> str:
    line = f"{trained.updates:,} updates in {trained.seconds:.0f} s, {trained.tokens_per_second:,.0f} tok/s"
    return line + (f", taken up at update {trained.resumed_from:,}" if trained.resumed_from else "")
