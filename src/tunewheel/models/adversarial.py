"""A network that learns from texts without labels by telling them from vectors that a generator makes up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import ModelOutput

from tunewheel.models.network import Network, NetworkConfig
from tunewheel.tasks import IGNORED

NOISE = 100
"""Numbers that a made-up vector is made from."""


class Adversarial(Network):
    """GAN-BERT (Croce et al. 2020): the head tells labels apart, and real texts from made-up ones.

    The generator makes vectors that should pass for texts; ``fake`` is the output for what does not. Both sides learn
    from one loss, each with the other's part held fixed. Texts whose label is `IGNORED` only need to pass for real.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        width = self.backbone.config.hidden_size
        self.fake = nn.Linear(width, 1)
        self.generator = nn.Sequential(
            nn.Linear(NOISE, width), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(width, width)
        )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        shape_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inside: Tensor | None = None,
        soft: Tensor | None = None,
    ) -> ModelOutput:
        """As every network answers; with labels, the loss of both sides."""
        if labels is None:
            return super().forward(input_ids, attention_mask, shape_ids)
        real = self.dropout(self.features(input_ids, attention_mask, shape_ids))
        made = self.generator(torch.randn(len(real), NOISE, device=real.device))
        logits = self.head(real)
        loss = _real(self._judged(real, logits)) + _made(self._judged(made.detach())) + self._passing(made, real)
        known = labels != IGNORED
        if known.any():
            loss = loss + self.loss(logits[known], labels[known])
        return ModelOutput(loss=loss, logits=logits)

    def _judged(self, vectors: Tensor, logits: Tensor | None = None) -> Tensor:
        """Logits [n, outputs + 1], the last one for what is made up."""
        logits = self.head(vectors) if logits is None else logits
        return torch.cat([logits, self.fake(vectors)], dim=-1).float()

    def _passing(self, made: Tensor, real: Tensor) -> Tensor:
        """How far what is made up is from passing for real, by its mean and by a judge that does not move."""
        outputs: list[Any] = [
            nn.functional.linear(made, judge.weight.detach(), judge.bias.detach()) for judge in (self.head, self.fake)
        ]
        return _real(torch.cat(outputs, dim=-1).float()) + (made.mean(0) - real.detach().mean(0)).square().mean()


def _real(judged: Tensor) -> Tensor:
    """The loss of taking vectors for real: minus the log of all chances but the last."""
    return (judged.logsumexp(-1) - judged[:, :-1].logsumexp(-1)).mean()


def _made(judged: Tensor) -> Tensor:
    """The loss of taking vectors for made up."""
    return (judged.logsumexp(-1) - judged[:, -1]).mean()
