"""Dates in a column of a file: one way of writing for the file, settled by its first rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from tunewheel.data.columns import is_missing
from tunewheel.data.problems import DataError, Problem, show

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC).timestamp(), datetime(2200, 1, 1, tzinfo=UTC).timestamp()
_COMPACT = re.compile(r"(?:19|20|21)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_CLOCK = r"(?:[ T]*(\d{1,2})[:时点](\d{1,2})(?:[:分](\d{1,2})秒?|分)?)?"
_CHINESE = re.compile(rf"(\d{{4}})\s*年\s*(\d{{1,2}})\s*月\s*(\d{{1,2}})\s*[日号]?{_CLOCK}")
_STROKES = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}")

Read = Callable[[Any], float]
"""Takes a value to seconds since 1970 (UTC); raises ``ValueError`` or ``TypeError`` where it cannot."""


def _compact(value: Any) -> float:
    text = str(value).strip()
    if isinstance(value, bool) or not _COMPACT.fullmatch(text):
        raise ValueError(text)
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp()


def _iso(value: Any) -> float:
    if isinstance(value, date):
        value = value.isoformat()
    if not isinstance(value, str) or "-" not in value:
        raise ValueError(value)
    moment = datetime.fromisoformat(value.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _matching(pattern: re.Pattern[str]) -> Read:
    def read(value: Any) -> float:
        found = pattern.fullmatch(value.strip())
        if found is None:
            raise ValueError(value)
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()

    return read


def _epoch(unit: float) -> Read:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(value)
        return float(value) / unit

    return read


FORMATS: dict[str, Read] = {
    "dates such as 20180511": _compact,
    "ISO dates such as 2018-05-11": _iso,
    "dates such as 2018年5月11日": _matching(_CHINESE),
    "dates such as 2018/5/11": _matching(_STROKES),
    "seconds since 1970": _epoch(1),
    "milliseconds since 1970": _epoch(1e3),
    "microseconds since 1970": _epoch(1e6),
    "nanoseconds since 1970": _epoch(1e9),
}
"""Ways of writing a date, by what they are called in messages."""


@dataclass(frozen=True)
class Clock:
    """Reads the dates of one column of one file, all written in the same way."""

    column: str
    form: str

    def __call__(self, value: Any) -> float | None:
        """Seconds since 1970 in UTC (a date without a zone is taken as UTC); None if it is no such date."""
        return _read(FORMATS[self.form], value)

    @property
    def note(self) -> str:
        """The format, for people."""
        return f"time: column '{self.column}' holds {self.form}"


def clock_of(file: str, column: str, values: Iterable[Any]) -> Clock:
    """Settle how a file writes its dates: the way that most of the first ``values`` are in.

    Raises `DataError` where none of them is a date.

    >>> clock_of("news.csv", "day", ["2018年5月11日", "2018年12月1日"]).form
    'dates such as 2018年5月11日'
    """
    known = [value for value in values if not is_missing(value)]
    counts = {form: sum(_read(read, value) is not None for value in known) for form, read in FORMATS.items()}
    form = max(counts, key=counts.__getitem__)
    if not counts[form]:
        found = show(known[0]) if known else "nothing"
        fix = "write dates as 2018-05-11"
        if any(isinstance(value, str) and _DAY_FIRST.match(value.strip()) for value in known):
            fix = "write dates as 2018-05-11 (day and month cannot be told apart)"
        raise DataError(
            [Problem(file, 1, column, "a date (2018-05-11, 2018年5月11日, seconds since 1970)", found, fix)]
        )
    return Clock(column, form)


def _read(read: Read, value: Any) -> float | None:
    try:
        seconds = read(value)
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return seconds if _EARLIEST <= seconds < _LATEST else None
