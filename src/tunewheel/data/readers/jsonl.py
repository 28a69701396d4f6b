"""JSON Lines: one JSON object, or one list such as ``[text, label]``, a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.base import Record, TextReader

OBJECT = 'write one complete object, such as {"text": …, "label": …}'


def reason(error: Exception) -> str:
    """Say why a text is no JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON ({error.msg} at character {error.colno})"
    return "invalid JSON (nested too deep)" if isinstance(error, RecursionError) else f"invalid JSON ({error})"


def row_of(value: Any) -> dict[str, Any] | None:
    """Take an object as a row, a list of two or more as one whose columns have numbers; None for anything else.

    spaCy's ``[text, {"entities": […]}]`` is a list whose object holds named columns.

    >>> row_of(["how much is it", "price"])
    {'column1': 'how much is it', 'column2': 'price'}
    >>> row_of(["Anna left", {"entities": [[0, 4, "PER"]]}])
    {'column1': 'Anna left', 'entities': [[0, 4, 'PER']]}
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or len(value) < 2:
        return None
    row: dict[str, Any] = {}
    for i, item in enumerate(value, start=1):
        row |= item if isinstance(item, dict) else {f"column{i}": item}
    return row


class JsonlReader(TextReader):
    """One JSON object a line; blank lines are passed over."""

    def __iter__(self) -> Iterator[Record]:
        with self.file.open(newline="\n") as stream:
            for row, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    self.problems.add(Problem(self.name, row, "", "a JSON object", reason(error), OBJECT), line)
                    continue
                values = row_of(value)
                if values is None:
                    self.problems.add(Problem(self.name, row, "", "a JSON object", show(value), OBJECT), value)
                else:
                    yield Record(row, values)
