"""Rows that cannot be used and are left out: written to a file of their own, never dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from tunewheel.data.erased import is_erased
from tunewheel.data.problems import Problem, Problems
from tunewheel.store.files import open_whole


class Rejected(Problems):
    """Problems that cost a row and not the whole reading; `rejecting` makes one.

    Each becomes a line of JSON as it comes: file, row, column, expected, found and fix, and the row as its file has
    it. Only the first few are held in memory, for an error. Problems of one row come one after the other. Of a row that
    says what was ``erased`` (keys, see `tunewheel.data.erased`) only the place is written.
    """

    def __init__(self, path: Path, stack: ExitStack, erased: Collection[int] = ()) -> None:
        super().__init__()
        self.path, self.rows, self._erased = path, 0, erased
        self._stack = stack
        self._stream: IO[str] | None = None
        self._last: Any = None

    @property
    def fatal(self) -> bool:
        """Never: what is wrong has been written down and left out."""
        return False

    def add(self, problem: Problem, record: Any = None) -> None:
        """Write a problem down, and count its row if it is a further one."""
        super().add(problem)
        self.rows += record is None or record is not self._last
        self._last = record
        if self._stream is None:
            self._stream = self._stack.enter_context(open_whole(self.path))
        told = {**asdict(problem), "record": record}
        if self._erased and is_erased(self._erased, "", *_strings(record)):
            told |= {"found": "(erased)", "record": None}
        self._stream.write(json_line(told))

    @property
    def note(self) -> str:
        """How many rows were left out, and where they stand."""
        rows = "1 row was" if self.rows == 1 else f"{self.rows:,} rows were"
        return f"{rows} left out: {self.path} has each with what is wrong and how to mend it"


@contextmanager
def rejecting(path: Path, erased: Collection[int] = ()) -> Iterator[Rejected]:
    """Collect rejected rows into ``path``: it gets its name once the block is through, and goes if there is none."""
    with ExitStack() as stack:
        rejected = Rejected(path, stack, erased)
        yield rejected
    if not rejected.rows:
        path.unlink(missing_ok=True)


def _strings(record: Any) -> Iterator[str]:
    if isinstance(record, str):
        yield record
    elif isinstance(record, dict | list):
        for part in record.values() if isinstance(record, dict) else record:
            yield from _strings(part)


def json_line(value: Any) -> str:
    r"""Put a value on a line of JSON that any encoding can write: characters as they are, halves of pairs escaped.

    >>> json_line({"text": "卡丢了"}), json_line("\ud83d")
    ('{"text": "卡丢了"}\n', '"\\ud83d"\n')
    """
    line = json.dumps(value, ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(value, default=str)
    return line + "\n"
