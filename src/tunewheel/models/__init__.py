"""Models: backbones, the training engine, the Model folder and the predictor.

Names load on first use, so that importing the package loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.models.adapt import prepare
    from tunewheel.models.backbones import BackboneError, load_backbone
    from tunewheel.models.engine import Progress, Trained
    from tunewheel.models.methods import Adaptation, MethodError
    from tunewheel.models.model import Model, ModelError, Origin
    from tunewheel.models.recipe import Recipe

_HOMES = {
    "Adaptation": "methods",
    "BackboneError": "backbones",
    "MethodError": "methods",
    "Model": "model",
    "ModelError": "model",
    "Origin": "model",
    "Progress": "engine",
    "Recipe": "recipe",
    "Trained": "engine",
    "load_backbone": "backbones",
    "prepare": "adapt",
}

__all__ = [
    "Adaptation",
    "BackboneError",
    "MethodError",
    "Model",
    "ModelError",
    "Origin",
    "Progress",
    "Recipe",
    "Trained",
    "load_backbone",
    "prepare",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"tunewheel.models.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'tunewheel.models' has no attribute {name!r}")
