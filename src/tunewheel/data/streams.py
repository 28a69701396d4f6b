"""Rows of any number, one at a time: what `predict` reads and writes."""

from __future__ import annotations

import csv
import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from tunewheel.data.infer import TEXTS, join_pair, pair_of
from tunewheel.data.problems import DataError, Problem

Format = Literal["jsonl", "csv", "tsv"]

csv.field_size_limit(1 << 30)


class Writer(Protocol):
    """Takes one row after the other."""

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write a row."""


def format_of(path: Path | None, given: str | None) -> Format:
    """The stream format by name or by a file's ending; JSON Lines for standard input."""
    if given is not None:
        return given  # type: ignore[return-value]
    ending = path.suffix.lower() if path else ".jsonl"
    formats: dict[str, Format] = {
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".json": "jsonl",
        ".csv": "csv",
        ".tsv": "tsv",
    }
    if ending in formats:
        return formats[ending]
    wanted = "a .jsonl, .csv or .tsv file"
    raise DataError([Problem(str(path), None, "", wanted, repr(ending), "name it so or give --format")])


def read_stream(path: Path | None, form: Format) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, or of standard input, as they stand; every column is kept."""
    if path is not None and not path.is_file():
        raise DataError([Problem(str(path), None, "", "a file", "nothing there", "check the path")])
    name = str(path) if path else "<stdin>"
    with path.open(encoding="utf-8-sig", newline="") if path else _stdin() as source:
        yield from (_json_rows(source, name) if form == "jsonl" else _table_rows(source, name, form))


def texts_of(
    rows: Iterator[dict[str, Any]], column: str | None, kept: deque[dict[str, Any]], name: str = "<rows>"
) -> Iterator[dict[str, Any]]:
    """Yield what a model reads of each row, and put the row into ``kept``; without ``column`` its name is inferred.

    A model reads the text (of a pair of sentences both), and where the row has them its words' offsets (``tokens``)
    and its ``document``.
    """
    pair: tuple[str, str] | None = None
    for number, row in enumerate(rows, 1):
        if column is None:
            pair = None if any(name in row for name in TEXTS[:4]) else pair_of(row)
            column = pair[0] if pair else next((name for name in TEXTS if isinstance(row.get(name), str)), "text")
        text = row.get(column)
        if pair is not None and isinstance(text, str) and isinstance(row.get(pair[1]), str):
            text = join_pair(text, row[pair[1]])
        if not isinstance(text, str):
            found = "no such column" if column not in row else type(text).__name__
            fix = f"name the text's column with --text; the row has {', '.join(row) or 'none'}"
            raise DataError([Problem(f"{name}, row {number}", None, column, "a text", found, fix)])
        kept.append(row)
        tokens, document = row.get("tokens"), row.get("document")
        read: dict[str, Any] = {"text": text}
        if isinstance(tokens, list) and all(isinstance(t, dict) and {"start", "end"} <= t.keys() for t in tokens):
            read["tokens"] = tokens
        # A number names a document as well, as it does in a dataset.
        if isinstance(document, str | int) and not isinstance(document, bool) and document != "":
            read["document"] = str(document)
        yield read


def _json_rows(source: IO[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(
                [Problem(name, number, "", "a JSON object", f"invalid JSON ({error})", "one object a line")]
            ) from None
        if not isinstance(row, dict):
            raise DataError([Problem(name, number, "", "a JSON object", type(row).__name__, "one object a line")])
        yield row


def _table_rows(source: IO[str], name: str, form: Format) -> Iterator[dict[str, Any]]:
    reader = csv.reader(source, delimiter="\t" if form == "tsv" else ",")
    header = next(reader, None)
    if header is None:
        raise DataError([Problem(name, 1, "", "a header line", "an empty file", "name the columns in its first line")])
    for fields in reader:
        if not fields:
            continue
        if len(fields) != len(header):
            found = f"{len(fields)} fields"
            raise DataError(
                [
                    Problem(
                        name,
                        reader.line_num,
                        None,
                        f"{len(header)} fields as in the header",
                        found,
                        "quote fields that hold the separator",
                    )
                ]
            )
        yield dict(zip(header, fields, strict=True))


@contextmanager
def _stdin() -> Iterator[IO[str]]:
    sys.stdin.reconfigure(encoding="utf-8-sig")  # type: ignore[union-attr]
    yield sys.stdin


@contextmanager
def write_stream(path: Path | None, form: Format) -> Iterator[Writer]:
    """Open a writer on a file, or on standard output; a file gets its name only once it is whole."""
    if path is None:
        yield _writer(sys.stdout, form)
        sys.stdout.flush()
        return
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as target:
        yield _writer(target, form)
    part.replace(path)


def _writer(target: IO[str], form: Format) -> Writer:
    if form == "jsonl":
        return lambda row: _put(target, json.dumps(row, ensure_ascii=False) + "\n")
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
