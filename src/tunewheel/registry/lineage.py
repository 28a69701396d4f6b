"""Where a version comes from, and what came of a dataset: the database's part of lineage, ready for JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from tunewheel.registry import aliases as moves
from tunewheel.registry.version import Version
from tunewheel.store.kinds import plain
from tunewheel.store.schema import aliases, datasets, runs, versions


def lineage(connection: Connection, version: Version) -> dict[str, Any]:
    """Version, run, dataset and the dataset's parents (nearest first), siblings, and the moves of its aliases.

    A dataset this workspace never saw is ``{"fingerprint": …, "recorded": False}``. Siblings learned from the same
    dataset; a move names the version as what an alias points at from there on, or as what it replaced.
    """
    described = vars(version) | {"ref": version.ref}
    known = moves.history(connection, version.name)
    return {
        "version": plain(described),
        "run": _run(connection, version.run),
        "dataset": _dataset(connection, version.dataset),
        "parents": _parents(connection, version.dataset),
        "siblings": [other for other in learners(connection, version.dataset) if other["ref"] != version.ref],
        "history": [plain(vars(move)) for move in known if version.number in (move.number, move.replaced)],
    }


def dataset_lineage(connection: Connection, fingerprint: str) -> dict[str, Any]:
    """Dataset, its parents (nearest first), the datasets made from it, and the versions that learned from it."""
    made = select(datasets.c.fingerprint).where(datasets.c.parent == fingerprint).order_by(datasets.c.created)
    return {
        "dataset": _dataset(connection, fingerprint),
        "parents": _parents(connection, fingerprint),
        "children": [_dataset(connection, child) for child in connection.scalars(made).all()],
        "versions": learners(connection, fingerprint),
    }


def learners(connection: Connection, fingerprint: str | None) -> list[dict[str, Any]]:
    """The versions that learned from a dataset, with their aliases, by name and number."""
    if fingerprint is None:
        return []
    found = select(versions).where(versions.c.dataset == fingerprint).order_by(versions.c.name, versions.c.number)
    pointers = connection.execute(select(aliases).order_by(aliases.c.alias)).all()
    return [
        {
            "ref": f"{row.name}:{row.number}",
            "aliases": [p.alias for p in pointers if (p.name, p.number) == (row.name, row.number)],
            "metrics": plain(row.metrics),
            "report": row.report,
            "created": plain(row.created),
        }
        for row in connection.execute(found)
    ]


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
