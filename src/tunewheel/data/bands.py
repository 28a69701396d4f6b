"""Which texts may be alike: those that agree on the ends of their shingles under one of many random orders.

The first ``d`` shingles of two sets, under a random order of all shingles, are the same with nearly the d-th power of
their Jaccard similarity (Broder 1997 for d = 1); the last ``d`` are as good, so one order gives two **bands**. Sets
agree in some band almost surely where they are alike, and hardly ever where they are not. How many shingles are taken,
the **depth**, follows from the smaller set's size: a set of ten has no seven that a near twin is likely to share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.gather import hash64
from tunewheel.data.shingles import FILL, Rows, Table

ORDERS = 12
BANDS = 2 * ORDERS

_MISSED = 0.01
"""Chance at most, by the bands alone, that a pair just at the threshold agrees in no band."""

_DEEPEST = 12
_EVEN = 64
"""From this many shingles on, every set is as deep as the threshold allows."""

_Depths = npt.NDArray[np.int64]


def depths(threshold: float) -> _Depths:
    """The depth for a smaller set of ``n`` shingles at place ``n``; the last place serves all larger ones."""
    enough = 1 - _MISSED ** (1 / BANDS)
    found = [1, *(_depth(size, threshold, enough) for size in range(1, 4 * _EVEN))]
    # Rounding to whole shingles makes the depth waver; no size may be deeper than a larger one.
    return np.minimum.accumulate(np.array(found)[::-1])[::-1][: _EVEN + 1]


def _depth(size: int, threshold: float, enough: float) -> int:
    """The deepest at which every pair that must be found, its smaller set of ``size``, agrees often ``enough``."""
    deepest = _DEEPEST
    for other in range(size, math.floor(size / threshold + 1e-9) + 1):
        shared = math.ceil(threshold / (1 + threshold) * (size + other) - 1e-9)
        deepest = min(deepest, _agreed(shared, size + other - shared, enough))
    return max(1, deepest)


def _agreed(shared: int, union: int, enough: float) -> int:
    """How many shingles in a row are shared ones with a chance of at least ``enough``."""
    chance, depth = 1.0, 0
    while depth < min(shared, _DEEPEST) and (chance := chance * (shared - depth) / (union - depth)) >= enough:
        depth += 1
    return depth


@dataclass(frozen=True)
class Bands:
    """The keys of texts in all bands.

    Attributes:
        rows: int64[entries]; a text near a change of depth has an entry for each depth that a twin may have.
        keys: uint64[entries, `BANDS`]; texts with the same key in a band may be alike.
        marks: uint8[texts, `BANDS`]; a byte of each band's outermost shingle. Two texts agree on a share of them
            that is about their similarity.
    """

    rows: Rows
    keys: npt.NDArray[np.uint64]
    marks: npt.NDArray[np.uint8]


class Banding:
    """Makes the bands of texts that come list by list."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._depths = depths(threshold)
        self._texts = 0
        self._rows = [np.zeros(0, np.int64)]
        self._keys = [np.zeros((0, BANDS), np.uint64)]
        self._marks = [np.zeros((0, BANDS), np.uint8)]

    def add(self, made: Sequence[Table]) -> None:
        """Take the tables of one list of texts, behind all that were added before."""
        marks = np.empty((sum(len(table.rows) for table in made), BANDS), np.uint8)
        for table in made:
            own, depth = self._entries(table.sizes)
            keys = np.empty((len(own), BANDS), np.uint64)
            for order in range(ORDERS):
                for end, shingles in enumerate(_ends(table, order, int(depth.max()))):
                    marks[table.rows, 2 * order + end] = shingles[0].astype(np.uint8)
                    keys[:, 2 * order + end] = _chained(shingles)[depth - 1, own]
            self._rows.append(self._texts + table.rows[own])
            self._keys.append(keys)
        self._marks.append(marks)
        self._texts += len(marks)

    def close(self) -> Bands:
        """Put all that was added together."""
        return Bands(np.concatenate(self._rows), np.concatenate(self._keys), np.concatenate(self._marks))

    def _entries(self, sizes: Rows) -> tuple[Rows, Rows]:
        """Which text each entry is of, and its depth: the text's own, and those of smaller sets it may be like."""
        last = len(self._depths) - 1
        least = self._depths[np.minimum(np.ceil(self._threshold * sizes - 1e-9).astype(np.int64), last)]
        most = self._depths[np.minimum(sizes, last)]
        wanted = np.unique(self._depths)
        own = [np.flatnonzero((least <= depth) & (depth <= most)) for depth in wanted]
        return np.concatenate(own), np.repeat(wanted, [len(rows) for rows in own])


def _ends(table: Table, order: int, depth: int) -> Iterator[npt.NDArray[np.uint32]]:
    """The first and the last shingles of each set under a random order: twice uint32[depth, texts], outermost first."""
    # Multiplying by odd numbers and shifting into itself maps 32 bits one to one: an order of all shingles there are.
    factors = [np.uint32(hash64(f"order {order} {half}") & 0xFFFFFFFF | 1) for half in "ab"]
    mixed = table.hashes * factors[0]
    mixed ^= mixed >> np.uint32(15)
    mixed *= factors[1]
    np.minimum(mixed, FILL - np.uint32(1), out=mixed)
    mixed[table.hashes == FILL] = FILL
    mixed.sort(axis=1)
    steps = np.arange(depth)[:, None]
    rows = np.arange(len(mixed))
    yield mixed[rows, np.minimum(steps, table.sizes - 1)]
    yield mixed[rows, np.maximum(table.sizes - 1 - steps, 0)]


def _chained(shingles: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """Hash the first one, two, three … shingles of each set together: uint64[depth, texts]."""
    keys = np.empty(shingles.shape, np.uint64)
    key = np.zeros(shingles.shape[1], np.uint64)
    for depth, column in enumerate(shingles):
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
        keys[depth] = key
    return keys
