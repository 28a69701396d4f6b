"""Spans in a text as it was sent, found again in the masked text that is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewheel.data.privacy.moves import Move, Moves
from tunewheel.feedback.answers import FeedbackError
from tunewheel.feedback.exchanges import find_columns

if TYPE_CHECKING:
    from sqlalchemy import Connection

Kept = Sequence[Sequence[int]]
"""The `Move`s of an exchange as its record keeps them: numbers alone."""


def as_recorded(value: Mapping[str, Any], kept: Kept | None) -> dict[str, Any]:
    """An answer whose spans are places in the text that was sent, with those of the recorded one.

    Raises `FeedbackError` where a span cuts what was masked: no place in the recorded text says the same.

    >>> as_recorded({"entities": [{"start": 25, "end": 29, "label": "FIRST"}]}, [[5, 16, 5, 12]])
    {'entities': [{'start': 21, 'end': 25, 'label': 'FIRST'}]}
    """
    if not kept or "entities" not in value:
        return dict(value)
    moves, spans = Moves(Move(*each) for each in kept), []
    for span in value["entities"]:
        if moves.cuts(span["start"], span["end"]):
            raise FeedbackError("entities: a span cuts personal data, which is masked; take in all of it, or none")
        start, end = moves.span(span["start"], span["end"])
        spans.append({**span, "start": start, "end": end})
    return {**value, "entities": spans}


def move_early(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Move the spans of corrections that came before the exchanges they name, which are to be written now.

    A correction that cuts what was masked is rejected, and says why: whoever gave it can be told no more.

    Args:
        connection: in the transaction that writes them.
        rows: exchanges as the table holds them.
    """
    from sqlalchemy import select, update

    from tunewheel.store.schema import feedback

    moved = {row["id"]: row for row in rows if row["moves"]}
    ids = list(moved)
    for start in range(0, len(ids), 500):
        some = feedback.c.exchange.in_(ids[start : start + 500]), feedback.c.kind == "correction"
        columns = (feedback.c.id, feedback.c.name, feedback.c.exchange, feedback.c.value, feedback.c.status)
        for one in connection.execute(select(*columns).where(*some)).all():
            exchange = moved[one.exchange]
            if one.name != exchange["name"] or find_columns(connection, one.name, [one.exchange], "id"):
                continue  # another model's, or an exchange that comes twice
            try:
                values: dict[str, Any] = {"value": as_recorded(one.value, exchange["moves"])}
            except FeedbackError as error:
                waits = one.status in ("new", "accepted", "quarantined")
                values = {"status": "rejected" if waits else one.status, "reason": str(error)}
            connection.execute(update(feedback).where(feedback.c.id == one.id).values(values))
