"""Exchanges and feedback that show a text: finding them, and taking them out of the database and what waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewheel.data.erased import Erased
from tunewheel.data.privacy import Masker

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tunewheel.store import Workspace

_AT_ONCE = 2_000  # rows read at a time


@dataclass(frozen=True)
class Recorded:
    """Exchanges and pieces of feedback, by id, and what they say that was looked for."""

    exchanges: tuple[str, ...]
    feedback: tuple[int, ...]
    texts: frozenset[str]

    def __len__(self) -> int:
        return len(self.exchanges) + len(self.feedback)


def find_recorded(
    workspace: Workspace, wanted: Sequence[str], *, contains: str | None = None, name: str | None = None
) -> Recorded:
    """What is recorded of some texts; every record is read, a part at a time.

    Args:
        workspace: where.
        wanted: ids of exchanges, or whole texts: as they are, and as masking leaves them.
        contains: a part of a text, case aside.
        name: only records of this model.
    """
    from tunewheel.store.schema import exchanges, feedback

    whole, ids = as_recorded(Erased(wanted, ())), frozenset(wanted)
    part = contains.casefold() if contains is not None else None

    def meant(text: str) -> bool:
        return whole.is_text(text) or (part is not None and part in text.casefold())

    texts = set[str]()
    asked, said = [], []
    for row in _records(workspace, exchanges, name):
        found = {text for text in _texts(list(row[1:])) if meant(text)}
        if row[0] in ids:
            found |= set(_texts(row[1]))
        if found or row[0] in ids:
            asked.append(row[0])
            texts |= found
    for row in _records(workspace, feedback, name):
        if found := {text for text in _texts(list(row[1:])) if meant(text)}:
            said.append(row[0])
            texts |= found
    return Recorded(tuple(asked), tuple(said), frozenset(texts))


def erase_exchanges(workspace: Workspace, gone: Erased) -> int:
    """Delete every exchange and every piece of feedback that shows one of the texts; returns how many went.

    Exchanges that ``gone`` has by their ids go too.

    They were masked when they were recorded, so each text is looked for as it is and as masking leaves it. Feedback on
    an exchange goes with it: a correction may quote what it corrects. Lines that wait in the workspace's spool go too.
    The same call again finds nothing more.
    """
    from sqlalchemy import delete

    from tunewheel.store.schema import exchanges, feedback, reviews

    wanted = as_recorded(gone)
    went = _spooled(workspace.home / "spool", wanted)
    ids = [row[0] for row in _records(workspace, exchanges) if row[0] in gone.ids or _shows(list(row[1:]), wanted)]
    said = [row[0] for row in _records(workspace, feedback) if _shows(list(row[1:]), wanted)]
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        with workspace.begin() as connection:
            _for_good(connection)
            connection.execute(delete(reviews).where(reviews.c.item.in_(some)))
            went += connection.execute(delete(feedback).where(feedback.c.exchange.in_(some))).rowcount
            went += connection.execute(delete(exchanges).where(exchanges.c.id.in_(some))).rowcount
    for start in range(0, len(said), 500):
        with workspace.begin() as connection:
            _for_good(connection)
            some = said[start : start + 500]
            connection.execute(delete(reviews).where(reviews.c.item.in_([f"row-{one}" for one in some])))
            went += connection.execute(delete(feedback).where(feedback.c.id.in_(some))).rowcount
    return went


def _for_good(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # else freed pages keep what stood in them


def as_recorded(gone: Erased) -> Erased:
    """The texts as they are and as a recorder, which masks, has written them."""
    masker = Masker()
    masked = {str(masker.mask_row({"text": text})[0]["text"]) for text in gone.texts}
    return Erased(gone.texts | masked, gone.ids)


def _records(workspace: Workspace, table: Any, name: str | None = None) -> Iterator[Any]:
    """Every row's id and its documents, in the order of the ids."""
    from sqlalchemy import select

    documents = [table.c[each] for each in ("row", "prediction", "value") if each in table.c]
    query = select(table.c.id, *documents).order_by(table.c.id).limit(_AT_ONCE)
    if name is not None:
        query = query.where(table.c.name == name)
    last = None
    while True:
        with workspace.read() as connection:
            rows = connection.execute(query if last is None else query.where(table.c.id > last)).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1][0]


def _texts(value: object) -> Iterator[str]:
    """Every string in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _shows(value: object, wanted: Erased) -> bool:
    return any(map(wanted.is_text, _texts(value)))


def _spooled(folder: Path, wanted: Erased) -> int:
    import json

    from tunewheel.store.files import open_whole

    went = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        lines = path.read_text(encoding="ascii", errors="replace").splitlines(keepends=True)
        kept = []
        for line in lines:
            try:
                shown = _shows(json.loads(line), wanted)
            except ValueError:  # what a dying disk cut is nobody's record any more
                shown = True
            kept += [] if shown else [line]
        if len(kept) < len(lines):
            went += len(lines) - len(kept)
            with open_whole(path) as file:
                file.write("".join(kept))
    return went
