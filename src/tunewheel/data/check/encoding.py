"""Characters that tell of a wrong encoding or a careless copy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import Draft, Tally

# Marks that text directions and joined letters need (U+200C to U+200F) are no faults.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_WIDE = re.compile("[０-９Ａ-Ｚａ-ｚ]+")
_NARROW = re.compile("[0-9A-Za-z]")
# What the first byte of a UTF-8 sequence and those after it look like in Windows-1252 and Latin-1.
_TAIL = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_LATIN = re.compile(f"(?:[\u00c2-\u00df][{_TAIL}]|[\u00e0-\u00ef][{_TAIL}]{{2}}|\u00f0[{_TAIL}]{{3}})+")
# What the bytes of a replacement character and of memory never written look like in GBK.
_FILLER = re.compile("锟斤拷|(?:烫){3,}|(?:屯){3,}|(?:锘縿?)")
_HAN = re.compile("[\u3400-\u9fff]{2}")
_RUN = re.compile("[^\x00-\x7f\ufffd]{3,}")
_CODES = 5


class Encoding:
    """Replacement characters, texts decoded in the wrong encoding, control characters, full-width letters."""

    def __init__(self) -> None:
        self.replaced, self.garbled, self.control, self.wide = Tally(), Tally(), Tally(), Tally()
        self.codes: Counter[str] = Counter()
        self.narrow = 0

    def add(self, row: Row) -> None:
        """Look at a row."""
        text = row.text
        if text.isascii():
            self.narrow += 1
        else:
            self._unusual(row)
        if not text.isprintable() and (found := set(_CONTROL.findall(text))):
            self.codes.update(found)
            self.control.add(row.number, ", ".join(map(code_point, sorted(found))))

    def _unusual(self, row: Row) -> None:
        text = row.text
        if "\ufffd" in text:
            self.replaced.add(row.number, f"U+FFFD × {text.count(chr(0xFFFD))}")
        if pieces := garbled(text):
            self.garbled.add(row.number, pieces)
        if found := _WIDE.search(text):
            self.wide.add(row.number, found[0])
        self.narrow += bool(_NARROW.search(text))

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        if self.replaced.count:
            yield Draft("encoding", "replaced", "warning", self.replaced.count, places=self.replaced.places)
        if self.garbled.count:
            yield Draft("encoding", "garbled", "warning", self.garbled.count, places=self.garbled.places)
        if self.control.count:
            codes = ", ".join(code_point(code) for code, _ in self.codes.most_common(_CODES))
            yield Draft("encoding", "control", "warning", self.control.count, {"codes": codes}, self.control.places)
        if self.wide.count and self.narrow:
            values = {"narrow": self.narrow}
            yield Draft("encoding", "wide", "info", self.wide.count, values, self.wide.places)


def garbled(text: str) -> str:
    """What stands in a text that was decoded in the wrong encoding, and what it was; empty where nothing is.

    >>> garbled("cafÃ© open"), garbled("鍖椾含澶╂皵"), garbled("北京天气 café")
    ('Ã© → é', '鍖椾含澶╂皵 → 北京天气', '')
    """
    if found := _FILLER.search(text):
        return found[0]
    for found in _LATIN.finditer(text):
        for encoding in ("cp1252", "latin-1"):
            if meant := _decoded(found[0], encoding):
                return f"{found[0]} → {meant}"
    for found in _RUN.finditer(text):
        for run in (found[0], found[0][:-1]):
            if (meant := _decoded(run, "gb18030")) and _HAN.search(meant):
                return f"{run} → {meant}"
    return ""


def code_point(character: str) -> str:
    """The name of a character that cannot be shown.

    >>> code_point(chr(7))
    'U+0007'
    """
    return f"U+{ord(character):04X}"


def _decoded(text: str, encoding: str) -> str:
    try:
        return text.encode(encoding).decode("utf-8")
    except UnicodeError:
        return ""
