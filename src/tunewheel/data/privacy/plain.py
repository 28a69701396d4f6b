"""A text made plain for the patterns, character for character, so that every place stays where it is."""

from __future__ import annotations

import re

from tunewheel.data.privacy.kinds import KINDS

LETTERS = "bcdfghjklmnpqrstvwxz"
"""What a pseudonym is written in: no digits, which might be read as a number, and no vowels, which might be a word."""
LENGTH = 12
"""Letters of a pseudonym: 20¹² values, so that among a million the chance of any two alike is one in ten thousand."""

MASK = re.compile(rf"\[(?:{'|'.join(sorted(KINDS))})(?::[{LETTERS}]{{{LENGTH}}})?\]")
"""A mask as `Masker` writes it."""

BLANK = "\0"
"""Stands for what is masked already; no pattern takes it."""

# Brackets, commas and marks of exclamation stay wide: they end a password or an address of the web.
_SIGNS = "#%&+-./:=@_"
_WIDE = re.compile("[\uff01-\uff5e\u3000\u00a0\u00ad\u2000-\u2013\u202f\u2060\u2212\ufe63\ufeff]")
_NARROW = (
    {code + 0xFEE0: code for code in range(0x21, 0x7F) if chr(code).isalnum() or chr(code) in _SIGNS}
    | dict.fromkeys([0x3000, 0xA0, 0x202F, 0x2060, 0xFEFF, *range(0x2000, 0x2010)], " ")
    | dict.fromkeys([0xAD, *range(0x2010, 0x2014), 0x2212, 0xFE63], "-")
)

_NUMBERED = re.compile(
    r"(?:订单|单号|编号|流水号?|批次|序列号|货号|发票号?|工单|order|invoice|ticket|tracking|serial|batch|ref(?:erence)?)"
    r"[ ]?(?:号码?|码|id|no\.?|number|num)?[ :#.=_\-是为]{0,4}\Z",
    re.I,
)


def plain(text: str) -> str:
    """Write full-width characters, odd blanks and odd hyphens in ASCII, and blank what is masked already.

    >>> plain("电话：１３８　[PHONE]")
    '电话:138 \\x00\\x00\\x00\\x00\\x00\\x00\\x00'
    """
    if not text.isascii() and _WIDE.search(text):
        text = text.translate(_NARROW)
    return MASK.sub(lambda mask: BLANK * len(mask[0]), text) if "[" in text else text


def stands_free(text: str, start: int, end: int) -> bool:
    """Say whether no ASCII letter, digit or underscore touches a span; Chinese has no blanks between words."""
    return not (start and _in_word(text[start - 1])) and not (end < len(text) and _in_word(text[end]))


def is_numbered(text: str, start: int) -> bool:
    """Say whether the words just before call what follows the number of an order, invoice, ticket or the like.

    >>> is_numbered("订单号:6222", 4), is_numbered("订单联系电话6222", 8)
    (True, False)
    """
    return _NUMBERED.search(text, max(0, start - 24), start) is not None


def _in_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
