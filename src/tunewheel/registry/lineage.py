"""Where a version comes from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from tunewheel.registry.version import Version
from tunewheel.store.schema import datasets, plain, runs


def lineage(connection: Connection, version: Version) -> dict[str, Any]:
    """Version, run, dataset and the dataset's parents (nearest first), ready for JSON.

    A dataset this workspace never saw is ``{"fingerprint": …, "recorded": False}``.
    """
    described = vars(version) | {"ref": version.ref}
    return {
        "version": plain(described),
        "run": _run(connection, version.run),
        "dataset": _dataset(connection, version.dataset),
        "parents": _parents(connection, version.dataset),
    }


def _run(connection: Connection, key: str | None) -> dict[str, Any] | None:
    row = connection.execute(select(runs).where(runs.c.key == key)).mappings().first()
    return None if row is None else plain(dict(row))


def _dataset(connection: Connection, fingerprint: str | None) -> dict[str, Any] | None:
    if fingerprint is None:
        return None
    row = connection.execute(select(datasets).where(datasets.c.fingerprint == fingerprint)).mappings().first()
    known: dict[str, Any] = {"fingerprint": fingerprint} if row is None else plain(dict(row))
    return known | {"recorded": row is not None}


def _parents(connection: Connection, fingerprint: str | None) -> list[dict[str, Any]]:
    parents: list[dict[str, Any]] = []
    seen = {fingerprint}
    dataset = _dataset(connection, fingerprint)
    while dataset and (parent := dataset.get("parent")) and parent not in seen:
        seen.add(parent)
        dataset = _dataset(connection, parent)
        if dataset:
            parents.append(dataset)
    return parents
