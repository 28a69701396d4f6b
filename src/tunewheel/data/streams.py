"""Rows of any number, one at a time: what `predict` reads and writes."""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from tunewheel.data.problems import BadRows, DataError, Problem, Problems, show
from tunewheel.data.readers.formats import Formless, Found, known_format, open_file, reader
from tunewheel.data.readers.text import TextFile
from tunewheel.data.rejected import json_line
from tunewheel.store.files import open_whole

Form = Literal["jsonl", "csv", "tsv"]
"""What is written."""
_UNDECODED = re.compile("[\udc80-\udcff]")

csv.field_size_limit(1 << 30)


class Writer(Protocol):
    """Takes one row after the other."""

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write a row."""


_ENDINGS: Mapping[str, Form] = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    ".csv": "csv",
    **dict.fromkeys((".tsv", ".tab"), "tsv"),
}


def form_of(target: Path | None, given: str | None, source: Path | None) -> Form:
    """The form that is written: by the target's ending, else the one ``given``; standard output is as the source.

    Raises `DataError` for a file that nothing names a form for.
    """
    asked: Form | None = given if given in ("jsonl", "csv", "tsv") else None  # type: ignore[assignment]
    if target is None:
        return asked or _ENDINGS.get(source.suffix.lower() if source else "", "jsonl")
    form = _ENDINGS.get(target.suffix.lower(), asked)
    if form is None:
        wanted, fix = "a .jsonl, .csv or .tsv file", "name it so or give --format"
        raise DataError([Problem(str(target), None, "", wanted, repr(target.suffix), fix)])
    return form


class Unfit(BadRows):
    """A row of a stream cannot be predicted; ``row`` is what could be read of it."""

    def __init__(self, problem: Problem, row: Any) -> None:
        super().__init__([problem])
        self.row = row if isinstance(row, dict) else {"raw": row}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems[0], self.row)

    @property
    def told(self) -> dict[str, Any]:
        """What is wrong, as the row's ``error``."""
        return asdict(self.problems[0])


Streamed = tuple[int, dict[str, Any] | Unfit]
"""A row and the line it stands in, or what is wrong with it."""


@dataclass
class Stream:
    """The rows of a file, or of standard input, as they stand; every column is kept, and bad ones come as errors.

    A file is read as a dataset is: any form and encoding that `tunewheel.data.readers` know, and text of no form as a
    text a line. Standard input is JSON Lines unless ``format`` says csv, tsv or lines, in UTF-8. ``notes`` are what
    reading assumed.
    """

    path: Path | None
    format: str | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        known_format(self.format)
        if self.path is None and (self.format or "jsonl") not in _PIPED:
            fix = "write it to a file and name that"
            raise DataError([Problem(_STDIN, None, "", "jsonl, csv, tsv or lines", str(self.format), fix)])

    def __iter__(self) -> Iterator[Streamed]:
        if self.path is None:
            with _stdin() as source:
                yield from _PIPED[self.format or "jsonl"](source)
        else:
            for found in self._found(self.path):
                yield from self._file_rows(found)

    def _found(self, path: Path) -> list[Found]:
        if path.is_file() and not path.stat().st_size and _ENDINGS.get(path.suffix.lower()) == "jsonl":
            return []  # no rows are rows too
        try:
            return open_file(path, self.format, None)  # type: ignore[arg-type]
        except Formless:
            return open_file(path, "lines", None)

    def _file_rows(self, found: Found) -> Iterator[Streamed]:
        broken = isinstance(found.file, TextFile) and found.file.errors == "replace"
        if isinstance(found.file, TextFile) and broken:  # a row with such a byte is bad; it is not read as another
            found = replace(found, file=replace(found.file, errors="surrogateescape", oddities=()))
        records = reader(found)
        bad = records.problems = _Waiting()
        lines = found.format == "lines"
        for record in records:
            yield from bad.out()
            row = {"text": record.values["text"]} if lines else record.values
            told = json.dumps(row, ensure_ascii=False, default=str) if broken else ""
            if unread := _undecoded(told, records.name, record.row):
                unread.row = row
            yield record.row, unread or row
        yield from bad.out()
        self.notes += [] if lines else [*records.notes]


class _Waiting(Problems):
    """Bad rows that a reader has passed, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: deque[tuple[Problem, Any]] = deque()

    def add(self, problem: Problem, record: Any = None) -> None:
        """Keep the first problem of a row."""
        if not self._rows or record is None or self._rows[-1][1] is not record:
            self._rows.append((problem, record))

    def out(self) -> Iterator[Streamed]:
        """Those that came since."""
        while self._rows:
            problem, record = self._rows.popleft()
            yield problem.row or 0, Unfit(problem, record.rstrip("\r\n") if isinstance(record, str) else record)


_STDIN = "<stdin>"


def _json_rows(source: IO[str], name: str = _STDIN) -> Iterator[Streamed]:
    fix = "one object a line; say --format csv, tsv or lines (a text a line) where it is that"
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        if bad := _undecoded(line, name, number):
            yield number, bad
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = Problem(name, number, "", "a JSON object", f"invalid JSON ({error})", fix)
            yield number, Unfit(problem, line.rstrip("\r\n"))
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problem = Problem(name, number, "", "a JSON object", show(row), fix)
            yield number, Unfit(problem, row)


def _table_rows(source: IO[str], form: str, name: str = _STDIN) -> Iterator[Streamed]:
    reader = csv.reader(source, delimiter="\t" if form == "tsv" else ",")
    header = next(reader, None)
    if header is None:
        raise DataError([Problem(name, 1, "", "a header line", "an empty file", "name the columns in its first line")])
    begin = reader.line_num + 1
    for fields in reader:
        number, begin = begin, reader.line_num + 1
        if not fields:
            continue
        if bad := _undecoded("".join(fields), name, number):
            bad.row = {"raw": fields}
            yield number, bad
        elif len(fields) != len(header):
            fix = "quote fields that hold the separator"
            problem = Problem(name, number, "", f"{len(header)} fields as in the header", f"{len(fields)} fields", fix)
            yield number, Unfit(problem, fields)
        else:
            yield number, dict(zip(header, fields, strict=True))


def _text_rows(source: IO[str], name: str = _STDIN) -> Iterator[Streamed]:
    for number, line in enumerate(source, 1):
        if text := line.strip():
            yield number, _undecoded(line, name, number) or {"text": text}


_PIPED: Mapping[str, Callable[[IO[str]], Iterator[Streamed]]] = {
    **{"jsonl": _json_rows, "lines": _text_rows},
    **{form: partial(_table_rows, form=form) for form in ("csv", "tsv")},
}
"""How standard input is read, by its form."""


def _undecoded(line: str, name: str, number: int) -> Unfit | None:
    """Say whether a line holds bytes that are not UTF-8, which came through as lone surrogates."""
    found = _UNDECODED.search(line)
    if found is None:
        return None
    problem = Problem(name, number, "", "UTF-8", f"the byte 0x{ord(found[0]) - 0xDC00:02x}", "write the file as UTF-8")
    return Unfit(problem, line.rstrip("\r\n"))


@contextmanager
def _stdin() -> Iterator[IO[str]]:
    sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")  # type: ignore[union-attr]
    yield sys.stdin


@contextmanager
def write_stream(path: Path | None, form: Form) -> Iterator[Writer]:
    """Open a writer on a file, or on standard output; a file gets its name only once it is whole.

    A table has the columns of all its rows. One on standard output has those of its first: a row with another raises
    `DataError`.
    """
    if path is None:
        yield _lines(sys.stdout) if form == "jsonl" else _table(sys.stdout, form)
        sys.stdout.flush()
        return
    with open_whole(path) as target:
        if form == "jsonl":
            yield _lines(target)
            return
        columns: dict[str, None] = {}
        # Which columns there are is known at the end; rows wait on the disk, so that there may be any number.
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as waiting:
            wait = _lines(waiting)

            def write(row: Mapping[str, Any]) -> None:
                columns.update(dict.fromkeys(row))
                wait(row)

            yield write
            waiting.seek(0)
            put = _table(target, form, [*columns])
            for line in waiting:
                put(json.loads(line))


def _lines(target: IO[str]) -> Writer:
    def write(row: Mapping[str, Any]) -> None:
        target.write(json_line(row))

    return write


def _table(target: IO[str], form: Form, columns: Sequence[str] = ()) -> Writer:
    """Writes rows below a header, which is the first row's columns where none are given."""
    table = csv.writer(target, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    header = [*columns]
    if header:
        table.writerow(header)

    def write(row: Mapping[str, Any]) -> None:
        if not header:
            header.extend(row)
            table.writerow(header)
        if late := [name for name in row if name not in header]:
            fix = "write to a file with --output, or as --format jsonl"
            raise DataError([Problem("<stdout>", None, late[0], "the columns of the first row", "another one", fix)])
        table.writerow([_cell(row.get(column)) for column in header])

    return write


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
