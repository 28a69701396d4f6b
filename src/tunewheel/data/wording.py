"""The words that tell two sets of texts apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import words

Floats = npt.NDArray[np.float64]

_PRIOR = 500.0
"""Weight of the common use of words, counted in texts that hold one."""


@dataclass(frozen=True)
class WordShift:
    """A word with the share of texts that hold it on either side; ``score`` above 0 leans to the second one.

    The score is a z-score: 2 is what chance does to one word in twenty.
    """

    word: str
    first: float
    second: float
    score: float


def counted(texts: Iterable[str]) -> tuple[Counter[str], int]:
    """In how many texts each word stands, and how many texts there are."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        counts.update(set(words(text)))
        total += 1
    return counts, total


def telling_words(first: Iterable[str], second: Iterable[str], top: int = 20) -> list[WordShift]:
    """Words whose use differs most, by the log-odds ratio with an informative prior (Monroe et al. 2008).

    The prior is the use in both sets together, so that rare words do not come first by chance.

    >>> [shift.word for shift in telling_words(["pay the fee"] * 9, ["pay the rent"] * 9, top=2)]
    ['fee', 'rent']
    """
    (a, texts_a), (b, texts_b) = counted(first), counted(second)
    names = sorted(a.keys() | b.keys())
    if not names or not texts_a or not texts_b:
        return []
    left, right = (np.array([counts[name] for name in names], dtype=np.float64) for counts in (a, b))
    prior = (left + right) * (_PRIOR / max(left.sum() + right.sum(), _PRIOR))
    score = _log_odds(right, prior) - _log_odds(left, prior)
    score /= np.sqrt(1 / (left + prior) + 1 / (right + prior))
    order = np.argsort(-np.abs(score), kind="stable")[:top]
    return [
        WordShift(names[i], float(left[i] / texts_a), float(right[i] / texts_b), float(score[i]))
        for i in order.tolist()
    ]


def _log_odds(counts: Floats, prior: Floats) -> Floats:
    own = counts + prior
    # One word alone in both sets has no other to be set against.
    return np.asarray(np.log(own) - np.log(np.maximum(own.sum() - own, 1e-9)))
