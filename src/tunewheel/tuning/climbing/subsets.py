"""Parts of the rows that stand inside each other, and folds for data without a dev split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tunewheel.data.gather import text_key
from tunewheel.tasks import Row, Task

FOLDS = 5
PROBE = 500
"""Rows of the smallest part, at most: what the first run of a method may cost."""

FEWEST = 8
"""Rows of the smallest part, at least: less teaches nothing about cost or curve."""


class Fold(NamedTuple):
    """Rows to learn from and rows to be judged on, which it does not learn from."""

    train: list[Row]
    held: list[Row]


def parts_of(rows: int) -> list[int]:
    """By what ``rows`` are divided for the learning curve, the smallest part first.

    Eighths, quarters, halves and all; before them, of many rows, a part small enough to tell what the others will cost.

    >>> parts_of(2000), parts_of(100_000), parts_of(40)
    ([8, 4, 2, 1], [256, 8, 4, 2, 1], [4, 2, 1])
    """
    probe = 8
    while rows // probe > PROBE:
        probe *= 2
    return [part for part in sorted({probe, 8, 4, 2, 1}, reverse=True) if part == 1 or rows // part >= FEWEST]


def nested(rows: Sequence[Row], task: Task, part: int, seed: int) -> list[Row]:
    """One ``part``-th of the rows: the beginning of an order that depends on the seed alone, so parts are nested.

    Stratified by label, the first of each label in front. Rows of one document, and equal texts, stay together, so a
    part may hold a few rows more. The rows keep the order in which they were given.
    """
    if part == 1:
        return list(rows)
    chosen: list[int] = []
    for unit in _ordered(rows, task, seed):
        if len(chosen) >= len(rows) // part:
            break
        chosen += unit
    return [rows[place] for place in sorted(chosen)]


def folds_of(rows: Sequence[Row], task: Task, seed: int, count: int = FOLDS) -> list[Fold]:
    """Divide rows for cross-fitting, stratified: every row is held out once. Fewer folds where there are few units."""
    units = _ordered(rows, task, seed)
    count = min(count, len(units))
    home = np.zeros(len(rows), dtype=np.int64)
    for place, unit in enumerate(units):
        home[unit] = place % count
    return [
        Fold(
            [row for row, at in zip(rows, home, strict=True) if at != fold],
            [row for row, at in zip(rows, home, strict=True) if at == fold],
        )
        for fold in range(count)
    ]


def _ordered(rows: Sequence[Row], task: Task, seed: int) -> list[list[int]]:
    """Places of the rows that stay together, so ordered that every beginning has the labels' shares."""
    units: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        document = row.get("document")
        units.setdefault(text_key(row["text"]) if document is None else (document,), []).append(place)
    rng = np.random.default_rng(seed)
    shuffled = [list(units.values())[place] for place in rng.permutation(len(units))]
    strata = [_stratum(task.truth(rows[unit[0]])) for unit in shuffled]
    sizes, met = Counter(strata), Counter[str]()
    keys = []
    for stratum, toss in zip(strata, rng.random(len(strata)), strict=True):
        keys.append((met[stratum] > 0, toss if not met[stratum] else (met[stratum] + toss) / sizes[stratum]))
        met[stratum] += 1
    return [shuffled[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]


def _stratum(truth: Any) -> str:
    """What a row is stratified by: its label, its labels, or the kinds of its entities."""
    if isinstance(truth, list):
        names = (str(one["label"] if isinstance(one, dict) and "label" in one else one) for one in truth)
        return "\0".join(sorted(set(names)))
    return str(truth)
