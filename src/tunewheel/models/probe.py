"""The head first: a linear probe on the frozen backbone, from which fine-tuning starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from tunewheel.models.batching import budgeted

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network
    from tunewheel.tasks import Window

_BATCH_TOKENS = 2048


def fit_head(network: Network, encoder: TextEncoder, windows: Sequence[Window], *, decay: float = 1e-4) -> float:
    """Fit a text-level head on the backbone's features of ``windows`` and return its loss.

    A random head's first gradients bend features that pretraining had put right; a fitted one leaves them in place
    (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution"). ``decay``
    is the weight of half the squared norm of the head; L-BFGS finds the one minimum, so no seed is involved.
    """
    features, labels = _features(network, encoder, windows)
    head: Any = network.head
    optimizer: Any = torch.optim.LBFGS(head.parameters(), max_iter=200, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss: Any = network.loss(head(features), labels) + decay / 2 * head.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    optimizer.zero_grad()
    with torch.no_grad():
        return float(network.loss(head(features), labels))


def _features(network: Network, encoder: TextEncoder, windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head sees of every window [n, width], and the labels, shortest windows first."""
    order = sorted(range(len(windows)), key=lambda i: encoder.size(windows[i]))
    features: list[Any] = []
    labels: list[Any] = []
    at, was_training = 0, network.training
    network.eval()
    with torch.no_grad():
        for size in budgeted([encoder.size(windows[i]) for i in order], _BATCH_TOKENS):
            batch = encoder.collate([windows[i] for i in order[at : at + size]])
            at += size
            labels.append(batch.pop("labels"))
            features.append(network.features(**{name: x.to(network.device) for name, x in batch.items()}))
    network.train(was_training)
    return torch.cat(features), torch.cat(labels).to(network.device)
