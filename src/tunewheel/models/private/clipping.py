"""One gradient a unit, cut to a norm, and their sum.

The gradient of a unit is the sum over all its windows, however many these are and however they fall into what is
computed at once. It is gathered layer by layer as the backward pass goes (Abadi et al. 2016, "Deep Learning with
Differential Privacy"), by the formulas of Opacus; weights' ordinary gradients are never computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tunewheel.models.methods.base import MethodError
from tunewheel.models.network import Network
from tunewheel.tasks import IGNORED

FLOATS = 1 << 28
"""How many numbers the units' gradients may take at once: 1 GiB."""

_KNOWN = (nn.Linear, nn.LayerNorm, nn.Embedding)


class UnitGradients:
    """Gathers the clipped gradients of units over one update of a network."""

    def __init__(self, network: Network, clip: float) -> None:
        check_layers(network)
        self.network = network
        self.clip = clip
        self.learning = [p for p in network.parameters() if p.requires_grad]
        self.sums = {p: torch.zeros_like(p) for p in self.learning}
        self._dense: dict[Tensor, Tensor] = {}
        self._sparse: dict[Tensor, list[tuple[Tensor, Tensor]]] = {}
        self._unit: Tensor | None = None
        self._units = 0

    @property
    def at_once(self) -> int:
        """Units whose gradients are held at once; those of word tables take room only where a word stands."""
        tables = {p for m in self.network.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
        floats: int = sum(p.numel() for p in self.learning if p not in tables)
        return max(1, FLOATS // max(1, floats))

    def add(self, parts: Sequence[tuple[dict[str, Tensor], Sequence[int]]], units: int) -> float:
        """Add the clipped gradients of ``units`` whole units; return the sum of their windows' losses.

        A part is a batch of windows and the unit of each, from 0 to ``units`` - 1.
        """
        self._units, self._dense, self._sparse, lost = units, {}, {}, 0.0
        with self._hooked():
            for batch, unit in parts:
                self._unit = torch.tensor(unit, device=self.network.device)
                labels = batch["labels"]
                logits = self.network(**{name: value for name, value in batch.items() if name != "labels"}).logits
                loss = window_losses(self.network, logits, labels).sum()
                loss.backward()  # type: ignore[no-untyped-call]
                lost += loss.item()
        self._clip()
        return lost

    def noisy(self, generator: torch.Generator, noise: float, expected: float) -> None:
        """Leave the mean gradient with its noise as every weight's own; the sums start anew.

        ``noise`` times the clip is the standard deviation of what is added to the sum in every weight, ``expected`` how
        many units the sum is divided by: never how many were drawn, which would tell of them.
        """
        for p in self.learning:
            added = torch.normal(0.0, noise * self.clip, p.shape, generator=generator, device=p.device, dtype=p.dtype)
            p.grad = (self.sums[p] + added) / expected
            self.sums[p].zero_()

    def _clip(self) -> None:
        """Cut each unit's gradient over all weights to the norm, and add it to the sums."""
        device = self.network.device
        squares = torch.zeros(self._units, device=device)
        for gradients in self._dense.values():
            squares += gradients.square().sum(1)
        tables = {p: _merged(found, p.shape[0]) for p, found in self._sparse.items()}
        for p, (place, values) in tables.items():
            squares.index_add_(0, place // p.shape[0], values.square().sum(1))
        factor = (self.clip / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
        # A gradient that overflowed has no direction; letting it through would be no bound at all.
        factor = torch.where(squares.isfinite(), factor, torch.zeros_like(factor))
        for p, gradients in self._dense.items():
            self.sums[p] += (factor @ gradients.nan_to_num_(0.0, 0.0, 0.0)).view_as(p)
        for p, (place, values) in tables.items():
            share = factor[place // p.shape[0], None] * values.nan_to_num_(0.0, 0.0, 0.0)
            self.sums[p].index_add_(0, place % p.shape[0], share)
        self._dense, self._sparse = {}, {}

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        """See what goes into and comes back to each layer that learns; weights themselves ask for no gradient."""
        layers = [m for m in self.network.modules() if any(p.requires_grad for p in m.parameters(recurse=False))]
        handles = [layer.register_forward_hook(self._seen) for layer in layers]
        for p in self.learning:
            p.requires_grad_(False)
        self._wanted = set(self.learning)
        try:
            yield
        finally:
            for p in self.learning:
                p.requires_grad_(True)
            for handle in handles:
                handle.remove()

    def _seen(self, layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert self._unit is not None
        read, windows = given[0].detach(), len(self._unit)
        if len(output) == 1 != windows:  # places in a text are the same for all, and looked up once
            read, output = read.expand(windows, *read.shape[1:]), output.expand(windows, *output.shape[1:])
        if len(read) != windows or len(output) != windows:
            raise MethodError(
                f"dp_epsilon: a layer ({type(layer).__name__}) of this base does not read one window a row, so that "
                "its gradient cannot be told unit by unit; use another base"
            )
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        taken: Callable[..., None] = self._table if isinstance(layer, nn.Embedding) else self._layer
        output.register_hook(partial(taken, layer, read, self._unit))  # type: ignore[no-untyped-call]
        return output

    def _layer(self, layer: nn.Module, read: Tensor, unit: Tensor, back: Tensor) -> None:
        """Add a layer's gradients to those of the windows' units."""
        from opacus.grad_sample import GradSampleModule

        # The formulas ask the weights whether they learn.
        own = [p for p in layer.parameters(recurse=False) if p in self._wanted]
        for p in own:
            p.requires_grad_(True)
        found = GradSampleModule.GRAD_SAMPLERS[type(layer)](layer, [read], back.detach())
        for p in own:
            p.requires_grad_(False)
        for p, gradients in found.items():
            held = self._dense.setdefault(p, torch.zeros(self._units, p.numel(), device=p.device))
            held.index_add_(0, unit, gradients.flatten(1).to(held.dtype))

    def _table(self, layer: nn.Embedding, read: Tensor, unit: Tensor, back: Tensor) -> None:
        """Keep a table's gradients by unit and row: nearly all of a dense one, 47 MB a text, would be zeros."""
        values = back.detach().reshape(-1, back.shape[-1]).float()
        place = (unit.view(-1, *[1] * (read.ndim - 1)) * layer.num_embeddings + read).flatten()
        if layer.padding_idx is not None:
            told = (read != layer.padding_idx).flatten()
            place, values = place[told], values[told]
        self._sparse.setdefault(layer.weight, []).append(_merged([(place, values)], layer.num_embeddings))


def _merged(found: Sequence[tuple[Tensor, Tensor]], rows: int) -> tuple[Tensor, Tensor]:
    """What stands for the same unit and row of a table, added up."""
    place, values = torch.cat([p for p, _ in found]), torch.cat([v for _, v in found])
    merged, to = torch.unique(place, return_inverse=True)
    return merged, torch.zeros(len(merged), values.shape[1], device=values.device).index_add_(0, to, values)


def check_layers(network: Network) -> None:
    """Raise `MethodError` where a weight that learns belongs to a layer whose gradient is not known unit by unit."""
    owners: dict[int, str] = {}
    for name, module in network.named_modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        plain = type(module) in _KNOWN and not (isinstance(module, nn.LayerNorm) and module.bias is None)
        if own and not plain:
            raise MethodError(
                f"dp_epsilon: {name or 'the network'} ({type(module).__name__}) is no layer whose gradient is known "
                "unit by unit (linear, layer norm with a bias, embedding); use another base, or method 'head'"
            )
        for p in own:
            if id(p) in owners and owners[id(p)] != type(module).__name__:
                raise MethodError(f"dp_epsilon: {name} shares its weights with a layer of another kind")
            owners[id(p)] = type(module).__name__


def window_losses(network: Network, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of each window alone [windows]: of its labels, or the mean over its own pieces.

    What a batch's mean divides by would tie the gradients of its windows to each other.
    """
    logits = logits.float()
    if network.config.loss == "binary":
        each = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
        return each.flatten(1).mean(1)
    options: dict[str, Any] = {"ignore_index": IGNORED, "label_smoothing": network.label_smoothing}
    each = nn.functional.cross_entropy(logits.movedim(-1, 1), labels, reduction="none", **options)
    if each.ndim == 1:
        return each
    return each.sum(1) / (labels != IGNORED).sum(1).clamp(min=1)
