"""Rows that are already Python objects, read as if they stood in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tunewheel.data.readers.base import Record


class RowsReader:
    """Records of rows in memory, numbered from 1; an iterator is kept as a list, for it is read twice."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.rows = list(rows) if isinstance(rows, Iterator) else rows

    def __iter__(self) -> Iterator[Record]:
        for number, row in enumerate(self.rows, start=1):
            yield Record(number, dict(row))
