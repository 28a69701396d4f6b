"""The format of a file, by its name or its content, and the reader for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tunewheel.data.problems import DataError, Problem, listed, nearest
from tunewheel.data.readers.base import Reader, TextReader
from tunewheel.data.readers.conll import ConllReader, looks_like_conll
from tunewheel.data.readers.delimited import DelimitedReader, sniff
from tunewheel.data.readers.jsonfile import JsonReader, containers
from tunewheel.data.readers.jsonl import JsonlReader
from tunewheel.data.readers.lines import LinesReader
from tunewheel.data.readers.marked import FASTTEXT, MarkedReader, mark_of
from tunewheel.data.readers.names import split_order
from tunewheel.data.readers.parallel import ParallelReader, Role, find_sets
from tunewheel.data.readers.parquet import MAGIC, ParquetReader
from tunewheel.data.readers.text import DataFile, TextFile, digest, inspect

Format = Literal["jsonl", "json", "csv", "tsv", "conll", "parquet", "parallel", "marked", "lines"]
FORMATS: tuple[Format, ...] = ("jsonl", "json", "csv", "tsv", "conll", "parquet", "parallel", "marked", "lines")
BY_SUFFIX: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2", ".bmes", ".bmeos", ".bioes"), "conll"),
}
# An array, an object, or a list, and then a string or the beginning of one inside.
_JSON = re.compile(r'(\[\s*)?[\[{]\s*("|\}|$)')


class Formless(DataError):
    """A file of text in no form that could be told: nothing marks its rows."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one split in one file, or side by side in several: their format, and the split if anything tells it.

    ``keys`` are those of a JSON object that hold the rows; ``beside`` are all files of a parallel set.
    """

    file: DataFile
    format: Format
    split: str | None
    keys: tuple[str, ...] = ()
    beside: Mapping[Role, TextFile] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The hash of the file's bytes, or over those of all files that are read side by side."""
        if not self.beside:
            return self.file.sha256
        return hashlib.sha256("".join(file.sha256 for file in self.beside.values()).encode()).hexdigest()


def known_format(format: str | None) -> None:
    """Refuse a format that is none."""
    if format is not None and format not in FORMATS:
        close = nearest(format, FORMATS)
        raise ValueError(
            f"unknown format {format!r}: expected one of {', '.join(FORMATS)}"
            + (f"; did you mean {close!r}?" if close else "")
        )


def open_file(path: Path, format: Format | None, split: str | None) -> list[Found]:
    """Inspect a file and settle its format; one JSON object may hold several splits.

    Raises `DataError` if the content is of no known form.
    """
    if not path.is_file():
        raise DataError([Problem(str(path), None, "", "a file", "nothing there", "check the path")])
    format = format or BY_SUFFIX.get(path.suffix.lower())
    if format == "parquet" or (format is None and _is_parquet(path)):
        return [Found(digest(path), "parquet", split)]
    file = inspect(path)
    format = format or sniff_format(file)
    if format in (None, "parallel"):
        sets = find_sets([sibling for sibling in sorted(path.parent.iterdir()) if sibling.is_file()])
        beside = next((files for files in sets.values() if path in {other.path for other in files.values()}), None)
        if beside:
            return [Found(beside["tokens"], "parallel", split, beside=beside)]
        raise _formless(path, format)
    if format == "json":
        keys = containers(file)
        if keys:
            return _keyed(file, keys, split)
        if _is_a_line_each(file):
            format = "jsonl"
    assert format is not None
    return [Found(file, format, split)]


def sniff_format(file: TextFile) -> Format | None:
    """Tell the format from the content, None if it is of no known form."""
    head = file.head().lstrip()
    if _JSON.match(head):
        return "json"
    if looks_like_conll(file):
        return "conll"
    mark = mark_of(file)
    if head.startswith(FASTTEXT) or (mark and mark.sign == "@"):
        return "marked"
    delimiter = sniff(file)
    if delimiter is None:
        return "marked" if mark else None
    return "tsv" if delimiter == "\t" else "csv"


def reader(found: Found, wanted: tuple[str, ...] = (), documents: str = "document") -> Reader:
    """Make the reader of what was found; ``wanted`` are columns the caller named."""
    if found.format == "parallel":
        return ParallelReader(found.beside)
    if not isinstance(found.file, TextFile):
        return ParquetReader(found.file)
    made = _text_reader(found, found.file, wanted, documents)
    if found.file.encoding not in ("utf-8", "utf-8-sig"):
        made.notes.append(f"{found.file.path.name}: not UTF-8, read as {found.file.encoding}")
    made.notes.extend(found.file.oddities)
    return made


def _text_reader(found: Found, file: TextFile, wanted: tuple[str, ...], documents: str) -> Reader:
    plainly: dict[str, type[TextReader]] = {"jsonl": JsonlReader, "marked": MarkedReader, "lines": LinesReader}
    if found.format in plainly:
        return plainly[found.format](file)
    if found.format == "json":
        return JsonReader(file, keys=found.keys)
    if found.format == "conll":
        return ConllReader(file, documents=documents)
    return DelimitedReader(file, delimiter="\t" if found.format == "tsv" else None, wanted=wanted)


def _keyed(file: TextFile, keys: Mapping[str, list[str]], split: str | None) -> list[Found]:
    if "" in keys:
        return [Found(file, "json", split, tuple(keys[""]))]
    if split is None:
        return [Found(file, "json", name, tuple(of_split)) for name, of_split in sorted(keys.items(), key=split_order)]
    if split not in keys:
        found = f"the keys {listed(key for of_split in keys.values() for key in of_split)}"
        fix = "read the file alone: its keys tell the splits"
        raise DataError([Problem(str(file.path), None, "", f"a key for the split {split}", found, fix)])
    return [Found(file, "json", split, tuple(keys[split]))]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _formless(path: Path, format: str | None) -> DataError:
    if format == "parallel":
        expected = "a file beside it with a line of tags or a label for each of its lines"
        fix = "name them alike, such as train.txt and train.tags, or seq.in and seq.out"
        return DataError([Problem(str(path), None, "", expected, "none", fix)])
    expected = "JSON Lines, CSV, TSV, CoNLL columns or Parquet"
    fix = "convert it to one of them; lines of plain text go without labels to pretrain, topics, distill and predict"
    return Formless([Problem(str(path), None, "", expected, "text of no such form", fix)])


def _is_a_line_each(file: TextFile) -> bool:
    lines = [line for line in file.head().split("\n") if line.strip()]
    if len(lines) < 2:
        return not lines[0].lstrip().startswith("[")
    try:
        return isinstance(json.loads(lines[0]), dict | list)
    except ValueError:
        # One broken line among whole ones is still JSON Lines, and is reported as such.
        return lines[0].strip() not in ("{", "[") and not lines[0].lstrip().startswith("[")
