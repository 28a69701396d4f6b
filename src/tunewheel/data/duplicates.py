"""Which texts stand more than once, and which stand again almost the same.

Two texts are the same where white space, case, width and punctuation alone tell them apart (`gather.near_key`), and
nearly the same where the Jaccard similarity of their shingles (`shingles`) reaches a threshold. Of the same texts only
the first is compared. Bands (`bands`) say which texts to compare; each pair found was then compared shingle by shingle.

Time and memory grow with the number of texts, whatever they are like, for two bounds: a band gives at most 4 candidates
a text, and no more than 32 pairs a text are listed (2^20 of either are always allowed). Beyond, as where many texts
share most of their words, a text is compared with the eight that stand next to it, and only until it is in their
cluster.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from tunewheel.data.bands import BANDS, Banding, Bands
from tunewheel.data.gather import hash64, plain
from tunewheel.data.shingles import Rows, Sets, tables

Progress = Callable[[int, int | None], None]

_BATCH = 1 << 19
"""Characters that are cut into shingles at once."""

_CANDIDATES = 4
_PAIRS = 32
_ALWAYS = 1 << 20
_NEIGHBOURS = 8

_STEP = 1 << 14
"""Rows between two calls of ``progress``."""


@dataclass(frozen=True)
class Near:
    """The same and nearly the same among ``rows`` texts.

    Attributes:
        first: int64[rows], the number of the first row that says the same; a row of its own text has its own number.
        left, right: int64[pairs], left < right: every two first rows that are nearly the same, in ascending order. A
            pair just at the threshold is missed with a chance of about 0.01, one well above it almost never.
        similarity: float32[pairs], their Jaccard similarity.
        crowded: first rows that were not compared with all their candidates, for there were too many of them: pairs of
            theirs may be missing. 0 says that nothing was left out.
        sampled: first rows so long that 4,096 of their shingles stand for all; similarities with them are estimates.
    """

    first: Rows
    left: Rows
    right: Rows
    similarity: npt.NDArray[np.float32]
    crowded: int = 0
    sampled: int = 0

    def clusters(self) -> Rows:
        """int64[rows]: the smallest row number among all rows that a chain of same and near texts leads to."""
        rows = np.arange(len(self.first))
        return components(len(rows), np.concatenate([self.left, rows]), np.concatenate([self.right, self.first]))


def find_near(texts: Iterable[str], threshold: float = 0.8, *, progress: Progress | None = None) -> Near:
    """Find the texts that are the same or nearly the same; they are read once and not held in memory.

    Args:
        texts: in both languages, of any length; shingles of theirs go to a temporary file.
        threshold: the least Jaccard similarity of a pair, from 0.5 to 1.
        progress: told how much is done and of how much; a text counts once when read and once when compared. The whole
            is None while ``texts`` have no length and are still being read.

    Raises:
        ValueError: for a threshold out of range.

    >>> near = find_near(["Where is my card?", "where is my card", "Where is my new card?", "我的卡在哪里"], 0.5)
    >>> near.first.tolist(), near.left.tolist(), near.right.tolist(), near.clusters().tolist()
    ([0, 0, 2, 3], [0], [2], [0, 0, 0, 3])
    """
    if not 0.5 <= threshold <= 1:
        raise ValueError(
            f"threshold has to be from 0.5 to 1, not {threshold}: below, most pairs found are no duplicates"
        )
    tell = progress or (lambda done, total: None)
    with tempfile.TemporaryFile(prefix="tunewheel-") as file:
        reading = _Reading(file, threshold)
        reading.read(texts, tell)
        rows = len(reading.first)
        search = _Search(reading.sets, reading.banding.close(), threshold)
        for band in range(BANDS):
            search.band(band)
            tell(rows + rows * (band + 1) // BANDS, 2 * rows)
        own = np.array(reading.own, dtype=np.int64)
        return Near(
            first=np.array(reading.first, dtype=np.int64),
            left=own[search.left],
            right=own[search.right],
            similarity=search.similarity.astype(np.float32),
            crowded=int(search.crowded.sum()),
            sampled=reading.sets.sampled,
        )


def components(nodes: int, left: Rows, right: Rows) -> Rows:
    """int64[nodes]: the smallest node that pairs lead to, for each of ``nodes``."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(nodes, nodes))
    _, named = connected_components(links, directed=False)
    _, smallest = np.unique(named, return_index=True)
    return np.asarray(smallest[named], dtype=np.int64)


class _Reading:
    """Takes texts in: which say the same, and the shingles and bands of each first one."""

    def __init__(self, file: BinaryIO, threshold: float) -> None:
        self.first: array[int] = array("q")
        self.own: array[int] = array("q")
        self.sets = Sets(file)
        self.banding = Banding(threshold)
        self._waiting: list[str] = []

    def read(self, texts: Iterable[str], tell: Progress) -> None:
        total = 2 * len(texts) if isinstance(texts, Sized) else None
        known: dict[int, int] = {}
        characters = 0
        for row, text in enumerate(texts):
            bare = plain(text)
            first = known.setdefault(hash64(bare), row)
            self.first.append(first)
            if first == row:
                self.own.append(row)
                self._waiting.append(bare)
                characters += len(bare)
            if characters >= _BATCH:
                self._cut()
                characters = 0
            if row % _STEP == _STEP - 1:
                tell(row + 1, total)
        self._cut()
        self.sets.close()
        tell(len(self.first), 2 * len(self.first))

    def _cut(self) -> None:
        if self._waiting:
            made = list(tables(self._waiting))
            self.sets.add(made)
            self.banding.add(made)
            self._waiting.clear()


class _Search:
    """Compares what the bands put together, band after band; rows are numbers of first rows here."""

    def __init__(self, sets: Sets, bands: Bands, threshold: float) -> None:
        self._sets, self._bands, self._threshold = sets, bands, threshold
        self._rows = len(bands.marks)
        spread = 3.5 * (BANDS * threshold * (1 - threshold)) ** 0.5
        self._agreeing = int(BANDS * threshold - spread)
        self._codes = np.zeros(0, np.int64)
        self.similarity = np.zeros(0)
        self.crowded = np.zeros(self._rows, np.bool_)

    @property
    def left(self) -> Rows:
        return self._codes // max(1, self._rows)

    @property
    def right(self) -> Rows:
        return self._codes % max(1, self._rows)

    def band(self, band: int) -> None:
        """Find the pairs that agree in one band and were not found before."""
        found = [self._likely(*pairs) for pairs in self._candidates(band)]
        if not found:
            return
        codes = np.unique(np.concatenate(found))
        codes = codes[~_among(codes, self._codes)]
        similarity = self._sets.jaccard(codes // self._rows, codes % self._rows)
        good = similarity >= self._threshold
        codes = np.concatenate([self._codes, codes[good]])
        order = np.argsort(codes)
        self._codes = codes[order]
        self.similarity = np.concatenate([self.similarity, similarity[good]])[order]

    def _candidates(self, band: int) -> Iterator[tuple[Rows, Rows]]:
        """Entries with the same key, each with one that stands behind it among them; distance by distance."""
        keys = self._bands.keys[:, band]
        order = np.argsort(keys)
        keys = keys[order]
        begins = np.flatnonzero(np.concatenate([keys[:1] == keys[:1], keys[1:] != keys[:-1]]))
        sizes = np.diff(begins, append=len(keys))
        following = np.repeat(begins + sizes, sizes) - 1 - np.arange(len(keys))
        crowd = np.repeat(sizes > self._largest(sizes), sizes)
        cluster = self._crowd(band, order, keys, crowd) if crowd.any() else None
        following[crowd] = np.minimum(following[crowd], _NEIGHBOURS)
        place, distance = np.flatnonzero(following > 0), 1
        while len(place):
            left, right = self._bands.rows[order[place]], self._bands.rows[order[place + distance]]
            if cluster is not None:
                apart = ~crowd[place] | (cluster[left] != cluster[right])
                left, right = left[apart], right[apart]
            yield np.minimum(left, right), np.maximum(left, right)
            distance += 1
            place = place[following[place] >= distance]

    def _largest(self, sizes: Rows) -> int:
        """The size up to which all with the same key may be compared with each other."""
        if len(self._codes) > _PAIRS * self._rows + _ALWAYS:
            return 1
        of_size = np.bincount(sizes, minlength=2)
        size = np.arange(len(of_size))
        within = np.cumsum(of_size * size * (size - 1) // 2) <= _CANDIDATES * self._rows + _ALWAYS
        return int(np.flatnonzero(within)[-1])

    def _crowd(self, band: int, order: Rows, keys: npt.NDArray[np.uint64], crowd: npt.NDArray[np.bool_]) -> Rows:
        """Put those that agree in the next band too beside each other; return each row's cluster so far."""
        entries = order[crowd]
        beside = np.lexsort((self._bands.keys[entries, (band + 1) % BANDS], keys[crowd]))
        order[crowd] = entries[beside]
        self.crowded[self._bands.rows[entries]] = True
        return components(self._rows, self.left, self.right)

    def _likely(self, left: Rows, right: Rows) -> Rows:
        """The pairs, as one number each, that sizes and marks leave a chance; one in two thousand good ones is lost."""
        sizes = self._sets.sizes
        low, high = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
        chance = (left != right) & (low >= self._threshold * high - 1e-9)
        left, right = left[chance], right[chance]
        agreeing = np.count_nonzero(self._bands.marks[left] == self._bands.marks[right], axis=1)
        chance = agreeing >= self._agreeing
        return np.asarray(left[chance] * self._rows + right[chance])


def _among(codes: Rows, known: Rows) -> npt.NDArray[np.bool_]:
    """Say of each code, ascending, whether it is one of those known, ascending too."""
    if not len(known):
        return np.zeros(len(codes), np.bool_)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return np.asarray(known[place] == codes)
