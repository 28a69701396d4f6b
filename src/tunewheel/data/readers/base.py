"""What readers have in common: a record, a reader, and plain values for what a typed source holds."""

from __future__ import annotations

import datetime
import decimal
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tunewheel.data.problems import Problems
from tunewheel.data.readers.text import TextFile

PLACES = 1 << 53
"""Whole numbers up to here are exact as floats."""


class Record(NamedTuple):
    """The values of one row as the file has them; ``row`` is the 1-based line (or row) where it begins."""

    row: int
    values: dict[str, Any]


@dataclass
class Reader(ABC):
    """Iterates over the records of a source; bad rows go to ``problems``, assumptions to ``notes``.

    It can be iterated more than once; only one pass should have ``problems`` collected.
    """

    problems: Problems = field(default_factory=Problems, kw_only=True)
    notes: list[str] = field(default_factory=list, kw_only=True)

    @property
    @abstractmethod
    def name(self) -> str:
        """The source's name in messages."""

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Yield the source's records, in order."""


@dataclass
class TextReader(Reader):
    """A reader of one text file."""

    file: TextFile

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.file.path)


def plain(value: Any) -> Any:
    """Turn a typed value of a table into what JSON knows: dates as ISO 8601, decimals as numbers.

    >>> plain({"day": datetime.date(2024, 5, 1), "paid": decimal.Decimal("2.50"), "raw": b"ok"})
    {'day': '2024-05-01', 'paid': 2.5, 'raw': 'ok'}
    """
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value if value is None or isinstance(value, str | int) else _written(value)


def _written(value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < PLACES else float(value)
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)
