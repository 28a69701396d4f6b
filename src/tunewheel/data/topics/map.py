"""Topics on a plane, for the eye: what stands together there is alike, what stands apart need not be unlike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Vectors
from tunewheel.data.topics.clustering import one_thread

DOTS = 2000
"""Texts on a map, at most."""

_PERPLEXITY = 30.0


def plane(points: Vectors, seed: int) -> npt.NDArray[np.float32]:
    """Places [n, 2] of points [n, axes] by t-SNE (van der Maaten & Hinton 2008), begun along the principal axes."""
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    # Points that are all alike have no axis to begin along.
    begin = "pca" if points.shape[1] > 1 and float(points.std(0).max()) > 1e-6 else "random"
    with one_thread():
        found: npt.NDArray[np.float32] = TSNE(2, perplexity=perplexity, init=begin, random_state=seed).fit_transform(
            points
        )
    return found
