"""Aliases and their history, inside a transaction.

An alias is a stack of promotions. Promoting a version puts it on the stack; rolling back takes the topmost
away, so the alias points again at what it pointed at before that promotion, and rolling back again goes
further back. A version promoted after a rollback goes on what is left: what was rolled back is not met again
on the way down.

The history records every step and is never rewritten; the stack is what it amounts to (`stack`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from tunewheel.registry.names import RegistryError
from tunewheel.registry.version import Move
from tunewheel.store.schema import alias_history, aliases


def stack(moves: Iterable[Move]) -> list[int]:
    """The promotions of one alias that still stand, oldest first; the last is the version it points at."""
    numbers: list[int] = []
    for move in moves:
        if move.action == "promote":
            numbers.append(move.number)
        else:
            numbers.pop()
    return numbers


def current(connection: Connection, name: str, alias: str) -> int | None:
    """The version the alias points at."""
    query = select(aliases.c.number).where(aliases.c.name == name, aliases.c.alias == alias)
    number: int | None = connection.scalar(query)
    return number


def history(connection: Connection, name: str, alias: str | None = None) -> list[Move]:
    """Every move of one alias, or of all aliases of the name, oldest first."""
    columns = [column for column in alias_history.c if column.name != "id"]
    query = select(*columns).where(alias_history.c.name == name).order_by(alias_history.c.id)
    if alias is not None:
        query = query.where(alias_history.c.alias == alias)
    return [Move(**row) for row in connection.execute(query).mappings()]


def promote(
    connection: Connection, name: str, number: int, alias: str, *, why: str, by: str
) -> tuple[int | None, bool]:
    """Point the alias at this version; returns what it pointed at before, and whether that changed."""
    before = current(connection, name, alias)
    if before == number:
        return before, False
    _move(connection, Move(name, alias, "promote", number, before, why, by, datetime.now(UTC)))
    return before, True


def rollback(connection: Connection, name: str, alias: str, *, why: str, by: str) -> int:
    """Point the alias at what it pointed at before its latest promotion that still stands; returns that."""
    before = current(connection, name, alias)
    if before is None:
        raise RegistryError(f"{name} has no {alias}: there is nothing to roll back")
    standing = stack(history(connection, name, alias))
    if len(standing) < 2:
        raise RegistryError(f"{name}:{before} is the first {alias}: there is no version before it to go back to")
    number = standing[-2]
    _move(connection, Move(name, alias, "rollback", number, before, why, by, datetime.now(UTC)))
    return number


def _move(connection: Connection, move: Move) -> None:
    if move.replaced is None:
        row = {"name": move.name, "alias": move.alias, "number": move.number}
        connection.execute(insert(aliases).values(row))
    else:
        where = (aliases.c.name == move.name, aliases.c.alias == move.alias)
        connection.execute(update(aliases).where(*where).values(number=move.number))
    connection.execute(insert(alias_history).values(vars(move)))
