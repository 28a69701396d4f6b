"""Texts by their words: BM25, English and Chinese alike.

Source: Robertson & Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond", as the package bm25s
computes it (Lù 2024), with its defaults (k1 1.5, b 0.75, the idf of Lucene).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import UNSPACED

_RUNS = re.compile(rf"([{UNSPACED}]+)|[^\W{UNSPACED}]+")


class RetrievalError(ValueError):
    """An index cannot be read, searched or changed as asked."""


def terms(text: str) -> list[str]:
    """What BM25 counts: words in lower case and one width; of Chinese its words and each of their characters.

    >>> terms("Pay the ＦＥＥ"), terms("银行卡丢了")
    (['pay', 'the', 'fee'], ['银行卡', '丢', '了', '银', '行', '卡'])
    """
    import rjieba

    found: list[str] = []
    for run in _RUNS.finditer(unicodedata.normalize("NFKC", text).lower()):
        if run.group(1) is None:
            found.append(run.group())
            continue
        words = [word for word in rjieba.cut(run.group()) if word.strip()]
        # A word of one character is that character already.
        found += words + [character for word in words if len(word) > 1 for character in word]
    return found


class Words:
    """BM25 over texts. Raises `RetrievalError` with the command that installs bm25s where it is missing."""

    def __init__(self, texts: Sequence[str]) -> None:
        if find_spec("bm25s") is None:
            raise RetrievalError("search by words needs a package: pip install 'tunewheel[match]'")
        import bm25s

        counted = [terms(text) for text in texts]
        self.size = len(counted)
        self._engine: Any = None
        if any(counted):
            self._engine = bm25s.BM25()
            self._engine.index(counted, show_progress=False)

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """How well every text [n] answers a query; 0 where they share no word."""
        asked = [] if self._engine is None else [term for term in terms(query) if term in self._engine.vocab_dict]
        if not asked:
            return np.zeros(self.size, dtype=np.float32)
        return np.asarray(self._engine.get_scores(asked), dtype=np.float32)
