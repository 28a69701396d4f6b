"""Which answers are worth a person's look: those that the model is unsure of, and unlike each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POOL = 10_000
"""Unsure answers that are looked at for unlikeness."""


def suggested(
    confidences: npt.NDArray[np.float64], vectors: npt.NDArray[np.float32] | None, n: int
) -> npt.NDArray[np.intp]:
    """Indices of ``n`` answers to label, the most telling first.

    Of the least confident, each next one has the largest product of uncertainty (1 − confidence) and squared distance
    to the nearest one chosen before: a greedy k-means++ (Arthur & Vassilvitskii 2007) weighed by uncertainty, after
    BADGE (Ash et al. 2020) whose gradients' lengths play that part. The same input gives the same order.

    Args:
        confidences: of each answer [m]; NaN counts as wholly unsure.
        vectors: of each text [m, width]; without them uncertainty alone counts.
        n: how many.

    >>> suggested(np.array([0.9, 0.5, 0.51]), np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32), 2).tolist()
    [1, 0]
    """
    unsure = 1.0 - np.nan_to_num(confidences, nan=0.0)
    order = np.argsort(-unsure, kind="stable")[:POOL]
    if vectors is None:
        return order[:n]
    seen = vectors[order].astype(np.float64)
    lengths = np.linalg.norm(seen, axis=1, keepdims=True)
    seen /= np.where(lengths > 0, lengths, 1.0)
    weight = np.maximum(unsure[order], 1e-6)
    far = np.full(len(order), np.inf)
    chosen: list[int] = []
    left = np.ones(len(order), dtype=bool)
    for _ in range(min(n, len(order))):
        worth = np.where(left, weight * np.minimum(far, 4.0), -1.0)
        # Nothing but copies of what is chosen is left: uncertainty decides.
        best = int(worth.argmax()) if worth.max() > 1e-9 else int(np.where(left, weight, -1.0).argmax())
        chosen.append(best)
        left[best] = False
        far = np.minimum(far, ((seen - seen[best]) ** 2).sum(1))
    return order[chosen]
