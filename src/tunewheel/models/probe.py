"""A linear probe: the best head for a frozen backbone, as a method of its own or before anything else learns."""

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

DECAY = 1e-4
"""The weight of half the squared norm of a head where none is chosen."""


class Probe:
    """The backbone's features of ``windows``, computed once, on which a text-level head is fitted in place.

    A random head's first gradients bend features that pretraining had put right; a fitted one leaves them in place
    (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution").
    """

    def __init__(
        self, network: Network, encoder: TextEncoder, windows: Sequence[Window], precision: str = "fp32"
    ) -> None:
        self.network = network
        self.features, self.labels = features_of(network, encoder, windows, precision)

    def fit(self, decay: float = DECAY) -> float:
        """Fit the head and return its loss, without the penalty.

        ``decay`` is the weight of half the squared norm of the head; L-BFGS finds the one minimum, so no seed is
        involved, nor does it matter from which head it begins.
        """
        network = self.network
        head: Any = network.head
        optimizer: Any = torch.optim.LBFGS(
            head.parameters(), max_iter=200, history_size=10, line_search_fn="strong_wolfe"
        )

        def closure() -> Any:
            optimizer.zero_grad()
            loss: Any = network.loss(head(self.features), self.labels) + decay / 2 * head.weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        optimizer.zero_grad()
        with torch.no_grad():
            return float(network.loss(head(self.features), self.labels))


def features_of(
    network: Network, encoder: TextEncoder, windows: Sequence[Window], precision: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """The pooled vectors [n, width] of all windows, and their labels, shortest windows first."""
    order = sorted(range(len(windows)), key=lambda i: encoder.size(windows[i]))
    features: list[Any] = []
    labels: list[Any] = []
    at, was_training = 0, network.training
    network.eval()
    with torch.no_grad(), torch.autocast(network.device.type, torch.bfloat16, enabled=precision == "bf16"):
        for size in budgeted([encoder.size(windows[i]) for i in order], _BATCH_TOKENS):
            batch = encoder.collate([windows[i] for i in order[at : at + size]])
            at += size
            labels.append(batch.pop("labels"))
            placed = {name: x.to(network.device) for name, x in batch.items()}
            features.append(network.features(**placed).float())
    network.train(was_training)
    return torch.cat(features), torch.cat(labels).to(network.device)
