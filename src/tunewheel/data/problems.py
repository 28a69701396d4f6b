"""What is wrong with the data, said so that it can be repaired: file, row, column, expected, found, fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SHOWN = 20
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one place.

    ``row`` is the 1-based line of the file, None where the whole file is meant; ``column`` is empty or None
    where no one column is.

    >>> print(Problem("a.csv", 7, "label", "a label", "nothing", "fill it in"))
    a.csv:7: column 'label': expected a label, found nothing; fix: fill it in
    """

    file: str
    row: int | None
    column: str | None
    expected: str
    found: str
    fix: str

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}:{self.row}"
        column = f" column '{self.column}':" if self.column else ""
        return f"{place}:{column} expected {self.expected}, found {self.found}; fix: {self.fix}"


class DataError(ValueError):
    """The data cannot be used as it is; ``problems`` holds the first few, ``total`` counts all."""

    def __init__(self, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = list(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems]
        if self.total > len(self.problems):
            lines.append(f"… and {self.total - len(self.problems)} more ({self.total} problems in all)")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.total)


class BadRows(DataError):
    """Some rows cannot be used as they are; the others could be."""


class Problems:
    """Collects problems while reading goes on, so that all are told at once; keeps the first `SHOWN`."""

    def __init__(self) -> None:
        self.first: list[Problem] = []
        self.total = 0

    @property
    def fatal(self) -> bool:
        """Whether what was found keeps the data from being used."""
        return self.total > 0

    def add(self, problem: Problem, record: Any = None) -> None:
        """Count a problem and keep it if it is among the first; ``record`` is the row as its file has it."""
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(problem)

    def raise_any(self) -> None:
        """Raise `BadRows` if anything was found."""
        if self.fatal:
            raise BadRows(self.first, self.total)


def show(value: object) -> str:
    """Shorten a value of the data for a message.

    >>> show("x" * 100)
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"
    >>> show(None), show("")
    ('nothing', 'an empty string')
    """
    if value is None:
        return "nothing"
    if value == "":
        return "an empty string"
    text = repr(value)
    return text if len(text) <= _LONGEST + 2 else text[: _LONGEST + 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name closest to a mistyped one.

    >>> nearest("lable", ["text", "label"])
    'label'
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def listed(names: Iterable[str]) -> str:
    """Join names for a message.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    return ", ".join(f"'{name}'" for name in names)
