"""Parts of the rows scored apart, and which of them differ measurably from the rest.

Sources: Good (2005), "Permutation, Parametric, and Bootstrap Tests of Hypotheses", ch. 3 (two samples); Davison &
Hinkley (1997), "Bootstrap Methods and their Application", § 3.8 (whole documents); Holm (1979), "A Simple
Sequentially Rejective Multiple Test Procedure".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np

from tunewheel.data.language import language
from tunewheel.evaluation.intervals import LEVEL, Array, EvaluationError, Interval, Sample, intervals

if TYPE_CHECKING:
    from tunewheel.evaluation.comparison import Verdict
    from tunewheel.tasks import Row, Scores, Task

RESAMPLES = 500
"""Of each slice's intervals at most: there are many slices."""

MINIMUM = 20
"""Rows, or documents where rows carry them, below which a slice gets no verdict."""

FEW = 12
"""Distinct values up to which a column is taken unasked."""

MANY = 50
"""Distinct values up to which a column is taken when it is named."""

MISSING = "–"
"""The value of rows that do not have the column."""

_OURS = frozenset({"id", "text", "document", "tokens", "tags"})


@dataclass(frozen=True)
class Slice:
    """The rows whose ``name`` is ``value``: their number and headline figures, and how far they are from the rest.

    ``difference`` is the first headline figure here minus that of all other rows, ``p`` the probability of one so
    large by chance, corrected for looking at many slices (Holm 1979). Both are None where there are too few rows.
    """

    name: str
    value: str
    rows: int
    metrics: dict[str, Interval]
    difference: float | None
    p: float | None

    @property
    def verdict(self) -> Verdict | None:
        """Whether the slice is worse or better than the other rows; None where nobody could say."""
        if self.difference is None or self.p is None:
            return None
        if self.p >= 1 - LEVEL:
            return "undecided"
        return "better" if self.difference > 0 else "worse"

    def as_dict(self) -> dict[str, Any]:
        """The slice as JSON values."""
        return asdict(self) | {"verdict": self.verdict}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The slice that `as_dict` gave."""
        figures = {name: Interval(**interval) for name, interval in stored["metrics"].items()}
        same = {key: stored[key] for key in ("name", "value", "rows", "difference", "p")}
        return cls(metrics=figures, **same)


class Part(NamedTuple):
    """Which rows belong to a slice: ``inside`` is bool [n]."""

    name: str
    value: str
    inside: Array


def find_slices(
    task: Task,
    rows: Sequence[Row],
    scores: Scores,
    documents: Array | None = None,
    *,
    columns: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 13,
) -> list[Slice]:
    """Score each slice of ``rows`` by length, language and columns, and test it against the rows outside.

    Raises:
        EvaluationError: a column of ``columns`` is not there or has too many values; see `partition`.
    """
    parts = partition(task, rows, columns)
    differences = _tested(task, scores, documents, parts, resamples, seed)
    found = []
    for part in parts:
        inside = part.inside
        chosen = {key: array[inside] for key, array in scores.items()}
        own = None if documents is None else documents[inside]
        figures = intervals(task, chosen, own, resamples=resamples, seed=seed)
        headline = {name: figures[name] for name in task.headline}
        found.append(Slice(part.name, part.value, int(inside.sum()), headline, *differences[_key(inside)]))
    return found


def partition(task: Task, rows: Sequence[Row], columns: Sequence[str] | None = None) -> list[Part]:
    """Divide the rows by length, by language, and by each column.

    Args:
        task: its own columns are taken only when named, since its table shows each label already.
        rows: canonical rows.
        columns: names of columns; None takes every extra one with 2 to `FEW` distinct values.

    Raises:
        EvaluationError: no row has the column, or it has more than `MANY` values.
    """
    texts = [row["text"] for row in rows]
    named = {"length": _lengths(texts), "language": [language(text) for text in texts]}
    for column in _extra(task, rows) if columns is None else columns:
        named[column] = _values(rows, column)
    return [part for name, values in named.items() for part in _parts(name, values)]


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values so that any false alarm among all of them is as rare as one alone would be.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p)
    scaled = np.asarray(p, dtype=np.float64)[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return [float(value) for value in adjusted]


def _parts(name: str, values: Sequence[str]) -> Iterator[Part]:
    """A part for each value in order of length, else of name; none where all rows have the same."""
    array = np.array(values, dtype=np.str_)
    distinct = list(dict.fromkeys(sorted(values))) if name != "length" else sorted(set(values), key=_first_number)
    if len(distinct) > 1:
        yield from (Part(name, value, array == value) for value in distinct)


def _lengths(texts: Sequence[str]) -> list[str]:
    """The quarter of all lengths, in characters, that each text falls into; borders are rounded to be read."""
    sizes = np.array([len(text) for text in texts])
    borders = sorted({_round(border) for border in np.quantile(sizes, [0.25, 0.5, 0.75])})
    names = [f"≤ {borders[0]}"]
    names += [f"{low + 1}–{high}" for low, high in pairwise(borders)]
    names.append(f"> {borders[-1]}")
    return [names[place] for place in np.searchsorted(borders, sizes)]


def _round(length: float) -> int:
    """To a step of 1, 2 or 5 times a power of ten, at most an eighth of the length.

    >>> [_round(length) for length in (7, 43, 137, 760)]
    [7, 45, 140, 750]
    """
    steps = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    step = max((s for s in steps if s <= length / 8), default=1)
    return round(length / step) * step


def _first_number(name: str) -> tuple[int, str]:
    """Order of the length names: ``≤ 20`` before ``21–40`` before ``> 40``."""
    return int(re.findall(r"\d+", name)[0]) + (not name.startswith("≤")), name


def _extra(task: Task, rows: Sequence[Row]) -> Iterator[str]:
    """Columns that are neither ours nor the task's, with few distinct values."""
    known = _OURS | set(task.columns)
    for column in dict.fromkeys(column for row in rows for column in row):
        if column not in known and 2 <= len(_distinct(rows, column, FEW)) <= FEW:
            yield column


def _distinct(rows: Sequence[Row], column: str, limit: int) -> set[Any]:
    """The distinct values of a column, nothing for lists and the like, cut short above ``limit``."""
    found: set[Any] = set()
    for row in rows:
        value = row.get(column)
        if value is not None:
            if not isinstance(value, str | int | float):
                return set()
            found.add(value)
        if len(found) > limit:
            break
    return found


def _values(rows: Sequence[Row], column: str) -> list[str]:
    distinct = _distinct(rows, column, MANY)
    if not distinct:
        there = ", ".join(dict.fromkeys(name for row in rows for name in row if _distinct(rows, name, 1)))
        raise EvaluationError(f"no slices by {column!r}: no row has a plain value there; the rows have {there}")
    if len(distinct) > MANY:
        raise EvaluationError(
            f"no slices by {column!r}: it has more than {MANY} distinct values; put them into fewer groups first"
        )
    return [MISSING if row.get(column) is None else str(row[column]) for row in rows]


def _tested(
    task: Task, scores: Scores, documents: Array | None, parts: Sequence[Part], resamples: int, seed: int
) -> dict[bytes, tuple[float | None, float | None]]:
    """Difference and adjusted p-value of each part by `_key`.

    Two values of a column are each other's rest: one question, asked and corrected for once (the sign differs).
    """
    questions: dict[bytes, Array] = {}
    for part in parts:
        if _key(~part.inside) not in questions and _enough(part.inside, documents):
            questions.setdefault(_key(part.inside), part.inside)
    # The smallest p that so many draws can show must survive the correction.
    draws = max(resamples, 40 * len(questions))
    sample = Sample.of(scores, documents)
    found = []
    for inside in questions.values():
        rng = np.random.default_rng(seed)
        within, without = (task.metrics(side)[task.headline[0]] for side in _both(scores, inside))
        value = within - without
        if documents is None:
            chance = _shuffled(task, sample, int(inside.sum()), draws, rng)
        else:
            chance = _resampled(task, sample, inside, draws, rng) - value
        as_large = int((np.abs(chance) >= abs(value) - 1e-12).sum())
        found.append((value, (1 + as_large) / (1 + draws)))
    adjusted = holm([p for _, p in found])
    told: dict[bytes, tuple[float | None, float | None]] = {_key(part.inside): (None, None) for part in parts}
    for inside, (value, _), p in zip(questions.values(), found, adjusted, strict=True):
        told[_key(inside)] = value, p
        told[_key(~inside)] = -value, p
    return told


def _key(inside: Array) -> bytes:
    return np.packbits(inside).tobytes()


def _enough(inside: Array, documents: Array | None) -> bool:
    units = np.arange(len(inside)) if documents is None else documents
    return min(len(np.unique(units[inside])), len(np.unique(units[~inside]))) >= MINIMUM


def _shuffled(task: Task, sample: Sample, size: int, draws: int, rng: np.random.Generator) -> Array:
    """Gaps [draws] between ``size`` rows drawn by chance and the others: what there is to see when nothing differs."""
    name, counts = task.headline[0], sample.counts
    # One is linear in the rows, the other in the distinct records, with a constant twenty times as large.
    method: Literal["count", "marginals"] = "count" if counts.sum() < 20 * len(counts) else "marginals"
    chosen = (rng.multivariate_hypergeometric(counts, size, method=method) for _ in range(draws))
    return np.array(
        [
            task.metrics(sample.scores, taken.astype(np.float64))[name]
            - task.metrics(sample.scores, (counts - taken).astype(np.float64))[name]
            for taken in chosen
        ]
    )


def _resampled(task: Task, sample: Sample, inside: Array, draws: int, rng: np.random.Generator) -> Array:
    """Gaps [draws] under whole documents drawn with replacement: rows of one document are no evidence apart."""
    name, (within, without) = task.headline[0], _both(sample.scores, inside)
    return np.array(
        [
            task.metrics(within, weights[inside])[name] - task.metrics(without, weights[~inside])[name]
            for weights in sample.bootstrap(rng, draws)
        ]
    )


def _both(scores: Scores, inside: Array) -> tuple[Scores, Scores]:
    """The scores inside and outside."""
    within, without = ({key: array[side] for key, array in scores.items()} for side in (inside, ~inside))
    return within, without
