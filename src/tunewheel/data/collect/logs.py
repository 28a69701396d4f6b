"""Log files: an entry a line, entries of several lines that begin with a time, or a JSON object a line."""

from __future__ import annotations

import gzip
import json
import re
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from tunewheel.data.collect.documents import Document, Event, failure, moment
from tunewheel.data.collect.fields import Fields
from tunewheel.data.collect.limits import Limits
from tunewheel.data.problems import DataError, Problem, Problems, show
from tunewheel.data.readers.text import TextFile, inspect

NAMES = re.compile(r".+\.(log|out|jsonl|ndjson)([.-][\w-]+)*(\.gz)?", re.IGNORECASE)
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_BEGIN = re.compile(
    rf"[\[(<]?(?:\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{4}}年\d{{1,2}}月\d{{1,2}}日|\d{{1,2}}[/-](?:{_MONTHS})[/-]\d{{4}}"
    rf"|(?:\w{{3}},? )?(?:{_MONTHS}) +\d{{1,2}})[T\s:,]*\d{{1,2}}:\d\d"
)
_TIME = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ](\d{1,2}:\d\d(?::\d\d)?)(?:[.,](\d+))?(?: ?(Z|[+-]\d\d:?\d\d)\b)?"
)
_STAMP = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日[ T]*\d{1,2}:\d\d(?::\d\d)?")
_FRESH = 60.0
"""Seconds within which a file's last line, without its end, may still be being written."""
_ROOM = 64 << 20


@dataclass(frozen=True)
class Log:
    """Reads the entries of a log file; ``entry`` is the pattern that an entry begins with, ``text`` a JSON field."""

    path: Path
    limits: Limits
    entry: re.Pattern[str] | None = None
    text: str | None = None

    def events(self) -> Iterator[Event]:
        """Yield the entries, or what is wrong with the file: it is looked through before the first comes out."""
        with _unpacked(self.path, self.limits) as path:
            if not any(block.strip() for block in _blocks(path)):
                return
            file = inspect(path)
            is_json = self.text is not None or (self.entry is None and _is_object(file.head()))
            # No entry comes out of a file that is broken further down.
            for _ in self._lines(file) if is_json else self._entries(file):
                pass
            if is_json:
                yield from self._objects(file)
            else:
                yield from (Document(text, str(self.path), None, _time_of(text)) for text in self._entries(file))

    @property
    def grows(self) -> bool:
        """Whether the last line may still be being written: it is left for the next time."""
        if self.path.suffix == ".gz" or time.time() - self.path.stat().st_mtime > _FRESH:
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 1))
            return file.read(1) not in (b"\n", b"\r", b"\0", b"")

    def _entries(self, file: TextFile) -> Iterator[str]:
        lines = self._lines(file)
        first = next((line for line in lines if line.strip()), "")
        begin = self.entry or (_BEGIN if _BEGIN.match(first) else None)
        held: list[str] = []
        size = 0
        for line in chain([first], lines):
            size += len(line)
            if held and (begin is None or begin.match(line)):
                yield from _joined(held)
                held, size = [], len(line)
            if size > self.limits.entry:
                raise self._too_long()
            held.append(line)
        yield from _joined(held)

    def _objects(self, file: TextFile) -> Iterator[Event]:
        fields, problems = Fields(str(self.path), self.text), Problems()
        for number, line in enumerate(self._lines(file), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = line.rstrip("\n")
            if not isinstance(row, dict):
                fix = "mend the line; all others were collected"
                problems.add(Problem(str(self.path), number, "", "a JSON object", show(row), fix))
                continue
            if document := fields.document(row):
                yield document
        if problem := fields.problem():
            yield problem
        if problems.total:
            yield DataError(problems.first, problems.total)

    def _lines(self, file: TextFile) -> Iterator[str]:
        last_is_torn = self.grows
        with file.open(newline="\n") as stream:
            while line := stream.readline(self.limits.entry + 1):
                if len(line) > self.limits.entry:
                    raise self._too_long()
                if line.endswith("\n") or not last_is_torn:
                    yield line

    def _too_long(self) -> DataError:
        expected = f"entries of at most {self.limits.entry:,} characters"
        return failure(str(self.path), expected, "a longer one", "say how entries begin with --entry PATTERN")


def _joined(lines: list[str]) -> Iterator[str]:
    if text := "".join(lines).replace("\r\n", "\n").strip():
        yield text


def _is_object(head: str) -> bool:
    line = next((line for line in head.split("\n") if line.strip()), "")
    return line.lstrip().startswith("{") and '"' in line


def _time_of(entry: str) -> str | None:
    """The time that stands at the beginning of an entry, as ISO 8601."""
    line = entry[:100]
    if found := _TIME.search(line):
        year, month, day, clock, fraction, zone = found.groups()
        written = f"{year}-{int(month):02}-{int(day):02}T{clock:0>5}" + (f".{fraction[:6]:0<6}" if fraction else "")
        return moment(written + (zone or ""))
    stamp = _STAMP.search(line)
    return moment(stamp[0]) if stamp else None


@contextmanager
def _unpacked(path: Path, limits: Limits) -> Iterator[Path]:
    """The file itself, or what a packed one unpacks to; refuses one that is made to fill the disk."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    most = max(_ROOM, path.stat().st_size * limits.unpacking)
    with TemporaryDirectory(prefix="tunewheel-") as folder:
        target = Path(folder) / path.stem
        try:
            with gzip.open(path) as packed, target.open("wb") as file:
                _copy(packed, file, path, most)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            fix = "pack it again, or leave it out"
            raise failure(str(path), "a gzip file", f"one that does not unpack ({error})", fix) from None
        yield target


def _copy(packed: gzip.GzipFile, file: IO[bytes], path: Path, most: int) -> None:
    while block := packed.read(1 << 20):
        file.write(block)
        if file.tell() > most:
            found = f"more than {most:,}"
            raise failure(str(path), "as many bytes as a log packs", found, "unpack it, if it is sound")


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def shape(text: str | None, entry: re.Pattern[str] | None) -> Any:
    """What of a log's reading is remembered beside its size and time, so that another pattern reads it anew."""
    return [text, entry.pattern if entry else None]
