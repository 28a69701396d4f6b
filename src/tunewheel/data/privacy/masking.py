"""The one way to mask: texts and rows, by a word for the kind or by a pseudonym that is always the same."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tunewheel.data.privacy.finding import FindNames, Found, find
from tunewheel.data.privacy.keys import derived
from tunewheel.data.privacy.kinds import PrivacyError, chosen
from tunewheel.data.privacy.moves import Move, Moves
from tunewheel.data.privacy.plain import LENGTH, LETTERS, plain
from tunewheel.data.privacy.table import write_table

Mode = Literal["redact", "pseudonym"]

KEPT = frozenset(("id", "label", "labels", "document"))
"""Columns of a row that say which row it is and what it is labelled; they are not masked."""


@dataclass(frozen=True, slots=True)
class Masked:
    """A masked text: what was found, in places of the old text, and where everything else went."""

    text: str
    found: list[Found]
    moves: Moves


class Masker:
    """Masks texts and rows. Its own state is never written by two threads at once, so threads may share one.

    Args:
        mode: ``redact`` writes ``[PHONE]``; ``pseudonym`` writes ``[PHONE:kfwtzmqdbcxr]``, the same for the same value
            under the same key, however it is written (blanks, hyphens, width, case, +86).
        kinds: names of `KINDS`; the usual ones by default.
        key: for pseudonyms, 32 bytes as `load_key` gives them; whoever has the key can test guesses.
        find_names: finds the names of people in a text.
        remember: keep what stands behind each pseudonym in memory, for `write_table`.

    Raises:
        PrivacyError: the mode or a kind is unknown, or key and mode do not fit.

    >>> Masker().mask("call 138 1234 5678 或写信到 li@example.com").text
    'call [PHONE] 或写信到 [EMAIL]'
    """

    def __init__(
        self,
        mode: Mode = "redact",
        kinds: Iterable[str] | None = None,
        key: bytes | None = None,
        find_names: FindNames | None = None,
        *,
        remember: bool = False,
    ) -> None:
        if mode not in get_args(Mode):
            raise PrivacyError(f"mode must be 'redact' or 'pseudonym', not {mode!r}")
        if mode == "pseudonym" and key is None:
            raise PrivacyError("pseudonyms need a key: load_key(file=…, make=True) makes one and reads it again")
        if mode == "redact" and (key is not None or remember):
            raise PrivacyError("nothing of what is redacted can be told again: a key and a table belong to 'pseudonym'")
        self.mode, self.kinds = mode, chosen(kinds)
        self._key, self._find_names = key, find_names
        self._secret = derived(key, "pseudonyms") if key is not None else b""
        # One call that sets a default is whole under threads; nothing else writes here.
        self._table: dict[str, str] | None = {} if remember else None

    def find(self, text: str) -> list[Found]:
        """What `mask` would mask."""
        return find(text, self.kinds, find_names=self._find_names)

    def mask(self, text: str) -> Masked:
        """Mask a text. What is masked already stays, so masking twice changes nothing more."""
        found = self.find(text)
        pieces, moves, at, new = [], [], 0, 0
        for start, end, kind in found:
            mask = self._written(kind, text[start:end])
            pieces += [text[at:start], mask]
            new += start - at
            moves.append(Move(start, end, new, new + len(mask)))
            at, new = end, new + len(mask)
        return Masked("".join([*pieces, text[at:]]), found, Moves(moves))

    def mask_row(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], list[Found]]:
        """Mask a row's text and every other string in it but those of `KEPT`; entities and tokens move along.

        An entity or token that a mask cuts grows to cover it; tokens under one mask become one, and so do entities
        of one type that come to stand in the same place.

        Returns:
            The new row, and what was found: first in ``text``, in its characters, then in the other columns.
        """
        text = self.mask(row["text"])
        found, masked = list(text.found), dict(row)
        for column, value in row.items():
            if column not in KEPT and column not in ("text", "entities", "tokens"):
                masked[column], inside = self._deep(value)
                found += inside
        masked["text"] = text.text
        if text.moves:
            _move_spans(masked, text.moves)
        return masked, found

    def write_table(self, path: str | os.PathLike[str]) -> int:
        """Write what stands behind the pseudonyms so far, encrypted under the key; returns how many there are.

        Raises:
            PrivacyError: nothing was remembered (``remember=True`` asks for it).
        """
        if self._table is None or self._key is None:
            raise PrivacyError("this masker remembers nothing; build it with remember=True to write a table")
        table = dict(self._table)
        write_table(path, table, self._key)
        return len(table)

    def _written(self, kind: str, value: str) -> str:
        if self.mode == "redact":
            return f"[{kind}]"
        digest = hmac.digest(
            self._secret, f"{kind}\0{same(kind, value)}".encode(errors="surrogatepass"), hashlib.sha256
        )
        number, letters = int.from_bytes(digest, "big"), ""
        for _ in range(LENGTH):
            number, place = divmod(number, len(LETTERS))
            letters += LETTERS[place]
        mask = f"[{kind}:{letters}]"
        if self._table is not None:
            self._table.setdefault(mask, value)
        return mask

    def _deep(self, value: Any) -> tuple[Any, list[Found]]:
        """Mask the strings in a value of any depth."""
        if isinstance(value, str):
            masked = self.mask(value)
            return masked.text, masked.found
        if isinstance(value, Mapping):
            inner = {name: self._deep(part) for name, part in value.items()}
            return {name: part for name, (part, _) in inner.items()}, [f for _, found in inner.values() for f in found]
        if isinstance(value, list | tuple):
            parts = [self._deep(part) for part in value]
            return [part for part, _ in parts], [f for _, found in parts for f in found]
        return value, []


def same(kind: str, value: str) -> str:
    """A value as it is compared with others: two ways to write one number are one.

    >>> same("PHONE", "+86 138-1234-5678") == same("PHONE", "１３８１２３４５６７８")
    True
    """
    bare = plain(value)
    if kind in ("SECRET", "URL_CREDENTIALS", "URL"):
        return bare
    if kind in ("EMAIL", "PERSON", "IP"):
        return " ".join(bare.casefold().split())
    bare = re.sub(r"[^\w+]" if kind == "PHONE" else r"[\W_]+", "", bare).upper()
    return re.sub(r"^(?:\+?86|0086)(?=1[3-9]\d{9}|0\d{9})", "", bare) if kind == "PHONE" else bare


def _move_spans(row: dict[str, Any], moves: Moves) -> None:
    """Move the entities and tokens of a row, in place."""
    tokens = row.get("tokens")
    if tokens:
        row["tokens"] = tokens = _apart([{**token, **_moved(token, moves)} for token in tokens])
    entities: dict[tuple[int, int, Any], dict[str, Any]] = {}
    for entity in row.get("entities") or ():
        moved = {**entity, **_moved(entity, moves)}
        touched = [t for t in tokens or () if t["start"] < moved["end"] and moved["start"] < t["end"]]
        if touched:  # an entity keeps whole tokens
            moved["start"] = min(moved["start"], touched[0]["start"])
            moved["end"] = max(moved["end"], touched[-1]["end"])
        entities.setdefault((moved["start"], moved["end"], moved.get("label")), moved)
    if row.get("entities"):
        row["entities"] = list(entities.values())


def _moved(span: Mapping[str, Any], moves: Moves) -> dict[str, int]:
    start, end = moves.span(span["start"], span["end"])
    return {"start": start, "end": end}


def _apart(tokens: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join tokens that have come to overlap."""
    apart: list[dict[str, Any]] = []
    for token in tokens:
        if apart and token["start"] < apart[-1]["end"]:
            apart[-1]["end"] = max(apart[-1]["end"], token["end"])
        else:
            apart.append(token)
    return apart
