"""Raw text in: folders, web pages, feeds, database queries and logs become one growing file of JSON Lines.

The names load on first use. What is foreign is parsed in a process of its own (`sandbox`), under limits.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.data.collect.collector import Collection, collect
    from tunewheel.data.collect.limits import Limits

_HOMES = {
    "Collection": "tunewheel.data.collect.collector",
    "Limits": "tunewheel.data.collect.limits",
    "collect": "tunewheel.data.collect.collector",
}

__all__ = ["Collection", "Limits", "collect"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tunewheel.data.collect' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
