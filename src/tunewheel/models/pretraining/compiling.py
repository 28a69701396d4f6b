"""The layers compiled, where a run is long enough to pay for it."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tunewheel.models.pretraining.recipe import PretrainRecipe

_WORTH = 1e14
"""Operations from which a run is compiled: some ten minutes on two cores, of which compiling takes one."""


def is_worth(network: Any, recipe: PretrainRecipe) -> bool:
    """Whether layers are compiled: by what all updates take, so that a run taken up again has it alike."""
    if recipe.compile is not None:
        return recipe.compile
    found = any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)
    flops = network.flops(recipe.length, recipe.masked)
    return found and not torch.cuda.is_available() and bool(flops * recipe.tokens > _WORTH)


@contextmanager
def compiled(
    network: nn.Module, batch: Mapping[str, Tensor], precision: str, tell: Callable[[str, str], None]
) -> Iterator[None]:
    """Run layers through torch.compile; what looks on under `uncompiled` does not.

    Element by element work between the products becomes one pass each. Every batch has the shape of ``batch``, by which
    it is compiled here. Where that cannot be done, which is told, the network stays as it is.
    """
    bodies = [layer for name in ("backbone", "generator") for layer in _layers(getattr(network, name, None))]
    for body in bodies:
        body.compile(dynamic=False)
    tell("compiling", "the layers, once (compile=false goes without)")
    _tried(network, bodies, batch, precision, tell)
    try:
        yield
    finally:
        _undo(bodies)


def _layers(backbone: nn.Module | None) -> list[nn.Module]:
    """The blocks of a transformer, and nothing around them.

    A table's gradients, compiled, add up in the order in which threads come: two runs of zh-mini's sizes parted in the
    fourth digit of their perplexity after 30 updates. Left out, they do not, at the same speed.
    """
    lists = [m for m in backbone.modules() if isinstance(m, nn.ModuleList)] if backbone is not None else []
    return [*max(lists, key=len, default=())]


def _tried(
    network: nn.Module,
    bodies: list[Any],
    batch: Mapping[str, Tensor],
    precision: str,
    tell: Callable[[str, str], None],
) -> None:
    """Compile forward and backward, or say why not and leave the network as it was."""
    device = next(network.parameters()).device
    try:
        with warnings.catch_warnings(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            # Dynamo looks at the gradient of what goes into a layer, which has none.
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf", UserWarning)
            losses = network.train()(**{name: value.to(device) for name, value in batch.items()})
        losses["loss"].backward()
    except RuntimeError as error:  # what dynamo and inductor raise are, a missing compiler's too
        _undo(bodies)
        tell("compiling", f"cannot be done here, and is not needed: {str(error).strip().splitlines()[0]}")
    network.zero_grad()


def uncompiled() -> Any:
    """What runs inside is not compiled: once for every mode and shape would cost more than it brings."""
    return torch.compiler.set_stance("force_eager")


def _undo(bodies: list[Any]) -> None:
    for body in bodies:
        body._compiled_call_impl = None
