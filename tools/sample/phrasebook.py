"""Reads the hand-written phrase books: patterns by intent, and the values that fill their slots."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
LANGUAGES: Final = ("en", "zh")
SPLITS: Final = ("train", "dev", "test", "later")
# Which value sections a split may draw from; train never sees the "test" and "later" values.
VINTAGES: Final = {
    "train": ("",),
    "dev": ("",),
    "test": ("", "test"),
    "later": ("", "test", "later"),
}
# Slots that share an entity type; a slot named otherwise is its own type.
LABELS: Final = {
    "sum": "amount",
    "fee": "amount",
    "fx": "amount",
    "day": "date",
    "future": "date",
    "month": "date",
    "shop": "merchant",
    "woman": "person",
    "man": "person",
    "friend": "person",
}
UNIONS: Final = {"friend": ("woman", "man"), "person": ("person", "woman", "man")}


@dataclass(frozen=True)
class Pattern:
    """One utterance with slots, such as ``I lost my {card} {date}``; `group` names it in every row."""

    group: str
    intent: str
    language: str
    split: str
    text: str


def label_of(slot: str) -> str:
    """The entity type of a slot: ``shop2`` is a second ``shop``, which is a merchant."""
    name = slot.rstrip("0123456789")
    return LABELS.get(name, name)


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (section, line) for every line that is neither blank, a comment nor a ``[section]`` mark."""
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if mark := re.fullmatch(r"\[([a-z]+(?: [a-z]+)?)\]", line):
            section = mark[1]
        elif line and not line.startswith("#"):
            yield section, line


def read_patterns() -> list[Pattern]:
    """Every pattern of every intent, numbered within its language and intent."""
    patterns: list[Pattern] = []
    for path in sorted((HERE / "phrases").glob("*.txt")):
        counts = dict.fromkeys(LANGUAGES, 0)
        for section, text in sections(path):
            language, split = section.split()
            counts[language] += 1
            group = f"{language}-{path.stem}-p{counts[language]:02d}"
            patterns.append(Pattern(group, path.stem, language, split, text))
    return patterns


class Values:
    """The slot values of one language.

    Args:
        language: ``en`` or ``zh``.
    """

    def __init__(self, language: str) -> None:
        self._sections: dict[tuple[str, str], list[str]] = {}
        for section, value in sections(HERE / "values" / f"{language}.txt"):
            slot, _, vintage = section.partition(" ")
            self._sections.setdefault((slot, vintage), []).append(value)
        self.opening = self._sections["opening", ""]
        self.closing = self._sections["closing", ""]

    def pools(self, slot: str, split: str) -> list[list[str]]:
        """The value lists of a slot for a split, one per vintage, so that new values weigh as much as old."""
        names = UNIONS.get(slot, (slot,))
        pools = [
            [value for name in names for value in self._sections.get((name, vintage), [])]
            for vintage in VINTAGES[split]
        ]
        if not pools[0]:
            raise KeyError(f"no values for the slot {{{slot}}}")
        return [pool for pool in pools if pool]
