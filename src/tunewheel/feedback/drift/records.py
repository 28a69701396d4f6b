"""The record of checks: what was judged stays judged, and how often the same exchanges were looked at is counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from tunewheel.feedback.drift.estimate import Expected
from tunewheel.feedback.drift.statistics import Statistic
from tunewheel.feedback.drift.watch import Check
from tunewheel.store.kinds import plain
from tunewheel.store.schema import drift_checks
from tunewheel.store.workspace import Workspace


def watch_key(name: str, number: int | None, reference: str, cut: str, since: datetime | None) -> str:
    """Names one way of looking: one version, one reference, one way of cutting its traffic into windows."""
    told = [name, number, reference, cut, None if since is None else since.astimezone(UTC).isoformat()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def looks_of(connection: Connection, name: str, number: int | None, watch: str) -> int:
    """Which way of looking at a version's exchanges this is: 1 for the first that judged a window, and so on."""
    first = func.min(drift_checks.c.id)
    query = select(drift_checks.c.watch).where(drift_checks.c.name == name, drift_checks.c.number == number)
    known = list(connection.scalars(query.group_by(drift_checks.c.watch).order_by(first)))
    return known.index(watch) + 1 if watch in known else len(known) + 1


def list_checks(connection: Connection, watch: str) -> list[tuple[Check, str | None]]:
    """The checks of a watch, oldest first, each with the id of the last exchange it looked at."""
    query = select(drift_checks).where(drift_checks.c.watch == watch)
    rows = connection.execute(query.order_by(drift_checks.c.place, drift_checks.c.windows)).mappings()
    return [(_check(row), row["last"]) for row in rows]


def record_checks(
    workspace: Workspace, name: str, number: int | None, watch: str, found: Iterable[tuple[Check, str | None]]
) -> list[Check]:
    """Record checks with the last exchange of each, in one transaction; return those that were not recorded yet."""
    listed = list(found)

    def work(connection: Connection) -> list[Check]:
        known = {(check.place, check.windows) for check, _ in list_checks(connection, watch)}
        new = [(check, last) for check, last in listed if (check.place, check.windows) not in known]
        if new:
            who = {"name": name, "number": number, "watch": watch, "at": datetime.now(UTC)}
            connection.execute(insert(drift_checks), [who | {"last": last} | _row(check) for check, last in new])
        return [check for check, _ in new]

    return workspace.transact(work)


def _row(check: Check) -> dict[str, Any]:
    figures = {"statistics": [asdict(each) for each in check.statistics], "expected": check.expected}
    kept = ("place", "windows", "start", "end", "rows", "verdict", "level")
    return {key: getattr(check, key) for key in kept} | {"figures": plain(figures), "fired": list(check.fired)}


def _check(row: RowMapping) -> Check:
    figures = row["figures"]
    kept = ("place", "windows", "start", "end", "rows", "verdict", "level")
    return Check(
        **{key: row[key] for key in kept},
        statistics=tuple(Statistic(**each) for each in figures["statistics"]),
        fired=tuple(row["fired"]),
        expected=None if figures["expected"] is None else Expected(*figures["expected"]),
    )
