"""JSON files: an array of rows, objects one after another, or one object whose keys hold arrays of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.base import Record, TextReader
from tunewheel.data.readers.jsonl import OBJECT, reason, row_of
from tunewheel.data.readers.names import split_of
from tunewheel.data.readers.scanner import BrokenJson, Scanner
from tunewheel.data.readers.text import TextFile

_SPACE = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(r"[ \t\r\n,]*")
_BETWEEN = re.compile(r"[ \t\r\n,\]]*")
_ROWS = ("data", "rows", "items", "examples", "records", "results", "instances", "samples")


class _Cell(NamedTuple):
    """A value inside the array under ``key``, or the whole value of a key that holds none (``inside`` False)."""

    row: int
    key: str
    value: Any
    inside: bool


@dataclass
class JsonReader(TextReader):
    """A stream of rows, parsed a block of the file at a time.

    Where the JSON breaks, what stood whole before it has been yielded, and reading ends.

    With ``keys`` the file is one object, and the rows are those of the arrays under these keys.
    """

    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.keys:
            quoted = ", ".join(f"'{key}'" for key in self.keys)
            # No file is named, so that many files alike are told of once.
            self.notes.append(f"JSON of one object: the rows are those under {quoted}")

    def __iter__(self) -> Iterator[Record]:
        for row, value in self._values():
            values = row_of(value)
            if values is None:
                self.problems.add(Problem(self.name, row, "", "a JSON object", show(value), OBJECT), value)
            else:
                yield Record(row, values)

    def _values(self) -> Iterator[tuple[int, Any]]:
        with self.file.open(newline="\n") as stream:
            scanner = Scanner(stream)
            try:
                if self.keys:
                    cells = (cell for cell in _cells(scanner) if cell.inside and cell.key in self.keys)
                    yield from ((cell.row, cell.value) for cell in cells)
                    return
                if scanner.skip(_SPACE) == "[":
                    scanner.take()
                    scanner.skip(_SPACE)
                while scanner.skip(_BETWEEN):
                    row = scanner.row
                    yield row, scanner.value()
            except BrokenJson as broken:
                fix = "write one object a line (JSON Lines), or an array of objects"
                problem = Problem(self.name, broken.row, "", "a JSON object", reason(broken.error), fix)
                self.problems.add(problem, scanner.rest())


def containers(file: TextFile) -> dict[str, list[str]]:
    """The keys of a file's one object that hold arrays of rows, by the splits they tell.

    A lone array under a usual name (``data``, ``items`` …) stands under ``""``. Empty where the file is no such
    object; then it is rows itself.

    ``{"train": [["hello", "greet"]], "oos_val": [["who am I", "oos"]]}`` gives
    ``{"train": ["train"], "dev": ["oos_val"]}``.
    """
    found: dict[str, bool] = {}
    with file.open(newline="\n") as stream:
        scanner = Scanner(stream)
        if scanner.skip(_SPACE) != "{":
            return {}
        try:
            for cell in _cells(scanner):
                if cell.inside:
                    found.setdefault(cell.key, isinstance(cell.value, dict | list))
            if scanner.skip(_SPACE):
                return {}
        except BrokenJson:
            return {}
    splits: dict[str, list[str]] = {}
    for key in found:
        if split := split_of(key):
            splits.setdefault(split, []).append(key)
    # Where one split holds rows, one that does not is not passed over: its reader says what is wrong with it.
    if any(found[key] for keys in splits.values() for key in keys):
        return splits
    usual = [key for key, holds_rows in found.items() if holds_rows and key.lower() in _ROWS]
    return {"": usual} if len(usual) == 1 else {}


def _cells(scanner: Scanner) -> Iterator[_Cell]:
    """Walk through one object, arrays value by value, so that none is ever held whole. Raises `BrokenJson`."""
    scanner.skip(_SPACE)
    scanner.take()
    while scanner.skip(_COMMA) not in ("}", ""):
        key = scanner.value()
        if not isinstance(key, str) or scanner.skip(_SPACE) != ":":
            raise BrokenJson(scanner.row, ValueError("a key in quotes and a colon are missing"))
        scanner.take()
        if scanner.skip(_SPACE) != "[":
            row = scanner.row
            yield _Cell(row, key, scanner.value(), inside=False)
            continue
        scanner.take()
        while scanner.skip(_COMMA) not in ("]", ""):
            row = scanner.row
            yield _Cell(row, key, scanner.value(), inside=True)
        scanner.take()
    scanner.take()
