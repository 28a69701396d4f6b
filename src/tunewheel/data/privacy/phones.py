"""Telephone numbers: mainland China's by its numbering plan, others by phonenumbers, by form, or as they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from tunewheel.data.privacy.numbers import Spans
from tunewheel.data.privacy.plain import is_numbered

_EXTENSION = r"(?:[ ,]{0,2}(?:x|ext\.?|extension|转|分机号?)[ :]?[0-9]{1,6}(?![0-9]))?"
_CODE = r"(?:\+?86[ -]?|0086[ -]?|[(（]\+?86[)）][ -]?)?"
_MOBILE = re.compile(
    rf"(?<![0-9]){_CODE}1[3-9][0-9](?:[0-9]{{8}}|([ -])[0-9]{{4}}\1[0-9]{{4}}|([ -])[0-9]{{3}}\2[0-9]{{5}}"
    r"|[0-9]([ -])[0-9]{3}\3[0-9]{4}|([ -])[0-9]{8})(?![0-9])",
    re.I,
)
_LANDLINE = re.compile(
    rf"(?<![0-9])(?:{_CODE}(?:[(（]0(?:10|2[0-9])[)）][ -]?|0(?:10|2[0-9])[ -]?)[2-8][0-9]{{3}}[ -]?[0-9]{{4}}"
    rf"|{_CODE}(?:[(（]0[3-9][0-9]{{2}}[)）][ -]?|0[3-9][0-9]{{2}}[ -]?)[2-8][0-9]{{2}}[0-9]?[ -]?[0-9]{{4}}"
    r"|[48]00[ -][0-9]{3}[ -]?[0-9]{4}|[48]00[ -][0-9]{4}[ -]?[0-9]{3})"
    rf"(?:-[0-9]{{1,5}}(?![0-9])|{_EXTENSION})(?![0-9])",
    re.I,
)
_WORLD = re.compile(rf"(?:\+|(?<![0-9])00)[1-9](?:[ ()（）./-]{{0,2}}[0-9]){{6,14}}(?![0-9]){_EXTENSION}", re.I)
_AMERICAN = re.compile(
    rf"(?<![0-9])(?:1[ .-])?(?:[(（][0-9]{{3}}[)）][ -]?|[2-9][0-9]{{2}}[ .-])[0-9]{{3}}[ .-][0-9]{{4}}"
    rf"(?![0-9]){_EXTENSION}",
    re.I,
)
# A trunk 0 or a code in brackets, then groups: so the rest of the world writes.
_NATIONAL = re.compile(
    r"(?<![0-9])(?:(?=(?:[ /-]?[0-9]){9})0[1-9][0-9]{0,3}[ /-][0-9]{2,4}(?:[ -][0-9]{2,4}){1,3}"
    r"|0[1-9][0-9]{0,2}[/-][0-9]{6,8}"
    r"|[(（]0?[0-9]{1,4}[)）][ ]?[0-9]{3,4}[ -][0-9]{3,4})(?![0-9])"
)
# Each form with what every number of it holds, looked for first: a megabyte of `1 ` takes 0.09 s for 0.37, one of
# account numbers 0.34 for 0.52.
_FORMS = (
    (re.compile("1[3-9][0-9]"), _MOBILE),
    (re.compile("0[1-9][0-9]|[48]00"), _LANDLINE),
    (re.compile("[0-9]{3}[ .-][0-9]{4}"), _AMERICAN),
    (re.compile("[0(（]"), _NATIONAL),
)
_DIALLED = re.compile(r"\+|00")
# Where six digits stand near each other; everything else is looked for in and around such a place.
_PLACE = re.compile(r"[+(（]?[0-9](?:[ ()（）./-]{0,2}[0-9]){5,}")
_BEFORE = re.compile(
    r"(?:电话|手机|座机|热线|传真|联系方式|致电|拨打|\b(?:phone|tele?phone|tel|call|fax|cell|mobile|whatsapp|ring|dial|answering))"
    r"[^0-9\n\0;；。+(（]{0,16}\Z",
    re.I,
)
_DIGITS = r"([(（]?\+?[0-9](?:[ )）.-]{0,2}[0-9]){5,13})(?![0-9])"
_SAID = re.compile(_DIGITS + _EXTENSION, re.I)
_AFTER = re.compile(r"[0-9][ -]?(?:office|fax|mobile|cell)\b", re.I)
_LETTER = re.compile("[ofmc]", re.I)
_ENDING = re.compile(rf"(?<![0-9]){_DIGITS}{_EXTENSION}\Z", re.I)
_EXTENDED = 20  # characters: room for an extension, or the word after it
_NAMED = re.compile(r"(?:tel|phone|mob|mobile|cell|call|wechat|wx|fax)\Z", re.I)
_AMOUNT = re.compile(r"[.][0-9]|[ ]?(?:元|万|亿|块|%|美元|usd|rmb|cny|kg|公里|岁)", re.I)
_DATE = re.compile(
    r"(?:1[89]|20)[0-9]{2}[-./][0-9]{1,2}[-./][0-9]{1,2}|[0-9]{1,2}[-./][0-9]{1,2}[-./](?:1[89]|20)[0-9]{2}"
)


def phones(text: str) -> Spans:
    """Telephone numbers with what belongs to them: the code of the country, brackets, the extension."""
    for place in _PLACE.finditer(text):
        start, end = place.start(), place.end() + _EXTENDED
        forms = (form for held, form in _FORMS if held.search(text, start, end))
        plain = (found.span() for form in forms for found in form.finditer(text, start, end))
        dialled = _WORLD.finditer(text, start, end) if _DIALLED.search(text, start, end) else ()
        world = (found.span() for found in dialled if _is_dialled(found[0]))
        said = (
            (found.start(1), found.end()) for found in _said(text, start, place.end()) if not _DATE.search(found[1])
        )
        for first, last in chain(plain, world, said):
            # What begins after this place is cut off at its end, and belongs to the next place.
            if first < place.end() and _stands(text, first, last):
                yield first, last


def _said(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Digits that the words before them, or the word after them, call a telephone's."""
    told = _BEFORE.search(text, max(0, start - 28), start) and _SAID.match(text, start)
    if told:
        yield told
    if not _LETTER.search(text, start, end + _EXTENDED):
        return
    for word in _AFTER.finditer(text, start, end + _EXTENDED):
        found = _ENDING.search(text, max(start, word.start() - 32), word.start() + 1)
        if found:
            yield found


def _stands(text: str, start: int, end: int) -> bool:
    """Say whether a number is nobody's part, no amount, and not said to be an order's."""
    before = text[max(0, start - 12) : start]
    if before and before[-1].isascii() and (before[-1].isalnum() or before[-1] == "_") and not _NAMED.search(before):
        return False
    if len(before) > 1 and before[-1] in "-." and before[-2].isascii() and before[-2].isdigit():
        return False
    after = text[end : end + 2]
    if after[:1] == "_" or (len(after) == 2 and after[0] == "-" and after[1].isascii() and after[1].isdigit()):
        return False
    return not _AMOUNT.match(text, end) and not is_numbered(text, start)


def _is_dialled(number: str) -> bool:
    """Ask the numbering plans: a number in a row must be valid, one written in groups possible."""
    import phonenumbers

    written = "+" + number[2:] if number.startswith("00") else number
    try:
        parsed = phonenumbers.parse(written)
    except phonenumbers.NumberParseException:
        return False
    grouped = re.search(r"[0-9][ ()./-]+[0-9]", number)
    return bool(phonenumbers.is_possible_number(parsed) if grouped else phonenumbers.is_valid_number(parsed))
