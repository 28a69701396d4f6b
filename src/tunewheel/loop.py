"""The wheel: one function per verb, joining the nouns. The commands and the Python API both call it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.recipe import Recipe
from tunewheel.training import Say, Training, Turn

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Report
    from tunewheel.models import Model, Progress
    from tunewheel.store import Workspace
    from tunewheel.tasks import Prediction, Task

_CHINESE = re.compile(r"[\u3400-\u9fff]")


class LoopError(ValueError):
    """A verb cannot be carried out on what it was given."""


def train(
    data: str | Path | Dataset,
    *,
    name: str | None = None,
    task: str | None = None,
    text: str | None = None,
    label: str | None = None,
    format: str | None = None,
    ends: Literal["inclusive", "exclusive"] | None = None,
    dev: float = 0.1,
    test: float = 0.1,
    group: str | None = None,
    time: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    parent: str | None = None,
    base: str | None = None,
    method: Literal["full"] = "full",
    class_weights: Literal["none", "balanced"] = "none",
    out_of_scope: str | Literal[False] | None = None,
    crf: bool | None = None,
    context: int = 0,
    slices: Sequence[str] | None = None,
    robustness: Sequence[str] = (),
    recipe: Recipe | None = None,
    home: str | Path = ".tunewheel",
    database: str | None = None,
    report_to: Sequence[str] = (),
    again: bool = False,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Turn:
    """Read, adapt, evaluate, register: labelled text in, a version with its report out.

    The first version of a name becomes ``champion``; a later one only when it is measurably better on the same test
    rows. A run that was killed is taken up where it stood; a run that was finished with the same data and settings is
    not repeated unless ``again``.

    A name that is trained again inherits the splits of its champion's data, so that both are measured on rows that
    neither has learned from; ``parent`` names another model or a dataset's fingerprint, ``"none"`` divides anew (see
    `tunewheel.Dataset.read`). A `tunewheel.Dataset` is taken as it is unless ``parent`` is named.

    Raises `tunewheel.DataError` for bad input and `LoopError` for settings that do not fit it.

    >>> import tunewheel as tw
    >>> turn = tw.train("tickets.jsonl", base="minilm")        # doctest: +SKIP
    >>> turn.model.predict(["my card was swallowed"])          # doctest: +SKIP
    """
    from tunewheel.data.sources import shown
    from tunewheel.registry import check_name
    from tunewheel.store import Workspace

    if method != "full":
        raise LoopError(f"method {method!r}: only 'full' is there yet")
    recipe = recipe or Recipe()
    _check_trackers(report_to)
    chosen = name or default_name(data)
    check_name(chosen)
    workspace = Workspace.open(home, database)
    reading: dict[str, Any] = {
        **{"task": task, "text": text, "label": label, "format": format, "ends": ends, "dev": dev, "test": test},
        **{"seed": recipe.seed, "group": group, "time": time, "on_error": on_error},
    }
    dataset = read_revision(data, workspace, chosen, parent, say, **reading)
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
        "data": shown(data) if isinstance(data, str | Path) else dataset.fingerprint,
        "name": chosen,
        **{"task": dataset.task, "text": text, "label": label, "format": format, "ends": ends},
        **{"dev": dev, "test": test, "group": group, "time": time, "on_error": on_error, "parent": parent},
        **{"base": base, "method": method, **options},
        "out_of_scope": options["out_of_scope"] or out_of_scope,
        **{"slices": None if slices is None else list(slices), "robustness": list(robustness)},
        **asdict(recipe),
    }
    training = Training(
        workspace, dataset, chosen, base, options, settings, recipe, lang, say, slices=slices, robustness=robustness
    )
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
    """The dataset itself, or read from what ``data`` names through the workspace's cache; bad rows go to its reports.

    A task that is named says which columns may hold its labels. Raises `tunewheel.tasks.TaskError` if there is none of
    that name, `LoopError` for a dataset of another task.
    """
    from tunewheel.data import Dataset
    from tunewheel.tasks import task_class

    task = options.get("task")
    targets = None if task is None else task_class(task).targets()
    if not isinstance(data, Dataset):
        rejected = workspace.reports_dir / f"{default_name(data)}.rejected.jsonl"
        data = Dataset.read(data, cache=workspace.cache_dir, rejected=rejected, targets=targets, **options)
    if task is not None and data.task != task:
        raise LoopError(f"the dataset was built for the task {data.task!r}, not {task!r}; build it again for that one")
    return data


def read_revision(
    data: str | Path | Dataset, workspace: Workspace, name: str, parent: str | None, say: Say, **options: Any
) -> Dataset:
    """Read data as a revision of what the model ``name`` learned from, or of what ``parent`` names.

    Without a ``parent``, data none of whose rows stood there is no revision and is divided anew, and so is all data
    where there is no such model.
    """
    from tunewheel.data import Dataset
    from tunewheel.registry import Registry, RegistryError, parent_of

    if parent == "none" or (parent is None and isinstance(data, Dataset)):
        return read_dataset(data, workspace, **options)
    if parent is None and name not in {version.name for version in Registry(workspace).versions()}:
        return read_dataset(data, workspace, **options)
    try:
        found = parent_of(workspace, parent or name)
    except RegistryError as error:
        if parent is not None:
            raise
        say("data", f"{error}: divided anew, so that its scores and new ones do not compare")
        return read_dataset(data, workspace, **options)
    if isinstance(data, Dataset):
        return found.dataset.revise(data, cache=workspace.cache_dir)
    dataset = read_dataset(data, workspace, parent=found.dataset, **options)
    if parent is None and not dataset.split.kept:
        say("data", f"no row of it stands in the data of {found.called}: divided anew (--parent names another)")
        return read_dataset(data, workspace, **options)
    say("data", f"splits inherited from the data of {found.called} (--parent none to divide anew)")
    return dataset


def default_name(data: str | Path | Dataset) -> str:
    """A model name made from the name of the data's file, folder, database or hub data set."""
    if not isinstance(data, str | Path):
        return "model"
    from tunewheel.data.sources import stem

    return stem(data)


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


def evaluate(
    data: str | Path,
    models: Sequence[str],
    *,
    split: str | None = None,
    slices: Sequence[str] | None = None,
    robustness: Sequence[str] = (),
    home: str | Path = ".tunewheel",
    database: str | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> list[Report]:
    """Score one model or several on a split of ``data`` (its test split, else all of a single file's rows).

    Where this workspace keeps the rows a model learned from, those of its rows that ``data`` holds too are told apart.
    """
    from tunewheel.evaluation import evaluate as score
    from tunewheel.registry import kept_dataset
    from tunewheel.store import Workspace

    loaded = [load(name, home=home, database=database) for name in models]
    given = {"task": loaded[0].task.name, **_given(options)}
    workspace = Workspace.open(home, database)
    dataset, chosen = _scored_rows(data, split, given, workspace)
    for note in dataset.notes:
        say("data", note)
    reports = []
    for name, model in zip(models, loaded, strict=True):
        learned = kept_dataset(workspace, model.origin.dataset)
        reports.append(
            score(
                model,
                dataset[chosen],
                name=name,
                dataset=dataset.fingerprint,
                seen=dataset.overlap("train", chosen, of=learned) if learned else None,
                near=dataset.overlap("train", chosen, of=learned, near=True) if learned else None,
                slices=slices,
                robustness=robustness,
                donors=learned["train"] if learned else None,
                facts={"split": chosen},
            )
        )
    return reports


def score_file(
    data: str | Path,
    predictions: Path,
    *,
    split: str | None = None,
    slices: Sequence[str] | None = None,
    home: str | Path = ".tunewheel",
    database: str | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Report:
    """Score a file of predictions against ``data``; a column file brings its gold tags in its last column but one."""
    from tunewheel.evaluation import read_conll_predictions, read_predictions, score_predictions
    from tunewheel.store import Workspace
    from tunewheel.tasks import task_class

    if predictions.suffix in {".jsonl", ".ndjson", ".json"}:
        dataset, chosen = _scored_rows(data, split, _given(options), Workspace.open(home, database))
        for note in dataset.notes:
            say("data", note)
        rows = list(dataset[chosen])
        scope = _scope(dataset, None, lambda heading, line: None)
        task = task_class(dataset.task).from_dataset(dataset, split=chosen, out_of_scope=scope)
        found = read_predictions(predictions, task, rows)
        return score_predictions(task, rows, found, name=predictions.name, dataset=dataset.fingerprint, slices=slices)
    gold, found = read_conll_predictions(predictions)
    types = sorted({entity["label"] for row in [*gold, *found] for entity in row["entities"]})
    task = task_class("ner").from_config({"types": types or ["O"]})
    return score_predictions(task, gold, found, name=predictions.name, slices=slices)


def predict(
    model: str | Path,
    source: Path | None,
    target: Path | None,
    *,
    text: str | None = None,
    format: str | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    on_error: Literal["raise", "skip"] = "raise",
    home: str | Path = ".tunewheel",
    database: str | None = None,
    say: Say = lambda heading, line: None,
) -> int:
    """Predict rows from ``source`` into ``target`` (None: standard input and output) at constant memory, in order.

    Every column is kept; ``prediction`` is added, in a table beside ``confidence``. Returns the number of rows.
    With ``on_error="skip"`` a bad row keeps its place with its ``error``; a table has no room for that, so its bad
    rows go to a file beside it, ``….rejected.jsonl``.
    """
    from tunewheel.data.rejected import rejecting
    from tunewheel.data.streams import Passage, Unfit, format_of, read_stream, write_stream

    form = format_of(source, format)
    loaded = load(model, home=home, database=database)
    column = text or loaded.origin.settings.get("text")
    shown = str(source or "<stdin>")
    written = format_of(target, format or (form if target is None else None))
    aside = _beside(target or source) if on_error == "skip" and written != "jsonl" else None
    passage = Passage(read_stream(source, form), column, shown, skip=on_error == "skip")
    count = 0
    with write_stream(target, written) as write, rejecting(aside) if aside else nullcontext() as rejected:
        for found in passage.rejoin(loaded.predictor(precision).stream):
            if not isinstance(found, Unfit):
                row, prediction = found
                write({**row, **_answer(loaded.task, prediction, table=written != "jsonl")})
                count += 1
            elif rejected:
                rejected.add(found.problems[0], found.row)
            else:
                write({**found.row, "error": found.told})
    if passage.bad:
        where = f"they stand in {aside}" if aside else "each is passed on with its 'error'"
        say("rejected", f"{passage.bad:,} rows could not be predicted: {where}")
    return count


def _beside(path: Path | None) -> Path:
    """Where the rows go that a table has no room for."""
    return path.with_name(f"{path.name}.rejected.jsonl") if path else Path("rejected.jsonl")


def _answer(task: Task, prediction: Prediction, *, table: bool) -> dict[str, Any]:
    """The columns that a prediction adds; a table gets the answer alone and its confidence."""
    if not table:
        return {"prediction": prediction}
    sure = {"confidence": prediction["confidence"]} if "confidence" in prediction else {}
    return {"prediction": task.answer(prediction), **sure}


def _scored_rows(
    data: str | Path, split: str | None, options: Mapping[str, Any], workspace: Workspace
) -> tuple[Dataset, str]:
    """The dataset as its files have it, and the split to score: the one named, else test, else its only one."""
    from tunewheel.data.sources import shown

    dataset = read_dataset(data, workspace, dev=0.0, test=0.0, **options)
    chosen = split or ("test" if "test" in dataset.splits else dataset.splits[0])
    if chosen not in dataset.splits:
        raise LoopError(f"{shown(data)} has no split {chosen!r}; it has {', '.join(dataset.splits)}")
    return dataset, chosen


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def load(model: str | Path, *, home: str | Path = ".tunewheel", database: str | None = None) -> Model:
    """Load a model by folder, ``name``, ``name:3`` or ``name@champion``."""
    from tunewheel.models import Model
    from tunewheel.registry import Registry
    from tunewheel.store import Workspace

    if (Path(model) / "tunewheel.json").is_file():
        return Model.load(model)
    if "/" in str(model):
        raise LoopError(f"{model}: no model folder (no tunewheel.json in it)")
    return Model.load(Registry(Workspace.open(home, database)).resolve(str(model)).path)
