"""Texts and ids of rows that are to be forgotten, and whether something still holds them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tunewheel.data.gather import text_key
from tunewheel.data.names import ANSWERED
from tunewheel.data.pairs import TAB

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset

D = TypeVar("D", bound="Dataset")


def parts_of(text: str, *answers: object) -> Iterator[str]:
    """A row's text, the two of a pair apart too, and what answers it: each may be what was to be forgotten."""
    yield text
    if TAB in text:
        yield from text.split(TAB, 1)
    yield from (answer for answer in answers if isinstance(answer, str))


def is_erased(keys: Collection[int], text: str, *answers: object) -> bool:
    """Whether a row says what has one of these keys (`text_key`)."""
    return bool(keys) and any(text_key(part) in keys for part in parts_of(text, *answers))


def without_erased(dataset: D, keys: Collection[int], cache: str | Path | None = None) -> D:
    """The revision of a dataset without the rows that say what has these keys (`text_key`); itself where none does.

    Raises `DataError` where no row is left.

    >>> from tunewheel.data import Dataset
    >>> data = Dataset.from_rows({"train": [{"text": "my  card", "label": "a"}, {"text": "stays", "label": "a"}]})
    >>> without_erased(data, {text_key("my card")})["train"]["text"][:]
    ['stays']
    """
    if not keys:
        return dataset
    places = erased_places(dataset, keys)
    if not places:
        return dataset
    note = left_out(len(places))
    return dataset.edited(lambda split, at, row: None if (split, at) in places else row, note=note, cache=cache)


def erased_places(dataset: Dataset, keys: Collection[int]) -> set[tuple[str, int]]:
    """Split and number in it (from 0) of each row that says what has one of the keys (`text_key`)."""
    rows = ((split, (row for batch in dataset.batches(split) for row in said(batch))) for split in dataset.splits)
    return {(split, at) for split, told in rows for at, row in enumerate(told) if is_erased(keys, *row)}


def said_in(row: Mapping[str, Any]) -> Iterator[str]:
    """`parts_of` a canonical row."""
    return parts_of(row["text"], *(row.get(name) for name in ANSWERED))


def said(batch: Any) -> Iterator[tuple[Any, ...]]:
    """The text of each row of an Arrow batch, and what answers it."""
    names = [name for name in ("text", *ANSWERED) if name in batch.schema.names]
    return zip(*(batch[name].to_pylist() for name in names), strict=True)


def left_out(count: int) -> str:
    """What is said of rows that a reading does not let in again."""
    return f"{count:,} left out: the text was erased from this workspace"


class Erased:
    """What must be nowhere any more.

    >>> gone = Erased(["我的卡丢了", 'my "card"'], ["17"])
    >>> gone.is_text("my  \\"card\\" "), gone.is_text("my card"), gone.stands_in('{"text": "my \\\\"card\\\\""}')
    (True, False, True)
    """

    def __init__(self, texts: Collection[str], ids: Collection[str]) -> None:
        self.texts, self.ids = frozenset(texts), frozenset(ids)
        self._bare = {" ".join(text.split()) for text in texts}

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], keys: Collection[int]) -> Self:
        """Canonical rows that say what has one of the keys (`text_key`): their texts, and what of them has it."""
        texts, ids = set[str](), set[str]()
        for row in rows:
            ids.add(row["id"])
            texts.update((row["text"], *(part for part in said_in(row) if text_key(part) in keys)))
        return cls(texts, ids)

    @property
    def keys(self) -> frozenset[int]:
        """What a record of the erasure knows the texts by (`text_key`)."""
        return frozenset(map(text_key, self.texts))

    def is_text(self, text: str) -> bool:
        """Whether this is one of the texts, or a pair with one of them, white space aside."""
        return any(" ".join(part.split()) in self._bare for part in parts_of(text))

    def stands_in(self, content: str) -> bool:
        """Whether one of the texts is part of some content: as it is, or as JSON or HTML writes it.

        A text that is the middle of a word is not there.

        >>> Erased(["hi"], ()).stands_in("<p>this</p>"), Erased(["hi"], ()).stands_in('["no\\\\thi"]')
        (False, True)
        """
        bare = " ".join(content.split())
        return any(_has(content, form) or _has(bare, form) for form in self._forms)

    @cached_property
    def _forms(self) -> list[str]:
        forms = set[str]()
        for text in self.texts | self._bare:
            inner = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
            forms.update((text, escape(text), escape(text, quote=False), *inner))
        return sorted(forms)


_SPACED = re.compile(r"[^\W_\u0530-\U0010ffff]")
"""A digit, or a letter of Latin, Greek or Cyrillic: scripts that surely put spaces between words."""
_ESCAPE = re.compile(r"\\([bfnrt]|u[0-9a-fA-F]{4})\Z")
"""What JSON writes for a character; its last letter is none of the next word's."""


def _has(content: str, part: str) -> bool:
    """Whether a content has this part, and not in the middle of a word."""
    at = content.find(part)
    while at >= 0:
        before, after = content[max(0, at - 6) : at], content[at + len(part) : at + len(part) + 1]
        goes_on = bool(_SPACED.match(part[-1:]) and _SPACED.match(after))
        begun = bool(_SPACED.match(part[:1]) and _SPACED.match(before[-1:])) and not _ESCAPE.search(before)
        if not (goes_on or begun):
            return True
        at = content.find(part, at + 1)
    return False
