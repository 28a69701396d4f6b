"""Dividing rows into train, dev and test: by label, by time or by hash, and never through a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

TRAIN, DEV, TEST = 0, 1, 2
NO_LABEL = -1

Ints = npt.NDArray[np.int64]


def components(keys: Sequence[npt.NDArray[np.uint64]]) -> Ints:
    """Number rows so that two share a number if a chain of equal keys links them; key 0 links nothing.

    >>> components([np.array([1, 1, 2, 3], np.uint64), np.array([0, 7, 7, 0], np.uint64)]).tolist()
    [0, 0, 0, 3]
    """
    number = np.arange(len(keys[0]))
    linked = [(np.flatnonzero(key), np.unique(key[key != 0], return_inverse=True)[1]) for key in keys]
    while True:
        before = number.copy()
        for rows, classes in linked:
            if len(rows):
                least = np.full(int(classes.max()) + 1, len(number))
                np.minimum.at(least, classes, number[rows])
                number[rows] = least[classes]
        number = number[number]
        if np.array_equal(before, number):
            return number


def strata(codes: Ints, ends: Ints) -> Ints:
    """The rarest label of each row, `NO_LABEL` where it has none.

    Row ``i`` has the label codes ``codes[ends[i - 1] : ends[i]]``.

    >>> strata(np.array([0, 0, 1, 0]), np.array([1, 3, 3, 4])).tolist()
    [0, 1, -1, 0]
    """
    result = np.full(len(ends), NO_LABEL)
    if len(codes):
        starts = np.concatenate([[0], ends[:-1]])
        filled = starts < ends
        counts = np.bincount(codes)
        width = len(counts)
        result[filled] = np.minimum.reduceat(counts[codes] * width + codes, starts[filled]) % width
    return result


def assign(strata: Ints, groups: Ints, dev: float, test: float, seed: int) -> npt.NDArray[np.int8]:
    """Give each row a split, whole groups at a time.

    Groups are shuffled within their stratum and walked stratum by stratum; each goes where the share so far
    lags behind, so that every stratum is divided in proportion and the totals come out exact to within one
    group. The first group of every stratum stays in train, so that train knows every label.
    """
    _, first, inverse, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    where = np.zeros(len(sizes), dtype=np.int8)
    wanted = {split: _target(share, len(groups), len(sizes)) for split, share in ((DEV, dev), (TEST, test))}
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(strata[first][order], kind="stable")]
    free = order[_not_first(strata[first][order])]
    if sizes[free].sum() < 2 * sum(wanted.values()):  # too few rows a label: proportions are out of reach
        free = order[1:]
    _walk(where, free, sizes, wanted)
    return np.asarray(where[inverse], dtype=np.int8)


def by_time(times: npt.NDArray[np.float64], dev: float, test: float) -> npt.NDArray[np.int8]:
    """Give the newest rows to test, the next to dev, the oldest to train; rows of one moment stay together.

    ``times`` must be numbers; the borders fall where the shares come out nearest. Train keeps the oldest moment.

    >>> by_time(np.array([5.0, 1.0, 2.0, 3.0, 4.0]), dev=0.2, test=0.2).tolist()
    [2, 0, 0, 0, 1]
    """
    moments, inverse, counts = np.unique(times, return_inverse=True, return_counts=True)
    where, end = np.zeros(len(moments), dtype=np.int8), len(moments)
    for split, share in ((TEST, test), (DEV, dev)):
        if share > 0 and end > 1:
            sizes = np.cumsum(counts[end - 1 : 0 : -1])
            taken = 1 + int(np.argmin(np.abs(sizes - share * len(times))))
            where[end - taken : end] = split
            end -= taken
    return np.asarray(where[inverse], dtype=np.int8)


def by_hash(keys: npt.NDArray[np.uint64], dev: float, test: float) -> npt.NDArray[np.int8]:
    """Give each row the split its key falls into: the same key, the same split, on every machine.

    >>> by_hash(np.array([0, 2**62, 2**63], np.uint64), dev=0.2, test=0.2).tolist()
    [2, 1, 0]
    """
    share = keys.astype(np.float64) / 2.0**64
    return np.where(share < test, TEST, np.where(share < test + dev, DEV, TRAIN)).astype(np.int8)


def _target(share: float, rows: int, groups: int) -> int:
    if share <= 0 or groups < 3:
        return 0
    return max(1, round(share * rows))


def _not_first(codes: Ints) -> npt.NDArray[np.bool_]:
    return np.concatenate([[False], codes[1:] == codes[:-1]])


def _walk(where: npt.NDArray[np.int8], order: Ints, sizes: Ints, wanted: dict[int, int]) -> None:
    total = max(1, int(sizes[order].sum()))
    lag = dict.fromkeys(wanted, 0.0)
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        for split, rows in wanted.items():
            lag[split] += size * rows / total
        split = max(lag, key=lambda split: lag[split])
        if 2 * lag[split] >= size and wanted[split]:
            where[group] = split
            lag[split] -= size
    # Rounding can leave a split a row or two short at the end of the walk.
    for group in reversed(order.tolist()):
        split = max(lag, key=lambda split: lag[split])
        size = int(sizes[group])
        if 2 * lag[split] < 1 or not wanted[split]:
            break
        if where[group] == TRAIN and size <= 2 * lag[split]:
            where[group] = split
            lag[split] -= size
