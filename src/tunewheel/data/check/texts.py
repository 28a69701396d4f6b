"""Texts that say nothing, that were cut off, and that share sentences with many others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Place, Tally
from tunewheel.data.gather import hash64

PILE = 20
"""Texts of one length below which no pile of cut-off texts is seen."""

LEAST = 40
"""Characters below which a length is no limit that somebody set."""

_WORD = re.compile(r"[^\W_]")
_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]+|\.(?=\s|$)|$)")
_EDGE = 16
_TAIL = 80  # characters in which a number or an address is recognised before its end is shown
_SHARE = 0.01
_COUNTERS = 20_000


class Texts:
    """Texts without a letter or digit, piles of cut-off texts at one length, boiler-plate."""

    def __init__(self) -> None:
        self.wordless = Tally()
        self.lengths: Counter[int] = Counter()
        self.cut: dict[int, Tally] = {}
        self.common = Common()
        self.rows = 0

    def add(self, row: Row) -> None:
        """Look at a row."""
        text = row.text.strip()
        self.rows += 1
        if not _WORD.search(text):
            self.wordless.add(row.number)
        size = len(text)
        self.lengths[size] += 1
        if size >= LEAST and text[-1].isalnum():
            self.cut.setdefault(size, Tally()).add(row.number, text[-_TAIL:])
        self.common.add(row.number, text)

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        if self.wordless.count:
            yield Draft("texts", "wordless", "warning", self.wordless.count, places=self.wordless.places)
        for size in self._piles():
            pile = self.cut[size]
            values: dict[str, Any] = {"length": size, "usual": round(self._around(size), 1)}
            places = [place._replace(note=_end(place.note)) for place in pile.places]
            yield Draft("texts", "truncated", "warning", pile.count, values, places)
        shared = self.common.frequent(max(PILE, int(_SHARE * self.rows)))
        if shared:
            values = {"pieces": len(shared), "piece": shared[0][1], "share": shared[0][0] / self.rows}
            places = [Place(number, piece) for _, piece, number in shared[:EXAMPLES]]
            yield Draft("texts", "boilerplate", "info", shared[0][0], values, places)

    def _piles(self) -> list[int]:
        """Lengths at which far more texts end inside a sentence than at the lengths around."""
        return sorted(
            size
            for size, tally in self.cut.items()
            if tally.count >= PILE and tally.count >= 0.8 * self.lengths[size] and tally.count > 8 * self._around(size)
        )

    def _around(self, size: int) -> float:
        """The mean number of texts at the ten lengths around."""
        return sum(self.lengths[size + step] for step in range(-5, 6) if step) / 10


def _end(tail: str) -> str:
    """The last characters of a text, without personal data: masked first, for half a number is not known as one."""
    from tunewheel.data.privacy import Masker

    return f"…{Masker().mask(tail).text[-12:]}"


class Common:
    """The openings, endings and sentences that stand in many texts, in bounded memory.

    Source: Misra & Gries (1982), "Finding Repeated Elements": what stands in more than one in `_COUNTERS` texts is
    found, and counted too low by that share at most. A text that was there already is passed over.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        self.seen: set[int] = set()

    def add(self, number: int, text: str) -> None:
        """Count the pieces of a text, each once."""
        key = hash64(text)
        if key in self.seen:
            return
        if len(self.seen) < 1 << 20:
            self.seen.add(key)
        for piece in set(_pieces(text)):
            self.counts[piece] += 1
            self.first.setdefault(piece, number)
        if len(self.counts) > 4 * _COUNTERS:
            self._shrink()

    def frequent(self, least: int) -> list[tuple[int, str, int]]:
        """Pieces that ``least`` texts or more share: count, piece and the first row, the most frequent first.

        Of pieces that hold each other, and stand in as many texts, only the longest is told.
        """
        found = [(count, piece) for piece, count in self.counts.items() if count >= least]
        found.sort(key=lambda each: (-each[0], -len(each[1]), each[1]))
        kept: list[tuple[int, str]] = []
        for count, piece in found[:200]:
            if not any(piece in longer and count <= 1.2 * other for other, longer in kept):
                kept.append((count, piece))
        return [(count, piece, self.first[piece]) for count, piece in kept]

    def _shrink(self) -> None:
        """Take from every count what the least of the kept ones has, and drop what is left with nothing."""
        cut = sorted(self.counts.values(), reverse=True)[_COUNTERS]
        self.counts = Counter({piece: count - cut for piece, count in self.counts.items() if count > cut})
        self.first = {piece: self.first[piece] for piece in self.counts}


def _pieces(text: str) -> Iterable[str]:
    """A text's opening, ending and sentences, if it is long enough to have more than them."""
    if len(text) > 2 * _EDGE:
        yield text[:_EDGE]
        yield text[-_EDGE:]
    ends = [0, *(found.end() for found in _SENTENCE.finditer(text[:20_000]))]
    sentences = [text[start:end].strip() for start, end in pairwise(ends)]
    if len(sentences) > 1:
        yield from (sentence for sentence in sentences if len(sentence) >= 8)
