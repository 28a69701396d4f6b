"""CSV and TSV: RFC 4180, with the delimiter, the header and loose quotes found out."""

from __future__ import annotations

import csv
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tunewheel.data.names import known_column
from tunewheel.data.problems import DataError, Problem, show
from tunewheel.data.readers.base import Record, TextReader
from tunewheel.data.readers.text import TextFile

_DELIMITERS = "\t,;|"
_HEAD = 200
_REREAD = 50_000_000
"""Lines read again at most because of quotes that do not close."""


@dataclass
class DelimitedReader(TextReader):
    """Records of a delimited file; ``wanted`` are columns the caller named, a sign that there is a header."""

    delimiter: str | None = None
    wanted: tuple[str, ...] = ()
    quoted: bool = field(init=False)
    header: list[str] = field(init=False)
    first: int = field(init=False)

    def __post_init__(self) -> None:
        # csv refuses fields over 128 KiB unless told otherwise, and documents can be longer.
        csv.field_size_limit(1 << 30)
        self.delimiter = self.delimiter or sniff(self.file) or ","
        self.quoted = not _has_loose_quotes(self.file, self.delimiter)
        if not self.quoted:
            self.notes.append(f"{self.file.path.name}: quotes are read as plain characters (they do not pair)")
        head = [fields for _, fields in itertools.islice(self._rows(strict=False), _HEAD)]
        if not head:
            raise DataError(
                [
                    Problem(
                        self.name,
                        None,
                        "",
                        "a header and rows",
                        "no rows",
                        "write the rows into it or remove it",
                    )
                ]
            )
        self.first = 0 if self._headless(head) else 1
        self.header = [f"column{i}" for i in range(1, len(head[0]) + 1)] if self.first == 0 else _unique(head[0])
        if self.first == 0:
            self.notes.append(f"{self.file.path.name}: no header, columns named {', '.join(self.header)}")

    def __iter__(self) -> Iterator[Record]:
        for row, fields in itertools.islice(self._rows(strict=True), self.first, None):
            if len(fields) != len(self.header):
                quotes = "" if not self.quoted else f"; a field with {self.delimiter!r} or a line break needs quotes"
                self.problems.add(
                    Problem(
                        self.name,
                        row,
                        "",
                        f"{len(self.header)} fields",
                        f"{len(fields)} ({show((self.delimiter or '').join(fields))})",
                        f"give the row one field a column{quotes}",
                    ),
                    fields,
                )
                continue
            yield Record(row, dict(zip(self.header, fields, strict=True)))

    def _rows(self, strict: bool) -> Iterator[tuple[int, list[str]]]:
        """Yield the line where a record begins and its fields; blank lines are passed over."""
        options: dict[str, Any] = {"strict": strict} if self.quoted else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        with self.file.open(newline="" if self.quoted else "\n") as stream:
            lines = _Lines(stream if self.quoted else (line.rstrip("\r\n") for line in stream))
            while True:
                rows = csv.reader(lines, delimiter=self.delimiter or ",", **options)
                try:
                    for fields in rows:
                        if fields:
                            yield lines.begin, fields
                        lines.keep_none()
                    return
                except csv.Error as error:
                    if not strict:
                        return
                    begin, record, left = lines.begin, lines.held[0], lines.read_again()
                    found = f"a quote that does not pair ({error})"
                    found = f"{found}; the {left} lines after it are not read" if left else found
                    fix = 'quote the whole field and double every quote inside it ("")'
                    expected = "fields quoted as RFC 4180 has it"
                    self.problems.add(Problem(self.name, begin, "", expected, found, fix), record)

    def _headless(self, head: list[list[str]]) -> bool:
        names = head[0]
        if len(head) < 2 or any(known_column(name) or name in self.wanted for name in names):
            return False
        return any(name and name in {row[i] for row in head[1:] if i < len(row)} for i, name in enumerate(names))


class _Lines:
    """Lines for `csv`, those of the record it is at held, so that a quote which never closes costs one line.

    ``begin`` is the line where that record begins, from 1.
    """

    def __init__(self, stream: Iterable[str]) -> None:
        self._stream = iter(stream)
        self._again: deque[str] = deque()
        self._patience = _REREAD
        self.begin, self.held = 1, list[str]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._stream)
        self.held.append(line)
        return line

    def keep_none(self) -> None:
        """Let go of the lines held: their record is read."""
        self.begin += len(self.held)
        self.held.clear()

    def read_again(self) -> int:
        """Give out again what was held but for the first line; once that has been too much, give it up, counted."""
        left = len(self.held) - 1
        self._patience -= left
        if self._patience < 0:
            self.keep_none()
            return left
        self._again.extendleft(reversed(self.held[1:]))
        self.begin += 1
        self.held.clear()
        return 0


def _unique(names: list[str]) -> list[str]:
    """Name columns without a name (a data frame's index) or with another's."""
    seen: dict[str, int] = {}
    result = []
    for i, raw in enumerate(names, start=1):
        name = raw.strip() or f"column{i}"
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return result


def sniff(file: TextFile) -> str | None:
    """Find the delimiter that cuts the first records into equally many fields, two or more, or None."""
    best, most = None, 0.0
    lines = file.head().splitlines(keepends=True)
    lines = lines[:_HEAD] if len(lines) > _HEAD else lines[: max(1, len(lines) - file.is_longer_than_head())]
    for delimiter in _DELIMITERS:
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            try:
                widths = [len(fields) for fields in csv.reader(lines, delimiter=delimiter, quoting=quoting) if fields]
            except csv.Error:
                continue
            if not widths or widths[0] < 2:
                continue
            agreement = sum(width == widths[0] for width in widths) / len(widths)
            if agreement > max(most, 0.8 if len(widths) > 1 else 0.0):
                best, most = delimiter, agreement
    return best


def _has_loose_quotes(file: TextFile, delimiter: str) -> bool:
    """Say whether quotes are plain characters: lines have all fields without them, and some do not pair."""
    width, loose = 0, False
    with file.open(newline="\n") as stream:
        for raw in stream:
            line = raw.rstrip("\r\n")
            if not line:
                continue
            fields = line.split(delimiter)
            width = width or len(fields)
            if len(fields) != width:
                return False
            loose = loose or ('"' in line and any(_is_loose(value) for value in fields))
    return loose and width > 1


def _is_loose(value: str) -> bool:
    if not value.startswith('"'):
        return False
    return len(value) < 2 or not value.endswith('"') or '"' in value[1:-1].replace('""', "")
