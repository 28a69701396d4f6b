"""`clean`: data in, a revision of it out, with every row that was taken or changed written down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.reading import LoopError, or_plain, read_dataset
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.data.clean import Cleaned, Repairs
    from tunewheel.data.privacy import Masker
    from tunewheel.store import Workspace

RECORD = "removed.jsonl"
"""The record of what was taken and changed, in the folder of the dataset or, after a name, beside files of rows."""


def clean(
    data: str | Path | Dataset,
    out: str | Path | None,
    *,
    relabel: str | Path | None = None,
    typos: bool = False,
    normalise: bool = False,
    simplified: bool = False,
    drop_empty: bool = False,
    redact: bool = False,
    pseudonyms: str | Path | None = None,
    conflicts: Literal["drop", "majority"] | None = None,
    drop_leaks: bool = False,
    dedupe: bool = False,
    near: float = 0.8,
    dev: float = 0.1,
    test: float = 0.1,
    seed: int = 13,
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Cleaned:
    """Repair ``data`` and write the revision to ``out``: what was asked for, in the order of these arguments.

    ``out`` is a new folder that `train` takes, with the record of all repairs in it (``removed.jsonl``); its parent is
    what was read, and `tunewheel trace` knows both. A name that ends in ``.jsonl`` gives files of rows for use
    elsewhere instead: rows that no file divides stay undivided, and the record stands beside. Without ``out`` nothing
    is written. Test and dev are never thinned for train's sake: of a row in both, train's copy goes. Text without
    labels is cleaned as such and stays undivided.

    Args:
        data: what to read, as for `train`.
        out: where to.
        relabel: a reviewed file of suspects (JSON Lines: id, given, suggested; start and end for entities).
        typos, normalise, simplified, drop_empty, conflicts, drop_leaks, dedupe, near: see `Repairs`.
        redact: personal data gives way to the name of its kind.
        pseudonyms: the same for the same, by the secret in this file, which is made if it is not there.
        dev, test, seed: as for `train`.
        home, database: the workspace.
        say: where remarks go.
        options: how to read the data, as for `Dataset.read`; to leave out bad rows (``on_error="skip"``) is a repair.

    Raises:
        DataError: bad input, or a place that is taken.
        LoopError: no repair was named, or one of labels that are not there.
    """
    from tunewheel.data.clean import Repairs
    from tunewheel.data.clean.labels import Suspects
    from tunewheel.data.infer import PLAIN
    from tunewheel.store import Workspace

    repairs = Repairs(
        relabel=None if relabel is None else Suspects.read(relabel),
        masker=_masker(redact, pseudonyms, say),
        typos=typos,
        normalise=normalise,
        simplified=simplified,
        drop_empty=drop_empty,
        conflicts=conflicts,
        drop_leaks=drop_leaks,
        dedupe=dedupe,
        near=near,
    )
    if not repairs.any and options.get("on_error") != "skip":
        raise LoopError("name a repair: --dedupe, --drop-leaks, --relabel FILE, --conflicts drop, --normalise, …")
    if not 0.5 <= near <= 1:
        raise LoopError(f"near is a similarity from 0.5 to 1, got {near:g}; 1 takes exact copies alone")
    workspace = Workspace.open(home, database)
    rows_only = out is not None and Path(out).suffix == ".jsonl"

    def read(task: str | None) -> Dataset:
        whole = rows_only or task == PLAIN
        shares: dict[str, Any] = {"dev": 0.0, "test": 0.0} if whole else {"dev": dev, "test": test}
        return read_dataset(data, workspace, seed=seed, **shares, **{**options, "task": task})

    dataset = or_plain(read, options.get("task"))
    if dataset.task == PLAIN:
        _check_plain(repairs)
    for note in dataset.notes:
        say("data", note)
    return _Place(workspace, data, None if out is None else Path(out)).fill(dataset, repairs)


def _check_plain(repairs: Repairs) -> None:
    """Refuse repairs of labels where there are none."""
    asked = {"--relabel": repairs.relabel, "--typos": repairs.typos, "--conflicts": repairs.conflicts}
    if told := ", ".join(name for name, value in asked.items() if value):
        raise LoopError(f"{told}: plain text has no labels to repair; name their column with --label")


def _masker(redact: bool, pseudonyms: str | Path | None, say: Say) -> Masker | None:
    if not redact and pseudonyms is None:
        return None
    from tunewheel.data.privacy import Masker, load_key

    if redact and pseudonyms is not None:
        raise LoopError("redact or pseudonyms, not both: a redacted text has nothing left to be named otherwise")
    if pseudonyms is None:
        return Masker()
    if not Path(pseudonyms).exists():
        say("key", f"made anew in {pseudonyms}: keep it, and keep it apart from the data")
    return Masker("pseudonym", key=load_key(file=pseudonyms, make=True))


class _Place:
    """Where a cleaned dataset goes: all of it and its record, or nothing."""

    def __init__(self, workspace: Workspace, data: str | Path | Dataset, out: Path | None) -> None:
        self.workspace, self.data, self.out = workspace, data, out

    def fill(self, dataset: Dataset, repairs: Repairs) -> Cleaned:
        """Clean, write and record; where nothing is to be written, only say what would be."""
        from tunewheel.data.clean import clean
        from tunewheel.store.files import temporary_folder

        parent = self.workspace.cache_dir if self.out is None else self.out.absolute().parent
        name = "clean" if self.out is None else self.out.name
        beside = temporary_folder(parent, f".{name}.tmp-")
        try:
            cleaned = clean(dataset, repairs, beside / RECORD)
            if self.out is None:
                return replace(cleaned, record=None)
            record = self._files(cleaned, beside) if self.out.suffix == ".jsonl" else self._folder(cleaned, beside)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._note(cleaned)
        return replace(cleaned, record=record)

    def _folder(self, cleaned: Cleaned, beside: Path) -> Path:
        """A stored dataset with the record in it."""
        assert self.out is not None
        whole = cleaned.dataset.save(beside / "dataset")
        shutil.copyfile(beside / RECORD, whole / RECORD)
        return self._moved(whole, self.out) / RECORD

    def _files(self, cleaned: Cleaned, beside: Path) -> Path:
        """A file of rows, or a folder with one for each split; the record stands beside, for it is no split."""
        assert self.out is not None
        splits = cleaned.dataset.splits
        record = self.out.with_name(f"{self.out.stem}.{RECORD}")
        if len(splits) == 1:
            _write(cleaned.dataset, splits[0], beside / "rows")
            self._moved(beside / "rows", self.out)
        else:
            (beside / "rows").mkdir()
            for split in splits:
                _write(cleaned.dataset, split, beside / "rows" / f"{split}.jsonl")
            self._moved(beside / "rows", self.out.with_suffix(""))
        return self._moved(beside / RECORD, record)

    def _moved(self, whole: Path, target: Path) -> Path:
        """Give a finished file or folder its name; the same content there already is as good."""
        from tunewheel.data import DataError, Problem

        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            if _content(whole) == _content(target):
                return target
            fix = "name another place, or remove what is there"
            raise DataError(
                [Problem(str(target), None, "", "a free place for the cleaned data", "something else", fix)]
            )
        return whole.rename(target)

    def _note(self, cleaned: Cleaned) -> None:
        """Record what was read and what was made of it, so that the lineage can be walked."""
        from tunewheel.data.sources import shown
        from tunewheel.registry import note_dataset

        told = shown(self.data) if isinstance(self.data, str | Path) else cleaned.parent.fingerprint
        note_dataset(self.workspace, cleaned.parent, told)
        assert self.out is not None
        note_dataset(self.workspace, cleaned.dataset, str(self.out), written=self.out.absolute())


def _write(dataset: Dataset, split: str, path: Path) -> None:
    from tunewheel.data.rejected import json_line
    from tunewheel.store.files import open_whole

    with open_whole(path) as file:
        for batch in dataset.batches(split):
            for row in batch.to_pylist():
                file.write(json_line({name: value for name, value in row.items() if value is not None}))


def _content(path: Path) -> dict[str, str]:
    from tunewheel.data.manifest import sha256

    return {str(file.relative_to(path)): sha256(file) for file in _all(path)}


def _all(path: Path) -> Iterator[Path]:
    return (file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
