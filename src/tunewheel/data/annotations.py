"""Entities as people write them: lists of spans or objects by type, with ends inclusive or exclusive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from tunewheel.data.columns import from_cell
from tunewheel.data.names import STARTS

ENDS = ("end", "end_offset", "end_position", "end_char", "stop")
TYPES = ("label", "type", "entity_type", "entity_group", "entity", "tag", "category", "类型")
SURFACES = ("text", "value", "word", "entity_value", "surface", "mention")

Ends = Literal["inclusive", "exclusive"]
_FEW = 3


def check_ends(ends: str | None) -> None:
    """Refuse a word that says nothing of ends."""
    if ends is not None and ends not in get_args(Ends):
        raise ValueError(f"ends must be 'inclusive' or 'exclusive', not {ends!r}")


class Mention(NamedTuple):
    """One entity as it is written, unchecked; ``surface`` is the string that is said to stand there."""

    start: Any
    end: Any
    label: Any
    surface: str | None


def entities_of(value: Any) -> list[Any] | None:
    """The entities of a row as one list, None where the value holds none; what is odd is left for its reader.

    >>> entities_of({"name": {"叶老桂": [[9, 11]]}})
    [{'start': 9, 'end': 11, 'label': 'name', 'text': '叶老桂'}]
    >>> entities_of({"PER": [[0, 4]], "LOC": None})
    [{'start': 0, 'end': 4, 'label': 'PER'}]
    """
    value = from_cell(value)
    if isinstance(value, Mapping):
        return list(_by_type(value))
    return value if isinstance(value, list) else None


def mention(entity: Any) -> Mention | None:
    """Read an entity from an object or from ``[start, end, label]``; None if it is neither."""
    if isinstance(entity, Sequence) and not isinstance(entity, str) and len(entity) >= 3:
        return Mention(entity[0], entity[1], entity[2], None)
    if not isinstance(entity, Mapping):
        return None
    surface = _first(entity, SURFACES)
    named = surface if isinstance(surface, str) and surface else None
    return Mention(_first(entity, STARTS), _first(entity, ENDS), _first(entity, TYPES), named)


def _by_type(value: Mapping[str, Any]) -> Iterator[Any]:
    for kind, found in value.items():
        by_surface = found.items() if isinstance(found, Mapping) else [(None, found)]
        for surface, spans in by_surface:
            if spans is None:
                continue
            for span in spans if isinstance(spans, list) else [spans]:
                if not isinstance(span, list) or len(span) != 2:
                    yield span
                    continue
                named = {} if surface is None else {"text": surface}
                yield {"start": span[0], "end": span[1], "label": kind, **named}


def _first(entity: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((entity[name] for name in names if name in entity), None)


class Evidence:
    """Counts what speaks for inclusive and for exclusive ends, an entity one vote.

    A surface that stands at the span under one reading only is a vote. Without surfaces, so is a span that is
    empty or outside the text, ends at a blank, or cuts an English word or a number, under one reading only.
    """

    def __init__(self) -> None:
        self.inclusive = self.exclusive = self.entities = 0
        self._surfaces = False

    def add(self, text: Any, entities: Iterable[Any]) -> None:
        """Look at the entities of one row; those that cannot be read have no vote."""
        for entity in entities:
            found = mention(entity)
            if found is None or not isinstance(text, str) or type(found.start) is not int or type(found.end) is not int:
                continue
            self.entities += 1
            start, end = found.start, found.end
            if found.surface is not None:
                votes = [start >= 0 and text[start:stop] == found.surface for stop in (end + 1, end)]
            else:
                votes = [_is_natural(text, start, stop) for stop in (end + 1, end)]
            if votes[0] != votes[1]:
                self.inclusive, self.exclusive = self.inclusive + votes[0], self.exclusive + votes[1]
                self._surfaces = self._surfaces or found.surface is not None

    @property
    def verdict(self) -> Ends:
        """What most of the evidence says; exclusive where there is next to none."""
        enough = self._surfaces or self.inclusive >= _FEW
        return "inclusive" if enough and self.inclusive > self.exclusive else "exclusive"

    @property
    def note(self) -> str:
        """The verdict and what it stands on."""
        if not self.inclusive and not self.exclusive:
            return "ends of entities are taken as exclusive: nothing tells (ends=inclusive says otherwise)"
        kind = "surfaces" if self._surfaces else "words"
        votes = self.inclusive if self.verdict == "inclusive" else self.exclusive
        told = f"ends of entities are {self.verdict}: so {votes} of {self.inclusive + self.exclusive} {kind} tell"
        return f"{told}; one is added to each" if self.verdict == "inclusive" else told


def _is_natural(text: str, start: int, stop: int) -> bool:
    """Say whether a span is inside the text, not empty, ends at no blank and cuts no word."""
    if not 0 <= start < stop <= len(text) or text[stop - 1].isspace():
        return False
    edge = text[stop - 1 : stop + 1]
    return not (len(edge) == 2 and edge.isascii() and edge.isalnum())
