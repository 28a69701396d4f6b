"""What moved in a block of rows that drifted: words, labels, languages, and rows to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tunewheel.data.drift import label_drift, text_drift
from tunewheel.data.wording import WordShift
from tunewheel.feedback.drift.seen import Seen
from tunewheel.feedback.drift.statistics import Reference

EXAMPLES = 12
SHOWN = 12
"""Words and labels told of."""


@dataclass(frozen=True)
class Example:
    """A row to read, masked as it was recorded."""

    text: str
    label: str
    confidence: float | None
    far: bool


@dataclass(frozen=True)
class Moved:
    """The difference between the reference and a block.

    ``words`` those whose use changed most, ``labels`` and ``languages`` shares before and now, the most changed first;
    ``examples`` are rows far from all of the reference, then those answered with the least confidence.
    """

    words: tuple[WordShift, ...]
    labels: dict[str, tuple[float, float]]
    languages: dict[str, tuple[float, float]]
    examples: tuple[Example, ...]


def what_moved(reference: Reference, block: Seen) -> Moved:
    """Compare a block that is not empty with the reference, for people to read."""
    there = reference.seen
    texts = text_drift(there.texts, block.texts, top=SHOWN, seed=reference.seed)
    labels: dict[str, tuple[float, float]] = {}
    if there.labels is not None and block.labels is not None:
        shares = label_drift(Counter(there.labels), Counter(block.labels), permutations=1).shares
        labels = dict(list(shares.items())[:SHOWN])
    return Moved(tuple(texts.words), labels, texts.languages, _examples(reference, block))


def _examples(reference: Reference, block: Seen) -> tuple[Example, ...]:
    far = reference.far_rows(block)
    sure = np.ones(len(block)) if block.confidences is None else np.nan_to_num(block.confidences, nan=1.0)
    found: dict[str, Example] = {}
    for row in np.lexsort((sure, ~far)).tolist():
        text = block.texts[row]
        known = block.confidences is not None and not np.isnan(block.confidences[row])
        label = "" if block.labels is None else block.labels[row]
        found.setdefault(text, Example(text, label, float(sure[row]) if known else None, bool(far[row])))
        if len(found) == EXAMPLES:
            break
    return tuple(found.values())
