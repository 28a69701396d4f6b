"""Recorded exchanges as drift reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection, Select, func, select

from tunewheel.feedback.drift.seen import Seen
from tunewheel.store.schema import exchanges

Right = Callable[[Sequence[str]], Mapping[str, bool]]
"""Says of exchanges, by their ids, whether they were answered right, where somebody said so."""


class Cursor(NamedTuple):
    """A place in the order of exchanges: by time, then by id."""

    at: datetime
    id: str = ""


class Traffic(NamedTuple):
    """Exchanges of one version: their ``ids``, in the order of ``seen``'s rows."""

    ids: tuple[str, ...]
    seen: Seen
    at: tuple[datetime, ...]

    def cursor(self, row: int) -> Cursor:
        """The place just behind a row."""
        return Cursor(self.at[row], self.ids[row])


def read_traffic(
    connection: Connection,
    name: str,
    number: int | None,
    *,
    after: Cursor | None = None,
    until: datetime | None = None,
    most: int | None = None,
    right: Right | None = None,
) -> Traffic:
    """What a version answered live after a place and before a moment, the oldest first and at most so many."""
    columns = ("id", "row", "label", "confidence", "vector", "language", "at")
    query = _of(select(*(exchanges.c[column] for column in columns)), name, number, after, until)
    found = connection.execute(query.order_by(exchanges.c.at, exchanges.c.id).limit(most)).all()
    ids = tuple(row.id for row in found)
    said = {} if right is None else right(ids)
    vectors = [None if row.vector is None else np.frombuffer(row.vector, dtype=np.float16) for row in found]
    whole = bool(found) and all(vector is not None for vector in vectors)
    named = any(row.label is not None for row in found)
    seen = Seen.of(
        [str(row.row.get("text", "")) for row in found],
        languages=[row.language for row in found],
        times=[row.at.timestamp() for row in found],
        vectors=np.stack(vectors).astype(np.float32) if whole else None,  # type: ignore[arg-type]
        labels=[row.label or "" for row in found] if named else None,
        confidences=[np.nan if row.confidence is None else row.confidence for row in found],
        right=[float(said[each]) if each in said else np.nan for each in ids],
    )
    return Traffic(ids, seen, tuple(row.at for row in found))


def count_traffic(connection: Connection, name: str, number: int | None, *, after: Cursor | None = None) -> int:
    """How many live exchanges of a version there are after a place."""
    return connection.scalar(_of(select(func.count()), name, number, after, None)) or 0


def place_of(
    connection: Connection, name: str, number: int | None, rows: int, *, after: Cursor | None
) -> Cursor | None:
    """The place just behind the next so many exchanges; None where there are fewer."""
    query = _of(select(exchanges.c.at, exchanges.c.id), name, number, after, None)
    found = connection.execute(query.order_by(exchanges.c.at, exchanges.c.id).offset(rows - 1).limit(1)).first()
    return None if found is None else Cursor(found.at, found.id)


def _of(
    query: Select[tuple[object, ...]], name: str, number: int | None, after: Cursor | None, until: datetime | None
) -> Select[tuple[object, ...]]:
    query = query.where(exchanges.c.name == name, exchanges.c.number == number, exchanges.c.role == "live")
    if after is not None:
        later = (exchanges.c.at > after.at) | ((exchanges.c.at == after.at) & (exchanges.c.id > after.id))
        query = query.where(exchanges.c.at >= after.at, later)
    return query if until is None else query.where(exchanges.c.at < until)
