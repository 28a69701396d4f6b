"""Entities whose borders look wrong: inside a word, at a blank, across each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import Draft, Tally

_LETTER = re.compile(r"[0-9A-Za-z\u00c0-\u024f]")  # Chinese has no borders between words to cut at


class Spans:
    """Entities that cut a word, overlap, or begin or end with a blank or a punctuation mark."""

    def __init__(self) -> None:
        self.cut, self.across, self.blank = Tally(), Tally(), Tally()
        self.entities = 0

    def add(self, row: Row) -> None:
        """Look at a row's entities."""
        text = row.text
        for entity in row.target or ():
            start, end = entity["start"], entity["end"]
            self.entities += 1
            note = f"{text[start:end]} [{entity['label']}]"
            if _inside_word(text, start) or _inside_word(text, end):
                self.cut.add(row.number, note)
            if _is_edge(text[start]) or text[end - 1].isspace():
                self.blank.add(row.number, note)
        spans = sorted(row.target or (), key=lambda e: (e["start"], e["end"]))
        for a, b in pairwise(spans):
            if b["start"] < a["end"]:
                notes = (f"{text[e['start'] : e['end']]} [{e['label']}]" for e in (a, b))
                self.across.add(row.number, " ∩ ".join(notes))

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        for kind, severity, tally in (
            ("cut_words", "warning", self.cut),
            ("overlapping", "warning", self.across),
            ("blank_edges", "info", self.blank),
        ):
            if tally.count:
                values = {"entities": self.entities, "share": tally.count / self.entities}
                yield Draft("spans", kind, severity, tally.count, values, tally.places)  # type: ignore[arg-type]


def _inside_word(text: str, at: int) -> bool:
    """Say whether a word goes on across a border."""
    return 0 < at < len(text) and bool(_LETTER.match(text[at - 1]) and _LETTER.match(text[at]))


def _is_edge(character: str) -> bool:
    return character.isspace() or character in ",.;:!?，。；：！？、"
