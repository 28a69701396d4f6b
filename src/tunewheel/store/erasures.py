"""The records of erasures: rows that somebody asked to be forgotten, without a word of what they said."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tunewheel.store.database import empty_log
from tunewheel.store.schema import datasets, erasures, runs
from tunewheel.store.workspace import Workspace


@dataclass(frozen=True)
class Erasure:
    """One erasure: ``rows`` are hashes of ids (`hashed`), ``texts`` keys of texts (`text_key`) in hexadecimal.

    ``datasets`` has the revision made of each dataset that held them.
    """

    id: int
    rows: tuple[str, ...]
    texts: tuple[str, ...]
    datasets: Mapping[str, str | None] = field(hash=False)
    why: str
    by: str
    at: datetime
    purged: datetime | None
    """When the old datasets and every copy of the text went from the workspace."""


def hashed(identifier: str) -> str:
    """The hash that stands for a row's id where the row was erased.

    >>> hashed("17")
    'erased-4523540f1504cd17'
    """
    return f"erased-{hashlib.sha256(identifier.encode()).hexdigest()[:16]}"


def record_erasure(
    workspace: Workspace,
    ids: Collection[str],
    texts: Collection[int],
    made: Mapping[str, str | None],
    *,
    why: str,
    by: str,
) -> Erasure:
    """Record an erasure, or find the one that these rows belong to: a repeated command adds to what it had begun.

    An id alone names different rows in different data, so an erasure is found by rows, texts and datasets together.

    Args:
        workspace: where.
        ids: the rows' ids; they are kept as hashes.
        texts: keys of their texts (`tunewheel.data.text_key`).
        made: of each dataset that holds the rows, the fingerprint of the revision without them, None if none was made.
        why: the reason.
        by: who asked for it.
    """
    wanted = {hashed(identifier) for identifier in ids}
    keys = {f"{key:016x}" for key in texts}

    def work(connection: Connection) -> Erasure:
        known = next((each for each in _all(connection) if _begun(each, wanted, keys, made)), None)
        if known is None:
            values: dict[str, Any] = {"rows": sorted(wanted), "texts": sorted(keys), "datasets": dict(made)}
            values |= {"why": why, "by": by}
            connection.execute(insert(erasures).values(values | {"at": datetime.now(UTC)}))
            return _all(connection)[-1]
        both = {**known.datasets, **{key: value for key, value in made.items() if value or key not in known.datasets}}
        joined = {"datasets": both, "texts": sorted(keys.union(known.texts))}
        connection.execute(update(erasures).where(erasures.c.id == known.id).values(joined))
        return next(each for each in _all(connection) if each.id == known.id)

    return workspace.transact(work)


def _begun(known: Erasure, rows: set[str], texts: set[str], made: Collection[str]) -> bool:
    return rows <= {*known.rows} and texts <= {*known.texts} and {*made} <= known.datasets.keys()


def list_erasures(workspace: Workspace) -> list[Erasure]:
    """All erasures, oldest first."""
    with workspace.read() as connection:
        return _all(connection)


def erased_texts(workspace: Workspace, *, purged: bool | None = None) -> frozenset[int]:
    """Keys of every text that was erased (`text_key`); with ``purged`` only of erasures that are that, or are not."""
    with workspace.read() as connection:
        return erased_keys(connection, purged=purged)


def erased_keys(connection: Connection, *, purged: bool | None = None) -> frozenset[int]:
    """`erased_texts`, within a transaction."""
    found = (each for each in _all(connection) if purged is None or purged == (each.purged is not None))
    return frozenset(int(text, 16) for each in found for text in each.texts)


def erase_records(workspace: Workspace, erasure: Erasure, messages: Mapping[str, str]) -> None:
    """Take the rows of an erasure's datasets out of the records, in one transaction, and out of the database's log.

    The datasets stay recorded, without an artifact and with what became of them; their runs can no more be taken up.
    Only when the log shows them no more is the erasure recorded as purged.

    Args:
        workspace: where.
        erasure: as recorded.
        messages: by the keys of runs, what their messages say from here on.

    Raises:
        StoreError: somebody has been reading the database all along, so that its log cannot be emptied.
    """

    def work(connection: Connection) -> None:
        now = datetime.now(UTC)
        for fingerprint, revision in erasure.datasets.items():
            where = datasets.c.fingerprint == fingerprint
            summary = connection.scalar(select(datasets.c.summary).where(where))
            if summary is not None:
                told = {"why": erasure.why, "by": erasure.by, "at": now, "revision": revision}
                erased = {**summary, "erased": summary.get("erased") or told}
                connection.execute(update(datasets).where(where).values(artifact=None, summary=erased))
                cut = (runs.c.dataset == fingerprint) & (runs.c.status == "running")
                ended = {"status": "failed", "message": "its dataset was erased", "finished": now, "updated": now}
                connection.execute(update(runs).where(cut).values(ended))
        for key, message in messages.items():
            connection.execute(update(runs).where(runs.c.key == key).values(message=message))

    with workspace.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")  # else freed pages keep what stood in them
        work(connection)
    empty_log(workspace.engine)
    with workspace.begin() as connection:
        connection.execute(update(erasures).where(erasures.c.id == erasure.id).values(purged=datetime.now(UTC)))


def run_messages(workspace: Workspace) -> dict[str, str]:
    """What runs that failed said, by their keys."""
    with workspace.read() as connection:
        found = connection.execute(select(runs.c.key, runs.c.message).where(runs.c.message.is_not(None)))
        return {row.key: row.message for row in found}


def runs_on(workspace: Workspace, fingerprints: Collection[str]) -> list[str]:
    """The keys of all runs on some datasets."""
    with workspace.read() as connection:
        return list(connection.scalars(select(runs.c.key).where(runs.c.dataset.in_(list(fingerprints)))))


def _all(connection: Connection) -> list[Erasure]:
    found = connection.execute(select(erasures).order_by(erasures.c.id)).mappings()
    return [Erasure(**{**row, "rows": tuple(row["rows"]), "texts": tuple(row["texts"])}) for row in found]
