"""Fitting under several settings and keeping what answers best on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tunewheel.models.model import Model
from tunewheel.tasks import Row


def best_on(
    dev: Sequence[Row], model: Model, settings: Sequence[float], fit: Callable[[float], Any]
) -> tuple[float, dict[str, float]]:
    """``fit`` the model's head under each of ``settings``, and leave it as it was best on ``dev``, the first of equals.

    Returns the setting and the scores; a single setting is taken as it is.
    """
    head = model.network.head
    best, chosen, scores, kept = -math.inf, settings[0], dict[str, float](), None
    for setting in settings:
        fit(setting)
        found = model.task.metrics(model.task.score(dev, model.predictor()(dev))) if dev else {}
        if (score := found.get(model.task.selection, 0.0)) > best:
            best, chosen, scores = score, setting, found
            kept = {name: weight.clone() for name, weight in head.state_dict().items()}
    if kept is not None:
        head.load_state_dict(kept)
    return chosen, scores
