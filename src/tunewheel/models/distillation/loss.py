"""The loss of a student: a teacher's probabilities and, where there are gold labels, these too.

Source: Hinton, Vinyals & Dean (2015), "Distilling the Knowledge in a Neural Network".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from tunewheel.tasks.base import IGNORED

if TYPE_CHECKING:
    from tunewheel.models.network import Network


@dataclass(frozen=True)
class Blend:
    """``share`` of the loss on labelled text is the teacher's, whose probabilities are softened by ``temperature``."""

    temperature: float = 2.0
    share: float = 0.5


def blended(network: Network, logits: Tensor, labels: Tensor, soft: Tensor, mask: Tensor) -> Tensor:
    """Mean over what the teacher spoke of: texts, or pieces of texts.

    ``soft`` has the shape of the ``logits``, NaN where the teacher said nothing. A text without gold labels (all of its
    ``labels`` are `IGNORED`) learns from the teacher alone. A CRF is held to the teacher's marginals, since these are
    what it answers by.
    """
    config, blend = network.config, network.blend
    said = network.crf(logits.float(), mask) if config.loss == "crf" else logits.float()
    gold = (labels != IGNORED).flatten(1).any(1) if labels.ndim > 1 else labels != IGNORED
    spoken = ~soft.isnan().any(-1)
    units = spoken.sum().clamp(min=1)
    apart = disagreement(said, soft.nan_to_num(), blend.temperature, independent=config.loss == "binary")
    weight = torch.where(gold, blend.share, 1.0)
    loss = (apart * spoken * weight.view(-1, *[1] * (spoken.ndim - 1))).sum() / units
    if gold.any():
        hard = network.loss(logits[gold], labels[gold], mask[gold])
        loss = loss + (1 - blend.share) * spoken[gold].sum() / units * hard
    return loss


def disagreement(logits: Tensor, soft: Tensor, temperature: float, *, independent: bool) -> Tensor:
    """Kullback–Leibler divergence of a student's answers from the teacher's, both softened, times ``temperature``².

    Both are logits [..., outputs]. The square keeps gradients at the size of those from gold labels (Hinton et al.).
    ``independent`` answers are a yes or no each; their divergences are averaged.
    """
    student, teacher = logits / temperature, soft / temperature
    if independent:
        p = teacher.sigmoid()
        apart = F.binary_cross_entropy_with_logits(student, p, reduction="none")
        apart = (apart - F.binary_cross_entropy_with_logits(teacher, p, reduction="none")).mean(-1)
    else:
        apart = F.kl_div(student.log_softmax(-1), teacher.log_softmax(-1), reduction="none", log_target=True).sum(-1)
    return apart * temperature**2
