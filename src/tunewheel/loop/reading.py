"""What every verb begins with: the dataset and the model that were named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.data.infer import Target
    from tunewheel.models import Model
    from tunewheel.store import Workspace
    from tunewheel.tasks import Task


class LoopError(ValueError):
    """A verb cannot be carried out on what it was given."""


def read_dataset(data: str | Path | Dataset, workspace: Workspace, *, whole: bool = False, **options: Any) -> Dataset:
    """The dataset itself, or read from what ``data`` names through the workspace's cache; bad rows go to its reports.

    Texts that `forget` erased from the workspace are left out, and the dataset's notes say so, unless it is to be
    ``whole``: then nothing of it is kept. A task that is named says which columns may hold its labels. Raises
    `tunewheel.tasks.TaskError` if there is none of that name, `LoopError` for a dataset of another task.
    """
    from tunewheel.data import Dataset
    from tunewheel.data.erased import without_erased
    from tunewheel.store.erasures import erased_texts

    task = options.get("task")
    targets = targets_of(task)
    erased = frozenset() if whole else erased_texts(workspace)
    if isinstance(data, Dataset):
        data = without_erased(data, erased, workspace.cache_dir)
    else:
        rejected = workspace.reports_dir / f"{default_name(data)}.rejected.jsonl"
        kept: dict[str, Any] = {"cache": None if whole else workspace.cache_dir, "rejected": rejected, "erased": erased}
        data = Dataset.read(data, targets=targets, **kept, **options)
    if task is not None and data.task != task:
        raise LoopError(f"the dataset was built for the task {data.task!r}, not {task!r}; build it again for that one")
    return data


def check_fits(dataset: Dataset, task: Task, called: str, model: str | Path) -> None:
    """Refuse rows that carry labels of another kind than a model gives: several a text, or one."""
    if dataset.multi_label == (task.target == "labels"):
        return
    has, gives = ("several labels", "one") if dataset.multi_label else ("one label", "several")
    raise LoopError(f"{called} has {has} a row where {model} gives {gives}; name rows that are labelled as it answers")


def targets_of(task: str | None) -> tuple[Target, ...] | None:
    """The columns that may hold a task's labels; None where no task is named, or plain text, which has none."""
    from tunewheel.data.infer import PLAIN
    from tunewheel.tasks import task_class

    return None if task in (None, PLAIN) else task_class(task).targets()


def or_plain(read: Callable[[str | None], Dataset], task: str | None) -> Dataset:
    """Read for a task; where none is named and no column is plainly the label, as plain text."""
    from tunewheel.data.infer import PLAIN, NoLabels

    try:
        return read(task)
    except NoLabels:
        if task is not None:
            raise
        return read(PLAIN)


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
        return found.dataset.revise(read_dataset(data, workspace), cache=workspace.cache_dir)
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


def scope_of(dataset: Dataset, asked: str | Literal[False] | None, say: Say) -> str | None:
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


class Located(NamedTuple):
    """Where a model lies, what it is called, and the name it is known by without its number."""

    folder: Path
    called: str
    name: str


def load(model: str | Path, *, home: str | Path | None = None, database: str | None = None) -> Model:
    """Load a model by folder, ``name``, ``name:3`` or ``name@champion``."""
    from tunewheel.models import Model
    from tunewheel.store import Workspace

    if (Path(model) / "tunewheel.json").is_file():
        return Model.load(model)
    return Model.load(locate(model, Workspace.open(home, database)).folder)


def locate(model: str | Path, workspace: Workspace) -> Located:
    """Find a model by folder, ``name``, ``name:3`` or ``name@champion``."""
    from tunewheel.registry import Registry

    if (Path(model) / "tunewheel.json").is_file():
        return Located(Path(model), str(model), Path(model).resolve().name)
    if "/" in str(model):
        raise LoopError(f"{model}: no model folder (no tunewheel.json in it)")
    version = Registry(workspace).resolve(str(model))
    return Located(version.path, version.ref, version.name)
