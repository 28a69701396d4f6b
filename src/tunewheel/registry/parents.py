"""Datasets that the workspace keeps: put there, found again, and taken as the parent of a new reading."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tunewheel.data import Dataset, Source
from tunewheel.registry.names import RegistryError
from tunewheel.registry.registry import Registry
from tunewheel.store.files import temporary_folder
from tunewheel.store.records import DatasetRecord, find_dataset, record_dataset
from tunewheel.store.workspace import Workspace


class Parent(NamedTuple):
    """A dataset that the workspace keeps, and what it is called: a version that learned from it, or its fingerprint."""

    called: str
    dataset: Dataset


def parent_of(workspace: Workspace, reference: str) -> Parent:
    """The dataset of a model reference, or of a fingerprint (or its beginning, from 8 characters on).

    Raises `RegistryError` where there is no such model, or its rows are not kept in this workspace.
    """
    if re.fullmatch("[0-9a-f]{8,64}", reference) and (dataset := kept_dataset(workspace, reference)):
        return Parent(dataset.fingerprint[:12], dataset)
    version = Registry(workspace).resolve(reference)
    found = kept_dataset(workspace, version.dataset) if version.dataset else None
    if found is None:
        raise RegistryError(f"the rows that {version} learned from are not kept in {workspace.home}")
    return Parent(str(version), found)


def kept_dataset(workspace: Workspace, fingerprint: str) -> Dataset | None:
    """The rows of the one dataset whose fingerprint is this or begins so; None where they are not kept here.

    Where rows of it were erased, these are the rows that were left.
    """
    record = None
    for known in what_was_left(workspace, fingerprint):
        record = known
        if record.artifact is not None:
            break
    if record is None or record.artifact is None or record.artifact not in workspace.artifacts:
        return None
    return Dataset.load(workspace.artifacts.path(record.artifact))


def what_was_left(workspace: Workspace, fingerprint: str) -> Iterator[DatasetRecord]:
    """The record of a dataset, and of what each purge left of it and of that, as far as it was kept."""
    record = find_dataset(workspace, fingerprint) if fingerprint else None
    while record is not None:
        yield record
        left = record.summary.get("erased", {}).get("revision")
        record = find_dataset(workspace, left) if left else None


def keep_dataset(workspace: Workspace, dataset: Dataset, name: str) -> DatasetRecord:
    """Put the rows among the artifacts and record them, so that the lineage outlives the user's file.

    Raises `RegistryError` where rows of just this dataset were erased from the workspace.
    """
    known = find_dataset(workspace, dataset.fingerprint)
    if known is not None and (told := known.summary.get("erased")):
        when = f"on {told['at'][:10]} ({told['why']})"
        raise RegistryError(f"rows of {name} were erased {when}: take them out of it before it is read again")
    beside = temporary_folder(workspace.cache_dir, ".tmp-")
    try:
        artifact = workspace.artifacts.put(dataset.save(beside / "dataset"), move=True)
    finally:
        shutil.rmtree(beside)
    return note_dataset(workspace, dataset, name, artifact)


def note_dataset(
    workspace: Workspace, dataset: Dataset, name: str, artifact: str | None = None, *, written: Path | None = None
) -> DatasetRecord:
    """Record a dataset, the files it was read from and the place outside the workspace where it was ``written``.

    Another file with the same rows joins the first.
    """
    return record_dataset(
        workspace,
        dataset.fingerprint,
        name=name,
        parent=dataset.parent,
        artifact=artifact,
        summary={"splits": dataset.rows},
        sources=[_located(source) for source in dataset.sources],
        written=[str(written)] if written else [],
    )


def _located(source: Source) -> dict[str, Any]:
    """A source with its file's whole path, so that it is found from any folder."""
    path = Path(source.path)
    whole = str(path.resolve()) if source.format != "rows" and path.is_file() else source.path
    return {**asdict(source), "path": whole}
