"""Labelled spans of a text as sets: what `tunewheel.tasks.ner` scores, compares and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunewheel.tasks.base import Row
from tunewheel.tasks.words import words_of


def entity_set(row: Mapping[str, Any]) -> set[tuple[int, int, str]]:
    """The distinct ``(start, end, label)`` of a row or a prediction."""
    return {span_of(entity) for entity in row["entities"]}


def span_of(entity: Mapping[str, Any]) -> tuple[int, int, str]:
    """``(start, end, label)`` of an entity."""
    return entity["start"], entity["end"], entity["label"]


def contradicted(row: Row, other: Row) -> bool:
    """Whether ``other`` holds an entity of ``row`` word for word, yet labels it otherwise or not at all."""
    words = words_of(other)
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    marked = entity_set(other)
    for start, end, label in entity_set(row):
        surface = row["text"][start:end]
        at = other["text"].find(surface)
        while at >= 0:
            span = (at, at + len(surface))
            if span[0] in starts and span[1] in ends and (*span, label) not in marked:
                return True
            at = other["text"].find(surface, at + 1)
    return False


def listed(entities: set[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """A set of entities as a row holds them, in the order of the text."""
    return [{"start": start, "end": end, "label": label} for start, end, label in sorted(entities)]


def bio(row: Row, entities: set[tuple[int, int, str]]) -> list[str]:
    """The BIO tags that entities give a row's words."""
    words = words_of(row)
    tags = ["O"] * len(words)
    for start, end, label in entities:
        prefix = "B-"
        for w, (a, b) in enumerate(words):
            if a < end and b > start:
                tags[w], prefix = prefix + label, "I-"
    return tags
