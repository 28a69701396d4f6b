"""A linear-chain conditional random field (Lafferty, McCallum & Pereira 2001)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearChainCrf(nn.Module):
    """Scores label sequences by emissions and learned transitions.

    It answers with log-marginals (forward–backward), so that callers read its output like a softmax's: each position
    sums to one over the labels, and taking the most probable label a position is minimum-Bayes-risk decoding.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.empty(labels, labels))
        self.start = nn.Parameter(torch.empty(labels))
        self.end = nn.Parameter(torch.empty(labels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start nearly neutral."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Log-marginals [batch, length, labels] of emissions [batch, length, labels]; ``mask`` [batch, length]."""
        forward = self._forward(emissions, mask)
        backward = self._backward(emissions, mask)
        return (forward + backward).log_softmax(-1)

    def negative_log_likelihood(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Mean over the tokens of ``-log p(labels | emissions)``; ``labels`` [batch, length], all valid."""
        last = self._forward(emissions, mask)[:, -1] + self.end
        return (last.logsumexp(-1) - self._score(emissions, labels, mask)).sum() / mask.sum()

    def _score(self, emissions: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        m = mask.to(emissions.dtype)
        unary = (emissions.gather(2, labels[..., None])[..., 0] * m).sum(1)
        pairs = (self.transitions[labels[:, :-1], labels[:, 1:]] * m[:, 1:]).sum(1)
        final = labels.gather(1, mask.sum(1, keepdim=True).long() - 1)[:, 0]
        return unary + pairs + self.start[labels[:, 0]] + self.end[final]

    def _forward(self, emissions: Tensor, mask: Tensor) -> Tensor:
        alpha = self.start + emissions[:, 0]
        steps = [alpha]
        for t in range(1, emissions.shape[1]):
            moved = (alpha[:, :, None] + self.transitions).logsumexp(1) + emissions[:, t]
            alpha = torch.where(mask[:, t, None].bool(), moved, alpha)
            steps.append(alpha)
        return torch.stack(steps, 1)

    def _backward(self, emissions: Tensor, mask: Tensor) -> Tensor:
        beta = self.end.expand_as(emissions[:, 0])
        steps = [beta]
        for t in range(emissions.shape[1] - 1, 0, -1):
            moved = (self.transitions + (emissions[:, t] + beta)[:, None, :]).logsumexp(2)
            beta = torch.where(mask[:, t, None].bool(), moved, beta)
            steps.append(beta)
        return torch.stack(steps[::-1], 1)
