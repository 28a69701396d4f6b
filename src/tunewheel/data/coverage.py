"""A few rows that stand for many: some of every label, together like all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def covering(keys: Sequence[str], vectors: npt.NDArray[np.float32] | None, count: int, *, seed: int = 0) -> list[int]:
    """Places of ``count`` rows, ascending: of each key as many as of any other, as far as it has them.

    Within a key rows are taken by herding (Welling 2009; iCaRL, Rebuffi et al. 2017): each next one brings the mean of
    those taken nearest to the mean of all. Without vectors they are drawn under ``seed``.

    Args:
        keys: of each row, what it stands for: its label.
        vectors: of each row [n, width]; their lengths do not matter.
        count: how many; at least one of every key is taken all the same.
        seed: of the draw.

    >>> covering(["a", "a", "a", "b"], np.array([[0, 1], [1, 0], [1, 1], [1, 0]], dtype=np.float32), 2)
    [2, 3]
    """
    members: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        members[key].append(place)
    shares = _shares(Counter(keys), count)
    draw = np.random.default_rng(seed)
    taken: list[int] = []
    for key in sorted(members):
        own = members[key]
        if vectors is None:
            taken += [own[i] for i in draw.permutation(len(own))[: shares[key]]]
        else:
            taken += [own[i] for i in _herded(vectors[own].astype(np.float64), shares[key])]
    return sorted(taken)


def _shares(sizes: Counter[str], count: int) -> dict[str, int]:
    """How many of each key: one at least, then level by level, small keys exhausted first."""
    shares = dict.fromkeys(sizes, 0)
    left = max(count, len(sizes))
    for rank, (key, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        shares[key] = min(size, left // (len(sizes) - rank))
        left -= shares[key]
    return shares


def _herded(vectors: npt.NDArray[np.float64], count: int) -> list[int]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1.0)
    mean, total = units.mean(0), np.zeros(units.shape[1])
    free, taken = np.ones(len(units), dtype=bool), list[int]()
    for size in range(1, min(count, len(units)) + 1):
        far = ((mean - (total + units) / size) ** 2).sum(1)
        best = int(np.where(free, far, np.inf).argmin())
        taken.append(best)
        free[best] = False
        total += units[best]
    return taken
