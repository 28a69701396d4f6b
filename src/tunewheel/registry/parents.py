"""Which dataset a new reading is a revision of: the one a model learned from, or one named by its fingerprint."""

from __future__ import annotations

import re
from typing import NamedTuple

from tunewheel.data import Dataset
from tunewheel.registry.names import RegistryError
from tunewheel.registry.registry import Registry
from tunewheel.store.records import find_dataset
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
    """The rows of the one dataset whose fingerprint is this or begins so; None where they are not kept here."""
    record = find_dataset(workspace, fingerprint) if fingerprint else None
    if record is None or record.artifact is None or record.artifact not in workspace.artifacts:
        return None
    return Dataset.load(workspace.artifacts.path(record.artifact))
