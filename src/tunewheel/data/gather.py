"""What the first pass takes down of every row: a few numbers, from which ids, splits and fingerprint follow."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import unicodedata
from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.rows import Row, canonical_json

DIGEST = 16
"""Bytes of a row's content hash."""


@dataclass
class Seen:
    """The numbers gathered of every row, in reading order."""

    texts: array[int] = field(default_factory=lambda: array("Q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    groups: array[int] = field(default_factory=lambda: array("Q"))
    documents: array[int] = field(default_factory=lambda: array("Q"))
    own_ids: array[int] = field(default_factory=lambda: array("Q"))
    inputs: array[int] = field(default_factory=lambda: array("i"))
    times: array[float] = field(default_factory=lambda: array("d"))
    codes: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    names: dict[str, int] = field(default_factory=dict)
    timed: bool = False
    tokens: bool = False
    overlapping: int = 0

    def add(self, row: Row, source: int) -> None:
        """Take down one row."""
        exact = hash64(row.text)
        bare = " ".join(row.text.split())
        self.texts.append(exact)
        self.keys.append(exact if bare == row.text else hash64(bare))
        self.groups.append(hash64(row.group) if row.group is not None else 0)
        self.documents.append(hash64(row.document) if row.document is not None else 0)
        self.own_ids.append(hash64(row.own_id) if row.own_id is not None else 0)
        self.inputs.append(source)
        if self.timed:
            self.times.append(math.nan if row.time is None else row.time)
        for name in row.names:
            self.codes.append(self.names.setdefault(name, len(self.names)))
        self.ends.append(len(self.codes))
        self.tokens = self.tokens or row.tokens is not None
        if row.entities:
            self.overlapping += any(b["start"] < a["end"] for a, b in itertools.pairwise(row.entities))
        self.digests += digest(row)

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return one of the arrays without copying it."""
        values = getattr(self, name)
        kind = {"Q": np.uint64, "q": np.int64, "i": np.int32, "d": np.float64}[values.typecode]
        return np.frombuffer(values, dtype=kind) if len(values) else np.zeros(0, kind)

    def digest_of(self, source: int) -> str:
        """Hash the content of the rows of one input."""
        digests = np.frombuffer(bytes(self.digests), dtype=f"V{DIGEST}")
        return hashlib.sha256(digests[self.array("inputs") == source].tobytes()).hexdigest()

    @cached_property
    def has_ids(self) -> bool:
        """Whether the files' own ids serve: every row has one, and no other row has it."""
        own = self.array("own_ids")
        return bool(own.all()) and len(np.unique(own)) == len(own)

    def identities(self) -> npt.NDArray[np.uint64]:
        """A number for each row that stays with its id, whatever the order of the rows."""
        if self.has_ids:
            return self.array("own_ids")
        # Odd factors mix the repetition into the text's hash; wrapping round is meant.
        return np.asarray(self.array("texts") + self.repetitions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))

    def made_ids(self, start: int, stop: int) -> list[str]:
        """Ids from the texts: the text's hash, and ``-k`` at its k-th repetition, so that other rows change none."""
        texts = self.array("texts")[start:stop].tolist()
        repeated = self.repetitions[start:stop].tolist()
        return [f"{text:016x}-{k}" if k else f"{text:016x}" for text, k in zip(texts, repeated, strict=True)]

    @cached_property
    def repetitions(self) -> npt.NDArray[np.int32]:
        """How often each row's text stood before it; asked for once all rows are taken down."""
        texts = self.array("texts")
        order = np.argsort(texts, kind="stable")
        starts = np.flatnonzero(np.concatenate([[True], np.diff(texts[order]) != 0]))
        rank = np.empty(len(texts), np.int32)
        rank[order] = np.arange(len(texts)) - np.repeat(starts, np.diff(starts, append=len(texts)))
        return rank


def digest(row: Row) -> bytes:
    """Hash a row's content, its id aside, to 16 bytes; what Arrow does not tell apart hashes alike."""
    spans = [[e["start"], e["end"], e["label"]] for e in row.entities] if row.entities is not None else None
    tokens = [offset for token in row.tokens for offset in token.values()] if row.tokens is not None else None
    content = [row.text, row.label, row.labels, spans, tokens, row.document, _plain(row.extra)]
    content += [row.answer] if row.answer is not None else []
    return hashlib.blake2b(canonical_json(content).encode(), digest_size=DIGEST).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hash64(text: str) -> int:
    """Hash a string to a number that is never 0."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1


def text_key(text: str) -> int:
    """Hash a text so that white space makes no difference; case does."""
    return hash64(" ".join(text.split()))


_SIGNS = re.compile(r"[\W_]+")


def plain(text: str) -> str:
    """Strip a text of what `near_key` passes over; one of nothing but signs keeps them, its white space made single."""
    return _SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold()) or " ".join(text.split())


def near_key(text: str) -> int:
    """Hash a text so that case, punctuation, width and all white space make no difference.

    >>> near_key("Pay ＡＢＣ 3元！") == near_key("pay abc, 3 元")
    True
    >>> near_key("?!") == near_key("...")
    False
    """
    return hash64(plain(text))
