"""What a stored dataset says of itself: ``dataset.json``, declared as data with a schema version."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from tunewheel.data.problems import DataError, Problem

SCHEMA_VERSION = 1
NAME = "dataset.json"
_BLOCK = 1 << 20

Kind = Literal["given", "stratified", "grouped", "document", "time", "inherited"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file that rows were read from; ``rows`` counts them, ``split`` is None where the file was divided.

    ``rejected`` counts the rows that could not be used and were left out.
    """

    path: str
    sha256: str
    rows: int
    format: str
    split: str | None
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """How rows came to their splits, so that it can be said, repeated and inherited.

    ``shares`` are those of dev and test: those asked for, or where the files gave the splits, theirs. ``group`` and
    ``time`` name columns; ``kept`` counts the rows that have their split from a parent. ``fingerprint`` is sha256
    over which row (by id) stands in which split, whatever the order: it stays when a row's label is mended and
    changes when a row changes sides.
    """

    kind: Kind = "given"
    seed: int | None = None
    shares: dict[str, float] = field(default_factory=dict)
    group: str | None = None
    time: str | None = None
    fingerprint: str = ""
    kept: int = 0


@dataclass(frozen=True, slots=True)
class SplitFile:
    """The Arrow file (IPC stream) of a split, inside the dataset's folder.

    ``sources`` counts the rows that came of each of the manifest's sources; they stand in that order.
    """

    file: str
    rows: int
    sha256: str
    sources: tuple[int, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Everything known of a dataset but its rows."""

    task: str
    multi_label: bool
    labels: tuple[str, ...]
    columns: dict[str, str]
    splits: dict[str, SplitFile]
    fingerprint: str
    parent: str | None
    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    split: Split = Split()

    def write(self, folder: Path) -> None:
        """Write ``dataset.json`` into a folder."""
        values = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        (folder / NAME).write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``dataset.json`` and check that every file of the folder is whole. Raises `DataError`."""
        path = folder / NAME
        if not path.is_file():
            fix = "name a folder written by Dataset.save, or read raw files with Dataset.read"
            raise DataError([Problem(str(path), None, "", "a stored dataset", "no such file", fix)])
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            values = {}
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            fix = "read it with the Tunewheel that wrote it, or build it again from its sources"
            raise DataError([Problem(str(path), None, "schema_version", str(SCHEMA_VERSION), str(version), fix)])
        values["labels"] = tuple(values["labels"])
        values["notes"] = tuple(values["notes"])
        values["sources"] = tuple(Source(**source) for source in values["sources"])
        values["split"] = Split(**values.get("split", {}))
        values["splits"] = {
            name: SplitFile(**{**split, "sources": tuple(split.get("sources", ()))})
            for name, split in values["splits"].items()
        }
        manifest = cls(**values)
        for split in manifest.splits.values():
            file = folder / split.file
            found = sha256(file) if file.is_file() else "no such file"
            if found != split.sha256:
                fix = "copy the folder again; a stored dataset is never edited"
                raise DataError([Problem(str(file), None, "", f"sha256 {split.sha256[:12]}…", found[:13], fix)])
        return manifest


def sha256(path: Path) -> str:
    """Hash a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
