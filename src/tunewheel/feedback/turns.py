"""Turns of the wheel on record: why one began, what each step came to, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.latest import supersede

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

Ended = Literal["promoted", "refused", "undecided", "failed"]


@dataclass(frozen=True)
class TurnRecord:
    """One turn: ``why`` it began (feedback, drift, calendar, by hand), its ``settings``, and each step's outcome."""

    id: int
    name: str
    status: Literal["running", "promoted", "refused", "undecided", "idle", "failed"]
    why: Mapping[str, Any] = field(hash=False)
    settings: Mapping[str, Any] = field(hash=False)
    steps: Mapping[str, Any] = field(hash=False)
    started: datetime
    updated: datetime
    finished: datetime | None


def begin_turn(connection: Connection, name: str, why: Mapping[str, Any], settings: Mapping[str, Any]) -> TurnRecord:
    """Record that a turn begins."""
    from sqlalchemy import insert

    from tunewheel.store.schema import turns

    now = datetime.now(UTC)
    values = {"name": name, "status": "running", "why": why, "settings": settings, "steps": {}}
    key = connection.execute(insert(turns).values(**values, started=now, updated=now)).inserted_primary_key
    return TurnRecord(int(key[0]) if key else 0, name, "running", why, settings, {}, now, now, None)


def unfinished_turn(connection: Connection, name: str) -> TurnRecord | None:
    """The turn that was begun and not ended: whoever holds the lease goes on with it."""
    from sqlalchemy import select

    from tunewheel.store.schema import turns

    query = select(turns).where(turns.c.name == name, turns.c.status == "running").order_by(turns.c.id)
    row = connection.execute(query).mappings().first()
    return None if row is None else _turn(row)


def get_turn(connection: Connection, turn: int) -> TurnRecord:
    """The turn with this id."""
    from sqlalchemy import select

    from tunewheel.store.schema import turns

    return _turn(connection.execute(select(turns).where(turns.c.id == turn)).mappings().one())


def give_back(connection: Connection, turn: int) -> None:
    """Let feedback that a turn learned from stand as it did before: what the turn made is no longer in front."""
    from sqlalchemy import select, update

    from tunewheel.store.schema import feedback

    where = feedback.c.turn == turn, feedback.c.status == "consumed"
    ids = list(connection.scalars(select(feedback.c.id).where(*where)))
    values = {"status": "accepted", "turn": None, "reason": f"given back: what turn {turn} made was rolled back"}
    connection.execute(update(feedback).where(*where).values(values))
    for some in _parts(get_turn(connection, turn).steps.get("end", {}).get("new", ())):
        unseen = feedback.c.id.in_(set(ids).intersection(some))
        connection.execute(update(feedback).where(unseen).values(status="new"))
    supersede(connection, ids)


def list_turns(connection: Connection, name: str) -> list[TurnRecord]:
    """All turns of a model, oldest first."""
    from sqlalchemy import select

    from tunewheel.store.schema import turns

    rows = connection.execute(select(turns).where(turns.c.name == name).order_by(turns.c.id)).mappings()
    return [_turn(row) for row in rows]


def note_step(connection: Connection, turn: int, step: str, outcome: Mapping[str, Any]) -> None:
    """Record what a step came to."""
    _change(connection, turn, {step: outcome}, {})


def end_turn(
    connection: Connection, turn: int, status: Ended, outcome: Mapping[str, Any], consumed: Sequence[int] = ()
) -> None:
    """Record how a turn ended, and that the feedback with the ids ``consumed`` was learned from by it.

    What its source said otherwise meanwhile stays superseded. Which of it nobody had accepted is kept, for `give_back`.
    """
    from sqlalchemy import select, update

    from tunewheel.store.schema import feedback

    new: list[int] = []
    for some in _parts(consumed):
        ids = feedback.c.id.in_(some)
        new += connection.scalars(select(feedback.c.id).where(ids, feedback.c.status == "new").order_by(feedback.c.id))
        standing = feedback.c.status.in_(("new", "accepted"))
        connection.execute(update(feedback).where(ids, standing).values(status="consumed", turn=turn))
    end = {**outcome, "new": new} if new else outcome
    _change(connection, turn, {"end": end}, {"status": status, "finished": datetime.now(UTC)})


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), 500):
        yield ids[start : start + 500]


def _change(connection: Connection, turn: int, steps: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    from sqlalchemy import select, update

    from tunewheel.store.schema import turns

    known = connection.scalar(select(turns.c.steps).where(turns.c.id == turn)) or {}
    made = {**values, "steps": {**known, **steps}, "updated": datetime.now(UTC)}
    connection.execute(update(turns).where(turns.c.id == turn).values(made))


def _turn(row: RowMapping) -> TurnRecord:
    return TurnRecord(**{name: row[name] for name in TurnRecord.__dataclass_fields__})
