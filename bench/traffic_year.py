"""A year of made-up traffic that anyone can have again: `Year(seed).week(n)` gives texts with their true intents.

Texts are of invented words, half of Latin syllables and half of Chinese characters, so that nothing is anybody's data
and no model knows them beforehand. An intent has words of its own; a text has one to three of them, often one of
another intent, and filler. Over the year: from week 13 to 26 half of every intent's words give way to others; an
intent is new in week 18 and one in week 34; from week 27 on one intent is asked three times as often; weeks 40 to 47
are quiet; in week 30 somebody says in a burst that one intent is another, and from week 31 to 36 somebody says so a
little at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WEEKS = 52
INTENTS = 12
NEW = {18: "intent-12", 34: "intent-13"}
"""The week an intent is first asked in."""

DRIFT, SHIFT, QUIET, BURST, DRIP = (13, 26), 27, range(40, 48), 30, range(31, 37)
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ai", "en", "or")]
_CHARACTERS = "安北城东风高光海河花火江金开乐林明木南平青秋山石水天田文西新星雪阳云月中竹春夏冬"


@dataclass(frozen=True)
class Asked:
    """A text and what it was about."""

    text: str
    intent: str


class Year:
    """Texts by week, from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        draw = Random(f"words {seed}")
        names = [f"intent-{i:02d}" for i in range(INTENTS + len(NEW))]
        self.words = {name: [_words(draw, 12) for _ in range(2)] for name in names}
        """Of each intent the words of the first half year and those that come after, English-like and Chinese-like."""
        self.filler = _words(draw, 60)

    def intents(self, week: int) -> list[str]:
        """What may be asked in a week."""
        names = sorted(self.words)[:INTENTS]
        return names + [name for first, name in sorted(NEW.items()) if week >= first]

    def asked(self, week: int) -> int:
        """How many texts come in a week."""
        return 50 if week in QUIET else 500

    def week(self, week: int, count: int | None = None, part: str = "traffic") -> list[Asked]:
        """Texts of a week (0: before the year began); another ``part`` gives others of the same kind."""
        draw, names = Random(f"{part} {self.seed} {week}"), self.intents(week)
        weights = [3.0 if week >= SHIFT and name == "intent-05" else 1.0 for name in names]
        first, last = DRIFT
        moved = min(1.0, max(0.0, (week - first + 1) / (last - first + 1)))
        made = []
        for _ in range(self.asked(week) if count is None else count):
            intent = draw.choices(names, weights)[0]
            made.append(Asked(self._text(draw, intent, names, moved), intent))
        return made

    def _text(self, draw: Random, intent: str, names: Sequence[str], moved: float) -> str:
        side = draw.randrange(2)

        def word(of: str) -> str:
            at = draw.randrange(12)
            later = at % 2 == 0 and draw.random() < moved  # half of the words never change
            return self.words[of][later][side][at]

        said = [word(intent) for _ in range(draw.randint(1, 3))]
        if draw.random() < 0.35:
            said.append(word(draw.choice(names)))
        said += draw.choices(self.filler[side], k=draw.randint(2, 6))
        draw.shuffle(said)
        return "".join(said) if side else " ".join(said)


def _words(draw: Random, count: int) -> list[list[str]]:
    latin = ["".join(draw.sample(_SYLLABLES, draw.randint(2, 3))) for _ in range(count)]
    return [latin, ["".join(draw.sample(_CHARACTERS, 2)) for _ in range(count)]]
