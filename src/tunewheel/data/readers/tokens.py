"""Tokens to a text and back: what stands between two of them, and digits that some files glue to characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

_GLUED = re.compile(r"(.+?)\d{1,3}")


def is_glued(tokens: Sequence[str]) -> bool:
    """Say whether tokens are each one character and its position in the word, as Weibo NER has it."""
    glued = sum((match := _GLUED.fullmatch(token)) is not None and len(match[1]) == 1 for token in tokens)
    return len(tokens) > 20 and glued > 0.98 * len(tokens)


def unglue(token: str) -> str:
    """Take the position off a character.

    >>> unglue("科0")
    '科'
    """
    match = _GLUED.fullmatch(token)
    return match[1] if match else token


def joiner_of(tokens: Sequence[str]) -> str:
    """What joins these tokens: nothing where Chinese stands character by character, else a space.

    >>> joiner_of(["北", "京"]), joiner_of(["Beijing", "duck"])
    ('', ' ')
    """
    wide = any(is_cjk(token[0]) for token in tokens if token)
    return "" if wide and sum(len(token) == 1 for token in tokens) > 0.98 * len(tokens) else " "


def join(tokens: list[str], joiner: str) -> tuple[str, list[tuple[int, int]]]:
    """Put tokens together to a text and say where each stands; no space goes between two CJK characters.

    >>> join(["I", "like", "北京", "烤鸭"], " ")
    ('I like 北京烤鸭', [(0, 1), (2, 6), (7, 9), (9, 11)])
    """
    parts: list[str] = []
    offsets: list[tuple[int, int]] = []
    at, wide = 0, [bool(token) and is_cjk(token[0]) for token in tokens]
    for i, token in enumerate(tokens):
        if i and joiner and not (wide[i] and wide[i - 1] and is_cjk(tokens[i - 1][-1])):
            parts.append(joiner)
            at += len(joiner)
        offsets.append((at, at + len(token)))
        parts.append(token)
        at += len(token)
    return "".join(parts), offsets


def is_cjk(character: str) -> bool:
    """Say whether a character is Chinese (or Japanese) script, full-width forms and punctuation included."""
    code = ord(character)
    return (
        0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF or 0x20000 <= code <= 0x3FFFF
    )
