"""Over many exchanges and much feedback: what is read often goes by an index, and reads no more than it needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tunewheel.feedback.drift.traffic import Cursor, count_traffic, place_of, read_traffic
from tunewheel.feedback.exchanges import find_columns
from tunewheel.feedback.given import count_feedback, list_feedback
from tunewheel.feedback.review.items import count_waiting
from tunewheel.store import Workspace

AT = Cursor(datetime(2026, 3, 1, tzinfo=UTC), "e1")
VERSION = ("tickets", 2)
HEARD: Any = {"statuses": ("new", "accepted"), "kinds": ("correction",)}


def plans(workspace: Workspace, work: Callable[[Connection], object]) -> list[str]:
    """How SQLite goes about each statement of some work."""
    found: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    with workspace.read() as connection:
        event.listen(workspace.engine, "before_cursor_execute", note)
        work(connection)
        event.remove(workspace.engine, "before_cursor_execute", note)
        told = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {what}", given).all() for what, given in found]
    return ["; ".join(str(row[-1]) for row in rows) for rows in told]


@pytest.mark.parametrize(
    ("work", "index"),
    [
        (lambda to: count_traffic(to, *VERSION, after=None), "COVERING INDEX ix_exchanges_name_number_role_at_id"),
        (lambda to: count_traffic(to, *VERSION, after=AT), "COVERING INDEX ix_exchanges_name_number_role_at_id"),
        (lambda to: place_of(to, *VERSION, 500, after=None), "COVERING INDEX ix_exchanges_name_number_role_at_id"),
        (lambda to: read_traffic(to, *VERSION, after=AT, most=500), "INDEX ix_exchanges_name_number_role_at_id"),
        (lambda to: find_columns(to, "tickets", ["e1", "e2"], "row"), "INDEX sqlite_autoindex_exchanges_1"),
        (lambda to: list_feedback(to, "tickets", exchanges=["e1", "e2"], **HEARD), "INDEX ix_feedback_exchange"),
        (lambda to: list_feedback(to, "tickets", after=7), "INDEX ix_feedback_name_status_id"),
        (lambda to: list_feedback(to, "tickets", statuses=("new",)), "INDEX ix_feedback_name_status_id"),
        (lambda to: count_feedback(to, "tickets"), "COVERING INDEX ix_feedback_name_status_id"),
        (lambda to: count_waiting(to, "tickets"), "INDEX ix_feedback_name_status_id"),
    ],
)
def test_it_goes_by_an_index_and_sorts_nothing(sqlite_workspace: Workspace, work, index: str) -> None:
    found = plans(sqlite_workspace, work)
    assert found
    for plan in found:
        assert index in plan and "SCAN exchanges" not in plan and "SCAN feedback" not in plan, plan
        assert "ORDER BY" not in plan, plan


def test_only_the_columns_that_are_asked_for_are_read(sqlite_workspace: Workspace) -> None:
    read: list[str] = []
    with sqlite_workspace.read() as connection:
        event.listen(sqlite_workspace.engine, "before_cursor_execute", lambda *told: read.append(told[2]))
        find_columns(connection, "tickets", ["e1"], "confidence")
    assert len(read) == 1 and "vector" not in read[0] and "prediction" not in read[0]
