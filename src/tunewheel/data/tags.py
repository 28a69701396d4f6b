"""Chunk tags to spans and back: IOB1, IOB2, BMES, BIOES and BILOU, ill-formed sequences included.

Spans follow ``startOfChunk`` and ``endOfChunk`` of the CoNLL-2000/2003 script ``conlleval`` (Tjong Kim Sang
and De Meulder 2003); M is read as I, L as E, S and U as a chunk of one token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

Scheme = Literal["IO", "IOB1", "IOB2", "BMES", "BIOES", "BILOU"]

_PREFIXES = frozenset("BIMESLU")
_OPENS = frozenset("BSU")
_CLOSES = frozenset("ESLU")


class TagError(ValueError):
    """A tag is neither ``O`` nor a known prefix, a hyphen or underscore, and a type."""


@lru_cache(maxsize=4096)
def parse(tag: str) -> tuple[str, str]:
    """Split a tag into its prefix and its type.

    >>> parse("B-creative-work"), parse("O")
    (('B', 'creative-work'), ('O', ''))
    """
    if tag == "O":
        return "O", ""
    if is_tag(tag):
        return tag[0], tag[2:]
    raise TagError(f"unknown tag {tag!r}: expected O or a prefix of B I M E S L U, '-' and a type, such as B-PER")


def is_tag(tag: str) -> bool:
    """Say whether `parse` understands a tag.

    >>> is_tag("E-ORG"), is_tag("ORG")
    (True, False)
    """
    return tag == "O" or (len(tag) > 2 and tag[1] in "-_" and tag[0] in _PREFIXES)


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Chunks as ``(start, end, type)`` over token indices, end-exclusive, in order and without overlap.

    A chunk opens at B, S or U, where the type changes, and at any tag after O or a closing E, S, L or U.

    >>> spans(["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG"])
    [(0, 2, 'PER'), (2, 3, 'PER'), (4, 5, 'LOC'), (5, 6, 'ORG')]
    >>> spans(["B-ORG", "M-ORG", "E-ORG", "S-LOC"])
    [(0, 3, 'ORG'), (3, 4, 'LOC')]
    """
    found: list[tuple[int, int, str]] = []
    start, last_prefix, last_type = 0, "O", ""
    for i, tag in enumerate(tags):
        prefix, kind = parse(tag)
        opens = prefix != "O" and (
            prefix in _OPENS or last_prefix == "O" or last_prefix in _CLOSES or kind != last_type
        )
        if last_prefix != "O" and (opens or prefix == "O"):
            found.append((start, i, last_type))
        if opens:
            start = i
        last_prefix, last_type = prefix, kind
    if last_prefix != "O":
        found.append((start, len(tags), last_type))
    return found


def to_bio(chunks: Iterable[tuple[int, int, str]], n: int) -> list[str]:
    """Tags of ``n`` tokens in BIO (IOB2); the inverse of `spans`.

    Raises ``ValueError`` when a chunk is empty, stands outside the tokens or overlaps another.

    >>> to_bio([(1, 3, "PER")], 4)
    ['O', 'B-PER', 'I-PER', 'O']
    """
    tags = ["O"] * n
    for start, end, kind in chunks:
        if not 0 <= start < end <= n:
            raise ValueError(f"chunk {start}:{end} is empty or outside {n} tokens")
        if any(tag != "O" for tag in tags[start:end]):
            raise ValueError(f"chunk {start}:{end} ({kind}) overlaps another")
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


class SchemeDetector:
    """Gathers evidence of the scheme from one sequence after another, so that a file can be streamed."""

    def __init__(self) -> None:
        self._prefixes: set[str] = set()
        self._inside_opens = False

    def add(self, tags: Sequence[str]) -> None:
        """Look at the tags of one sentence; raises `TagError` on an unknown tag."""
        last_prefix, last_type = "O", ""
        for tag in tags:
            prefix, kind = parse(tag)
            self._prefixes.add(prefix)
            if prefix == "I" and (last_prefix == "O" or last_type != kind):
                self._inside_opens = True
            last_prefix, last_type = prefix, kind

    @property
    def scheme(self) -> Scheme:
        """The narrowest scheme that explains the tags seen; IOB2 when there is no evidence."""
        if "M" in self._prefixes:
            return "BMES"
        if self._prefixes & {"L", "U"}:
            return "BILOU"
        if self._prefixes & {"E", "S"}:
            return "BIOES"
        if self._inside_opens:
            return "IOB1" if "B" in self._prefixes else "IO"
        return "IOB2"


def scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Name the tag scheme of some sentences' tags; raises `TagError` on an unknown tag.

    >>> scheme([["B-PER", "I-PER", "O"]]), scheme([["I-PER", "B-PER", "O"]]), scheme([["B-PER", "E-PER"]])
    ('IOB2', 'IOB1', 'BIOES')
    """
    detector = SchemeDetector()
    for tags in sequences:
        detector.add(tags)
    return detector.scheme
