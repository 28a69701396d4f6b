"""A thinner network: some layers of another, weights taken over (DistilBERT's beginning: Sanh et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tunewheel.models.methods.base import MethodError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def kept_layers(layers: int, keep: int) -> list[int]:
    """Which of ``layers`` stay: the first, the last and evenly spread ones between; a single one is the first.

    >>> kept_layers(6, 3), kept_layers(22, 4), kept_layers(6, 1)
    ([0, 2, 5], [0, 7, 14, 21], [0])
    """
    return [round(i * (layers - 1) / max(1, keep - 1)) for i in range(keep)]


def thinned(backbone: PreTrainedModel, layers: int | None) -> PreTrainedModel:
    """A copy of a transformer with ``layers`` of its layers (half of them by default), each as it is.

    The first layer stays the first, since bases such as ModernBERT build it otherwise than the rest. Raises
    `MethodError` for a backbone that is no stack of layers, or has fewer.
    """
    name, stack = _stack(backbone)
    keep = kept_layers(len(stack), max(1, len(stack) // 2) if layers is None else layers)
    if not 0 < len(keep) <= len(stack):
        raise MethodError(f"layers: the teacher has {len(stack)}, a thin student 1 to {len(stack)}, got {layers}")
    config = type(backbone.config).from_dict(backbone.config.to_dict())
    config.num_hidden_layers = len(keep)
    if getattr(config, "layer_types", None):
        config.layer_types = [backbone.config.layer_types[i] for i in keep]
    config._attn_implementation = backbone.config._attn_implementation
    thin: PreTrainedModel = type(backbone)(config)
    place = {old: new for new, old in enumerate(keep)}
    weights = {}
    for key, value in backbone.state_dict().items():
        if not key.startswith(f"{name}."):
            weights[key] = value
            continue
        layer, _, rest = key.removeprefix(f"{name}.").partition(".")
        if int(layer) in place:
            weights[f"{name}.{place[int(layer)]}.{rest}"] = value
    thin.load_state_dict(weights, strict=False)  # a pooler, which no network here reads, may be missing
    return thin


def _stack(backbone: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """The name of a backbone's stack of layers, and the stack."""
    depth = getattr(backbone.config, "num_hidden_layers", None)
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return name, module
    kind = backbone.config.model_type
    raise MethodError(
        f"a thin student has some layers of its teacher's transformer, and {kind!r} is none; name another"
    )
