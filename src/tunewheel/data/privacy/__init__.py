"""Personal data found and masked: one way for data, logs, recorded exchanges and whatever leaves for a remote model.

The names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.data.privacy.finding import Found, find
    from tunewheel.data.privacy.keys import load_key, new_key
    from tunewheel.data.privacy.kinds import KINDS, PrivacyError
    from tunewheel.data.privacy.masking import Masked, Masker
    from tunewheel.data.privacy.moves import Moves
    from tunewheel.data.privacy.table import read_table, restore, write_table

_HOMES = {
    "KINDS": "kinds",
    "Found": "finding",
    "Masked": "masking",
    "Masker": "masking",
    "Moves": "moves",
    "PrivacyError": "kinds",
    "find": "finding",
    "load_key": "keys",
    "new_key": "keys",
    "read_table": "table",
    "restore": "table",
    "write_table": "table",
}

__all__ = [
    "KINDS",
    "Found",
    "Masked",
    "Masker",
    "Moves",
    "PrivacyError",
    "find",
    "load_key",
    "new_key",
    "read_table",
    "restore",
    "write_table",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.data.privacy.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.data.privacy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
