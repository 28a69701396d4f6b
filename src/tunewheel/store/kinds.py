"""What columns hold beside numbers and text: moments, and documents of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database; SQLite keeps no time zone."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Document(TypeDecorator[Any]):
    """JSON; see `plain` for what it takes."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """To the database."""
        return plain(value)


def plain(value: Any) -> Any:
    """`value` as JSON can say it, numpy values, paths, times and sets included; NaN and infinity are None.

    >>> plain({"f1": float("nan"), "home": Path("a/b"), "labels": {"b", "a"}})
    {'f1': None, 'home': 'a/b', 'labels': ['a', 'b']}
    """
    match value:
        case Mapping():
            value = {str(key): plain(item) for key, item in value.items()}
        case set() | frozenset():
            value = sorted(plain(item) for item in value)
        case list() | tuple():
            value = [plain(item) for item in value]
        case Path():
            value = value.as_posix()
        case datetime():
            value = value.isoformat()
        case float() if not math.isfinite(value):
            value = None
        case _ if hasattr(value, "tolist"):  # numpy
            value = plain(value.tolist())
    return value
