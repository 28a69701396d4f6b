"""Which fields of a structured log, or columns of a query, hold the text, its title and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunewheel.data.collect.documents import Document, failure, moment
from tunewheel.data.names import IDS, TEXTS
from tunewheel.data.problems import DataError, listed

_TEXTS = (*TEXTS[:4], "msg", "log", *TEXTS[4:])
_TITLES = ("title", "subject", "headline", "标题", "主题")
_TIMES = (
    *("time", "timestamp", "@timestamp", "ts", "date", "datetime", "created_at", "created", "published"),
    *("时间", "日期", "发布时间", "创建时间"),
)


@dataclass
class Fields:
    """Makes documents of rows. ``text`` names the field of the text; one within another is written ``log.message``.

    Without it the first field is taken that is called like a text, or the only one there is.
    """

    source: str
    text: str | None = None
    seen: list[str] = field(default_factory=list)
    rows: int = 0
    found: int = 0

    def document(self, row: Mapping[str, Any]) -> Document | None:
        """The row's text, None where it has none."""
        self.rows += 1
        self.seen = self.seen or [str(name) for name in row]
        name = self.text or _first(row, _TEXTS) or (next(iter(row)) if len(row) == 1 else None)
        value = _inner(row, name) if name else None
        if not isinstance(value, str):
            return None
        self.found += 1
        own = _first(row, IDS)
        title = _first(row, _TITLES)
        time = _first(row, _TIMES)
        return Document(
            value,
            f"{self.source}#{row[own]}" if own and row[own] is not None else self.source,
            str(row[title]) if title and title != name and row[title] else None,
            moment(row[time]) if time else None,
        )

    def problem(self) -> DataError | None:
        """What is wrong where there were rows and none had a text."""
        if not self.rows or self.found:
            return None
        expected = f"a text in '{self.text}'" if self.text else "a column of texts"
        return failure(self.source, expected, f"{listed(self.seen)}", "name the text's column with --text")


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in row), None)


def _inner(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
