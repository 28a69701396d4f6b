"""How far a written text is like the one that was wanted: statistics a row, from which figures of any rows are summed.

Sources: Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries"; Papineni et al. (2002), "BLEU: a Method
for Automatic Evaluation of Machine Translation", summed as Post (2018), "A Call for Clarity in Reporting BLEU Scores",
has it; Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import UNSPACED
from tunewheel.tasks.base import TaskError, ratio

Array = npt.NDArray[Any]

ROUGE = ("rouge1", "rouge2", "rougeL")
ORDERS = 4
"""Longest n-grams of words that BLEU counts."""
CHARACTERS = 6
"""Longest n-grams of characters that chrF counts."""
BETA = 2
"""How many times more chrF heeds recall than precision."""

_UNITS = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


def check_packages() -> None:
    """Raise `TaskError` where a package is missing that texts are scored by."""
    if any(find_spec(name) is None for name in ("rouge_score", "sacrebleu")):
        raise TaskError("scoring written texts needs two packages: pip install 'tunewheel[generate]'")


def units(text: str) -> list[str]:
    """What ROUGE counts: lower-cased words, single characters where no spaces part words; of mere signs each one.

    >>> units("Pay 3 fees"), units("退款 ok"), units("?!")
    (['pay', '3', 'fees'], ['退', '款', 'ok'], ['?', '!'])
    """
    return _UNITS.findall(text.lower()) or list("".join(text.split()))


def rouge(gold: Sequence[str], written: Sequence[str]) -> Array:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L [rows, 3]."""
    scorer = _scorer()
    found = [scorer.score(g, w) for g, w in zip(gold, written, strict=True)]
    return np.array([[row[name].fmeasure for name in ROUGE] for row in found]).reshape(-1, len(ROUGE))


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    class Units:
        def tokenize(self, text: str) -> list[str]:
            return units(text)

    return RougeScorer(list(ROUGE), tokenizer=Units())


def bleu_statistics(gold: Sequence[str], written: Sequence[str]) -> Array:
    """Lengths of the written and the wanted text, matches and n-grams of each order [rows, 2 + 2 · `ORDERS`]."""
    rows = []
    for g, w in zip(gold, written, strict=True):
        found = _bleu(bool(_CHINESE.search(g))).sentence_score(w, [g])
        rows.append([found.sys_len, found.ref_len, *found.counts, *found.totals])
    return np.array(rows, dtype=np.float64).reshape(-1, 2 + 2 * ORDERS)


@cache
def _bleu(chinese: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    # `effective_order` changes a sentence's own score, which is not read, and not its statistics.
    return BLEU(tokenize="zh" if chinese else "13a", effective_order=True)


def bleu(summed: Array) -> float:
    """Corpus BLEU in [0, 1] of summed statistics, smoothed as sacrebleu does by default (each zero half the last)."""
    written, wanted = summed[:2]
    matches, grams = summed[2 : 2 + ORDERS], summed[2 + ORDERS :]
    if not matches.any() or not grams.all():
        return 0.0
    precisions, smooth = [], 1.0
    for match, all_grams in zip(matches, grams, strict=True):
        if match == 0:
            smooth *= 2
        precisions.append((match or 1 / smooth) / all_grams)
    brevity = min(0.0, 1 - wanted / written)
    return float(np.exp(brevity + np.log(precisions).mean()))


def chrf_statistics(gold: Sequence[str], written: Sequence[str]) -> Array:
    """Written, wanted and shared character n-grams of each order [rows, 3, `CHARACTERS`]; white space is left out."""
    rows = [_shared(_grams(g), _grams(w)) for g, w in zip(gold, written, strict=True)]
    return np.array(rows, dtype=np.float64).reshape(-1, 3, CHARACTERS)


def _grams(text: str) -> list[Counter[str]]:
    bare = "".join(text.split())
    return [Counter(bare[i : i + n] for i in range(len(bare) - n + 1)) for n in range(1, CHARACTERS + 1)]


def _shared(gold: list[Counter[str]], written: list[Counter[str]]) -> list[list[int]]:
    both = [(g & w).total() for g, w in zip(gold, written, strict=True)]
    # As sacrebleu has it: what has no counterpart in the wanted text does not count as written.
    return [[w.total() if g else 0 for g, w in zip(gold, written, strict=True)], [g.total() for g in gold], both]


def chrf(summed: Array) -> float:
    """ChrF in [0, 1] of summed statistics [3, `CHARACTERS`], over the orders that both sides have."""
    written, wanted, shared = summed
    there = (written > 0) & (wanted > 0)
    if not there.any():
        return 0.0
    precision, recall = ratio(shared, written)[there].mean(), ratio(shared, wanted)[there].mean()
    return float(ratio((1 + BETA**2) * precision * recall, BETA**2 * precision + recall))
