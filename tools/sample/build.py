"""Writes the bundled sample data from the phrase books, the same bytes every time.

Run ``python tools/sample/build.py`` to write, ``--check`` to compare only (exit code 1 on a difference).
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phrasebook import LANGUAGES, SPLITS, Pattern, Values, label_of, read_patterns

TARGET: Final = Path(__file__).parents[2] / "src" / "tunewheel" / "data" / "sample"
SEED: Final = "tunewheel-sample-1"
NEW_INTENT: Final = "digital_wallet"
ROWS: Final = {  # rows per intent, by split and language
    "train": {"en": 29, "zh": 21},
    "dev": {"en": 6, "zh": 5},
    "test": {"en": 26, "zh": 18},
    "later": {"en": 4, "zh": 4},
}
NEW_INTENT_ROWS: Final = 42

# Mistakes that keep the length, so that no offset moves.
SLIPS_ZH: Final = (("账", "帐"), ("登录", "登陆"), ("哪", "那"), ("吗", "嘛"), ("的", "滴"))
SLOT: Final = re.compile(r"\{(\w+)(?::([^}]+))?\}")


@dataclass(frozen=True)
class Entity:
    """A span of the text, in characters, end-exclusive."""

    start: int
    end: int
    label: str

    def moved(self, by: int) -> "Entity":
        return Entity(self.start + by, self.end + by, self.label)


@dataclass(frozen=True)
class Utterance:
    text: str
    entities: tuple[Entity, ...]


def draw(slot: str, split: str, values: Values, rng: random.Random) -> tuple[str, str, str]:
    """One value as (before, entity, after): ``on [3 March]`` gives ("on ", "3 March", "")."""
    value = rng.choice(rng.choice(values.pools(slot.rstrip("0123456789"), split)))
    value = re.sub(r"<(\d+)-(\d+)>", lambda span: str(rng.randint(int(span[1]), int(span[2]))), value)
    found = re.fullmatch(r"(.*)\[(.+)\](.*)", value)
    return (found[1], found[2], found[3]) if found else ("", value, "")


def fill(pattern: Pattern, values: Values, rng: random.Random) -> Utterance:
    """Put a value into every slot; no value comes twice in one utterance."""
    text, entities, used, position = "", [], set(), 0
    for slot in SLOT.finditer(pattern.text):
        text += pattern.text[position : slot.start()]
        position = slot.end()
        before, entity, after = "", slot[2], ""
        while entity is None or entity in used:
            before, entity, after = draw(slot[1], pattern.split, values, rng)
        used.add(entity)
        start = len(text) + len(before)
        entities.append(Entity(start, start + len(entity), label_of(slot[1])))
        text += before + entity + after
    return Utterance(text + pattern.text[position:], tuple(entities))


def slip(utterance: Utterance, language: str, rng: random.Random) -> Utterance:
    """A typing mistake outside the entities: two letters swapped, or a character of the same sound."""
    text = utterance.text
    free = [not any(e.start <= i < e.end for e in utterance.entities) for i in range(len(text))]
    if language == "en":
        places = [
            m.start() for m in re.finditer(r"(?<=[a-z]{2})[a-z]{2}(?=[a-z])", text) if all(free[m.start() : m.end()])
        ]
        if not places:
            return utterance
        at = rng.choice(places)
        return Utterance(text[:at] + text[at + 1] + text[at] + text[at + 2 :], utterance.entities)
    right, wrong = rng.choice(SLIPS_ZH)
    at = text.find(right)
    if at < 0 or not free[at]:
        return utterance
    return Utterance(text[:at] + wrong + text[at + len(right) :], utterance.entities)


def wrap(utterance: Utterance, language: str, values: Values, rng: random.Random) -> Utterance:
    """Add an opening, a closing or both."""
    text, space = utterance.text, " " if language == "en" else ""
    opening = rng.choice(values.opening) + space if rng.random() < 0.65 else ""
    closing = space + rng.choice(values.closing) if not opening or rng.random() < 0.2 else ""
    starts_with_entity = any(entity.start == 0 for entity in utterance.entities)
    if opening.endswith((", ", "so ")) and not starts_with_entity and re.match(r"[A-Z][a-z]", text):
        text = text[0].lower() + text[1:]
    if closing and text[-1].isalnum():
        text += "." if language == "en" else "，"
    moved = tuple(entity.moved(len(opening)) for entity in utterance.entities)
    return Utterance(opening + text + closing, moved)


def variant(pattern: Pattern, number: int, values: Values, rng: random.Random) -> Utterance:
    """The `number`-th way to say a pattern: the first mostly as written, later ones mostly wrapped."""
    utterance = fill(pattern, values, rng)
    if rng.random() < (0.15 if number == 0 else 0.6):
        utterance = wrap(utterance, pattern.language, values, rng)
    if rng.random() < 0.06:
        utterance = slip(utterance, pattern.language, rng)
    if pattern.language == "en" and rng.random() < 0.1:
        utterance = Utterance(utterance.text.lower(), utterance.entities)
    return utterance


def distinct(patterns: list[Pattern], wanted: int, values: Values, seen: set[str]) -> list[tuple[Pattern, Utterance]]:
    """`wanted` utterances not in `seen`, going round the patterns as often as needed."""
    chosen: list[tuple[Pattern, Utterance]] = []
    for number in range(50):
        for pattern in patterns:
            rng = random.Random(f"{SEED}/{pattern.group}/{number}")
            utterance = variant(pattern, number, values, rng)
            key = utterance.text.casefold()
            if len(chosen) < wanted and key not in seen:
                seen.add(key)
                chosen.append((pattern, utterance))
    if len(chosen) < wanted:
        raise ValueError(f"{patterns[0].group}: only {len(chosen)} of {wanted} distinct utterances")
    return chosen


def build() -> dict[str, str]:
    """The text of every file, by file name."""
    values = {language: Values(language) for language in LANGUAGES}
    books: dict[tuple[str, str, str], list[Pattern]] = {}
    for pattern in read_patterns():
        books.setdefault((pattern.split, pattern.intent, pattern.language), []).append(pattern)
    seen: set[str] = set()
    counts: Counter[tuple[str, str]] = Counter()
    files = {}
    for split in SPLITS:
        rows = []
        for (_, intent, language), patterns in sorted(item for item in books.items() if item[0][0] == split):
            wanted = NEW_INTENT_ROWS if intent == NEW_INTENT else ROWS[split][language]
            for pattern, utterance in distinct(patterns, wanted, values[language], seen):
                counts[language, intent] += 1
                rows.append(row(f"{language}-{intent}-{counts[language, intent]:04d}", pattern, utterance))
        random.Random(f"{SEED}/{split}").shuffle(rows)
        files[f"{split}.jsonl"] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return files


def row(identifier: str, pattern: Pattern, utterance: Utterance) -> dict[str, object]:
    return {
        "id": identifier,
        "text": utterance.text,
        "label": pattern.intent,
        "entities": [vars(entity) for entity in utterance.entities],
        "language": pattern.language,
        "group": pattern.group,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the files in the package, write nothing")
    check = parser.parse_args().check
    different = 0
    for name, text in build().items():
        path = TARGET / name
        if check:
            same = path.is_file() and path.read_bytes() == text.encode()
            different += not same
            print(f"{'same' if same else 'DIFFERENT'}  {name}")
        else:
            path.write_bytes(text.encode())
            print(f"{text.count(chr(10)):5d} rows  {len(text.encode()) / 1024:6.1f} kB  {name}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
