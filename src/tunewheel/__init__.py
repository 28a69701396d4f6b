"""Tunewheel turns a company's own text into a language model that does its job, and keeps it doing that job.

The names below load on first use, so that ``import tunewheel`` stays light (neither torch nor transformers).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.client import AsyncClient, Client
    from tunewheel.data import DataError, Dataset
    from tunewheel.data.check import Inspection
    from tunewheel.evaluation import Comparison, Report, compare, evaluate
    from tunewheel.loop import climb, pretrain, train
    from tunewheel.loop.archive import pack, unpack
    from tunewheel.loop.check import check
    from tunewheel.loop.clean import clean
    from tunewheel.loop.collect import collect
    from tunewheel.loop.distill import distill
    from tunewheel.loop.drift import drift
    from tunewheel.loop.export import export
    from tunewheel.loop.forget import forget
    from tunewheel.loop.gate import gate
    from tunewheel.loop.rollout import rollout
    from tunewheel.loop.topics import topics
    from tunewheel.loop.tune import tune
    from tunewheel.loop.update import update
    from tunewheel.models import Model
    from tunewheel.models.retrieval import Index
    from tunewheel.registry import Registry, Version
    from tunewheel.store import Workspace
    from tunewheel.tasks import Task

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "tunewheel.client",
    "Client": "tunewheel.client",
    "Comparison": "tunewheel.evaluation",
    "DataError": "tunewheel.data",
    "Dataset": "tunewheel.data",
    "Index": "tunewheel.models.retrieval",
    "Inspection": "tunewheel.data.check",
    "Model": "tunewheel.models",
    "Registry": "tunewheel.registry",
    "Report": "tunewheel.evaluation",
    "Task": "tunewheel.tasks",
    "Version": "tunewheel.registry",
    "Workspace": "tunewheel.store",
    "check": "tunewheel.loop",
    "clean": "tunewheel.loop",
    "climb": "tunewheel.loop",
    "collect": "tunewheel.loop",
    "compare": "tunewheel.evaluation",
    "distill": "tunewheel.loop",
    "drift": "tunewheel.loop",
    "evaluate": "tunewheel.evaluation",
    "export": "tunewheel.loop",
    "forget": "tunewheel.loop",
    "gate": "tunewheel.loop",
    "pack": "tunewheel.loop",
    "pretrain": "tunewheel.loop",
    "rollout": "tunewheel.loop",
    "topics": "tunewheel.loop",
    "train": "tunewheel.loop",
    "tune": "tunewheel.loop",
    "unpack": "tunewheel.loop",
    "update": "tunewheel.loop",
}

__all__ = [
    "AsyncClient",
    "Client",
    "Comparison",
    "DataError",
    "Dataset",
    "Index",
    "Inspection",
    "Model",
    "Registry",
    "Report",
    "Task",
    "Version",
    "Workspace",
    "__version__",
    "check",
    "clean",
    "climb",
    "collect",
    "compare",
    "distill",
    "drift",
    "evaluate",
    "export",
    "forget",
    "gate",
    "pack",
    "pretrain",
    "rollout",
    "topics",
    "train",
    "tune",
    "unpack",
    "update",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tunewheel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
