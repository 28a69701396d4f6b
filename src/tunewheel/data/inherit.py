"""What a revision inherits: rows that stood in its parent keep their split, new rows follow their kin or their hash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data import arrow, split
from tunewheel.data.gather import hash64, text_key
from tunewheel.data.manifest import Manifest, Split
from tunewheel.data.rows import name_of

NONE = -1
HELD = ("train", "dev", "test")
"""The splits that are inherited, by rank: where claims differ the higher one holds, so nothing leaves test or dev."""

Keys = npt.NDArray[np.uint64]
Ranks = npt.NDArray[np.int8]


class Claims(NamedTuple):
    """The rank of the split that the parent has each row in (`NONE`: in none), and whether ids told any of it."""

    ranks: Ranks
    by_id: bool


@dataclass(frozen=True)
class Heritage:
    """Ids, texts and groups of a parent's rows, as hashes, and the rank of the split each stands in."""

    fingerprint: str
    parent: str | None
    split: Split
    ids: Keys
    texts: Keys
    groups: Keys
    ranks: Ranks

    @classmethod
    def of(cls, manifest: Manifest, folder: Path) -> Self:
        """Read the rows of a stored dataset, a batch at a time."""
        ids, texts, groups = (
            np.fromiter(values, np.uint64)
            for values in (
                (hash64(value) for value in _column(manifest, folder, "id")),
                (text_key(value) for value in _column(manifest, folder, "text")),
                (_group_key(value) for value in _column(manifest, folder, manifest.split.group)),
            )
        )
        ranks = np.repeat(
            np.array([HELD.index(name) if name in HELD else NONE for name in manifest.splits], np.int8),
            [file.rows for file in manifest.splits.values()],
        )
        return cls(manifest.fingerprint, manifest.parent, manifest.split, ids, texts, groups, ranks)

    @property
    def shares(self) -> dict[str, float]:
        """The shares of dev and test: those recorded, else those that the rows show."""
        rows = max(1, int((self.ranks >= 0).sum()))
        shown = {name: float((self.ranks == HELD.index(name)).sum()) / rows for name in ("dev", "test")}
        return self.split.shares or shown

    def claims(self, ids: Keys, texts: Keys) -> Claims:
        """Say of each row which split is its own: that of its id, else that of its text.

        An id whose text is another's by now claims nothing less than that text does. Ids that mostly name other
        texts than before have been dealt out anew and count for nothing.
        """
        own, said = _Index(self.ids), _Index(self.texts)
        at, known = own.find(ids), said.find(texts)
        by_id, by_text = own.best(self.ranks)[at], said.best(self.ranks)[known]
        stood_by_id, stood_by_text = at >= 0, known >= 0
        same = stood_by_id & (own.best(self.texts)[at] == texts)
        exchanged = stood_by_id & stood_by_text & ~same
        if 2 * exchanged.sum() > stood_by_id.sum():
            return Claims(np.where(stood_by_text, by_text, NONE).astype(np.int8), by_id=False)
        ranks = np.where(same, by_id, np.maximum(np.where(stood_by_id, by_id, NONE), by_text))
        return Claims(ranks.astype(np.int8), by_id=True)

    def of_groups(self, groups: Keys) -> Ranks:
        """Say which split each group stands in; key 0 is of no group."""
        index = _Index(self.groups)
        at = index.find(groups)
        return np.where((at >= 0) & (groups != 0), index.best(self.ranks)[at], NONE).astype(np.int8)

    def gone(self, ids: Keys, texts: Keys, by_id: bool) -> int:
        """Count the rows of the parent that are found neither by their id nor by their text."""
        found = np.isin(self.texts, texts)
        return int((~(found | np.isin(self.ids, ids)) if by_id else ~found).sum())


def settle(own: Ranks, kin: Ranks, linked: split.Ints, *, whole: bool) -> Ranks:
    """Give each row its own split, else the highest of its links; `NONE` where none of them has one.

    ``linked`` numbers rows that must not be parted, ``kin`` is what a row's group claims. Where ``whole`` is set
    (documents, which quote each other) a link is old if half of its rows have a split, else new with all its rows.
    """
    _, links, sizes = np.unique(linked, return_inverse=True, return_counts=True)
    claimed = np.full(len(sizes), NONE, np.int8)
    np.maximum.at(claimed, links, np.maximum(own, kin))
    if whole:
        old = 2 * np.bincount(links, own >= 0, len(sizes)) >= sizes
        claimed, own = np.where(old, claimed, NONE), np.where(old[links], own, NONE)
    return np.where(own >= 0, own, claimed[links]).astype(np.int8)


def link_keys(linked: split.Ints, groups: Keys, texts: Keys, *, whole: bool) -> Keys:
    """The key that linked rows hash by: the least of their groups' keys, where none has a group of their texts'.

    Where ``whole`` is set it is the sum of their texts' keys: documents share their commonest sentences.
    """
    _, links = np.unique(linked, return_inverse=True)
    most, count = np.iinfo(np.uint64).max, int(links.max(initial=-1)) + 1
    of_groups, of_texts = np.full(count, most), np.full(count, 0 if whole else most, np.uint64)
    np.minimum.at(of_groups, links, np.where(groups != 0, groups, most))
    (np.add if whole else np.minimum).at(of_texts, links, texts)
    return np.asarray(np.where(of_groups != most, of_groups, of_texts)[links])


class _Index:
    """Looks up keys among many."""

    def __init__(self, keys: Keys) -> None:
        self.unique, self._inverse = np.unique(keys, return_inverse=True)

    def find(self, wanted: Keys) -> npt.NDArray[np.int64]:
        """The place of each key in `unique`, -1 where it is not there."""
        if not len(self.unique):
            return np.full(len(wanted), -1)
        at = np.minimum(np.searchsorted(self.unique, wanted), len(self.unique) - 1)
        return np.where(self.unique[at] == wanted, at, -1)

    def best(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The highest of the ``values`` that belong to each key; one more entry answers place -1."""
        low = np.iinfo(values.dtype).min if values.dtype == np.uint64 else NONE
        highest = np.full(len(self.unique) + 1, low, values.dtype)
        np.maximum.at(highest, self._inverse, values)
        return highest


def _column(manifest: Manifest, folder: Path, name: str | None) -> Iterator[Any]:
    for file in manifest.splits.values():
        for batch in arrow.batches(folder / file.file):
            held: Iterable[Any] = batch[name].to_pylist() if name in batch.schema.names else [None] * batch.num_rows
            yield from held


def _group_key(value: Any) -> int:
    name = name_of(value)
    return 0 if name is None else hash64(name)
