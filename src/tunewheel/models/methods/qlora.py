"""LoRA on a base whose linear layers are held in four bits (Dettmers et al. 2023, "QLoRA")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from tunewheel.models.methods.base import MethodError
from tunewheel.models.methods.peft import Lora
from tunewheel.models.network import Network

BLOCK = 64
"""Weights that share a scale, as the paper has it."""


@dataclass(frozen=True)
class QLora(Lora):
    """LoRA while the base's matrices are held in four bits; merged into what these say."""

    name: ClassVar[str] = "qlora"
    summary: ClassVar[str] = "LoRA while the base is held in four bits: for large bases; needs a GPU and bitsandbytes"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Check options; raises `MethodError` too where this machine has not what four bits need."""
        lacking = [] if torch.cuda.is_available() else ["a GPU"]
        lacking += [] if find_spec("bitsandbytes") else ["bitsandbytes (pip install bitsandbytes)"]
        if lacking:
            raise MethodError(f"method {cls.name!r} needs {' and '.join(lacking)}; use 'lora' without")
        return super().from_options(options)

    def changed(self, network: Network) -> Network:
        """Hold the backbone's matrices in four bits, and lay the adapter over them."""
        _replace(network.backbone, nn.Linear, FourBits)
        return super().changed(network)

    def finished(self, network: Network) -> Network:
        """Merge the adapter into the matrices that it was learned over."""
        _replace(network.backbone, FourBits, FourBits.plain)
        return super().finished(network)


class FourBits(nn.Linear):
    """A linear layer whose matrix is 4-bit NormalFloat, made whole each time it is used."""

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        where = "cuda" if torch.cuda.is_available() else "cpu"
        packed, state = _library().quantize_4bit(linear.weight.detach().to(where), blocksize=BLOCK, quant_type="nf4")
        self.register_buffer("packed", packed)
        self.register_buffer("scales", state.absmax)

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The matrix [out, in] that the four bits say."""
        packed, scales = self.get_buffer("packed"), self.get_buffer("scales")
        out = torch.empty(self.out_features, self.in_features, device=packed.device)
        whole: Tensor = _library().dequantize_4bit(packed, absmax=scales, out=out, blocksize=BLOCK, quant_type="nf4")
        return whole

    def plain(self) -> nn.Linear:
        """An ordinary layer with this matrix."""
        linear = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device=self.weight.device)
        linear.weight.data = self.weight
        linear.bias = self.bias
        return linear


def _library() -> Any:
    return import_module("bitsandbytes.functional")


def _replace(network: nn.Module, kind: type[nn.Module], make: Any) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is kind:
                setattr(parent, name, make(child))
