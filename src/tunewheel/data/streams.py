"""Rows of any number, one at a time: what `predict` reads and writes."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from tunewheel.data.columns import Columns
from tunewheel.data.conversation import Unsaid, asked, rendered
from tunewheel.data.exchanges import prompt_columns
from tunewheel.data.names import TEXTS
from tunewheel.data.pairs import join_pair, named_pair, pair_of
from tunewheel.data.problems import DataError, Problem, Problems, show
from tunewheel.data.readers.formats import Formless, Found, known_format, open_file, reader
from tunewheel.data.readers.text import TextFile
from tunewheel.data.readers.tokens import join, joiner_of
from tunewheel.data.rejected import json_line
from tunewheel.data.rows import encodable
from tunewheel.store.files import open_whole

Form = Literal["jsonl", "csv", "tsv"]
"""What is written, and read from standard input."""
_UNDECODED = re.compile("[\udc80-\udcff]")
_WAITING = 1 << 16

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


class Unfit(DataError):
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
    text a line. Standard input is JSON Lines, CSV or TSV, in UTF-8. ``notes`` are what reading assumed.
    """

    path: Path | None
    format: str | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        known_format(self.format)
        if self.path is None and self.format not in (None, "jsonl", "csv", "tsv"):
            fix = "write it to a file and name that"
            raise DataError([Problem("<stdin>", None, "", "jsonl, csv or tsv", str(self.format), fix)])

    def __iter__(self) -> Iterator[Streamed]:
        if self.path is None:
            with _stdin() as source:
                yield from (_table_rows(source, self.format) if self.format in ("csv", "tsv") else _json_rows(source))
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


@dataclass
class Passage:
    """Carries a stream past a model: `texts` goes in, and `rejoin` puts the answers and their rows together.

    A model reads the text (of a pair of sentences both), and where the row has them its words' offsets (``tokens``)
    and its ``document``. The row waits meanwhile. Bad rows raise; with ``skip`` they wait in their place and come out
    as `Unfit`. Without ``column`` the text's column is inferred. With ``asks`` a row is a prompt, or messages, as a
    dataset of prompts and answers has them; a last message of the assistant is left out.
    """

    rows: Iterator[Streamed]
    column: str | None
    name: str = "<rows>"
    skip: bool = False
    asks: bool = False
    bad: int = 0
    _waiting: deque[dict[str, Any] | Unfit] = field(default_factory=deque)
    _over: bool = False
    _pair: tuple[str, str] | None = None

    def rejoin(
        self, predict: Callable[[Iterator[dict[str, Any]]], Iterator[dict[str, Any]]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]] | Unfit]:
        """Yield each row with what ``predict`` answers, or the `Unfit` that it is, in order."""
        while not self._over:
            for answer in predict(self.texts()):
                yield from self._bad_ones()
                row = self._waiting.popleft()
                assert not isinstance(row, Unfit)
                yield row, answer
            yield from self._bad_ones()

    def texts(self) -> Iterator[dict[str, Any]]:
        """Yield what a model reads; ends early where so many rows wait that they must be answered first."""
        for line, row in self.rows:
            try:
                if isinstance(row, Unfit):
                    raise row
                read = self._read(line, row)
            except Unfit as error:
                if not self.skip:
                    raise
                self.bad += 1
                self._waiting.append(error)
                if len(self._waiting) > _WAITING:
                    return
                continue
            self._waiting.append(row)
            yield read
        self._over = True

    def _bad_ones(self) -> Iterator[Unfit]:
        while self._waiting and isinstance(row := self._waiting[0], Unfit):
            self._waiting.popleft()
            yield row

    def _asked(self, line: int, row: dict[str, Any]) -> dict[str, Any]:
        prompt = prompt_columns(Columns([row]), self.column if self.column in row else None)
        try:
            messages = asked(row, prompt)
        except Unsaid as wrong:
            raise Unfit(Problem(self.name, line, wrong.column, wrong.expected, wrong.found, wrong.fix), row) from None
        if messages[-1]["role"] == "assistant" and len(messages) > 1:
            messages.pop()
        return {"text": rendered(messages), **({"messages": messages} if len(messages) > 1 else {})}

    def _read(self, line: int, row: dict[str, Any]) -> dict[str, Any]:
        if self.asks:
            return self._asked(line, row)
        if self.column is None:
            self._pair = None if any(name in row for name in TEXTS[:4]) else pair_of(row)
            named = (name for name in TEXTS if isinstance(row.get(name), str))
            self.column = self._pair[0] if self._pair else next(named, None)
        elif self._pair is None and (both := named_pair(self.column, row)):
            self._pair, self.column = both, both[0]
        column = self.column or "text"
        text, tokens, document = row.get(column), row.get("tokens"), row.get("document")
        if text is None and isinstance(tokens, list) and tokens and all(isinstance(token, str) for token in tokens):
            text, offsets = join(tokens, joiner_of(tokens))  # as a dataset makes it of them
            tokens, row["text"] = [{"start": start, "end": end} for start, end in offsets], text
        if self._pair and isinstance(text, str) and isinstance(other := row.get(self._pair[1]), str):
            text = join_pair(text, other)
        if not isinstance(text, str):
            found = "no such column" if column not in row else type(text).__name__
            fix = f"name the text's column with --text; the row has {', '.join(row) or 'none'}"
            raise Unfit(Problem(self.name, line, column, "a text", found, fix), row)
        if encodable(text) != text:
            fix = "write whole characters: both halves of the pair, or the character itself"
            raise Unfit(Problem(self.name, line, column, "a text", "half of a surrogate pair", fix), row)
        read: dict[str, Any] = {"text": text}
        if isinstance(tokens, list) and all(isinstance(t, dict) and {"start", "end"} <= t.keys() for t in tokens):
            read["tokens"] = tokens
        # A number names a document as well, as it does in a dataset.
        if isinstance(document, str | int) and not isinstance(document, bool) and document != "":
            read["document"] = str(document)
        return read


_STDIN = "<stdin>"


def _json_rows(source: IO[str], name: str = _STDIN) -> Iterator[Streamed]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        if bad := _undecoded(line, name, number):
            yield number, bad
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = Problem(name, number, "", "a JSON object", f"invalid JSON ({error})", "one object a line")
            yield number, Unfit(problem, line.rstrip("\r\n"))
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            problem = Problem(name, number, "", "a JSON object", show(row), "one object a line")
            yield number, Unfit(problem, row)


def _table_rows(source: IO[str], form: str | None, name: str = _STDIN) -> Iterator[Streamed]:
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
    """Open a writer on a file, or on standard output; a file gets its name only once it is whole."""
    if path is None:
        yield _writer(sys.stdout, form)
        sys.stdout.flush()
        return
    with open_whole(path) as target:
        yield _writer(target, form)


def _writer(target: IO[str], form: Form) -> Writer:
    if form == "jsonl":
        return lambda row: _put(target, json_line(row))
    table = csv.writer(target, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    columns: list[str] = []

    def write(row: Mapping[str, Any]) -> None:
        if not columns:
            columns.extend(row)
            table.writerow(columns)
        table.writerow([_cell(row.get(column)) for column in columns])

    return write


def _put(target: IO[str], text: str) -> None:
    target.write(text)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
