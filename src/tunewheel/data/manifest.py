"""What a stored dataset says of itself: ``dataset.json``, declared as data with a schema version."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tunewheel.data.problems import DataError, Problem

SCHEMA_VERSION = 1
NAME = "dataset.json"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """A file that rows were read from; ``rows`` counts them, ``split`` is None where the file was divided."""

    path: str
    sha256: str
    rows: int
    format: str
    split: str | None


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
