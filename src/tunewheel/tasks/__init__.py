"""Tasks: what columns a job needs, how rows become model inputs, how outputs become predictions and scores."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tunewheel.tasks.base import (
    IGNORED,
    Encoder,
    Head,
    Level,
    Part,
    Pieces,
    Prediction,
    Probabilities,
    Row,
    Scope,
    Scores,
    Task,
    TaskError,
    Window,
)
from tunewheel.tasks.calibration import Claims

__all__ = [
    "IGNORED",
    "Claims",
    "Encoder",
    "Head",
    "Level",
    "Part",
    "Pieces",
    "Prediction",
    "Probabilities",
    "Row",
    "Scope",
    "Scores",
    "Task",
    "TaskError",
    "Window",
    "load_task",
    "task_class",
    "task_names",
]


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="tunewheel.tasks")}


def task_names() -> list[str]:
    """Names of all installed tasks, ours and third parties'.

    >>> {"classification", "ner"} <= set(task_names())
    True
    """
    return sorted(_installed())


def task_class(name: str) -> type[Task]:
    """Look a task up by name (entry point group ``tunewheel.tasks``)."""
    installed = _installed()
    if name not in installed:
        close = get_close_matches(name, installed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise TaskError(f"no task {name!r} is installed (there are {', '.join(sorted(installed))}){hint}")
    loaded: type[Task] = installed[name].load()
    return loaded


def load_task(config: Mapping[str, Any]) -> Task:
    """Build a task from the ``{"name": …, "config": …}`` that a model folder stores."""
    return task_class(config["name"]).from_config(config["config"])
