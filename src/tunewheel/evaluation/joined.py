"""Which prediction is which row's: found by ids, by texts, or by the order of both."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.data.names import TEXTS
from tunewheel.data.pairs import TAB, join_pair, pair_of
from tunewheel.evaluation.intervals import EvaluationError

if TYPE_CHECKING:
    from tunewheel.tasks import Row

Placed = tuple[str, Mapping[str, Any]]
"""Where a record stands (``file:line``), and the record."""

_PAIR = " + "


def joined(
    path: Path, records: Sequence[Placed], rows: Sequence[Row], *, failed: Sequence[str] = (), writes: bool = False
) -> Sequence[Placed]:
    """One record for each of ``rows``, in their order.

    Records that all carry an ``id`` of their own are found by it, others by the text that they repeat from their row,
    the same text several times in the order of both. Without either there must be as many as rows, in their order.
    ``failed`` are the places of rows that hold an error in place of a prediction. Where a task ``writes``, a column
    called ``text`` may be the answer.

    Raises `EvaluationError`, naming the line, where a row has no record or a record no row.
    """
    named = [str(record["id"]) for _, record in records if "id" in record]
    if 0 < len(named) < len(records):
        place = next(place for place, record in records if "id" not in record)
        raise EvaluationError(f"{place}: no `id`, though other lines have one; give it to all or to none")
    if named and len({*named}) == len(named):
        return _by_id(path, dict(zip(named, records, strict=True)), rows, failed)
    column = _text_column(records, rows, writes)
    if named and column is None:
        first: dict[str, str] = {}
        for key, (place, _) in zip(named, records, strict=True):
            if first.setdefault(key, place) != place:
                told = f"id {key!r} stands in {first[key]} already, and no column repeats the row's text"
                raise EvaluationError(f"{place}: {told}")
    if len(records) != len(rows):
        raise EvaluationError(
            f"{path}: {len(records)} predictions for {len(rows)} rows; without an `id` there must be one a row"
            + _failures(failed)
        )
    return records if column is None else _by_text(column, records, rows)


def _by_id(path: Path, found: Mapping[str, Placed], rows: Sequence[Row], failed: Sequence[str]) -> Sequence[Placed]:
    keys = [str(row["id"]) for row in rows]
    lacking = [key for key in keys if key not in found]
    if lacking:
        told = f"no prediction for {len(lacking)} of {len(rows)} rows, first id {lacking[0]!r}"
        raise EvaluationError(f"{path}: {told}{_failures(failed)}")
    extra = found.keys() - {*keys}
    if extra:
        place = min((found[key][0] for key in extra), key=lambda p: int(p.rpartition(":")[2]))
        raise EvaluationError(f"{place}: the gold rows hold no such id; {len(extra)} predictions too many")
    return [found[key] for key in keys]


def _by_text(column: str, records: Sequence[Placed], rows: Sequence[Row]) -> Sequence[Placed]:
    waiting: dict[str, deque[Placed]] = {}
    for placed in records:
        waiting.setdefault(_text(column, placed[1]), deque()).append(placed)
    wanted = Counter(row["text"] for row in rows)
    for text, places in waiting.items():
        if len(places) > wanted[text]:
            told = "no gold row has" if not wanted[text] else f"only {wanted[text]} of the gold rows have"
            place = places[wanted[text]][0]
            fix = "where texts were changed give an `id`, or leave the column out: rows then go by their order"
            raise EvaluationError(f"{place}: {told} the text in {column!r}; {fix}")
    return [waiting[row["text"]].popleft() for row in rows]


def _text_column(records: Sequence[Placed], rows: Sequence[Row], writes: bool) -> str | None:
    """The column, or two, that repeats the rows' texts; None where none does."""
    if not records:
        return None
    first, texts = records[0][1], {row["text"] for row in rows}
    names = [name for name, value in first.items() if isinstance(value, str) and name != "id"]
    if pair := pair_of(first):
        names.append(_PAIR.join(pair))
    hits = {name: sum(_text(name, record) in texts for _, record in records) for name in names}
    best = max(names, key=lambda name: hits[name], default=None)
    if best is not None and 2 * hits[best] >= len(records):
        return best
    if writes or any(TAB in text for text in texts):
        return None
    return next((name for name in TEXTS if name in names), None)


def _text(column: str, record: Mapping[str, Any]) -> str:
    """What a record has there; a number never is a row's text."""
    halves = [record.get(name) for name in column.split(_PAIR)] if column not in record else [record[column]]
    texts = [half if isinstance(half, str) else "" for half in halves]
    return join_pair(*texts) if len(texts) == 2 else texts[0]


def _failures(places: Sequence[str]) -> str:
    return f"; {len(places)} say `error` in place of a prediction, first {places[0]}" if places else ""
