"""A text as the set of its shingles: three characters in a row, of what is left when signs and case are passed over.

English and Chinese are cut alike. A text of one or two characters is one shingle, an empty one is a shingle too, so
every text has at least one. Shingles are kept as 32-bit hashes: two that differ hash alike once in 2^32 times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

LENGTH = 3
"""Characters of a shingle."""

KEPT = 4096
"""Shingles that are kept of a text; of longer ones the smallest hashes, a fair sample of them."""

FILL = np.uint32(0xFFFFFFFF)
"""Stands behind the shingles of the shorter rows of a table, and sorts last."""

_CELLS = 1 << 20
"""Cells of the tables that pairs are compared in."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Texts of like length: ``hashes`` is uint32[texts, width], each row's shingles once, ascending, then `FILL`."""

    rows: Rows
    hashes: npt.NDArray[np.uint32]
    sizes: Rows


def tables(texts: Sequence[str]) -> Iterator[Table]:
    """Cut plain texts (`gather.plain`) into shingles, those of like length together; ``rows`` number them from 0."""
    texts = [text.ljust(LENGTH, "\0") for text in texts]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    starts = np.cumsum(lengths) - lengths
    hashes = _hashes("".join(texts))
    counts = lengths - LENGTH + 1
    for width, rows in by_width(counts):
        table = _table(hashes, starts[rows], counts[rows], width)
        table.sort(axis=1)
        table[:, 1:][table[:, 1:] == table[:, :-1]] = FILL
        table.sort(axis=1)
        yield Table(rows, table, np.count_nonzero(table != FILL, axis=1).astype(np.int64))


def by_width(counts: Rows) -> Iterator[tuple[int, Rows]]:
    """Group rows by how wide a table they need: the next power of two, or three quarters of it."""
    power = np.int64(1) << np.ceil(np.log2(np.maximum(counts, 4))).astype(np.int64)
    widths = np.where(counts <= power // 4 * 3, power // 4 * 3, power)
    for width in np.unique(widths).tolist():
        yield width, np.flatnonzero(widths == width)


def _hashes(text: str) -> npt.NDArray[np.uint32]:
    """Hash the shingle that begins at each character; those across two texts are there too and nobody asks for them."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    # A code point takes 21 bits, so three of them fill one number and nothing is lost before it is mixed.
    packed = points[:-2] << np.uint64(42) | points[1:-1] << np.uint64(21) | points[2:]
    packed *= np.uint64(0x9E3779B97F4A7C15)
    packed ^= packed >> np.uint64(32)
    packed *= np.uint64(0xD6E8FEB86659FD93)
    return np.asarray(np.minimum(packed >> np.uint64(32), np.uint64(FILL - 1)), dtype=np.uint32)


def _table(values: npt.NDArray[np.uint32], starts: Rows, counts: Rows, width: int) -> npt.NDArray[np.uint32]:
    """Lay ``counts[i]`` values from ``starts[i]`` on into row ``i``, and fill it up."""
    columns = np.arange(width)
    table = np.asarray(values[np.minimum(starts[:, None] + columns, len(values) - 1)])
    table[columns >= counts[:, None]] = FILL
    return table


class Sets:
    """The shingles of many texts, in a file: memory holds four numbers a text, whatever the texts' length.

    Args:
        file: open for reading and writing, empty; it has to stay open as long as the sets are asked.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._written = 0
        self._parts: list[npt.NDArray[np.int64]] = []

    def add(self, made: Sequence[Table]) -> None:
        """Keep the tables of one list of texts, behind all that were added before."""
        facts = np.empty((sum(len(table.rows) for table in made), 4), np.int64)
        for table in made:
            kept = np.minimum(table.sizes, KEPT)
            hashes = table.hashes[:, :KEPT]
            ends = self._written + np.cumsum(kept)
            # Above its last hash, the shingles of a sampled text are not known.
            known = np.where(table.sizes > KEPT, hashes[:, -1].astype(np.int64), int(FILL) - 1)
            facts[table.rows] = np.stack([ends - kept, kept, table.sizes, known], axis=1)
            self._file.write(hashes[hashes != FILL].tobytes())
            self._written += int(kept.sum())
        self._parts.append(facts)

    def close(self) -> None:
        """Make ready to be asked; nothing is added any more."""
        self._file.flush()
        facts = np.concatenate(self._parts) if self._parts else np.zeros((0, 4), np.int64)
        self._starts, self._kept, self.sizes, self._known = (np.ascontiguousarray(column) for column in facts.T)
        self._parts = []
        self._values = np.memmap(self._file, np.uint32, "r") if self._written else np.zeros(0, np.uint32)

    @property
    def sampled(self) -> int:
        """How many texts have more shingles than are kept."""
        return int(np.count_nonzero(self.sizes > KEPT))

    def jaccard(self, left: Rows, right: Rows) -> npt.NDArray[np.float64]:
        """Shared shingles over all shingles, of each pair of texts.

        Exact where both texts have at most `KEPT` shingles; else an estimate from the hashes known of both, whose
        standard error is 0.006 at 0.8.
        """
        similarity = np.empty(len(left))
        for width, pairs in by_width(np.maximum(self._kept[left], self._kept[right])):
            step = max(1, _CELLS // width)
            for at in range(0, len(pairs), step):
                some = pairs[at : at + step]
                similarity[some] = self._compare(left[some], right[some], width)
        return similarity

    def _compare(self, left: Rows, right: Rows, width: int) -> npt.NDArray[np.float64]:
        both = [_table(self._values, self._starts[rows], self._kept[rows], width) for rows in (left, right)]
        table = np.concatenate(both, axis=1)
        table[table > np.minimum(self._known[left], self._known[right])[:, None]] = FILL
        table.sort(axis=1)
        counts = np.count_nonzero(table != FILL, axis=1)
        shared = np.count_nonzero((table[:, 1:] == table[:, :-1]) & (table[:, 1:] != FILL), axis=1)
        return np.asarray(shared / (counts - shared))
