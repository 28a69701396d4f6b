"""Texts unlike all the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Sample, sample, unit

MOST = 20_000
"""Rows looked at unless said otherwise: each is compared with each."""

_FAR = 3.5
"""The modified z-score from which Iglewicz and Hoaglin call a value an outlier."""


@dataclass(frozen=True)
class Outliers:
    """``rows`` [n] further than ``threshold`` from their neighbours, the furthest first, with their ``distances`` [n].

    A distance is Euclidean between vectors of length 1: 0 is the same, 1.41 nothing in common.
    """

    rows: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    threshold: float
    sample: Sample


def outliers(vectors: npt.ArrayLike, *, nearest: int = 10, most: int | None = MOST, seed: int = 13) -> Outliers:
    """Rank rows by the mean distance of ``vectors`` [rows, width] to their ``nearest`` neighbours.

    So a handful of texts that are like each other only are outliers too (Ramaswamy et al. 2000). Called so is what lies
    3.5 robust deviations above the median, the deviation taken of the upper half, since distances are skewed
    (Iglewicz and Hoaglin 1993). Of more than ``most`` rows a sample is compared with itself.

    Raises:
        ValueError: ``nearest`` is less than 1.
    """
    if nearest < 1:
        raise ValueError(f"nearest counts from 1, got {nearest}")
    every = np.asarray(vectors)
    chosen = sample(len(every), most, seed)
    if len(chosen.rows) < 3:
        return Outliers(np.zeros(0, np.int64), np.zeros(0, np.float32), 0.0, chosen)
    distances = _neighbourhood(unit(every[chosen.rows]), nearest)
    threshold = _threshold(distances)
    order = np.argsort(-distances, kind="stable")
    far = order[distances[order] > threshold]
    return Outliers(chosen.rows[far], distances[far], threshold, chosen)


def _neighbourhood(vectors: npt.NDArray[np.float32], nearest: int) -> npt.NDArray[np.float32]:
    """Mean distance [rows] to the nearest other rows."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(nearest, len(vectors) - 1), algorithm="brute").fit(vectors)
    # Asked about nothing, it answers about its own rows and leaves each out of its neighbours.
    found: npt.NDArray[np.float32] = search.kneighbors()[0].mean(1).astype(np.float32)
    return found


def _threshold(distances: npt.NDArray[np.float32]) -> float:
    middle = float(np.median(distances))
    above = distances[distances >= middle] - middle
    spread = 1.4826 * float(np.median(above))
    # Where most rows are alike the median tells nothing, and the mean stands in.
    spread = spread if spread > 1e-6 else 1.2533 * float(above.mean())
    return middle + max(_FAR * spread, 1e-3)
