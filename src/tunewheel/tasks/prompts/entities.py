"""Entities of a text, asked for in words and found again in it, character for character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunewheel.tasks.base import Prediction, Row
from tunewheel.tasks.prompts.base import Lang, Prompt, as_json, listed_labels, read_json, without_thoughts
from tunewheel.tasks.prompts.labels import named

_WANTED = {
    "en": ("Find every entity of the types below in the text.", "Types:"),
    "zh": ("找出文本中下列类型的所有实体。", "类型："),
}
_WRITE = {
    "en": (
        "Answer in JSON with every entity in the order of the text, copied from it character for character, as often "
        'as it occurs: {"entities": [{"text": "…", "label": "…"}]}. Without entities: {"entities": []}'
    ),
    "zh": (
        "用 JSON 回答，按文本顺序列出每个实体，逐字照抄原文，出现几次列几次："
        '{"entities": [{"text": "…", "label": "…"}]}。没有实体时回答 {"entities": []}'
    ),
}
_AGAIN = {
    "en": 'That is not JSON of the form {"entities": [{"text": "…", "label": "…"}]}. Answer once more, in JSON only.',
    "zh": '这不是 {"entities": [{"text": "…", "label": "…"}]} 形式的 JSON。请重新回答，只写 JSON。',
}
_LETTER = re.compile(r"[0-9A-Za-z\u00c0-\u024f]")


class Entities(Prompt):
    """Entities of ``types``, answered as their texts; places are looked up in the text that was asked about.

    What stands nowhere in the text, or has no type of ours, is dropped and counted (``dropped`` in the prediction).
    """

    def __init__(self, types: Sequence[str], lang: Lang, told: str | None, descriptions: Mapping[str, str]) -> None:
        self.types = tuple(types)
        opening, heading = _WANTED[lang]
        self.instructions = "\n".join(
            [told or opening, heading, listed_labels(types, descriptions, lang), _WRITE[lang]]
        )
        self.again = _AGAIN[lang]

    def example(self, row: Row) -> str:
        """The row's entities in the order of the text."""
        ordered = sorted(row["entities"], key=lambda e: (e["start"], e["end"]))
        listed = [{"text": row["text"][e["start"] : e["end"]], "label": e["label"]} for e in ordered]
        return as_json({"entities": listed})

    def schema(self) -> dict[str, Any]:
        """An object with a list of texts and types."""
        entity = {"text": {"type": "string"}, "label": {"type": "string", "enum": list(self.types)}}
        closed = {"type": "object", "additionalProperties": False}
        listed = {"type": "array", "items": {**closed, "properties": entity, "required": ["text", "label"]}}
        return {**closed, "properties": {"entities": listed}, "required": ["entities"]}

    def parse(self, answer: str, row: Row) -> Prediction | None:
        """The entities stated in JSON as spans of the row's text."""
        found = read_json(without_thoughts(answer))
        stated = found.get("entities") if isinstance(found, dict) else found
        if not isinstance(stated, list):
            return None
        told = [self._told(one) for one in stated]
        entities, missed = located(row["text"], [one for one in told if one])
        dropped = missed + told.count(None)
        return {"entities": entities, **({"dropped": dropped} if dropped else {})}

    def _told(self, stated: Any) -> tuple[str, str] | None:
        """Surface and type of one stated entity."""
        if not isinstance(stated, Mapping) or not isinstance(stated.get("text"), str):
            return None
        surface, label = stated["text"].strip(), named(stated.get("label"), self.types)
        return (surface, label) if surface and label else None

    def default(self, rows: Sequence[Row]) -> Prediction:
        """No entity."""
        return {"entities": []}


def located(text: str, told: Sequence[tuple[str, str]]) -> tuple[list[dict[str, Any]], int]:
    """Spans of the ``told`` surfaces and types, and how many of these found no place.

    The first mention of a surface is its first place, and so on; a surface that is told more rarely than it stands,
    always as one type, is that type everywhere. Spans do not overlap: longer surfaces choose first.

    >>> located("王芳见王芳芳", [("王芳", "PER"), ("王芳芳", "PER"), ("李强", "PER")])
    ([{'start': 0, 'end': 2, 'label': 'PER'}, {'start': 3, 'end': 6, 'label': 'PER'}], 1)
    """
    types: dict[str, list[str]] = {}
    for surface, label in told:
        types.setdefault(surface, []).append(label)
    taken: list[dict[str, Any]] = []
    missed = 0
    for surface in sorted(types, key=len, reverse=True):
        labels = types[surface]
        free = [place for place in _places(text, surface) if not _touches(place, taken)]
        missed += max(0, len(labels) - len(free))
        if len(set(labels)) == 1:
            labels = labels[:1] * len(free)
        taken += [{"start": a, "end": b, "label": label} for (a, b), label in zip(free, labels, strict=False)]
    return sorted(taken, key=lambda entity: entity["start"]), missed


def _places(text: str, surface: str) -> list[tuple[int, int]]:
    """Where a surface stands, as it is written; else in any case and width."""
    return list(_standing(text, surface)) or list(_standing(_folded(text), _folded(surface)))


def _standing(text: str, surface: str) -> Iterator[tuple[int, int]]:
    at = text.find(surface)
    while at >= 0:
        end = at + len(surface)
        if _parted(text, at) and _parted(text, end):
            yield at, end
            at = text.find(surface, end)
        else:
            at = text.find(surface, at + 1)


def _parted(text: str, at: int) -> bool:
    """Whether no word of letters or digits goes on across a place: Ann does not stand in Annual."""
    return not (0 < at < len(text) and _LETTER.match(text[at - 1]) and _LETTER.match(text[at]))


def _folded(text: str) -> str:
    """Lower-cased and of one width, character for character, so that places stay."""
    folded = (unicodedata.normalize("NFKC", c).casefold() for c in text)
    return "".join(f if len(f) == 1 else c for c, f in zip(text, folded, strict=True))


def _touches(place: tuple[int, int], taken: Sequence[Mapping[str, Any]]) -> bool:
    return any(place[0] < one["end"] and one["start"] < place[1] for one in taken)
