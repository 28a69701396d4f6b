"""Learning what belongs together: pairs of texts with the same label, against all others of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import ModelOutput

from tunewheel.models.encoding import TextEncoder
from tunewheel.models.network import Network
from tunewheel.tasks import Row, Task, Window

TEMPERATURE = 0.1


class Contrastive(Network):
    """A network whose loss looks at its texts' vectors, not at the head."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        shape_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inside: Tensor | None = None,
        soft: Tensor | None = None,
    ) -> ModelOutput:
        """As every network answers; with labels, the loss is that of the vectors."""
        if labels is None:
            return super().forward(input_ids, attention_mask, shape_ids)
        features = self.features(input_ids, attention_mask, shape_ids)
        return ModelOutput(loss=likeness(features.float(), labels), logits=features)


def likeness(vectors: Tensor, labels: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """How far texts [n, width] of like labels are from each other, measured against all n (Khosla et al. 2020).

    ``labels`` are numbers [n], or a 0 or 1 for each label [n, labels]: such texts are alike that share one, or have
    none. Each text needs another that is like it.
    """
    vectors = torch.nn.functional.normalize(vectors, dim=-1)
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    alike = _alike(labels) & ~itself
    scores = (vectors @ vectors.T / temperature).masked_fill(itself, float("-inf"))
    chances = (scores - scores.logsumexp(1, keepdim=True)).masked_fill(~alike, 0.0)
    return -(chances.sum(1) / alike.sum(1)).mean()


def _alike(labels: Tensor) -> Tensor:
    if labels.ndim == 1:
        return labels[:, None] == labels[None, :]
    none = labels.sum(1) == 0
    return (labels @ labels.T > 0) | (none[:, None] & none[None, :])


@dataclass(frozen=True)
class Pairing:
    """What the engine asks a task for while pairs are learned: ``count`` of them, drawn by ``seed``.

    A window's `other` has the same label; it is the window itself where that is the only one, read twice: two readings
    under dropout differ, which is enough to learn from (Gao et al. 2021).

    Windows take turns, so each stands in as many pairs as any other; memory grows with windows and pairs alone.
    """

    task: Task
    count: int
    seed: int

    @property
    def selection(self) -> str:
        """No score is looked at, so any will do."""
        return self.task.selection

    def encode(self, rows: Sequence[Row], encoder: TextEncoder, *, labelled: bool = False) -> list[Window]:
        """Pairs of the windows of ``rows``; of rows without labels there are none."""
        windows = [w for w in self.task.encode(rows, encoder, labelled=True) if w.ids] if labelled else []
        return list(self._pairs(windows)) if windows else []

    def _pairs(self, windows: Sequence[Window]) -> list[Window]:
        draw = np.random.default_rng(self.seed)
        members: dict[int, list[int]] = {}
        for i, window in enumerate(windows):
            for label in _labels(window):
                members.setdefault(label, []).append(i)
        turns = np.concatenate([draw.permutation(len(windows)) for _ in range(-(-self.count // len(windows)))])
        pairs: list[Window] = []
        for i in turns[: self.count].tolist():
            one = windows[i]
            labels = _labels(one)
            group = members[labels[draw.integers(len(labels))]]
            other = group[draw.integers(len(group) - 1)] if len(group) > 1 else i
            # Drawn from all but the window itself: its place is the last one's.
            other = group[-1] if other == i and len(group) > 1 else other
            pairs.append(replace(one, other=windows[other]))
        return pairs


def _labels(window: Window) -> list[int]:
    """The numbers of a window's labels; -1 stands for none of several."""
    if isinstance(window.labels, list):
        return [i for i, having in enumerate(window.labels) if having] or [-1]
    assert window.labels is not None
    return [window.labels]
