"""Taking exchanges and feedback that show erased texts out of the database and out of what waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunewheel.data.erased import Erased
from tunewheel.data.privacy import Masker

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tunewheel.store import Workspace

_AT_ONCE = 2_000  # rows read at a time


def erase_exchanges(workspace: Workspace, gone: Erased) -> int:
    """Delete every exchange and every piece of feedback that shows one of the texts; returns how many went.

    They were masked when they were recorded, so each text is looked for as it is and as masking leaves it. Feedback on
    an exchange goes with it: a correction may quote what it corrects. Lines that wait in the workspace's spool go too.
    The same call again finds nothing more.
    """
    from sqlalchemy import delete

    from tunewheel.store.schema import exchanges, feedback, reviews

    wanted = as_recorded(gone)
    went = _spooled(workspace.home / "spool", wanted)
    ids = _matching(workspace, exchanges, wanted)
    said = _matching(workspace, feedback, wanted)
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


def _matching(workspace: Workspace, table: Any, wanted: Erased) -> list[Any]:
    """Ids of rows with a value that is one of the texts; read in order of their key, a part at a time."""
    from sqlalchemy import select

    documents = [table.c[name] for name in ("row", "prediction", "value") if name in table.c]
    query = select(table.c.id, *documents).order_by(table.c.id).limit(_AT_ONCE)
    found: list[Any] = []
    last = None
    while True:
        with workspace.read() as connection:
            rows = connection.execute(query if last is None else query.where(table.c.id > last)).all()
        found += [row[0] for row in rows if _shows(list(row[1:]), wanted)]
        if len(rows) < _AT_ONCE:
            return found
        last = rows[-1][0]


def _shows(value: object, wanted: Erased) -> bool:
    if isinstance(value, dict):
        return any(_shows(part, wanted) for part in value.values())
    if isinstance(value, list):
        return any(_shows(part, wanted) for part in value)
    return isinstance(value, str) and wanted.is_text(value)


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
