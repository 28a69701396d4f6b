"""Which files of a path are data, in which format, and which split each holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tunewheel.data.problems import DataError, Problem, nearest
from tunewheel.data.readers.base import Reader, TextFile, inspect
from tunewheel.data.readers.conll import ConllReader, looks_like_conll
from tunewheel.data.readers.delimited import DelimitedReader, sniff
from tunewheel.data.readers.jsonl import JsonlReader, JsonReader

FORMATS = ("jsonl", "json", "csv", "tsv", "conll")
_BY_SUFFIX = {
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "json",
    ".csv": "csv",
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
    **dict.fromkeys((".conll", ".bio", ".iob", ".iob2", ".bmes", ".bmeos", ".bioes"), "conll"),
}
_NEVER = frozenset((".md", ".rst", ".py", ".ipynb", ".html", ".pdf", ".yaml", ".yml", ".toml", ".lock", ".sh"))
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "testb"), "test"),
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True, slots=True)
class Found:
    """A data file: its format and the split its name tells, if any."""

    file: TextFile
    format: str
    split: str | None


def split_of(name: str) -> str | None:
    """Tell the split from the words of a file's name.

    >>> [split_of(name) for name in ("eng.testa", "wnut17train.conll", "valData.csv", "latest.csv")]
    ['dev', 'train', 'dev', None]
    """
    words = (word.lower() for word in _WORD.findall(name))
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)


def find(path: Path, format: str | None = None) -> tuple[list[Found], list[str]]:
    """List the data files of a path (a file or a folder of splits) and what is to be said of them.

    Raises `DataError` where there is nothing to read, no train split, or several files for one split.
    """
    if format is not None and format not in FORMATS:
        close = nearest(format, FORMATS)
        raise ValueError(
            f"unknown format {format!r}: expected one of {', '.join(FORMATS)}"
            + (f"; did you mean {close!r}?" if close else "")
        )
    if path.is_dir():
        return _find_in(path, format)
    if not path.is_file():
        names = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, names)
        fix = f"did you mean '{path.parent / close}'?" if close else "check the path"
        raise DataError([Problem(str(path), None, "", "a file or a folder", "nothing there", fix)])
    return [Found(*open_file(path, format), None)], []


def find_named(paths: Mapping[str, str | Path], format: str | None = None) -> list[Found]:
    """Open files whose splits the caller named."""
    return [Found(*open_file(Path(path), format), split) for split, path in sorted(paths.items(), key=split_order)]


def open_file(path: Path, format: str | None) -> tuple[TextFile, str]:
    """Inspect a file and settle its format. Raises `DataError` if its content is of none."""
    if not path.is_file():
        raise DataError([Problem(str(path), None, "", "a file", "nothing there", "check the path")])
    file = inspect(path)
    format = format or _BY_SUFFIX.get(path.suffix.lower()) or sniff_format(file)
    if format is None:
        raise DataError(
            [
                Problem(
                    str(path),
                    None,
                    "",
                    "JSON Lines, CSV, TSV or CoNLL columns",
                    "text of no such form",
                    "say which it is with --format, or convert it",
                )
            ]
        )
    if format == "json" and _is_a_line_each(file):
        format = "jsonl"
    return file, format


def split_order(item: tuple[str, object]) -> tuple[int, str]:
    """Sort key of ``(split, …)`` pairs: train, dev, test, then others by name."""
    order = ("train", "dev", "test")
    return (order.index(item[0]) if item[0] in order else len(order), item[0])


def sniff_format(file: TextFile) -> str | None:
    """Tell the format from the content, None if it is of no known form."""
    head = file.head().lstrip()
    if head.startswith(("{", "[")) and re.match(r'\[?\s*\{\s*("|\}|$)', head):
        return "json"
    if looks_like_conll(file):
        return "conll"
    delimiter = sniff(file)
    return None if delimiter is None else ("tsv" if delimiter == "\t" else "csv")


def reader(found: Found, wanted: tuple[str, ...] = (), documents: str = "document") -> Reader:
    """Make the reader of a file."""
    made = _reader(found, wanted, documents)
    if found.file.encoding not in ("utf-8", "utf-8-sig"):
        made.notes.append(f"{found.file.path.name}: not UTF-8, read as {found.file.encoding}")
    return made


def _reader(found: Found, wanted: tuple[str, ...], documents: str) -> Reader:
    match found.format:
        case "jsonl":
            return JsonlReader(found.file)
        case "json":
            return JsonReader(found.file)
        case "conll":
            return ConllReader(found.file, documents=documents)
        case "tsv":
            return DelimitedReader(found.file, delimiter="\t", wanted=wanted)
        case _:
            return DelimitedReader(found.file, wanted=wanted)


def _is_a_line_each(file: TextFile) -> bool:
    lines = [line for line in file.head().split("\n") if line.strip()]
    if len(lines) < 2:
        return not lines[0].lstrip().startswith("[")
    try:
        return isinstance(json.loads(lines[0]), dict)
    except ValueError:
        # One broken line among whole ones is still JSON Lines, and is reported as such.
        return lines[0].strip() not in ("{", "[") and not lines[0].lstrip().startswith("[")


def _find_in(folder: Path, format: str | None) -> tuple[list[Found], list[str]]:
    notes: list[str] = []
    splits: dict[str, list[Path]] = {}
    other: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        split = split_of(path.name)
        if path.is_dir() or not _may_be_data(path, format):
            notes.append(f"ignored {path.name}: {'a folder' if path.is_dir() else 'no data format'}")
        elif split is not None:
            splits.setdefault(split, []).append(path)
        else:
            other.append(path)
    if not splits and len(other) == 1:
        return [Found(*open_file(other[0], format), None)], notes
    notes += [f"ignored {path.name}: its name tells no split" for path in other]
    if "train" not in splits:
        found = (
            ", ".join(path.name for paths in splits.values() for path in paths)
            or ", ".join(path.name for path in other)
            or "no data file"
        )
        raise DataError(
            [
                Problem(
                    str(folder),
                    None,
                    "",
                    "a train split",
                    found,
                    "name the file of the train split 'train.…'",
                )
            ]
        )
    for split, paths in splits.items():
        _drop_copies(paths, notes)
        if len({re.sub(r"\d+", "", path.name) for path in paths}) > 1:
            raise _ambiguous(folder, split, paths)
        if len(paths) > 1:
            notes.append(f"{split}: {len(paths)} files one after another ({paths[0].name} … {paths[-1].name})")
    pairs = sorted(splits.items(), key=split_order)
    return [Found(*open_file(path, format), split) for split, paths in pairs for path in paths], notes


def _drop_copies(paths: list[Path], notes: list[str]) -> None:
    seen: dict[bytes, Path] = {}
    for path in list(paths) if len(paths) > 1 else []:
        content = hashlib.sha256(path.read_bytes()).digest()
        if content in seen:
            notes.append(f"ignored {path.name}: the same content as {seen[content].name}")
            paths.remove(path)
        seen.setdefault(content, path)


def _may_be_data(path: Path, format: str | None) -> bool:
    suffix = path.suffix.lower()
    if suffix in _NEVER:
        return False
    if format is not None or suffix in _BY_SUFFIX:
        return True
    try:
        return sniff_format(inspect(path)) is not None
    except DataError:
        # A file whose name tells a split is meant to be data: its own error is worth more than silence.
        return split_of(path.name) is not None and suffix == ""


def _ambiguous(folder: Path, split: str, paths: list[Path]) -> DataError:
    names = ", ".join(path.name for path in paths)
    fix = f"keep one of them in the folder, or name the files: Dataset.read({{'{split}': …}})"
    return DataError([Problem(str(folder), None, "", f"one file for {split}", names, fix)])
