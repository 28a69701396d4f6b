"""What a check finds: findings with a severity, a count, the figures its sentences are made of, and examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple, get_args

from tunewheel.data.problems import Problem

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the gravest to the lightest."""

EXAMPLES = 8
"""Examples that a finding shows."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row that shows what was found; personal data in its text is masked and long texts are shortened.

    ``row`` is the line of the file where the row could not be read, ``id`` the row's id where it could. ``note`` is
    what was found in it, in no language (``lost → lots``, ``U+FFFD``); ``other`` is the row it is compared with. Of a
    row that could not be read ``note`` says the ``problem`` in English.
    """

    file: str
    split: str
    text: str
    id: str = ""
    row: int | None = None
    label: str = ""
    note: str = ""
    other: Example | None = None
    problem: Problem | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The example as JSON values."""
        told = {name: value for name, value in asdict(self).items() if name != "problem"}
        return {**told, "other": self.other and self.other.as_dict()}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, as often as ``count`` says.

    ``values`` are the figures that its sentences are made of, ``sampled`` is the number of rows looked at where that
    was not all of them.
    """

    family: str
    kind: str
    severity: Severity
    count: int
    values: Mapping[str, Any]
    examples: Sequence[Example] = ()
    sampled: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON values."""
        examples = [example.as_dict() for example in self.examples]
        return {**asdict(replace(self, examples=())), "values": dict(self.values), "examples": examples}


class Place(NamedTuple):
    """A row by its number, as an example of what was found; see `Example` for the rest."""

    number: int
    note: str = ""
    other: int | None = None


@dataclass(slots=True)
class Draft:
    """A finding whose examples are numbers of rows still: all are fetched in one go."""

    family: str
    kind: str
    severity: Severity
    count: int
    values: dict[str, Any] = field(default_factory=dict)
    places: Sequence[Place] = ()
    sampled: int | None = None
    examples: Sequence[Example] = ()

    def numbers(self) -> Iterator[int]:
        """The rows that the examples are made of."""
        for place in self.places:
            yield place.number
            if place.other is not None:
                yield place.other


class Tally:
    """Counts rows of one sort and keeps the first few as examples."""

    def __init__(self) -> None:
        self.count = 0
        self.places: list[Place] = []

    def add(self, number: int, note: str = "") -> None:
        """Count a row."""
        self.count += 1
        if len(self.places) < EXAMPLES:
            self.places.append(Place(number, note))


def graver(severity: Severity, least: Severity) -> bool:
    """Say whether a severity is at least as grave as another.

    >>> graver("error", "warning"), graver("info", "warning")
    (True, False)
    """
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)
