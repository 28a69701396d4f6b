"""The records of runs and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, insert, select, update

from tunewheel.store.errors import StoreError
from tunewheel.store.schema import datasets, runs, versions
from tunewheel.store.workspace import T, Workspace

Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class Run:
    """One command on one dataset under fully resolved settings, named by a key made from these."""

    key: str
    command: str
    settings: Mapping[str, Any] = field(hash=False)
    dataset: str | None
    status: Status
    started: datetime
    updated: datetime
    finished: datetime | None
    message: str | None
    version: str | None
    """The version it registered, as ``name:number``."""


@dataclass(frozen=True)
class DatasetRecord:
    """What the workspace knows of a dataset: its content's fingerprint and what it was made from."""

    fingerprint: str
    parent: str | None
    name: str
    artifact: str | None
    summary: Mapping[str, Any] = field(hash=False)
    created: datetime


def start_run(
    workspace: Workspace, key: str, *, command: str, settings: Mapping[str, Any], dataset: str | None = None
) -> Run:
    """Record that a run begins, or begins again after it failed or was killed.

    A run that is done stays as it is: look at the returned `Run.status` before doing the work. Hold
    ``workspace.lock(key)`` around the work, so that one process does it at a time.

    Raises:
        StoreError: the dataset was not recorded.
    """

    def work(connection: Connection) -> Run:
        now = datetime.now(UTC)
        _require_dataset(connection, dataset)
        known = _run(connection, key)
        if known and known.status == "done":
            return known
        values: dict[str, Any] = {"command": command, "settings": settings, "dataset": dataset}
        values |= {"status": "running", "updated": now, "finished": None, "message": None}
        if known:
            connection.execute(update(runs).where(runs.c.key == key).values(values))
        else:
            connection.execute(insert(runs).values(values | {"key": key, "started": now}))
        return _stored(_run(connection, key), key)

    return workspace.transact(work)


def finish_run(workspace: Workspace, key: str, message: str | None = None) -> Run:
    """Record that a run is done.

    Raises:
        StoreError: no such run.
    """
    return _close(workspace, key, "done", message)


def fail_run(workspace: Workspace, key: str, message: str) -> Run:
    """Record that a run failed, and why.

    Raises:
        StoreError: no such run.
    """
    return _close(workspace, key, "failed", message)


def get_run(workspace: Workspace, key: str) -> Run | None:
    """The record of a run, with the version it registered, or None."""
    with workspace.read() as connection:
        return _run(connection, key)


def record_dataset(
    workspace: Workspace,
    fingerprint: str,
    *,
    name: str,
    parent: str | None = None,
    artifact: str | None = None,
    summary: Mapping[str, Any] | None = None,
    sources: Sequence[Mapping[str, Any]] = (),
    written: Sequence[str] = (),
) -> DatasetRecord:
    """Record a dataset; one that is recorded already keeps its record, and gains what that did not know yet.

    Args:
        fingerprint: of its content.
        name: for people, such as the file it came from.
        parent: fingerprint of the dataset it was made from, recorded here or not.
        artifact: hash of the artifact that holds its rows.
        summary: counts and the like.
        sources: the files its rows were read from; further ones join those known, as ``summary["sources"]``.
        written: places outside the workspace that it was written to, kept likewise as ``summary["written"]``.
    """

    def work(connection: Connection) -> DatasetRecord:
        known = _dataset(connection, fingerprint)
        given: dict[str, Any] = {"parent": parent, "artifact": artifact}
        if known is None:
            row = {
                "fingerprint": fingerprint,
                "name": name,
                "summary": _joined(summary or {}, sources=sources, written=written),
            } | given
            connection.execute(insert(datasets).values(row | {"created": datetime.now(UTC)}))
        else:
            new = {key: value for key, value in given.items() if value and getattr(known, key) is None}
            joined = _joined(known.summary or summary or {}, sources=sources, written=written)
            if joined != known.summary:
                new["summary"] = joined
            if new:
                where = datasets.c.fingerprint == fingerprint
                connection.execute(update(datasets).where(where).values(new))
        return _stored(_dataset(connection, fingerprint), fingerprint)

    return workspace.transact(work)


def get_dataset(workspace: Workspace, fingerprint: str) -> DatasetRecord | None:
    """The record of a dataset, or None."""
    with workspace.read() as connection:
        return _dataset(connection, fingerprint)


def _joined(summary: Mapping[str, Any], **lists: Sequence[Any]) -> dict[str, Any]:
    """The summary, with what its lists do not hold yet."""
    joined = dict(summary)
    for name, found in lists.items():
        known = list(summary.get(name, ()))
        if known := known + [each for each in found if each not in known]:
            joined[name] = known
    return joined


def list_datasets(workspace: Workspace) -> list[DatasetRecord]:
    """The records of all datasets, oldest first."""
    with workspace.read() as connection:
        rows = connection.execute(select(datasets).order_by(datasets.c.created)).mappings()
        return [DatasetRecord(**row) for row in rows]


def _close(workspace: Workspace, key: str, status: Status, message: str | None) -> Run:
    def work(connection: Connection) -> Run:
        now = datetime.now(UTC)
        values = {"status": status, "message": message, "updated": now, "finished": now}
        connection.execute(update(runs).where(runs.c.key == key).values(values))
        run = _run(connection, key)
        if run is None:
            raise StoreError(f"run {key} was never started")
        return run

    return workspace.transact(work)


def find_dataset(workspace: Workspace, prefix: str) -> DatasetRecord | None:
    """The record of the one dataset whose fingerprint begins with ``prefix``, or None.

    Raises:
        StoreError: several begin with it.
    """
    query = select(datasets).where(datasets.c.fingerprint.startswith(prefix, autoescape=True)).limit(2)
    with workspace.read() as connection:
        found = connection.execute(query).mappings().all()
    if len(found) > 1:
        raise StoreError(f"several datasets begin with {prefix}: give more of the fingerprint")
    return DatasetRecord(**found[0]) if found else None


def _run(connection: Connection, key: str) -> Run | None:
    query = (
        select(runs, versions.c.name, versions.c.number)
        .outerjoin(versions, versions.c.run == runs.c.key)
        .where(runs.c.key == key)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _make_run(row)


def _make_run(row: RowMapping) -> Run:
    version = f"{row[versions.c.name]}:{row[versions.c.number]}" if row[versions.c.name] else None
    return Run(version=version, **{column.name: row[column] for column in runs.c})


def _dataset(connection: Connection, fingerprint: str) -> DatasetRecord | None:
    query = select(datasets).where(datasets.c.fingerprint == fingerprint)
    row = connection.execute(query).mappings().first()
    return None if row is None else DatasetRecord(**row)


def _require_dataset(connection: Connection, fingerprint: str | None) -> None:
    if fingerprint is not None and _dataset(connection, fingerprint) is None:
        raise StoreError(f"dataset {fingerprint} is not recorded: call record_dataset first")


def _stored(record: T | None, key: str) -> T:
    if record is None:
        raise StoreError(f"{key} was removed meanwhile")
    return record
