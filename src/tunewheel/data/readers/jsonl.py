"""JSON Lines, and JSON files that hold one array or objects one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tunewheel.data.problems import DataError, Problem, show
from tunewheel.data.readers.base import Reader, Record

_BLOCK = 1 << 20
_BETWEEN = " \t\r\n,"


class JsonlReader(Reader):
    """One JSON object a line; blank lines are passed over."""

    def __iter__(self) -> Iterator[Record]:
        with self.file.open(newline="\n") as stream:
            for row, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
                    column = f" at character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                    self.problems.add(
                        Problem(
                            self.name,
                            row,
                            "",
                            "a JSON object",
                            f"invalid JSON ({reason}{column})",
                            "write one complete object on this line",
                        )
                    )
                    continue
                if isinstance(value, dict):
                    yield Record(row, value)
                else:
                    self.problems.add(
                        Problem(self.name, row, "", "a JSON object", show(value), 'write {"text": …, "label": …}')
                    )


class JsonReader(Reader):
    """A stream of objects, pretty-printed or in one array, parsed without holding the file in memory."""

    def __iter__(self) -> Iterator[Record]:
        decoder = json.JSONDecoder()
        with self.file.open(newline="\n") as stream:
            buffer, row, at_start = stream.read(_BLOCK), 1, True
            while True:
                rest = buffer.lstrip(_BETWEEN)
                if at_start:
                    rest = rest.removeprefix("[").lstrip(_BETWEEN)
                    at_start = False
                row += buffer.count("\n", 0, len(buffer) - len(rest))
                buffer = rest
                more = ""
                if not buffer or buffer.startswith("]"):
                    more = stream.read(_BLOCK)
                    if not more:
                        return
                    buffer = buffer.removeprefix("]") + more
                    continue
                try:
                    value, end = decoder.raw_decode(buffer)
                except json.JSONDecodeError as error:
                    more = stream.read(max(_BLOCK, len(buffer)))
                    if more:
                        buffer += more
                        continue
                    raise DataError(
                        [
                            Problem(
                                self.name,
                                row + error.lineno - 1,
                                "",
                                "a JSON object",
                                f"invalid JSON ({error.msg} at character {error.colno})",
                                "write one object a line (JSON Lines), or an array of objects",
                            )
                        ]
                    ) from None
                if isinstance(value, dict):
                    yield Record(row, value)
                else:
                    self.problems.add(
                        Problem(self.name, row, "", "a JSON object", show(value), 'write {"text": …, "label": …}')
                    )
                row += buffer.count("\n", 0, end)
                buffer = buffer[end:]
