"""The store: one database, one artifact folder, files written whole or not at all.

The names below load on first use, so that ``import tunewheel.store`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.store.artifacts import Artifacts
    from tunewheel.store.erasures import Erasure, list_erasures, record_erasure
    from tunewheel.store.errors import ArtifactError, LockedError, SchemaError, StoreError
    from tunewheel.store.files import write_whole
    from tunewheel.store.records import (
        DatasetRecord,
        Run,
        fail_run,
        find_dataset,
        finish_run,
        get_dataset,
        get_run,
        list_datasets,
        record_dataset,
        start_run,
    )
    from tunewheel.store.workspace import Workspace

_HOMES = {
    "ArtifactError": "errors",
    "Artifacts": "artifacts",
    "DatasetRecord": "records",
    "Erasure": "erasures",
    "LockedError": "errors",
    "Run": "records",
    "SchemaError": "errors",
    "StoreError": "errors",
    "Workspace": "workspace",
    "fail_run": "records",
    "find_dataset": "records",
    "finish_run": "records",
    "get_dataset": "records",
    "get_run": "records",
    "list_datasets": "records",
    "list_erasures": "erasures",
    "record_dataset": "records",
    "record_erasure": "erasures",
    "start_run": "records",
    "write_whole": "files",
}

__all__ = [
    "ArtifactError",
    "Artifacts",
    "DatasetRecord",
    "Erasure",
    "LockedError",
    "Run",
    "SchemaError",
    "StoreError",
    "Workspace",
    "fail_run",
    "find_dataset",
    "finish_run",
    "get_dataset",
    "get_run",
    "list_datasets",
    "list_erasures",
    "record_dataset",
    "record_erasure",
    "start_run",
    "write_whole",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.store.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.store' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
