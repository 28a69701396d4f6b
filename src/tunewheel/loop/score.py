"""`evaluate`, `score_file` and `predict`: what a model answers, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.export import Through
from tunewheel.loop.reading import LoopError, check_fits, load, read_dataset, scope_of
from tunewheel.pages import several
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation import Report
    from tunewheel.models import Model
    from tunewheel.store import Workspace
    from tunewheel.tasks import Prediction, Task


def evaluate(
    data: str | Path,
    models: Sequence[str],
    *,
    split: str | None = None,
    slices: Sequence[str] | None = None,
    robustness: Sequence[str] = (),
    variant: str = "torch-fp32",
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> list[Report]:
    """Score one model or several on a split of ``data`` (its test split, else all of a single file's rows).

    ``variant`` is how the models compute (`tunewheel.models.exporting.variants`): name the one that is served.
    Where this workspace keeps the rows a model learned from, those of its rows that ``data`` holds too are told apart.
    """
    from tunewheel.data.sources import shown
    from tunewheel.evaluation import evaluate as score
    from tunewheel.registry import kept_dataset
    from tunewheel.store import Workspace

    loaded = [load(name, home=home, database=database) for name in models]
    if len({model.task.does for model in loaded}) > 1:
        told = ", ".join(f"{name} of {model.task.does}" for name, model in zip(models, loaded, strict=True))
        raise LoopError(f"models of several tasks cannot answer the same rows ({told}); evaluate them apart")
    given = {"task": loaded[0].task.name, **_given(options)}
    workspace = Workspace.open(home, database)
    dataset, chosen = _scored_rows(data, split, given, workspace)
    for note in dataset.notes:
        say("data", note)
    for name, model in zip(models, loaded, strict=True):
        check_fits(dataset, model.task, shown(data), name)
        _check_labels(dataset, model, shown(data), name)
        if strange := sorted({*dataset.labels} - {*model.task.labels}) if model.task.labels else []:
            told = ", ".join(strange[:5]) + (" …" if len(strange) > 5 else "")
            say("labels", f"{name} does not know {told}: such rows count as wrong, and AUROC and AUPRC leave them out")
    reports = []
    for name, model in zip(models, loaded, strict=True):
        learned = kept_dataset(workspace, model.origin.dataset)
        reports.append(
            score(
                Through.variant(model, name, variant, workspace),
                dataset[chosen],
                name=name,
                dataset=dataset.fingerprint,
                seen=dataset.overlap("train", chosen, of=learned) if learned else None,
                near=dataset.overlap("train", chosen, of=learned, near=True) if learned else None,
                slices=slices,
                robustness=robustness,
                donors=learned["train"] if learned else None,
                facts={"split": chosen, **({} if variant == "torch-fp32" else {"variant": variant})},
            )
        )
    return reports


def score_file(
    data: str | Path,
    predictions: Path,
    *,
    split: str | None = None,
    slices: Sequence[str] | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Report:
    """Score a file of predictions against ``data``; a column file brings its gold tags in its last column but one."""
    from tunewheel.evaluation import read_conll_predictions, read_predictions, score_predictions
    from tunewheel.evaluation.predictions import read_as_columns
    from tunewheel.store import Workspace
    from tunewheel.tasks import task_class

    if not read_as_columns(predictions):
        # Predictions stand beside all rows of the file; nothing is learned from them or kept.
        dataset, chosen = _scored_rows(data, split, _given(options), Workspace.open(home, database), whole=True)
        for note in dataset.notes:
            say("data", note)
        rows = list(dataset[chosen])
        scope = scope_of(dataset, None, lambda heading, line: None)
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
    variant: str = "torch-fp32",
    on_error: Literal["raise", "skip"] = "raise",
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
) -> int:
    """Predict rows from ``source`` into ``target`` (None: standard input and output) at constant memory, in order.

    Every column is kept; ``prediction`` is added, in a table beside ``confidence``; a column of such a name becomes
    ``original_prediction``. Returns the number of rows.
    A file may have any form and encoding that `train` reads; standard input is UTF-8 and JSON Lines, unless ``format``
    says csv, tsv or lines (a text a line).
    With ``on_error="skip"`` a bad row keeps its place with its ``error``; a table has no room for that, so its bad
    rows go to a file beside it, ``….rejected.jsonl``.
    """
    from tunewheel.data.passage import Passage
    from tunewheel.data.rejected import rejecting
    from tunewheel.data.streams import Stream, Unfit, form_of, write_stream
    from tunewheel.store import Workspace

    stream = Stream(source, format)
    written = form_of(target, format, source)
    loaded = load(model, home=home, database=database)
    through = Through.variant(loaded, model, variant, Workspace(home, database))
    learned = loaded.origin.settings.get("text") or loaded.origin.columns.get("text")
    shown = str(source or "<stdin>")
    aside = _beside(target or source) if on_error == "skip" and written != "jsonl" else None
    reads: dict[str, Any] = {"asks": loaded.task.writes, "compares": loaded.task.compares}
    passage = Passage(iter(stream), text, shown, skip=on_error == "skip", learned=learned, **reads)
    count = 0
    with write_stream(target, written) as write, rejecting(aside) if aside else nullcontext() as rejected:
        for found in passage.rejoin(through.answers.stream):
            if not isinstance(found, Unfit):
                row, prediction = found
                write(_beside_own(row, _answer(loaded.task, prediction, table=written != "jsonl")))
                count += 1
            elif rejected:
                rejected.add(found.problems[0], found.row)
            else:
                write({**found.row, "error": found.told})
    for note in (*stream.notes, *passage.notes):
        say("data", note)
    if passage.bad:
        where = f"they stand in {aside}" if aside else "each is passed on with its 'error'"
        say("rejected", f"{several(passage.bad, 'row')} could not be predicted: {where}")
    return count


def _beside(path: Path | None) -> Path:
    """Where the rows go that a table has no room for."""
    return path.with_name(f"{path.name}.rejected.jsonl") if path else Path("rejected.jsonl")


def _beside_own(row: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """A row with what is added to it; columns of the same name are kept under another, as in a dataset."""
    kept = dict[str, Any]()
    for name, value in row.items():
        new = f"original_{name}" if name in added else name
        while new in kept or (new != name and new in row):  # predicted twice before
            new = f"original_{new}"
        kept[new] = value
    return {**kept, **added}


def _answer(task: Task, prediction: Prediction, *, table: bool) -> dict[str, Any]:
    """The columns that a prediction adds; a table gets the answer alone and its confidence."""
    if not table:
        return {"prediction": prediction}
    sure = {"confidence": prediction["confidence"]} if "confidence" in prediction else {}
    return {"prediction": task.answer(prediction), **sure}


def _scored_rows(
    data: str | Path, split: str | None, options: Mapping[str, Any], workspace: Workspace, *, whole: bool = False
) -> tuple[Dataset, str]:
    """The dataset as its files have it, and the split to score: the one named, else test, else its only one."""
    from tunewheel.data.sources import shown

    dataset = read_dataset(data, workspace, whole=whole, dev=0.0, test=0.0, **options)
    chosen = split or ("test" if "test" in dataset.splits else dataset.splits[0])
    if chosen not in dataset.splits:
        raise LoopError(f"{shown(data)} has no split {chosen!r}; it has {', '.join(dataset.splits)}")
    return dataset, chosen


def _check_labels(dataset: Dataset, model: Model, called: str, name: str | Path) -> None:
    """Refuse rows whose labels are none of the model's: another column was taken for theirs."""
    known = model.task.labels
    if not known or not dataset.labels or {*known} & {*dataset.labels}:
        return
    learned = model.origin.settings.get("label") or model.origin.columns.get("label")
    which = f"; {name} learned from {learned!r}" if learned else ""
    shown = [", ".join(labels[:5]) + (" …" if len(labels) > 5 else "") for labels in (dataset.labels, tuple(known))]
    raise LoopError(
        f"{called} has none of the labels that {name} gives: it has {shown[0]} where {name} has {shown[1]}; "
        f"name the column that holds them with --label{which}"
    )


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
