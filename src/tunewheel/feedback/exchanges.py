"""Exchanges: what a service was asked and what it answered."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from sqlalchemy import Connection, RowMapping

Role = Literal["live", "shadow"]

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: without I, L, O and U


@dataclass(frozen=True, eq=False)
class Exchange:
    """One row that was asked, and what one version answered.

    ``vector`` is the projected sentence vector (`tunewheel.feedback.projection`), None of a model that has none;
    `label` and `confidence` are those of the answer, where it has such; ``seconds`` is what the request took. A
    ``shadow`` answer was recorded alone, and given to nobody; ``shadow_of`` is the exchange that was answered.
    """

    id: str
    name: str
    number: int | None
    row: Mapping[str, Any]
    prediction: Mapping[str, Any]
    variant: str
    seconds: float
    role: Role = "live"
    shadow_of: str | None = None
    key: str | None = None
    vector: npt.NDArray[np.float16] | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def label(self) -> str | None:
        """See `label_of`."""
        return label_of(self.prediction)

    @property
    def confidence(self) -> float | None:
        """See `confidence_of`."""
        return confidence_of(self.prediction)


def label_of(prediction: Mapping[str, Any]) -> str | None:
    """An answer's label, where it has one; the first of several, ``-`` for none of them.

    >>> label_of({"label": "lost"}), label_of({"labels": []}), label_of({"entities": []})
    ('lost', '-', None)
    """
    told = prediction.get("label")
    if told is None and isinstance(several := prediction.get("labels"), list):
        told = several[0] if several else "-"
    return told if isinstance(told, str) else None


def confidence_of(prediction: Mapping[str, Any]) -> float | None:
    """How sure an answer is; of entities, the least sure of them.

    >>> confidence_of({"entities": [{"confidence": 0.9}, {"confidence": 0.4}]})
    0.4
    """
    told = prediction.get("confidence")
    if told is None and isinstance(spans := prediction.get("entities"), list):
        told = min((span["confidence"] for span in spans if "confidence" in span), default=None)
    return float(told) if isinstance(told, int | float) else None


def exchange_id(at: datetime | None = None) -> str:
    """A new id of 26 characters: it sorts by its time (in milliseconds), and its other 80 bits are random.

    Written as a ULID (https://github.com/ulid/spec).

    >>> len(exchange_id()), exchange_id(datetime(2020, 1, 1, tzinfo=UTC)) < exchange_id()
    (26, True)
    """
    moment = at or datetime.now(UTC)
    number = int(moment.timestamp() * 1000) << 80 | secrets.randbits(80)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def list_exchanges(
    connection: Connection,
    name: str,
    *,
    role: Role = "live",
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int | None = 100,
) -> list[Exchange]:
    """Recorded exchanges of a model in the order of their ids, which is that of time.

    Args:
        connection: to the workspace's database.
        name: the model.
        role: given answers, or shadow ones.
        since: only what was answered at that moment or later.
        until: only what was answered before.
        after: begin behind this id.
        limit: how many at most; None gives all.
    """
    from sqlalchemy import select

    from tunewheel.store.schema import exchanges

    query = select(exchanges).where(exchanges.c.name == name, exchanges.c.role == role)
    if since is not None:
        query = query.where(exchanges.c.at >= since)
    if until is not None:
        query = query.where(exchanges.c.at < until)
    if after is not None:
        query = query.where(exchanges.c.id > after)
    rows = connection.execute(query.order_by(exchanges.c.id).limit(limit)).mappings()
    return [_exchange(row) for row in rows]


def find_exchanges(connection: Connection, ids: Iterable[str]) -> dict[str, Exchange]:
    """The exchanges of these ids that are recorded, by id."""
    return {id: _exchange(row) for id, row in _found(connection, ids, ())}


def find_columns(connection: Connection, name: str, ids: Iterable[str], *columns: str) -> dict[str, RowMapping]:
    """Some columns of a model's exchanges of these ids, by id: whole ones take several times as long to read."""
    # A database that went by the name might read everything of the model.
    return {id: row for id, row in _found(connection, ids, columns) if row["_name"] == name}


def _found(connection: Connection, ids: Iterable[str], columns: Sequence[str]) -> Iterator[tuple[str, RowMapping]]:
    from sqlalchemy import select

    from tunewheel.store.schema import exchanges

    own = (exchanges.c.id.label("_id"), exchanges.c.name.label("_name"))
    wanted = [exchanges.c[column] for column in columns or exchanges.c.keys()]
    listed = sorted(set(ids))
    for start in range(0, len(listed), 500):
        query = select(*own, *wanted).where(exchanges.c.id.in_(listed[start : start + 500]))
        for row in connection.execute(query).mappings():
            yield row["_id"], row


def count_exchanges(
    connection: Connection, name: str, *, since: datetime | None = None, until: datetime | None = None
) -> int:
    """How many exchanges of a model are recorded; shadow answers are none of them."""
    from sqlalchemy import func, select

    from tunewheel.store.schema import exchanges

    query = select(func.count()).where(exchanges.c.name == name, exchanges.c.role == "live")
    if since is not None:
        query = query.where(exchanges.c.at >= since)
    if until is not None:
        query = query.where(exchanges.c.at < until)
    return int(connection.scalar(query) or 0)


def _exchange(row: RowMapping) -> Exchange:
    import numpy as np

    own = {name: row[name] for name in Exchange.__dataclass_fields__ if name != "vector"}
    return Exchange(**own, vector=None if row["vector"] is None else np.frombuffer(row["vector"], dtype=np.float16))
