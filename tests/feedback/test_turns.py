"""What a turn learned from, and what stands again where what it made is rolled back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from tunewheel.feedback.given import give, list_feedback
from tunewheel.feedback.settling import Policy, settle
from tunewheel.feedback.turns import begin_turn, end_turn, give_back
from tunewheel.store import Workspace
from tunewheel.store.schema import exchanges

NOW = datetime(2026, 3, 1, tzinfo=UTC)

MOST = Policy("majority", automatic=True)


def answered(workspace: Workspace) -> None:
    """Record an exchange as the service does."""
    row = {
        **{"id": "e1", "name": "tickets", "number": 1, "role": "live", "row": {"text": "my card"}, "seconds": 0.01},
        **{"prediction": {"label": "lost"}, "language": "en", "characters": 7, "variant": "torch-fp32", "at": NOW},
    }
    with workspace.begin() as connection:
        connection.execute(insert(exchanges).values(row))


def said(workspace: Workspace, label: str, source: str, at: datetime = NOW, **options: Any) -> None:
    give(workspace, "tickets", [{"exchange": "e1", "label": label}], source=source, at=at, **options)


def turned(workspace: Workspace, ids: list[int] | None = None) -> int:
    """A turn that learned from what was settled, or from these, and came in front."""
    with workspace.begin() as connection:
        learned = [one for some in settle(connection, "tickets", MOST).behind for one in some]
        turn = begin_turn(connection, "tickets", {}, {}).id
        end_turn(connection, turn, "promoted", {"decision": 1}, learned if ids is None else ids)
    return turn


def back(workspace: Workspace, turn: int) -> None:
    with workspace.begin() as connection:
        give_back(connection, turn)


def statuses(workspace: Workspace) -> list[str]:
    with workspace.read() as connection:
        return [one.status for one in list_feedback(connection, "tickets", limit=None)]


def test_what_nobody_looked_at_is_not_accepted_by_being_given_back(workspace: Workspace) -> None:
    answered(workspace)
    for source, label in (("a", "lost"), ("b", "lost"), ("c", "other")):
        said(workspace, label, source)
    turn = turned(workspace)
    assert statuses(workspace) == ["consumed"] * 3
    back(workspace, turn)
    assert statuses(workspace) == ["new"] * 3
    with workspace.read() as connection:
        assert settle(connection, "tickets").waiting == {"not looked at": 1}
        assert [row["label"] for row in settle(connection, "tickets", MOST).rows] == ["lost"]


def test_what_a_person_accepted_is_accepted_again_beside_what_nobody_did(workspace: Workspace) -> None:
    answered(workspace)
    said(workspace, "lost", "a", vouched=True)
    said(workspace, "other", "b")
    turn = turned(workspace)
    assert statuses(workspace) == ["consumed", "consumed"]
    back(workspace, turn)
    assert statuses(workspace) == ["accepted", "new"]
    back(workspace, turned(workspace))
    assert statuses(workspace) == ["accepted", "new"]


def test_what_was_superseded_while_a_turn_learned_from_it_stays_so(workspace: Workspace) -> None:
    answered(workspace)
    said(workspace, "lost", "a", vouched=True)
    said(workspace, "other", "a", NOW + timedelta(hours=1), vouched=True)
    turn = turned(workspace, [1])
    assert statuses(workspace) == ["superseded", "accepted"]
    back(workspace, turn)
    assert statuses(workspace) == ["superseded", "accepted"]


def test_what_its_source_said_otherwise_since_does_not_stand_again(workspace: Workspace) -> None:
    answered(workspace)
    said(workspace, "lost", "a", vouched=True)
    turn = turned(workspace)
    said(workspace, "other", "a", NOW + timedelta(hours=1), vouched=True)
    assert statuses(workspace) == ["consumed", "accepted"]
    back(workspace, turn)
    assert statuses(workspace) == ["superseded", "accepted"]
