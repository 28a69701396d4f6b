"""Numbers that papers and cards bear: most have a checksum, which is what tells them from other long numbers.

A pattern begins with a plain character class and looks back from there: `re` then skips to it quickly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from tunewheel.data.privacy.plain import is_numbered, stands_free

Spans = Iterator[tuple[int, int]]

# The first two digits of GB/T 2260, with 81 to 83 of the residence permits, which python-stdnum's table lacks in part.
PROVINCES = frozenset(
    str(10 * zone + place)
    for zone, places in {1: 5, 2: 3, 3: 7, 4: 6, 6: 5, 7: 1, 8: 3}.items()
    for place in range(1, places + 1)
) | {"50", "51", "52", "53", "54"}
_ID_CARD = re.compile(
    r"[1-8](?<![0-9].)[0-9]{5}([ -]?)(?:1[89]|20)[0-9]{2}(?:\1|-)?[01][0-9](?:\1|-)?[0-3][0-9]\1"
    r"[0-9]{3}[0-9Xx](?![0-9])"
)
_OLD_ID_CARD = re.compile(r"[1-8](?<![0-9].)[0-9]{7}[01][0-9][0-3][0-9]{4}(?![0-9])")
# ISO/IEC 7812 issuers with their lengths: Visa; Mastercard; American Express; Diners; JCB; UnionPay; Discover; Maestro;
# other domestic cards; ICBC. Without the lengths a tenth of the numbers of phones' hardware (35…, 15 digits) and of
# mistyped identity numbers (18 digits) would be cards.
_ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|(?:1800|2131)\d{11}|62\d{14,17}|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}|(?:50|5[6-9]|60|63|67)(?:\d{14}|\d{17})|9558\d{15}"
)
_CARD = re.compile(
    r"[1-69](?<![0-9].)(?:[0-9]{11,18}"
    r"|[0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9]{5}([ -])[0-9]{13})(?![0-9])"
)
_CREDIT_CODE = re.compile(
    r"[1-9ANYany](?<![0-9A-Za-z].)[1-9][0-9]{6}[0-9A-HJ-NP-RT-UW-Ya-hj-np-rt-uw-y]{10}(?![0-9A-Za-z])"
)
_IBAN = re.compile(r"[0-9](?<=[A-Za-z]{2}[0-9])(?<![0-9A-Za-z]...)[0-9](?:[ -]?[A-Za-z0-9]){11,30}")
_SSN = re.compile(r"[0-8](?<![0-9].)(?<![0-9]-.)[0-9]{2}([ -])[0-9]{2}\1[0-9]{4}(?![0-9]|-[0-9])")
_SSN_BARE = re.compile(r"(?:(?<![A-Za-z])ssn|social security)[^0-9\n\0]{0,20}([0-8][0-9]{8})(?![0-9])", re.I)
_PASSPORT = re.compile(r"(?:[EeGg][0-9]{8}|[Ee][A-HJ-NP-Za-hj-np-z][0-9]{7})(?![0-9A-Za-z])")
_PASSPORT_SAID = re.compile(
    r"(?:护照|通行证|台胞证|passports?|travel permit)"
    r"(?:号码?|证件|号|no\.?|number|num|\s|[(:#.,)]|是|为|is|was){0,6}"
    r"([A-Za-z]{0,2}[0-9]{7,9}[A-Za-z]?)(?![0-9A-Za-z])",
    re.I,
)
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-Za-hj-z][ ·•.\-]?"
    r"(?:(?=[A-Za-z]{0,4}[0-9])[A-HJ-NP-Za-hj-np-z0-9]{4}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳领使]"
    r"|[A-HJKa-hjk][A-HJ-NP-Za-hj-np-z0-9][0-9]{4}|[0-9]{5}[A-HJKa-hjk])(?![A-Za-z0-9])"
)


def id_cards(text: str) -> Spans:
    """Chinese identity numbers: 18 digits (GB 11643: place, date, checksum), and 15 of before 1999."""
    for found in _ID_CARD.finditer(text):
        if stands_free(text, *found.span()) and is_id_card(re.sub("[ -]", "", found[0])):
            yield found.span()
    for found in _OLD_ID_CARD.finditer(text):
        if stands_free(text, *found.span()) and _is_old_id_card(found[0]) and not is_numbered(text, found.start()):
            yield found.span()


def is_id_card(number: str) -> bool:
    """Say whether 18 characters are an identity number. A county may be newer than any table; a province is not.

    >>> is_id_card("11010119900307803X"), is_id_card("110101199003078031")
    (True, False)
    """
    from stdnum.cn import ric

    number = number.upper()
    return number[:2] in PROVINCES and _is_date(number[6:14]) and number[-1] == ric.calc_check_digit(number)


def _is_old_id_card(number: str) -> bool:
    return _is_date("19" + number[6:12]) and _is_county(number[:6])


@lru_cache(maxsize=4096)
def _is_county(code: str) -> bool:
    """Without a checksum the whole code of the place has to be known."""
    from stdnum import numdb

    return "county" in numdb.get("cn/loc").info(code)[-1][1]


def _is_date(digits: str) -> bool:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year > 1850
    except ValueError:
        return False


def bank_cards(text: str) -> Spans:
    """Bank cards: 13 to 19 digits that an issuer begins and Luhn's digit ends (ISO/IEC 7812)."""
    from stdnum import luhn

    for found in _CARD.finditer(text):
        number = re.sub("[ -]", "", found[0])
        if not _ISSUED.fullmatch(number) or not stands_free(text, *found.span()) or _goes_on(text, *found.span()):
            continue
        if luhn.is_valid(number) and not is_numbered(text, found.start()):
            yield found.span()


def _goes_on(text: str, start: int, end: int) -> bool:
    """Say whether a number is only part of one: after a point or hyphen there are more digits."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return _joined(before[::-1]) or _joined(after)


def _joined(edge: str) -> bool:
    return len(edge) == 2 and edge[0] in ".-" and edge[1].isascii() and edge[1].isalnum()


def credit_codes(text: str) -> Spans:
    """Unified Social Credit Codes (GB 32100) of authorities and places that there are."""
    from stdnum.cn import uscc

    for found in _CREDIT_CODE.finditer(text):
        code = found[0].upper()
        if (
            (code[2:4] in PROVINCES or code[2:4] == "10")
            and uscc.is_valid(code)
            and not is_numbered(text, found.start())
        ):
            yield found.span()


def ibans(text: str) -> Spans:
    """International bank account numbers: of a country's structure and checksum (ISO 13616)."""
    from stdnum import iban

    for found in _IBAN.finditer(text):
        start = found.start() - 2
        length = _iban_length(text[start : start + 2].upper())
        end = _after(text, start, length) if length else 0
        if end and stands_free(text, start, end) and iban.is_valid(text[start:end], check_country=False):
            yield start, end


@lru_cache(maxsize=1024)
def _iban_length(country: str) -> int:
    """Characters of a country's account numbers, 0 where it has none."""
    from stdnum import numdb

    known = numdb.get("iban").info(country)[0][1]
    return 4 + sum(map(int, re.findall(r"(\d+)!", known["bban"]))) if "bban" in known else 0


def _after(text: str, start: int, length: int) -> int:
    """The place after the ``length``-th letter or digit from ``start`` on, 0 where the text ends before."""
    for at in range(start, min(len(text), start + 2 * length)):
        length -= text[at].isalnum()
        if not length:
            return at + 1
    return 0


def social_security(text: str) -> Spans:
    """US social security numbers in their groups, and nine digits in a row where the text says what they are."""
    from stdnum.us import ssn

    for found in _SSN.finditer(text):
        if stands_free(text, *found.span()) and ssn.is_valid(found[0].replace(" ", "-")):
            yield found.span()
    if "s" in text or "S" in text:
        for found in _SSN_BARE.finditer(text):
            if ssn.is_valid(found[1]):
                yield found.span(1)


def passports(text: str) -> Spans:
    """Chinese passports by their form; other passports and permits where the text says what they are."""
    for found in _PASSPORT.finditer(text):
        if stands_free(text, *found.span()) and not is_numbered(text, found.start()):
            yield found.span()
    for found in _PASSPORT_SAID.finditer(text):
        yield found.span(1)


def plates(text: str) -> Spans:
    """Plates of Chinese vehicles (GA 36), those of new-energy vehicles, trailers and the police among them."""
    for found in _PLATE.finditer(text):
        if any(character.isdigit() for character in found[0]):
            yield found.span()
