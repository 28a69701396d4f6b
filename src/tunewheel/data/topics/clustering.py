"""Texts gathered into topics by their vectors: how many there are, which text is whose, how much of it is chance.

k-means on the first principal axes, every text a point of length 1. How many topics: of a row of numbers, each a
quarter above the last, the smallest whose mean silhouette (Rousseeuw 1987) comes within `SLACK` of the best. HDBSCAN,
measured beside it on the same vectors, left three to eight in ten texts without a topic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Vectors, sample, unit

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

AXES = 50
"""Principal axes that are clustered."""

MOST_TOPICS = 200
"""Topics that are tried, at most."""

SLACK = 0.03
"""Share of the best silhouette that fewer topics may cost: from some number on it hardly falls or rises."""

COMPARED = 3000
"""Texts whose silhouettes are taken, each against all of them."""

RESAMPLES = 10
DRAWN = 0.8
"""Share of the texts that a resample gathers anew."""

_FAR = 2.0
"""Robust deviations above the median distance from which a text belongs nowhere."""

_BLOCK = 4096


@dataclass(frozen=True)
class Axes:
    """Where vectors go before they are clustered: ``mean`` [width], principal ``axes`` [axes, width]."""

    mean: Floats
    axes: Floats

    @classmethod
    def of(cls, vectors: Vectors, seed: int, *, most: int = AXES, evened: float = 0.0) -> Axes:
        """The axes along which vectors [n, width] of length 1 differ most, ``most`` of them.

        Each is divided by its deviation to the power of ``evened``: 0 leaves the axes as they are, 1 whitens.
        """
        from sklearn.decomposition import PCA

        # Vectors that are all alike have no variance to share out, which scikit-learn divides by.
        with np.errstate(invalid="ignore", divide="ignore"):
            found = PCA(min(most, *vectors.shape), random_state=seed).fit(vectors)
        axes = found.components_ / np.maximum(np.sqrt(found.explained_variance_), 1e-6)[:, None] ** evened
        return cls(found.mean_.astype(np.float32), axes.astype(np.float32))

    def __call__(self, vectors: Vectors) -> Vectors:
        """The points [n, axes] of vectors, of length 1."""
        return unit((vectors - self.mean) @ self.axes.T)


@dataclass(frozen=True)
class Stability:
    """How far texts fall into the same clusters when others are drawn.

    Attributes:
        agreement: the adjusted Rand index [resamples] between the clusters and those of each resample, on its texts.
        clusters: [clusters] of each, its mean Jaccard similarity to the likest of a resample (Hennig 2007,
            "Cluster-wise assessment of cluster stability").
        centres: of each resample, its centres and the cluster each is likest to, by which texts are told again.
    """

    agreement: tuple[float, ...]
    clusters: npt.NDArray[np.float64]
    centres: tuple[tuple[Floats, Numbers], ...]

    def again(self, points: Vectors) -> Iterator[Numbers]:
        """The cluster [n] that each of the points falls into, resample by resample."""
        for centres, likest in self.centres:
            yield likest[nearest(points, centres)[0]]


def centres(points: Vectors, count: int | None, seed: int) -> Floats:
    """The centres [topics, axes] of the ``count`` topics of points, or of as many as their silhouettes speak for."""
    from sklearn.cluster import KMeans

    distinct = len(np.unique(points.round(4), axis=0))
    chosen = count or _chosen(points, min(MOST_TOPICS, len(points) // 5, distinct), seed)
    with one_thread():
        found = KMeans(min(chosen, distinct), n_init=4, random_state=seed).fit(points)
    return np.asarray(found.cluster_centers_, dtype=np.float32)


def _chosen(points: Vectors, most: int, seed: int) -> int:
    """How many topics the silhouettes speak for."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    tried = sorted({round(2 * 1.25**i) for i in range(40)})
    some = sample(len(points), COMPARED, seed).rows
    scores: dict[int, float] = {}
    with one_thread():
        for k in (k for k in tried if k <= most):
            labels = KMeans(k, n_init=1, random_state=seed).fit(points).labels_[some]
            if 1 < len(np.unique(labels)) < len(some):
                scores[k] = float(silhouette_score(points[some], labels))
    best = max(scores.values(), default=0.0)
    return next((k for k, score in scores.items() if score >= best - SLACK * abs(best)), 1)


def nearest(points: Vectors, centres: Floats) -> tuple[Numbers, Floats]:
    """Each point's nearest centre [n], and the Euclidean distance to it [n]."""
    found, far = np.empty(len(points), np.int64), np.empty(len(points), np.float32)
    for at in range(0, len(points), _BLOCK):
        block = points[at : at + _BLOCK]
        gaps = (block**2).sum(1)[:, None] + (centres**2).sum(1)[None] - 2 * block @ centres.T
        found[at : at + _BLOCK] = gaps.argmin(1)
        far[at : at + _BLOCK] = np.sqrt(np.maximum(gaps.min(1), 0))
    return found, far


def too_far(distances: Floats) -> float:
    """The distance from which a text belongs nowhere: two robust deviations of the upper half above the median.

    Where texts are of a few turns of phrase most distances are next to none and any other would be far; so no more than
    a tenth of these texts is.
    """
    middle = float(np.median(distances))
    above = distances[distances >= middle] - middle
    return max(middle + _FAR * 1.4826 * float(np.median(above)), float(np.quantile(distances, 0.9))) + 1e-6


def stability(points: Vectors, clusters: Numbers, count: int, seed: int) -> Stability:
    """Gather `DRAWN` of the points [n] again, `RESAMPLES` times, into ``count`` clusters, and compare.

    ``clusters`` [n] are those of the points now.
    The number of clusters is held, so that what is measured is which texts stand together and not how many there are.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    agreement, alike, told = [], np.zeros(count), []
    for _ in range(RESAMPLES):
        rows = np.sort(rng.choice(len(points), max(count, int(DRAWN * len(points))), replace=False))
        with one_thread():
            again = KMeans(count, n_init=1, random_state=int(rng.integers(1 << 31))).fit(points[rows])
        agreement.append(float(adjusted_rand_score(clusters[rows], again.labels_)))
        overlap = _jaccard(clusters[rows], again.labels_, count)
        alike += overlap.max(1)
        told.append((again.cluster_centers_.astype(np.float32), overlap.argmax(0).astype(np.int64)))
    return Stability(tuple(agreement), alike / RESAMPLES, tuple(told))


def _jaccard(first: Numbers, second: Numbers, count: int) -> npt.NDArray[np.float64]:
    """How alike each cluster of one division is to each of another: [count, count]."""
    both = np.zeros((count, count))
    np.add.at(both, (first, second), 1)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return np.asarray(both / np.maximum(either, 1))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that the same seed gives the same topics to the last digit."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
