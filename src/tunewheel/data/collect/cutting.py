"""Documents cut into rows: by paragraphs, or into pieces of at most so many characters. Nothing is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tunewheel.data.collect.documents import paragraphs

_SENTENCE = re.compile(r"[。！？；…!?]+[”’」』）)\"']*|(?<![.;])[.;]++[)\"']*(?=\s)")


def pieces(text: str, *, split_paragraphs: bool = False, max_chars: int | None = None) -> list[str]:
    r"""Cut a text into rows.

    With ``split_paragraphs`` each paragraph is one. With ``max_chars`` none is longer: whole paragraphs are put
    together as far as they fit, a longer one is cut after a sentence, else at white space, else where it must be.

    >>> pieces("One. Two is longer.\n\n三。", max_chars=14)
    ['One.', 'Two is longer.', '三。']
    >>> pieces("One.\n\nTwo.", split_paragraphs=True), pieces(" One.\n\nTwo. ")
    (['One.', 'Two.'], ['One.\n\nTwo.'])
    """
    if not split_paragraphs and (max_chars is None or len(text) <= max_chars):
        return [text.strip()] if text.strip() else []
    parts = paragraphs(text)
    if max_chars is None:
        return parts
    short = (piece for part in parts for piece in _cut(part, max_chars))
    return list(short) if split_paragraphs else list(_packed(short, max_chars))


def _packed(parts: Iterator[str], most: int) -> Iterator[str]:
    held = ""
    for part in parts:
        if held and len(held) + 2 + len(part) > most:
            yield held
            held = part
        else:
            held = f"{held}\n\n{part}" if held else part
    if held:
        yield held


def _cut(text: str, most: int) -> Iterator[str]:
    start = 0
    while len(text) - start > most:
        stop = _place(text, start, start + most)
        if piece := text[start:stop].strip():
            yield piece
        start = stop
        while start < len(text) and text[start].isspace():
            start += 1
    if piece := text[start:].strip():
        yield piece


def _place(text: str, start: int, stop: int) -> int:
    """Where to cut at the latest before ``stop``; both sides keep something."""
    ends = [found.end() for found in _SENTENCE.finditer(text, start, stop + 1) if start < found.end() <= stop]
    if ends:
        return ends[-1]
    spaces = (place for place in range(stop, start, -1) if text[place].isspace())
    return next(spaces, stop)
