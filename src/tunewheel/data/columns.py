"""Columns of sampled records: what they are called, what they hold, and how labels are written in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tunewheel.data.names import ENTITIES, NAMES, STARTS

Shape = Literal["label", "labels", "entities", "tags", "answer"]


def from_cell(value: Any) -> Any:
    """Read a list that stands as JSON in one cell of a delimited file; anything else is returned as it is.

    >>> from_cell('["a", "b"]'), from_cell("[sic]")
    (['a', 'b'], '[sic]')
    """
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            return json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            return value
    return value


def is_missing(value: Any) -> bool:
    """Say whether a value stands for none: null, or a string of blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


class Columns:
    """The columns of some sampled records, their values and how they look."""

    def __init__(self, sample: Sequence[Mapping[str, Any]]) -> None:
        self.values: dict[str, list[Any]] = {}
        for record in sample:
            for name, value in record.items():
                self.values.setdefault(name, []).append(value)

    @property
    def names(self) -> list[str]:
        """All names, in order of appearance."""
        return list(self.values)

    def without(self, taken: Sequence[str]) -> Columns:
        """The other columns, where some are spoken for."""
        rest = Columns(())
        rest.values = {name: values for name, values in self.values.items() if name not in taken}
        return rest

    def find(self, names: Iterable[str]) -> list[str]:
        """Columns called one of ``names`` (case aside), the first names first."""
        by_lower = {column.strip().lower(): column for column in reversed(self.names)}
        return [by_lower[name] for name in names if name in by_lower]

    def ending_in(self, words: frozenset[str]) -> list[str]:
        """Columns whose name ends in one of some words, such as ``sentiment_label``, where one alone does."""
        found = [name for name in self.names if re.split(r"[_ ]", name.lower())[-1] in words]
        return found if len(found) == 1 else []

    def shape(self, name: str) -> Shape | None:
        """How the labels of a column are written, None where it cannot hold labels."""
        shapes = Counter(_shape(from_cell(value)) for value in self.values[name] if not is_missing(value))
        empty = shapes.pop("empty", 0)
        if shapes:
            shape = shapes.most_common(1)[0][0]
            return None if shape == "other" else shape  # type: ignore[return-value]
        if empty:
            return "entities" if name.lower() in ENTITIES else "labels"
        return "label"

    def is_numbers(self, name: str) -> bool:
        """Say whether all values are whole numbers, as integers or as digits."""
        values = [value for value in self.values[name] if not is_missing(value)]
        return bool(values) and all(
            (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, str) and v.isdigit()) for v in values
        )

    def names_of(self, numbers: str) -> str | None:
        """The column that gives each number of another one name, and each name one number."""
        for name in self.find(NAMES) if self.is_numbers(numbers) else ():
            if len(self.values[name]) == len(self.values[numbers]):
                both = {(str(n), value) for n, value in zip(self.values[numbers], self.values[name], strict=True)}
                known = [pair for pair in both if isinstance(pair[1], str) and not is_missing(pair[1])]
                if len(known) == len(both) == len({n for n, _ in both}) == len({value for _, value in both}):
                    return name
        return None

    def mean_length(self, name: str) -> float:
        """Mean number of characters, 0 for a column that is mostly not text."""
        values = [value for value in self.values[name] if not is_missing(value)]
        texts = [value for value in values if isinstance(value, str)]
        return sum(map(len, texts)) / len(texts) if 2 * len(texts) > len(values) else 0.0

    def is_empty(self, name: str) -> bool:
        """Say whether the column is missing or holds nothing."""
        return all(is_missing(value) for value in self.values.get(name, ()))


def _shape(value: Any) -> str:
    if isinstance(value, list):
        if not value:
            return "empty"
        first = value[0]
        if isinstance(first, dict):
            return "entities" if any(key in first for key in STARTS) else "other"
        if isinstance(first, list):
            return "entities" if len(first) >= 3 else "other"
        return "labels"
    return _object_shape(value) if isinstance(value, dict) else "label"


def _object_shape(value: Mapping[str, Any]) -> str:
    """CLUENER's ``{type: {surface: [[start, end]]}}``, or ``{type: [[start, end]]}``, holds entities."""
    if not value:
        return "empty"
    by_type = [found for found in value.values() if found is not None]
    lists = [spans for found in by_type for spans in (found.values() if isinstance(found, dict) else [found])]
    spans = [span for several in lists if isinstance(several, list) for span in several]
    sound = all(isinstance(several, list) for several in lists if several is not None)
    return "entities" if sound and spans and all(isinstance(s, list) and len(s) == 2 for s in spans) else "other"
