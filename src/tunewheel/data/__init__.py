"""Labelled text in, a `Dataset` out: named splits of checked rows with a content fingerprint.

The names load on first use; ``import tunewheel.data`` loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset
    from tunewheel.data.manifest import Source
    from tunewheel.data.problems import DataError, Problem

_HOMES = {
    "DataError": "tunewheel.data.problems",
    "Dataset": "tunewheel.data.dataset",
    "Problem": "tunewheel.data.problems",
    "Source": "tunewheel.data.manifest",
}

__all__ = ["DataError", "Dataset", "Problem", "Source"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tunewheel.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
