"""Rows to take out because of other rows: contradictions, leaks and duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tunewheel.data.divide import UNLABELLED
from tunewheel.data.gather import hash64, near_key
from tunewheel.data.rows import canonical_json

Ints = npt.NDArray[np.int64]
Pools = Sequence[Sequence[str]]
"""The splits, those together whose rows are compared with each other."""


def _held_out(split: str) -> int:
    """The place of a split among all, that which is held out longest before the others."""
    return {"test": 0, "dev": 1}.get(split, 2)


class Alike(Protocol):
    """Which texts are the same or nearly the same, by row number; see `tunewheel.data.duplicates.Near`."""

    @property
    def first(self) -> Ints:
        """The number of the first row with the same text, but for white space, case, width and punctuation."""

    @property
    def left(self) -> Ints:
        """With ``right``, pairs of first rows that are nearly the same."""

    @property
    def right(self) -> Ints:
        """See ``left``."""

    @property
    def crowded(self) -> int:
        """How many texts were not compared with all that may be like them; 0 says that no pair is missing."""


class Out(NamedTuple):
    """A row to take out, why, and the row it gave way to (None: to none in particular), as numbers."""

    row: int
    reason: Literal["conflict", "leak", "near leak", "duplicate", "near duplicate"]
    twin: int | None


@dataclass(frozen=True)
class Exact:
    """Texts that are the same but for white space, case, width and punctuation, and no pairs that are nearly so."""

    first: Ints
    left: Ints
    right: Ints
    crowded: int = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Exact:
        """Compare texts by their `near_key`."""
        keys = np.fromiter(map(near_key, texts), np.uint64)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        none = np.zeros(0, np.int64)
        return cls(first[inverse].astype(np.int64), none, none)


def answer(row: Mapping[str, Any]) -> int:
    """A number for what a row says is true of its text: equal for equal labels, answers or entities' surfaces."""
    if row.get("answer") is not None:
        return hash64(canonical_json([row["answer"], row.get("rejected")]))
    if row.get("entities") is not None:
        spans = [[e["label"], near_key(row["text"][e["start"] : e["end"]])] for e in row["entities"]]
        return hash64(canonical_json(spans))
    return hash64(canonical_json([row.get("label"), sorted(row.get("labels") or ())]))


class Rows:
    """The rows of all splits, one after the other: their splits, answers and likeness."""

    def __init__(self, splits: Sequence[str], sizes: Sequence[int], answers: Sequence[int], alike: Alike) -> None:
        self.names = list(splits)
        self.split = np.repeat(np.arange(len(sizes)), sizes)
        self.answers = list(answers)
        self.keys: list[int] = alike.first.tolist()
        self.left = np.ones(len(self.split), dtype=np.bool_)
        self._near: dict[int, list[int]] = {}
        for one, other in zip(alike.left.tolist(), alike.right.tolist(), strict=True):
            self._near.setdefault(one, []).append(other)
            self._near.setdefault(other, []).append(one)

    def take_out(self, found: Iterator[Out]) -> list[Out]:
        """Mark the rows as gone for whatever is asked next."""
        gone = list(found)
        self.left[[out.row for out in gone]] = False
        return gone

    def conflicts(self, how: Literal["drop", "majority"], pools: Pools | None = None) -> Iterator[Out]:
        """Rows of a split, or of a pool of splits, whose text stands there under another answer too.

        All of them go; with ``majority`` those stay that give the answer most give, where one is given most.
        """
        for pool in pools or self._apart:
            groups: dict[int, list[int]] = {}
            for row in (row for split in pool if split != UNLABELLED for row in self._rows(split)):
                groups.setdefault(self.keys[row], []).append(row)
            for rows in groups.values():
                ranked = Counter(self.answers[row] for row in rows).most_common(2)
                if len(ranked) > 1:
                    winner = ranked[0][0] if how == "majority" and ranked[0][1] > ranked[1][1] else None
                    first = next((row for row in rows if self.answers[row] == winner), None)
                    yield from (Out(row, "conflict", first) for row in rows if self.answers[row] != winner)

    def leaks(self) -> Iterator[Out]:
        """Rows of train whose text, or nearly, stands in another labelled split; those splits stay what they are."""
        held: dict[int, int] = {}
        for split in self._labelled():
            if split != "train":
                for row in self._rows(split):
                    held.setdefault(self.keys[row], row)
        for row in self._rows("train"):
            key = self.keys[row]
            if key in held:
                yield Out(row, "leak", held[key])
            elif (twin := next((held[other] for other in self._near.get(key, ()) if other in held), None)) is not None:
                yield Out(row, "near leak", twin)

    def duplicates(self, pools: Pools | None = None) -> Iterator[Out]:
        """Rows that say of the same text, or nearly, in the same split what a row before them says that stays.

        In a pool of splits the one stays that is held out longest.
        """
        for pool in pools or self._apart:
            kept: dict[tuple[int, int], int] = {}
            for row in (row for split in sorted(pool, key=_held_out) for row in self._rows(split)):
                key, told = self.keys[row], self.answers[row]
                if (twin := kept.get((key, told))) is not None:
                    yield Out(row, "duplicate", twin)
                    continue
                near = (kept.get((other, told)) for other in self._near.get(key, ()))
                if (twin := next((other for other in near if other is not None), None)) is not None:
                    yield Out(row, "near duplicate", twin)
                else:
                    kept[key, told] = row

    @property
    def _apart(self) -> Pools:
        return [[name] for name in self.names]

    def _labelled(self) -> list[str]:
        return [name for name in self.names if name != UNLABELLED]

    def _rows(self, split: str) -> Iterator[int]:
        if split in self.names:
            yield from np.flatnonzero(self.left & (self.split == self.names.index(split))).tolist()
