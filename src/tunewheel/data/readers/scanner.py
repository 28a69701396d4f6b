"""JSON values out of a text stream of any length, one at a time."""

from __future__ import annotations

import json
import re
from typing import IO, Any

_BLOCK = 1 << 20
_SHOWN = 1 << 16


class BrokenJson(ValueError):
    """The text at ``row`` is no JSON; the cause is the decoder's own error."""

    def __init__(self, row: int, error: Exception) -> None:
        super().__init__(str(error))
        self.row, self.error = row, error


class Scanner:
    """Holds a block of the stream and what is left of a value that began in the one before; ``row`` is 1-based."""

    def __init__(self, stream: IO[str]) -> None:
        self.row = 1
        self._stream, self._decoder = stream, json.JSONDecoder()
        self._buffer, self._at = stream.read(_BLOCK), 0

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Pass over what matches, and return the character after it; an empty string at the end."""
        while True:
            found = pattern.match(self._buffer, self._at)
            self._pass(found.end() if found else self._at)
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def take(self) -> str:
        """Pass over one character and return it."""
        character = self._buffer[self._at : self._at + 1]
        self._pass(self._at + 1)
        return character

    def value(self) -> Any:
        """Decode the value that begins here. Raises `BrokenJson`."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                # Perhaps the value goes on in the next block.
                if self._more():
                    continue
                raise BrokenJson(self.row + self._lines_before(error), error) from None
            # A number at the end of the block may have more digits in the next.
            if end == len(self._buffer) and self._more():
                continue
            self._pass(end)
            return value

    def rest(self) -> str:
        """The beginning of what has not been decoded."""
        return self._buffer[self._at : self._at + _SHOWN]

    def _pass(self, end: int) -> None:
        self.row += self._buffer.count("\n", self._at, end)
        self._at = end

    def _more(self) -> bool:
        """Read on; twice as much each time a value does not end, which keeps this linear."""
        more = self._stream.read(max(_BLOCK, len(self._buffer) - self._at))
        if more:
            self._buffer, self._at = self._buffer[self._at :] + more, 0
        return bool(more)

    def _lines_before(self, error: Exception) -> int:
        if not isinstance(error, json.JSONDecodeError):
            return 0
        return self._buffer.count("\n", self._at, error.pos)
