"""`export`: a model as files that another engine computes, accepted by what they answer."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.loop.reading import LoopError, check_fits, locate, read_dataset
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.models import Model
    from tunewheel.models.body import Answers
    from tunewheel.models.exporting.export import Exported
    from tunewheel.models.predictor import Predictor
    from tunewheel.registry import Version
    from tunewheel.store import Workspace
    from tunewheel.tasks import Prediction, Row, Task


def export(
    model: str | Path,
    *,
    data: str | Path | None = None,
    output: Path | None = None,
    variants: Collection[str] | None = None,
    force: bool = False,
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
) -> Exported:
    """Export a model to ONNX, in fp32 and int8, and find the fastest variant on this machine.

    It is judged on the dev rows of ``data``, by default of what the model learned from. fp32 must answer as torch does;
    int8 is refused where its drop in a headline figure is significant (paired bootstrap and permutation test,
    `tunewheel.evaluation.compare`), unless ``force`` keeps it. A registered version's export is recorded with it; a
    model folder's lies in ``output``, by default beside it (`beside`).

    Raises:
        LoopError: there are no rows to judge by. ExportError: the model is no network.
    """
    from tunewheel.models import Model
    from tunewheel.models.exporting.export import check_exportable
    from tunewheel.models.exporting.export import export as write
    from tunewheel.models.exporting.folder import FILES, ExportError, beside
    from tunewheel.registry.exports import record_export
    from tunewheel.store import Workspace
    from tunewheel.store.files import temporary_folder

    wanted = list(variants or FILES)
    if unknown := [each for each in wanted if each not in FILES]:
        raise ExportError(f"no variant {unknown[0]!r} is made by an export; there are {', '.join(FILES)}")
    workspace = Workspace.open(home, database)
    located = locate(model, workspace)
    version = _version(model, workspace)
    loaded = Model.load(located.folder)
    check_exportable(loaded)
    rows = _dev_rows(loaded, data, workspace)
    target = output or (None if version else beside(located.folder))
    if target is not None and target.exists() and any(target.iterdir()):
        raise ExportError(f"{target} is not empty; name a new folder with -o")
    say("export", f"{located.called}, {', '.join(wanted)}, judged on {len(rows):,} rows")
    place = temporary_folder(workspace.cache_dir, ".tmp-")
    try:
        judge = _Judge(loaded, rows)
        found = write(loaded, dev_rows=rows, folder=place / "export", variants=wanted, force=force, judge=judge)
        if target is not None:
            shutil.copytree(found.folder, target, dirs_exist_ok=True)
            found = replace(found, folder=target)
        if version is not None:
            record = record_export(workspace, version, place / "export", found.summary)
            found = replace(found, folder=target or record.path)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return found


def export_of(model: str | Path, workspace: Workspace) -> Path | None:
    """The folder of a model's export, checked against its record: a version's newest, or what lies beside a folder."""
    from tunewheel.registry.exports import find_export

    version = _version(model, workspace)
    if version is None:
        from tunewheel.models.exporting.folder import beside

        folder = beside(Path(model))
        return folder if folder.is_dir() else None
    record = find_export(workspace, version)
    return record.path if record else None


@dataclass(frozen=True)
class Through:
    """A model answering through one variant, as evaluation asks it."""

    task: Task
    answers: Answers

    @classmethod
    def variant(cls, model: Model, name: str | Path, variant: str, workspace: Workspace) -> Through:
        """The variant of a model that is known by ``name``; raises `ExportError` where it has none such."""
        from tunewheel.models.exporting.variants import variant_predictor

        folder = None if variant.startswith("torch-") else export_of(name, workspace)
        return cls(model.task, variant_predictor(model, variant, folder))

    def predict(self, rows: Sequence[Row], /) -> list[Prediction]:
        """One prediction a row, in order."""
        return self.answers(rows)


class _Judge:
    """Scores a variant on the rows against torch in fp32, which is scored once."""

    def __init__(self, model: Model, rows: Sequence[Row]) -> None:
        self.model = model
        self.rows = rows
        self.before: Any = None

    def __call__(self, variant: str, predictor: Predictor) -> dict[str, Any]:
        """The headline figures' differences, and why it is refused, if it is."""
        from tunewheel.evaluation import compare, evaluate

        task = self.model.task
        self.before = self.before or evaluate(Through(task, self.model.predictor()), self.rows, name="torch-fp32")
        after = evaluate(Through(task, predictor), self.rows, name=variant)
        differences = compare(self.before, after).as_dict()["differences"]
        worse = [
            f"{name} {each['before']:.4f} → {each['after']:.4f} ({each['low']:+.4f} to {each['high']:+.4f})"
            for name, each in differences.items()
            if each["verdict"] == "worse"
        ]
        return {"differences": differences, "refused": f"significantly worse: {', '.join(worse)}" if worse else None}


def _version(model: str | Path, workspace: Workspace) -> Version | None:
    """The registered version that is meant, None for a folder."""
    from tunewheel.registry import Registry

    return None if (Path(model) / "tunewheel.json").is_file() else Registry(workspace).resolve(str(model))


def _dev_rows(model: Model, data: str | Path | None, workspace: Workspace) -> list[Row]:
    """The rows an export is judged by: the dev split, else all of a single split."""
    from tunewheel.registry import kept_dataset

    if data is not None:
        dataset = read_dataset(data, workspace, dev=0.0, test=0.0, task=model.task.name)
        check_fits(dataset, model.task, str(data), "the model")
        return list(dataset["dev" if "dev" in dataset.splits else dataset.splits[0]])
    learned = kept_dataset(workspace, model.origin.dataset)
    if learned is None or "dev" not in learned.splits:
        raise LoopError("the dev rows that this model was fitted on are not in this workspace: name rows with --data")
    return list(learned["dev"])
