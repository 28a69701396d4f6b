"""How versions are named: ``tickets``, ``tickets:3``, ``tickets@champion``."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

CHAMPION = "champion"
"""The alias a bare name stands for."""

LONGEST = 100  # characters
_DIGITS = 9  # what a database's integer holds, whichever it is
_NAME = re.compile(r"[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]*")


class RegistryError(ValueError):
    """The registry cannot do this; the message says what is there instead."""


@dataclass(frozen=True)
class Reference:
    """A name, and the number or the alias that picks one of its versions."""

    name: str
    number: int | None = None
    alias: str | None = None


def check_name(name: str, what: str = "name") -> str:
    """`name` itself, if a model or an alias may be called that.

    Raises:
        RegistryError: it holds other characters than English letters, Chinese characters, digits, ``.``,
            ``_`` and ``-``, starts with one of these three, or is longer than 100 characters.

    >>> check_name("工单-2024")
    '工单-2024'
    >>> check_name("my model")
    Traceback (most recent call last):
    tunewheel.registry.names.RegistryError: 'my model' is no name: ' ' cannot stand in it; ...
    """
    if _NAME.fullmatch(name) and len(name) <= LONGEST:
        return name
    wrong = next((char for place, char in enumerate(name) if not _NAME.fullmatch("a" * bool(place) + char)), "")
    reason = f"{wrong!r} cannot stand in it" if _NAME.match(name) else f"it cannot start with {wrong!r}"
    if not name:
        reason = "it is empty"
    elif not wrong:
        reason = f"it is longer than {LONGEST} characters"
    raise RegistryError(
        f"{name!r} is no {what}: {reason}; use letters (A-Z, a-z), Chinese characters and digits, "
        "and after the first also '.', '_' and '-'"
    )


def parse(reference: str) -> Reference:
    """Take a reference apart; full-width ``：`` and ``＠`` will do.

    Raises:
        RegistryError: it is none.

    >>> parse("tickets:3")
    Reference(name='tickets', number=3, alias=None)
    >>> parse("工单＠champion").alias
    'champion'
    """
    text = unicodedata.normalize("NFKC", reference).strip()
    name, at, alias = text.partition("@")
    if at:
        return Reference(check_name(name), alias=check_name(alias, "alias"))
    name, colon, number = text.partition(":")
    digits = number.lstrip("0")
    if colon and not (digits and number.isascii() and number.isdecimal()):
        raise RegistryError(f"{reference!r}: {number!r} is no version number; write {name}:1 or {name}@{CHAMPION}")
    check_name(name)
    if len(digits) > _DIGITS:
        raise RegistryError(f"there is no {name}:{digits[:20]}: no version number has more than {_DIGITS} digits")
    return Reference(name, int(digits) if colon else None)


def suggest(wanted: str, known: Iterable[str], what: str) -> str:
    """What to say when `wanted` is not among the known: the nearest, or all of them.

    >>> suggest("tikets", ["news", "tickets"], "models")
    'did you mean tickets?'
    >>> suggest("x", ["news", "tickets"], "models")
    'models: news, tickets'
    >>> suggest("x", [], "models")
    'there are no models yet'
    """
    names = sorted(set(known))
    if near := difflib.get_close_matches(wanted, names):
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return f"{what}: {shown}" if names else f"there are no {what} yet"
