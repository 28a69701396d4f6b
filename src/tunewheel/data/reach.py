"""What to label next: clusters of unlabelled texts that the labelled ones do not reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Sample, Vectors, sample, unit
from tunewheel.data.wording import telling_words

MOST = 20_000
"""Rows of either side looked at unless said otherwise."""

_BLOCK = 1024


@dataclass(frozen=True)
class Cluster:
    """Unlabelled texts of one kind: ``size`` of those looked at, at a mean ``distance`` to the nearest labelled one.

    ``rows`` are examples, the most typical first, ``words`` those that tell the cluster from the other texts.
    """

    size: int
    distance: float
    rows: tuple[int, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Unreached:
    """Clusters, the largest first; ``rows`` of the unlabelled texts looked at lie further than ``threshold``."""

    clusters: list[Cluster]
    rows: int
    threshold: float
    labelled: Sample
    unlabelled: Sample

    @property
    def share(self) -> float:
        """The share of unlabelled texts that is not reached."""
        return self.rows / max(len(self.unlabelled.rows), 1)


def unreached(
    labelled: npt.ArrayLike,
    unlabelled: npt.ArrayLike,
    texts: Sequence[str],
    *,
    clusters: int | None = None,
    examples: int = 5,
    most: int | None = MOST,
    seed: int = 13,
) -> Unreached:
    """Find the kinds of ``unlabelled`` [m, width] texts that no row of ``labelled`` [n, width] is near.

    Both must be vectors of one space, such as `text_vectors` of all texts together; ``texts`` [m] are the unlabelled
    ones. Not reached is what lies further from its nearest labelled row than 95 in 100 labelled rows lie from theirs.
    These are gathered by k-means, into the square root of half their number (20 at most) unless ``clusters`` says
    otherwise.

    Raises:
        ValueError: fewer than 2 labelled rows, no text a vector, or the widths differ.
    """
    known, open_ = np.asarray(labelled, dtype=np.float32), np.asarray(unlabelled, dtype=np.float32)
    if len(known) < 2 or known.ndim != 2 or (len(open_) and known.shape[1:] != open_.shape[1:]):
        raise ValueError(f"expected at least 2 labelled vectors as wide as the others: {known.shape}, {open_.shape}")
    if len(texts) != len(open_):
        raise ValueError(f"texts must have one entry an unlabelled vector, {len(open_)}; got {len(texts)}")
    chosen, looked = sample(len(known), most, seed), sample(len(open_), most, seed)
    near = unit(known[chosen.rows])
    threshold = float(np.quantile(_to_nearest(near, near, own=True), 0.95)) + 1e-6
    if not len(open_):
        return Unreached([], 0, threshold, chosen, looked)
    vectors = unit(open_[looked.rows])
    distances = _to_nearest(vectors, near)
    far = np.flatnonzero(distances > threshold)
    member, typical = _gathered(vectors[far], clusters, seed)
    found = []
    for k in range(member.max(initial=-1) + 1):
        inside = far[member == k]
        rows = inside[np.argsort(typical[member == k], kind="stable")][:examples]
        told = _words(texts, looked.rows, inside)
        found.append(Cluster(len(inside), float(distances[inside].mean()), tuple(looked.rows[rows].tolist()), told))
    found.sort(key=lambda cluster: (-cluster.size, cluster.rows))
    return Unreached(found, len(far), threshold, chosen, looked)


def _to_nearest(vectors: Vectors, others: Vectors, *, own: bool = False) -> npt.NDArray[np.float32]:
    """Distance [rows] to the nearest of ``others``; ``own``: they are the same rows, and each leaves itself out."""
    nearest = np.empty(len(vectors), np.float32)
    for at in range(0, len(vectors), _BLOCK):
        block = vectors[at : at + _BLOCK]
        gap = (block**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * block @ others.T
        if own:
            gap[np.arange(len(block)), at + np.arange(len(block))] = np.inf
        nearest[at : at + _BLOCK] = np.sqrt(np.maximum(gap.min(1), 0))
    return nearest


def _gathered(
    vectors: Vectors, clusters: int | None, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Each row's cluster, and its distance to the middle of it."""
    from sklearn.cluster import KMeans

    if not len(vectors):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    wanted = clusters or min(20, round(np.sqrt(len(vectors) / 2)))
    # Rounded so that copies of one text, equal but for their last digits, are one point.
    distinct = len(np.unique(vectors.round(4), axis=0))
    model = KMeans(max(1, min(wanted, distinct)), n_init=4, random_state=seed)
    far = model.fit_transform(vectors)
    # Clusters that ended up empty leave no gap in the numbers.
    member = np.unique(model.labels_, return_inverse=True)[1].astype(np.int64)
    return member, far.min(1).astype(np.float32)


def _words(texts: Sequence[str], rows: npt.NDArray[np.int64], inside: npt.NDArray[np.int64]) -> tuple[str, ...]:
    within = set(inside.tolist())
    others = [texts[row] for i, row in enumerate(rows.tolist()) if i not in within]
    shifts = telling_words(others or [""], [texts[row] for row in rows[inside].tolist()], top=12)
    return tuple(shift.word for shift in shifts if shift.score > 0)[:6]
