"""The small vector that is kept of a text: enough to see drift by, too little to read it again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

WIDTH = 64
"""Numbers of a projected vector."""


def project(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Sentence vectors [n, width] at length one, brought to [n, `WIDTH`] by a fixed random projection.

    Distances keep their proportions up to about a tenth (Johnson & Lindenstrauss 1984; Gaussian, as Dasgupta & Gupta
    2003). The same width is always projected alike, so vectors of one model compare over time; narrower ones are filled
    up with zeros.

    >>> project(np.ones((2, 384), dtype=np.float32)).shape
    (2, 64)
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = vectors / np.where(lengths > 0, lengths, 1.0)
    width = vectors.shape[1]
    if width <= WIDTH:
        return np.pad(whole, ((0, 0), (0, WIDTH - width))).astype(np.float16)
    return np.asarray(whole @ _directions(width)).astype(np.float16)


@lru_cache(maxsize=8)
def _directions(width: int) -> npt.NDArray[np.float32]:
    drawn = np.random.Generator(np.random.PCG64(width)).standard_normal((width, WIDTH))
    scaled: npt.NDArray[np.float32] = (drawn / np.sqrt(WIDTH)).astype(np.float32)
    return scaled
