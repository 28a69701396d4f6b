"""A revision of stored rows: some changed, some left out, everything else as it was."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tunewheel.data.build import Input, Plan
from tunewheel.data.infer import GENERATION, PLAIN, TARGETS
from tunewheel.data.manifest import Manifest
from tunewheel.data.problems import DataError, Problem
from tunewheel.data.readers.base import Record
from tunewheel.data.rows import canonical_json

Row = dict[str, Any]
Change = Callable[[str, int, Row], Mapping[str, Any] | None]
"""Takes a split, a row's number in it (from 0) and the row; gives the row as it shall be, None to leave it out.

It is asked more than once of a row and must answer the same.
"""


class _Kept:
    """The rows of a split that a change leaves; ``places`` are their numbers in the split, once all were read."""

    def __init__(self, split: str, batches: Callable[[str], Iterator[Any]], change: Change) -> None:
        self.split, self._batches, self._change = split, batches, change
        self.places = array("q")

    def __iter__(self) -> Iterator[Record]:
        self.places = array("q")
        at = 0
        for batch in self._batches(self.split):
            for row in batch.to_pylist():
                changed = self._change(self.split, at, row)
                if changed is not None:
                    self.places.append(at)
                    yield Record(at + 1, dict(changed))
                at += 1


@dataclass(frozen=True)
class Edit:
    """What building a revision takes: its inputs, its plan, and what its manifest keeps of the parent's."""

    parent: Manifest
    kept: list[_Kept]

    @classmethod
    def of(cls, parent: Manifest, batches: Callable[[str], Iterator[Any]], change: Change) -> Edit:
        """Look which splits have rows left. Raises `DataError` if none has."""
        kept = [_Kept(split, batches, change) for split in parent.splits]
        left = [rows for rows in kept if next(iter(rows), None) is not None]
        if not left:
            fix = "take fewer rows out, or read other data"
            raise DataError([Problem("the revision", None, "", "rows", "none that is left", fix)])
        return cls(parent, left)

    @property
    def target(self) -> str | None:
        """The column that holds the labels, None for plain text."""
        if self.parent.task == PLAIN:
            return None
        names = {"classification": "labels" if self.parent.multi_label else "label", "ner": "entities"}
        names[GENERATION] = "answer"
        return names.get(self.parent.task) or self._found_target()

    def _found_target(self) -> str:
        first = next(iter(self.kept[0]))
        return next((name for name in TARGETS if first.values.get(name) is not None), "label")

    def inputs(self) -> list[Input]:
        """One input for each split that has rows left."""
        return [Input(rows.split, rows, "rows", None, rows.split) for rows in self.kept]

    def plan(self) -> Plan:
        """The columns are the canonical ones, whatever their values look like."""
        target = self.target
        targets = tuple(name for name in TARGETS if name == target)
        made: dict[str, Any] = {"parent": self.parent.fingerprint, "targets": targets, "ends": "exclusive"}
        return Plan(self.parent.task, "text", target, dev=0, test=0, **made)

    def settle(self, built: Manifest) -> Manifest:
        """The manifest with the parent's columns, sources and way of dividing; rows that stood are the parent's."""
        same = built.fingerprint == self.parent.fingerprint
        counts = {rows.split: self._sources(rows) for rows in self.kept}
        sums = np.sum(list(counts.values()), axis=0).tolist()
        sources = tuple(replace(source, rows=rows) for source, rows in zip(self.parent.sources, sums, strict=True))
        # Splits that files gave are still theirs: a new row of such a file stays where the file has it.
        kind: Any = "given" if self.parent.split.kind == "given" else "inherited"
        split = replace(self.parent.split, kind=kind, kept=sum(sums), fingerprint=built.split.fingerprint)
        return replace(
            built,
            columns=self.parent.columns,
            splits={name: replace(file, sources=counts[name]) for name, file in built.splits.items()},
            parent=self.parent.parent if same else self.parent.fingerprint,
            sources=sources,
            split=self.parent.split if same else split,
        )

    def _sources(self, rows: _Kept) -> tuple[int, ...]:
        """How many rows each of the parent's sources has left in a split."""
        if not self.parent.sources:
            return ()
        ends = np.cumsum(self.parent.splits[rows.split].sources)
        of = np.searchsorted(ends, np.frombuffer(rows.places, np.int64), side="right")
        return tuple(np.bincount(of, minlength=len(self.parent.sources))[: len(self.parent.sources)].tolist())


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two rows differ in what a dataset keeps of them."""
    return canonical_json(before) != canonical_json(after)
