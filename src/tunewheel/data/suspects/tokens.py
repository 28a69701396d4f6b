"""Tokens as a light classifier sees them: the word, its form, and what stands around it; of Chinese each character."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunewheel.data.features import UNSPACED

COLUMNS = 1 << 18
"""Into how many columns features are hashed."""

_TOKENS = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|[^\w\s]|_")
_RUN = re.compile(r"(.)\1+")

Bounds = list[tuple[int, int]]


def token_bounds(row: Mapping[str, Any]) -> Bounds:
    """Characters of a row's tokens: its own, else words, signs, and single characters where no spaces part words.

    >>> token_bounds({"text": "Ann, 李强 a_b"})
    [(0, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (10, 11)]
    """
    if row.get("tokens"):
        return [(token["start"], token["end"]) for token in row["tokens"]]
    return [found.span() for found in _TOKENS.finditer(row["text"])]


def token_features(words: Sequence[str]) -> Iterator[list[str]]:
    """Names of what holds for each token of one text."""
    edge = ["", ""]
    low = [*edge, *(word.lower() for word in words), *edge]
    form = [*edge, *map(_form, words), *edge]
    capitals = "capitals" if all(word == word.upper() for word in words) else "mixed"
    for i, word in enumerate(words, 2):
        own, before, after = low[i], low[i - 1], low[i + 1]
        yield [
            "any",
            f"word={word}",
            f"low={own}",
            *(f"head={own[:n]}" for n in (2, 3, 4)),
            *(f"tail={own[-n:]}" for n in (2, 3, 4)),
            *(f"{k}={low[i + k]}" for k in (-2, -1, 1, 2)),
            f"-1,0={before}|{own}",
            f"0,1={own}|{after}",
            f"-1,1={before}|{after}",
            f"-2,-1={low[i - 2]}|{before}",
            f"1,2={after}|{low[i + 2]}",
            *(f"form{k}={form[i + k]}" for k in (-2, -1, 0, 1, 2)),
            f"forms={form[i - 1]}|{form[i]}|{form[i + 1]}",
            f"{capitals},form={form[i]}",
            "first" if i == 2 else "inner",
        ]


def hashed(texts: Sequence[Sequence[str]]) -> Any:
    """Features of the tokens of all texts as a sparse float32 matrix [tokens, `COLUMNS`]."""
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(COLUMNS, input_type="string", dtype="float32", alternate_sign=False)
    return hasher.transform(features for words in texts for features in token_features(words))


def _form(word: str) -> str:
    kinds = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    return _RUN.sub(r"\1\1", "".join(kinds))[:10]
