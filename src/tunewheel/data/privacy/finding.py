"""Personal data in a text, by kind and place; what overlaps is one find."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tunewheel.data.privacy import addresses, network, numbers, phones, secrets
from tunewheel.data.privacy.kinds import KINDS, chosen
from tunewheel.data.privacy.plain import BLANK, plain

FindNames = Callable[[str], Iterable[tuple[int, int]]]
"""Finds the names of people in a text: start and end of each, end-exclusive characters."""


class Found(NamedTuple):
    """Personal data in a text: end-exclusive characters and a name of `KINDS`."""

    start: int
    end: int
    kind: str


_FINDERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "SECRET": secrets.secrets,
    "URL_CREDENTIALS": network.web_credentials,
    "EMAIL": network.emails,
    "ID_CARD": numbers.id_cards,
    "CREDIT_CODE": numbers.credit_codes,
    "BANK_CARD": numbers.bank_cards,
    "IBAN": numbers.ibans,
    "US_SSN": numbers.social_security,
    "PASSPORT": numbers.passports,
    "PLATE": numbers.plates,
    "MAC": network.hardware,
    "IP": network.internet,
    "PHONE": phones.phones,
    "ADDRESS": addresses.addresses,
    "URL": network.web,
}
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}
_WHOLE = 8  # rounds in which a whole text is read again; then only what stands around the last finds
_AROUND, _MARGIN = 400, 80  # characters read on either side of a find, and those at a cut that are seen but not found
_DIGIT = re.compile("[0-9０-９]")
_WITHOUT_DIGITS = frozenset(("SECRET", "URL_CREDENTIALS", "EMAIL", "IP", "MAC", "ADDRESS", "URL"))


def find(text: str, kinds: Iterable[str] | None = None, *, find_names: FindNames | None = None) -> list[Found]:
    """Find personal data, in order and without overlap; what `Masker` has masked already is not found again.

    Finds that overlap become one over all they cover, of the longest one's kind (of two as long, the one that stands
    first in `KINDS`), so that nothing that was found stays readable. A text is read again with its finds blanked
    until nothing more is found: masking a masked text then changes nothing. After `_WHOLE` rounds only what stands near
    the last finds is read, or a text made so that each find bares one more would take the square of its length.

    Args:
        text: any text; full-width digits and letters are read like others.
        kinds: names of `KINDS`; the usual ones by default.
        find_names: finds people (``PERSON``), which patterns cannot.

    Raises:
        PrivacyError: a kind is unknown.

    >>> find("电话13812345678，或 li@example.com")
    [Found(start=2, end=13, kind='PHONE'), Found(start=16, end=30, kind='EMAIL')]
    """
    wanted = chosen(kinds)
    read = plain(text)
    names = _named(read, find_names(text)) if find_names is not None and "PERSON" in wanted else []
    finds = _resolved([*names, *_matches(read, wanted)])
    new, rounds = finds, 0
    while new:
        read, rounds = _blanked(read, new), rounds + 1
        new = _resolved(_matches(read, wanted) if rounds <= _WHOLE else _near(read, new, wanted))
        finds += new
    return sorted(finds)


def _matches(read: str, wanted: frozenset[str]) -> list[Found]:
    digits = _DIGIT.search(read) is not None
    kinds = [kind for kind in _FINDERS if kind in wanted and (digits or kind in _WITHOUT_DIGITS)]
    return [Found(start, end, kind) for kind in kinds for start, end in _FINDERS[kind](read)]


def _near(read: str, last: Iterable[Found], wanted: frozenset[str]) -> list[Found]:
    """What is found around the last finds."""
    stretches: list[tuple[int, int]] = []
    for start, end, _ in last:
        first = stretches.pop()[0] if stretches and start - _AROUND <= stretches[-1][1] else max(0, start - _AROUND)
        stretches.append((first, min(len(read), end + _AROUND)))
    found = []
    for first, end in stretches:
        least, most = first + _MARGIN * (first > 0), end - _MARGIN * (end < len(read))
        moved = (Found(first + f.start, first + f.end, f.kind) for f in _matches(read[first:end], wanted))
        found += [one for one in moved if least <= one.start and one.end <= most]
    return found


def _named(read: str, spans: Iterable[tuple[int, int]]) -> list[Found]:
    """Names that are inside the text and touch no mask."""
    inside = [(start, end) for start, end in spans if 0 <= start < end <= len(read)]
    return [Found(start, end, "PERSON") for start, end in inside if BLANK not in read[start:end]]


def _resolved(finds: Iterable[Found]) -> list[Found]:
    """Join what overlaps.

    >>> _resolved([Found(0, 8, "PHONE"), Found(6, 9, "EMAIL"), Found(9, 10, "IP")])
    [Found(start=0, end=9, kind='PHONE'), Found(start=9, end=10, kind='IP')]
    """
    groups: list[list[Found]] = []
    reach = 0
    for found in sorted(finds):
        if groups and found.start < reach:
            groups[-1].append(found)
        else:
            groups.append([found])
        reach = max(reach, found.end) if len(groups[-1]) > 1 else found.end
    return [_joined(group) for group in groups]


def _joined(group: list[Found]) -> Found:
    if len(group) == 1:
        return group[0]
    strongest = max(group, key=lambda found: (found.end - found.start, -_RANK[found.kind]))
    return Found(group[0].start, max(found.end for found in group), strongest.kind)


def _blanked(read: str, finds: Iterable[Found]) -> str:
    """A text with its finds blanked, as long as before."""
    pieces, at = [], 0
    for start, end, _ in finds:
        pieces += [read[at:start], BLANK * (end - start)]
        at = end
    return "".join([*pieces, read[at:]])
