"""Lineage both ways: from a version, a dataset, a file, a row, a text or an error to what it came from and became."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.lineage.find import TraceError, trace
    from tunewheel.lineage.nearest import trace_errors

_HOMES = {"TraceError": "find", "trace": "find", "trace_errors": "nearest"}

__all__ = ["TraceError", "trace", "trace_errors"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.lineage.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.lineage' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
