"""The gate: what stands between a challenger and its promotion.

The names below load on first use, so that ``import tunewheel.registry`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.registry.gate.evidence import Answers, Evidence, RowSet, find_parts, fingerprint
    from tunewheel.registry.gate.gate import Gate
    from tunewheel.registry.gate.nouns import Check, Decision, GateError, Margins
    from tunewheel.registry.gate.record import get_decision, list_decisions, record_decision, uses_of
    from tunewheel.registry.gate.trial import Rates, Trial, measure

_HOMES = {
    "Answers": "evidence",
    "Check": "nouns",
    "Decision": "nouns",
    "Evidence": "evidence",
    "Gate": "gate",
    "GateError": "nouns",
    "Margins": "nouns",
    "Rates": "trial",
    "RowSet": "evidence",
    "Trial": "trial",
    "find_parts": "evidence",
    "fingerprint": "evidence",
    "get_decision": "record",
    "list_decisions": "record",
    "measure": "trial",
    "record_decision": "record",
    "uses_of": "record",
}

__all__ = [
    "Answers",
    "Check",
    "Decision",
    "Evidence",
    "Gate",
    "GateError",
    "Margins",
    "Rates",
    "RowSet",
    "Trial",
    "find_parts",
    "fingerprint",
    "get_decision",
    "list_decisions",
    "measure",
    "record_decision",
    "uses_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.registry.gate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.registry.gate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
