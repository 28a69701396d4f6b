"""The registry: versions, where they come from, and the aliases that point at them.

The names below load on first use, so that ``import tunewheel.registry`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.registry.names import CHAMPION, RegistryError, check_name
    from tunewheel.registry.parents import Parent, keep_dataset, kept_dataset, note_dataset, parent_of
    from tunewheel.registry.registry import Registry
    from tunewheel.registry.version import Move, Promotion, Version

_HOMES = {
    "CHAMPION": "names",
    "Move": "version",
    "Parent": "parents",
    "Promotion": "version",
    "Registry": "registry",
    "RegistryError": "names",
    "Version": "version",
    "check_name": "names",
    "keep_dataset": "parents",
    "kept_dataset": "parents",
    "note_dataset": "parents",
    "parent_of": "parents",
}

__all__ = [
    "CHAMPION",
    "Move",
    "Parent",
    "Promotion",
    "Registry",
    "RegistryError",
    "Version",
    "check_name",
    "keep_dataset",
    "kept_dataset",
    "note_dataset",
    "parent_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.registry.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.registry' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
