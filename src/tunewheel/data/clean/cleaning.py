"""Repairs in their order, until there is nothing left to repair; what they took and changed is written down."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from tunewheel.data.clean.draft import Draft
from tunewheel.data.clean.labels import Suspects, labels_of, renamed, typos
from tunewheel.data.clean.normalise import is_wordless, normalised
from tunewheel.data.clean.sets import Alike, Exact, Out, Rows, answer
from tunewheel.data.dataset import Dataset
from tunewheel.data.divide import UNLABELLED
from tunewheel.data.infer import TARGETS
from tunewheel.data.rejected import json_line
from tunewheel.data.rows import canonical_json

Row = dict[str, Any]
FindNear = Callable[[Iterable[str], float], Alike]


class Masks(Protocol):
    """What takes personal data out of rows; see `tunewheel.data.privacy.Masker`."""

    def mask_row(self, row: Mapping[str, Any], /) -> tuple[Row, Any]:
        """The row without it, its spans moved along, and what was found: start, end and kind of each."""


@dataclass(frozen=True)
class Repairs:
    """What is to be repaired; without any, nothing is. They are done in the order they stand here.

    relabel: the suggestions of a reviewed list, where a row still says what it was given.
    typos: slips of the pen in labels become the frequent label that was meant.
    normalise: NFKC, white space, no control characters; with ``simplified`` traditional characters become simplified.
    drop_empty: rows without a letter or digit go.
    masker: personal data is taken out of the texts, and of the record of all repairs.
    conflicts: of a split's rows of one text with several answers, all go (``drop``) or those that are not of the most
        frequent answer (``majority``; all where none is).
    drop_leaks: rows of train that also stand in dev, test or another split go, from train alone.
    dedupe: of a split's rows that say the same of the same text, the first stays.
    near: from this Jaccard similarity of shingles on texts are nearly the same for the last two; 1 for exact ones.

    Splits that were dealt from the same files are one to ``conflicts`` and ``dedupe`` (`pooled`), and of rows that say
    the same the one stays that is held out longest.
    """

    relabel: Suspects | None = None
    typos: bool = False
    normalise: bool = False
    simplified: bool = False
    drop_empty: bool = False
    masker: Masks | None = None
    conflicts: Literal["drop", "majority"] | None = None
    drop_leaks: bool = False
    dedupe: bool = False
    near: float = 0.8

    @property
    def any(self) -> bool:
        """Whether anything is to be done."""
        mends = (self.relabel, self.masker, self.conflicts)
        flags = self.typos or self.normalise or self.simplified or self.drop_empty or self.drop_leaks or self.dedupe
        return flags or any(mend is not None for mend in mends)


@dataclass(frozen=True)
class Cleaned:
    """A dataset after its repairs, and what they were.

    ``counts`` are rows by reason (a row may be changed for several), ``renamed`` the labels that were slips. ``record``
    has a line of JSON for each: id, split, reason, before, after (None: the row went), and the row it gave way to;
    None where it was not kept. ``held`` counts the rows of dev and test that were changed or went,
    where the files made these splits.
    """

    dataset: Dataset
    parent: Dataset
    counts: dict[str, int]
    renamed: dict[str, str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    record: Path | None = None


def clean(
    dataset: Dataset,
    repairs: Repairs,
    record: str | Path,
    *,
    find_near: FindNear | None = None,
    cache: str | Path | None = None,
) -> Cleaned:
    """Make the revision of a dataset that its repairs leave, and write what they did into ``record``.

    Splits stay as they are. Cleaning the result by the same repairs changes nothing. With a masker the record has none
    of what was taken out: the kinds and places of what was found, and of changed texts only what they are now.

    Args:
        dataset: what to clean.
        repairs: which, see there.
        record: the file to write, as JSON Lines.
        find_near: finds texts that are nearly the same; `tunewheel.data.duplicates.find_near` by default.
        cache: as for `Dataset.read`.

    Raises:
        DataError: no row would be left.
    """
    with tempfile.TemporaryDirectory(prefix="tunewheel-") as folder, Path(record).open("w", encoding="utf-8") as file:
        work = _Cleaning(
            Draft(dataset, Path(folder)), repairs, find_near or _near, _Record(file, repairs.masker is not None)
        )
        names = work.run()
        told = ", ".join(f"{count:,} {reason}" for reason, count in work.record.counts.items()) or "nothing to repair"
        cleaned = dataset.edited(work.draft.change, note=f"cleaned: {told}", cache=cache)
    given = {split for pool in pooled(dataset) if len(pool) == 1 for split in pool}
    held = {split: len(rows) for split, rows in work.record.rows.items() if split in given and split in ("dev", "test")}
    return Cleaned(cleaned, dataset, dict(work.record.counts), names, held, Path(record))


def pooled(dataset: Dataset) -> list[list[str]]:
    """The splits, those together that were dealt from the same files: what repeats in them lies apart by chance alone.

    Splits that files gave, or a parent, stand alone: a figure may have been measured on them.
    """
    alone = {source.split for source in dataset.sources} - {"train"} | {UNLABELLED}
    if dataset.split.kind in ("given", "inherited"):
        alone |= set(dataset.splits)
    dealt = [split for split in dataset.splits if split not in alone]
    return [*([dealt] if dealt else []), *([split] for split in dataset.splits if split in alone)]


@dataclass
class _Record:
    """Writes down what was done; with ``private`` no text that may hold what was taken out."""

    file: IO[str]
    private: bool
    counts: Counter[str] = field(default_factory=Counter)
    rows: dict[str, set[str]] = field(default_factory=dict)

    def changed(self, split: str, reason: str, before: Row, after: Row) -> None:
        names = [name for name in after if canonical_json(before.get(name)) != canonical_json(after[name])]
        old, new = ({name: row.get(name) for name in names} for row in (before, after))
        if self.private and "text" in names:
            self._line(split, before, reason, None, None)
        else:
            self._line(split, before, reason, old, new)

    def masked(self, split: str, found: Any, before: Row, after: Row) -> None:
        places = [{"start": each.start, "end": each.end, "kind": each.kind} for each in found]
        self._line(split, before, "personal data", {"found": places}, {"text": after["text"]})

    def removed(self, split: str, reason: str, row: Row, of: Mapping[str, Any] | None = None) -> None:
        shown = {name: row[name] for name in ("text", *TARGETS) if row.get(name) is not None} if self.private else row
        self._line(split, row, reason, shown, None, of)

    def _line(
        self, split: str, row: Row, reason: str, before: Any, after: Any, of: Mapping[str, Any] | None = None
    ) -> None:
        self.counts[reason] += 1
        self.rows.setdefault(split, set()).add(row["id"])
        twin = {"of": of} if of is not None else {}
        values = {"id": row["id"], "split": split, "reason": reason, "before": before, "after": after, **twin}
        self.file.write(json_line(values))


@dataclass
class _Cleaning:
    draft: Draft
    repairs: Repairs
    find_near: FindNear
    record: _Record

    def run(self) -> dict[str, str]:
        """Repair, and again where fewer rows make more labels rare; returns the labels that were renamed."""
        if self.repairs.relabel is not None:
            self._each("relabel", self.repairs.relabel.mend)
        merged = self._rename({})
        self._texts()
        self._sets()
        while len(more := self._rename(merged)) > len(merged):
            merged = more
            self._sets()
        return merged

    def _rename(self, merged: dict[str, str]) -> dict[str, str]:
        """Rename labels that are slips; returns all that were, those of before too."""
        if not self.repairs.typos:
            return merged
        counts = Counter(
            name for split in self.draft.splits for _, row in self.draft.rows(split) for name in labels_of(row)
        )
        names = typos(counts)
        if names:
            self._each("typo", lambda split, row: renamed(row, names))
        return {old: names.get(new, new) for old, new in merged.items()} | names

    def _each(self, reason: str, change: Callable[[str, Row], Row]) -> None:
        def mend(split: str, row: Row) -> Row:
            after = change(split, row)
            if canonical_json(after) != canonical_json(row):
                self.record.changed(split, reason, row, after)
            return after

        self.draft.mend(mend)

    def _texts(self) -> None:
        """What is to be done to one text at a time."""
        repairs = self.repairs
        if repairs.normalise or repairs.simplified or repairs.drop_empty or repairs.masker is not None:
            self.draft.mend(self._text)

    def _text(self, split: str, row: Row) -> Row | None:
        repairs, before = self.repairs, row
        if repairs.normalise or repairs.simplified:
            row = normalised(row, simplified=repairs.simplified)
        if repairs.drop_empty and is_wordless(row["text"]):
            shown = before if repairs.masker is None else repairs.masker.mask_row(before)[0]  # its answer may hold some
            self.record.removed(split, "empty", shown)
            return None
        if row["text"] != before["text"]:
            self.record.changed(split, "normalise", before, row)
        if repairs.masker is not None:
            after, found = repairs.masker.mask_row(row)
            if found:
                self.record.masked(split, found, row, after)
            row = after
        return row

    def _sets(self) -> None:
        """What is to be done because of other rows."""
        repairs, gone = self.repairs, list[Out]()
        if repairs.conflicts is None and not repairs.drop_leaks and not repairs.dedupe:
            return
        alike = self._alike()
        rows, pools = self._rows(alike), pooled(self.draft.dataset)
        if repairs.conflicts is not None:
            gone += rows.take_out(rows.conflicts(repairs.conflicts, pools))
        if repairs.drop_leaks:
            gone += rows.take_out(rows.leaks())
        if repairs.dedupe:
            gone += rows.take_out(rows.duplicates(pools))
        self._take_out(gone)
        if gone and alike.crowded:  # pairs were left out for there were too many; among fewer rows they are found
            self._sets()

    def _alike(self) -> Alike:
        texts = (row["text"] for split in self.draft.splits for _, row in self.draft.rows(split))
        near = self.repairs.near < 1 and (self.repairs.dedupe or self.repairs.drop_leaks)
        return self.find_near(texts, self.repairs.near) if near else Exact.of(texts)

    def _rows(self, alike: Alike) -> Rows:
        splits = self.draft.splits
        sizes = [int(self.draft.left[split].sum()) for split in splits]
        answers = [answer(row) for split in splits for _, row in self.draft.rows(split)]
        return Rows(splits, sizes, answers, alike)

    def _take_out(self, gone: list[Out]) -> None:
        """Write down the rows and the ids of those they gave way to, and leave them out."""
        reasons = {out.row: out for out in gone}
        twins = {out.twin for out in gone}
        named = {
            number: {"id": row["id"], "split": split} for number, split, _, row in self._numbered() if number in twins
        }
        places = []
        for number, split, at, row in self._numbered():
            if out := reasons.get(number):
                self.record.removed(split, out.reason, row, None if out.twin is None else named[out.twin])
                places.append((split, at))
        for split in self.draft.splits:
            self.draft.left[split][[at for name, at in places if name == split]] = False

    def _numbered(self) -> Iterator[tuple[int, str, int, Row]]:
        rows = ((split, at, row) for split in self.draft.splits for at, row in self.draft.rows(split))
        return ((number, *each) for number, each in enumerate(rows))


def _near(texts: Iterable[str], threshold: float) -> Alike:
    from tunewheel.data.duplicates import find_near

    found: Alike = find_near(texts, threshold)
    return found
