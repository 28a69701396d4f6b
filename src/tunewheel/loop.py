"""The wheel: one function per verb, joining the nouns. The commands and the Python API both call it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.recipe import Recipe
from tunewheel.training import Say, Training, Turn, kept_dataset

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Report
    from tunewheel.models import Model, Progress
    from tunewheel.store import Workspace
    from tunewheel.tasks import Task

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
    not repeated unless ``again``. Raises `tunewheel.DataError` for bad input and `LoopError` for settings that do not
    fit it.

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
    dataset = read_dataset(
        data,
        workspace,
        task=task,
        text=text,
        label=label,
        format=format,
        ends=ends,
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
        "data": shown(data) if isinstance(data, str | Path) else dataset.fingerprint,
        "name": chosen,
        **{"task": dataset.task, "text": text, "label": label, "format": format, "ends": ends},
        **{"dev": dev, "test": test},
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
    """The dataset itself, or read from what ``data`` names through the workspace's cache.

    A task that is named says which columns may hold its labels. Raises `tunewheel.tasks.TaskError` if there is none of
    that name, `LoopError` for a dataset of another task.
    """
    from tunewheel.data import Dataset
    from tunewheel.tasks import task_class

    task = options.get("task")
    targets = None if task is None else task_class(task).targets()
    if not isinstance(data, Dataset):
        data = Dataset.read(data, cache=workspace.cache_dir, targets=targets, **options)
    if task is not None and data.task != task:
        raise LoopError(f"the dataset was built for the task {data.task!r}, not {task!r}; build it again for that one")
    return data


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
    **options: Any,
) -> list[Report]:
    """Score one model or several on a split of ``data`` (its test split, else all of a single file's rows).

    Where this workspace keeps the rows a model learned from, those of its rows that ``data`` holds too are told apart.
    """
    from tunewheel.evaluation import evaluate as score
    from tunewheel.store import Workspace

    loaded = [load(name, home=home, database=database) for name in models]
    given = {"task": loaded[0].task.name, **_given(options)}
    workspace = Workspace.open(home, database)
    dataset, chosen = _scored_rows(data, split, given, workspace)
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
    **options: Any,
) -> Report:
    """Score a file of predictions against ``data``; a column file brings its gold tags in its last column but one."""
    from tunewheel.evaluation import read_conll_predictions, read_predictions, score_predictions
    from tunewheel.store import Workspace
    from tunewheel.tasks import task_class

    if predictions.suffix in {".jsonl", ".ndjson", ".json"}:
        dataset, chosen = _scored_rows(data, split, _given(options), Workspace.open(home, database))
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
    home: str | Path = ".tunewheel",
    database: str | None = None,
) -> int:
    """Predict rows from ``source`` into ``target`` (None: standard input and output) at constant memory, in order.

    Every column is kept; ``prediction`` is added, in a table beside ``confidence``. Returns the number of rows.
    """
    from tunewheel.data.streams import format_of, read_stream, texts_of, write_stream

    form = format_of(source, format)
    loaded = load(model, home=home, database=database)
    column = text or loaded.origin.settings.get("text")
    kept: deque[dict[str, Any]] = deque()
    shown = str(source or "<stdin>")
    written = format_of(target, format or (form if target is None else None))
    count = 0
    with write_stream(target, written) as write:
        for prediction in loaded.predictor(precision).stream(texts_of(read_stream(source, form), column, kept, shown)):
            write({**kept.popleft(), **_answer(loaded.task, prediction, table=written != "jsonl")})
            count += 1
    return count


def _answer(task: Task, prediction: dict[str, Any], *, table: bool) -> dict[str, Any]:
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
