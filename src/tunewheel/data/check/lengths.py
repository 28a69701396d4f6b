"""How long the texts are and in which languages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import Draft, Place, Tally
from tunewheel.data.language import language

WINDOW = 510
"""Word pieces that a usual backbone reads at once."""

PIECE = {"zh": 1.0, "mixed": 2.0, "en": 4.0, "other": 2.0}
"""Characters of a word piece, roughly, by language."""

_MINOR = 0.25
_CHARACTERS = 20_000


class Lengths:
    """Lengths in characters and languages by split, texts that no backbone reads in one go, languages in minority."""

    def __init__(self) -> None:
        self.lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self.languages: dict[str, Counter[str]] = defaultdict(Counter)
        self.long = Tally()
        self.windows = 0
        self.first: dict[str, list[Place]] = defaultdict(list)

    def add(self, row: Row) -> None:
        """Look at a row."""
        size = len(row.text)
        spoken = language(row.text if size <= _CHARACTERS else row.text[:_CHARACTERS])
        self.lengths[row.split][size] += 1
        self.languages[row.split][spoken] += 1
        if len(self.first[spoken]) < 3:
            self.first[spoken].append(Place(row.number, spoken))
        pieces = size / PIECE[spoken]
        if pieces > WINDOW:
            self.long.add(row.number, f"{size:,}")
            self.windows += -int(-pieces // WINDOW)

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        spoken = sum(self.languages.values(), Counter())
        # Names and units in Latin letters make a Chinese text mixed, no other language.
        del spoken["other"], spoken["mixed"]
        if len(spoken) > 1:
            most = spoken.most_common(1)[0][0]
            others = [name for name in spoken if name != most]
            count = sum(spoken[name] for name in others)
            if count <= _MINOR * spoken.total():
                places = [place for name in others for place in self.first[name]]
                values = {"main": most, "share": count / spoken.total(), "languages": dict(spoken)}
                yield Draft("lengths", "languages", "info", count, values, places)
        if self.long.count:
            values = {"pieces": WINDOW, "windows": self.windows}
            yield Draft("lengths", "long", "info", self.long.count, values, self.long.places)
