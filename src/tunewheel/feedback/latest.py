"""Of one source the latest word on an exchange counts, also where an earlier one comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


def supersede(connection: Connection, ids: Sequence[int]) -> None:
    """Where feedback stands again, leave of each source's words on its exchange the latest alone."""
    from sqlalchemy import and_, exists, or_, select, update

    from tunewheel.store.schema import feedback

    later = feedback.alias("later")
    spoken, standing = ("correction", "row"), ("new", "accepted")
    same = [later.c[key] == feedback.c[key] for key in ("name", "exchange", "source")]
    since = or_(later.c.at > feedback.c.at, and_(later.c.at == feedback.c.at, later.c.id > feedback.c.id))
    heard = exists().where(*same, later.c.kind.in_(spoken), later.c.status.in_(standing), since)
    own = feedback.c.kind.in_(spoken), feedback.c.status.in_(standing)
    values = {"status": "superseded", "reason": feedback.c.source + " said otherwise later"}
    for start in range(0, len(ids), 500):
        again = feedback.alias("again")
        of = select(again.c.exchange).where(again.c.id.in_(ids[start : start + 500]))
        connection.execute(update(feedback).where(feedback.c.exchange.in_(of), *own, heard).values(values))
