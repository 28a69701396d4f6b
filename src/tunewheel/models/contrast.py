"""What vectors of texts learn by: those of one meaning near each other, those of another far apart.

Sources: Henderson et al. (2017), "Efficient Natural Language Response Suggestion for Smart Reply" (the other pairs of a
batch as negatives); Gao, Yao & Chen (2021), "SimCSE" (a temperature of 0.05, labelled negatives among the others);
Su (2022), "CoSENT" (every pair that belongs together above every one that does not).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SHARPNESS = 20.0
"""What cosines are multiplied by: 1 / 0.05."""


def contrast(vectors: Tensor, meanings: Tensor, loss: str) -> Tensor:
    """The loss of pairs: ``vectors`` [2 × pairs, width], all first texts and then all second ones.

    ``meanings`` [pairs, 2] numbers what each text means: a pair belongs together where its two are equal, and no text
    is pushed away from another one that means the same. ``loss`` is ``contrastive``, ``cosent`` or the sum of ``both``.
    A batch that has nothing to compare loses nothing.
    """
    first, second = nn.functional.normalize(vectors, dim=-1).chunk(2)
    cosines = SHARPNESS * first @ second.T
    left, right = meanings.unbind(1)
    total = cosines.sum() * 0.0
    if loss in ("contrastive", "both"):
        total = total + (_told_apart(cosines, left, right) + _told_apart(cosines.T, right, left)) / 2
    if loss in ("cosent", "both"):
        total = total + _ranked(cosines.diagonal(), left == right)
    return total


def _told_apart(cosines: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Mean cross-entropy of each text's own partner against all texts of another meaning in the batch."""
    paired = own == others
    if not bool(paired.any()):
        return cosines.sum() * 0.0
    # Texts of the same meaning are no candidates, but for the partner itself.
    same = (own[:, None] == others[None, :]) & ~torch.eye(len(own), dtype=torch.bool, device=own.device)
    candidates = cosines.masked_fill(same, float("-inf"))[paired]
    return nn.functional.cross_entropy(candidates, paired.nonzero()[:, 0])


def _ranked(cosines: Tensor, together: Tensor) -> Tensor:
    """CoSENT: log(1 + Σ exp(cosine of a pair apart − cosine of a pair together))."""
    gaps = (cosines[~together][:, None] - cosines[together][None, :]).flatten()
    return torch.logsumexp(torch.cat([gaps, gaps.new_zeros(1)]), dim=0)
