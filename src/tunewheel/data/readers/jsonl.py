"""JSON Lines, and JSON files that hold one array or objects one after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.base import Reader, Record

_BLOCK = 1 << 20
_SHOWN = 1 << 16
_BETWEEN = re.compile(r"[ \t\r\n,\]]*")
_BEFORE = re.compile(r"[ \t\r\n]*\[?[ \t\r\n]*")
_OBJECT = 'write one complete object, such as {"text": …, "label": …}'


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON ({error.msg} at character {error.colno})"
    return "invalid JSON (nested too deep)" if isinstance(error, RecursionError) else f"invalid JSON ({error})"


class JsonlReader(Reader):
    """One JSON object a line; blank lines are passed over."""

    def __iter__(self) -> Iterator[Record]:
        with self.file.open(newline="\n") as stream:
            for row, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    self.problems.add(Problem(self.name, row, "", "a JSON object", _reason(error), _OBJECT), line)
                    continue
                if isinstance(value, dict):
                    yield Record(row, value)
                else:
                    self.problems.add(Problem(self.name, row, "", "a JSON object", show(value), _OBJECT), value)


class JsonReader(Reader):
    """A stream of objects, pretty-printed or in one array, parsed a block of the file at a time.

    Where the JSON breaks, what stood whole before it has been yielded, and reading ends.
    """

    def __iter__(self) -> Iterator[Record]:
        for row, value in self._values():
            if isinstance(value, dict):
                yield Record(row, value)
            else:
                self.problems.add(Problem(self.name, row, "", "a JSON object", show(value), _OBJECT), value)

    def _values(self) -> Iterator[tuple[int, Any]]:
        decoder = json.JSONDecoder()
        with self.file.open(newline="\n") as stream:
            buffer, at, row, gap = stream.read(_BLOCK), 0, 1, _BEFORE
            while True:
                start = _end(gap, buffer, at)
                row += buffer.count("\n", at, start)
                gap = _BETWEEN
                try:
                    if start == len(buffer):
                        raise json.JSONDecodeError("the file ends", "", 0)
                    value, at = decoder.raw_decode(buffer, start)
                except (ValueError, RecursionError) as error:
                    # Perhaps the value goes on in the next block; twice as much each time keeps this linear.
                    more = stream.read(max(_BLOCK, len(buffer) - start))
                    if more:
                        buffer, at = buffer[start:] + more, 0
                        continue
                    if start == len(buffer):
                        return
                    fix = "write one object a line (JSON Lines), or an array of objects"
                    problem = Problem(
                        self.name, row + _lines(error, buffer, start), "", "a JSON object", _reason(error), fix
                    )
                    self.problems.add(problem, buffer[start : start + _SHOWN])
                    return
                yield row, value
                row += buffer.count("\n", start, at)


def _end(pattern: re.Pattern[str], buffer: str, at: int) -> int:
    found = pattern.match(buffer, at)
    return found.end() if found else at


def _lines(error: Exception, buffer: str, start: int) -> int:
    return buffer.count("\n", start, error.pos) if isinstance(error, json.JSONDecodeError) else 0
