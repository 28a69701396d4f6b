"""Training on a processor, faster: cheap dropout masks and one matrix product for query, key and value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

_FUSIBLE = frozenset({"BertSelfAttention", "RobertaSelfAttention", "XLMRobertaSelfAttention", "ElectraSelfAttention"})


class _Masked(torch.autograd.Function):
    """Multiply by a mask of 0 and ``scale``; the mask alone is kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: Tensor, scale: float) -> Tensor:
        mask = keep.to(x.dtype).mul_(scale)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0] * ctx.saved_tensors[0], None, None


class ByteDropout(nn.Module):
    """Dropout (Srivastava et al. 2014) that draws eight elements' coins from one 64-bit random number.

    torch draws a processor's masks one element at a time on one thread, 4.8 ms for 1024 x 384; this takes 1.1 ms.
    ``p`` is rounded to 1/128 (0.1 becomes 0.102) and the scale fits the rounded value, so expectations hold exactly.
    Coins come from torch's generator: a checkpoint's random state covers them.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.steps = round(p * 128)

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share ``p`` of the elements and scale the others up; the identity outside training."""
        if not self.training or self.steps == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.steps / 128, True)
        # random_() leaves a number's top bit clear, so the coin is the byte's lower seven bits.
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_()
        coins = words.view(torch.uint8)[: x.numel()].view(x.shape).bitwise_and_(127)
        masked: Tensor = _Masked.apply(x, coins >= self.steps, 128 / (128 - self.steps))  # type: ignore[no-untyped-call]
        return masked

    def extra_repr(self) -> str:
        """Show the share that is dropped."""
        return f"p={self.steps / 128:.3f}"


def _fused_forward(self: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
    if not self.training:
        # Joining the weights costs more than it saves on a short text.
        return type(self).forward(self, hidden_states, attention_mask, **kwargs)
    shape = (*hidden_states.shape[:-1], -1, self.attention_head_size)
    parts = _projected((self.query, self.key, self.value), hidden_states)
    query, key, value = (x.reshape(shape).transpose(1, 2) for x in parts)
    if (before := kwargs.pop("past_key_values", None)) is not None:
        key, value = before.update(key, value, self.layer_idx)
    if query.dtype == torch.bfloat16 and self.dropout.p == 0:
        output = plain_attention(query, key, value, attention_mask, self.scaling).transpose(1, 2)
        return output.reshape(*hidden_states.shape[:-1], -1), None
    attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
    output, weights = attend(
        self, query, key, value, attention_mask, dropout=self.dropout.p, scaling=self.scaling, **kwargs
    )
    return output.reshape(*hidden_states.shape[:-1], -1).contiguous(), weights


def _projected(parts: tuple[Any, ...], x: Tensor) -> tuple[Tensor, ...]:
    """What each part makes of ``x``: one product where all are plain matrices, one each where an adapter stands in."""
    if any(type(part) is not nn.Linear for part in parts):
        return tuple(part(x) for part in parts)
    joined = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
    return F.linear(x, *joined).chunk(3, -1)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float) -> Tensor:
    """Attention as three products [batch, heads, length, width]; ``mask`` is bool (True: look) or additive.

    torch's fused kernel goes backward ten times slower in bf16 on a processor: 15 ms for 32 texts of 32 tokens where
    these products take 1.4 ms; it took a quarter of a training step. In fp32 the fused kernel is as fast.
    """
    scores = torch.matmul(query * scaling, key.transpose(-1, -2))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask.to(scores)
    return torch.matmul(scores.softmax(-1), value)


def set_dropout(network: nn.Module, hidden: float, attention: float) -> None:
    """Set every dropout of a network: ``hidden`` on hidden states, ``attention`` on attention probabilities.

    Attention dropout takes SDPA off its fused path, on every device.
    """
    for parent in network.modules():
        if isinstance(parent, nn.ModuleDict):
            continue  # an adapter's, which its own options set
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.Dropout | ByteDropout):
                continue
            if type(parent).__name__.endswith("SelfAttention"):
                child.p = attention
            else:
                setattr(parent, name, ByteDropout(hidden))


def fuse_projections(network: nn.Module) -> int:
    """Compute query, key and value of BERT-like attention in one product while training; the weights stay as they are.

    One product of 384 → 1152 ran at 188 GFLOP/s where three of 384 → 384 ran at 86: 6 % of a training step. Where an
    adapter stands in for a projection, its three are computed apart and attention is as fast all the same.
    Returns how many attention blocks it changed.
    """
    changed = 0
    for module in network.modules():
        config: Any = getattr(module, "config", None)
        if type(module).__name__ in _FUSIBLE and config._attn_implementation == "sdpa":
            module.forward = _fused_forward.__get__(module)
            changed += 1
    return changed


@contextmanager
def plain_products(network: nn.Module) -> Iterator[None]:
    """Let attention be the library's plain products, for training on a processor where `fuse_projections` does nothing.

    torch's fused kernel goes backward ten times slower in bf16 there (`plain_attention`).
    """
    fused = [m for m in network.modules() if isinstance(m, PreTrainedModel) and m.config._attn_implementation == "sdpa"]
    for module in fused:
        module.set_attn_implementation("eager")
    try:
        yield
    finally:
        for module in fused:
            module.set_attn_implementation("sdpa")
