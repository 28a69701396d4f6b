"""What a network says of whole texts, as figures that another network can learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tunewheel.tasks.base import Head, Window

Array = npt.NDArray[Any]

LEAST = -30.0
"""No log-probability is lower, and no log-odds: 16 bits hold it, and no softmax tells it from never."""


def probabilities(logits: Array, *, independent: bool) -> npt.NDArray[np.float64]:
    """Probabilities of logits [outputs]: of one label among them, or of each by itself."""
    x = np.asarray(logits, dtype=np.float64)
    if independent:
        return 1 / (1 + np.exp(-x))
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def log_softmax(logits: Array) -> Array:
    """Log-probabilities along the last axis, none below `LEAST`."""
    x = np.asarray(logits, dtype=np.float64)
    return np.asarray(np.maximum(x - np.logaddexp.reduce(x, axis=-1, keepdims=True), LEAST))


def averaged(
    rows: int,
    windows: Sequence[Window],
    outputs: Sequence[Array],
    reading: Callable[[Array], npt.ArrayLike],
    width: int,
) -> npt.NDArray[np.float64]:
    """``width`` figures read from each window's outputs, as each row's mean [rows, width], weighted by their pieces."""
    total, size = np.zeros((rows, width)), np.zeros((rows, 1))
    for window, logits in zip(windows, outputs, strict=True):
        part = window.parts[0]
        weight = max(1, part.stop - part.start)
        total[part.row] += weight * np.asarray(reading(logits))
        size[part.row] += weight
    return total / size


def whole_texts(head: Head, rows: int, windows: Sequence[Window], outputs: Sequence[Array]) -> list[Array]:
    """Log-probabilities (log-odds for a binary head) [1, outputs] of each row, its windows averaged by their pieces."""
    each = partial(probabilities, independent=head.loss == "binary")
    mean = averaged(rows, windows, outputs, each, head.outputs)
    with np.errstate(divide="ignore"):
        told = np.log(mean) - (np.log1p(-mean) if head.loss == "binary" else 0.0)
    return list(np.clip(told, LEAST, -LEAST)[:, None])
