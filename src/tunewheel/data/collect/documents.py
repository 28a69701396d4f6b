"""What a source gives: documents, failures, and what to remember once their rows are safe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tunewheel.data.problems import DataError, Problem
from tunewheel.data.rows import encodable
from tunewheel.data.times import FORMATS, Clock

_BLANK = re.compile(r"\n[^\S\n]*\n\s*")
_STROKE_DATES = tuple(form for form in FORMATS if form.startswith("dates such as"))
_SECONDS = tuple(form for form in FORMATS if form not in _STROKE_DATES and "since" in form)


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it came from; ``time`` as ISO 8601, without a zone where none is known."""

    text: str
    source: str
    title: str | None = None
    time: str | None = None
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What to remember of a source that has been read to its end, so that it need not be read again unchanged."""

    key: str
    stamp: Any


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A source that is as it was when it was read last."""

    source: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A file in a folder that is of no kind that is read."""

    path: str


Event = Document | DataError | Mark | Unchanged | PassedOver
"""A `DataError` among them is one document's failure; others follow it."""


def failure(source: str, expected: str, found: str, fix: str) -> DataError:
    """One source, or one document of it, that cannot be collected."""
    return DataError([Problem(encodable(source), None, "", expected, found, fix)])


def tidy(text: str) -> str:
    r"""One kind of line end, no white space at line ends, at most one empty line between paragraphs.

    >>> tidy("a \r\n\r\n\r\n b\x00")
    'a\n\n b'
    """
    plain = encodable(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").replace("\x0c", "\n\n"))
    lines = "\n".join(line.rstrip() for line in plain.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


def paragraphs(text: str) -> list[str]:
    r"""Cut a text at its empty lines; where it has none, every line is a paragraph.

    >>> paragraphs("One line\nand another.\n\nTwo.")
    ['One line\nand another.', 'Two.']
    >>> paragraphs("第一段。\n第二段。")
    ['第一段。', '第二段。']
    """
    found = _BLANK.split(text.strip())
    parts = text.split("\n") if len(found) == 1 else found
    return [part.strip() for part in parts if part.strip()]


def moment(value: Any) -> str | None:
    """Write a date or time as ISO 8601; None where it is none. No zone is made up.

    >>> moment("2024-05-01 12:30"), moment("2018年5月11日"), moment(1714566600)
    ('2024-05-01T12:30:00', '2018-05-11T00:00:00', '2024-05-01T12:30:00+00:00')
    >>> moment("soon")
    """
    if value is None or isinstance(value, bool):
        return None
    written = str(value).strip()
    if "-" in written:
        try:
            return datetime.fromisoformat(written).isoformat()
        except ValueError:
            pass
    for form in _STROKE_DATES:
        if (seconds := Clock("", form)(value)) is not None:
            return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    for form in _SECONDS:
        if (seconds := Clock("", form)(value)) is not None:
            return datetime.fromtimestamp(seconds, UTC).isoformat()
    return None
