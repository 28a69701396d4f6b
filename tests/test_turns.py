"""The bench that kills turns sees a registry without its champion, and feedback that is lost or learned twice."""

from __future__ import annotations

import mmap
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, insert, update

from tunewheel.store import Workspace
from tunewheel.store.schema import alias_history, aliases, turns, versions
from turns import NAME, Ground, front, texts

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def standing(sqlite_workspace: Workspace) -> Workspace:
    """Two versions, of which a turn has promoted the second."""
    with sqlite_workspace.begin() as connection:
        for number in (1, 2):
            row = {
                "name": NAME,
                "number": number,
                "artifact": f"a{number}",
                "task": "classification",
                "method": "tfidf",
            }
            connection.execute(insert(versions).values(**row, metrics={}, created=NOW))
            move = {"name": NAME, "alias": "champion", "action": "promote", "number": number, "why": "", "by": "me"}
            connection.execute(insert(alias_history).values(**move, replaced=number - 1 or None, at=NOW))
        connection.execute(insert(aliases).values(name=NAME, alias="champion", number=2))
        steps = {"data": {"feedback": [1]}, "end": {"version": f"{NAME}:2"}}
        turn = {"name": NAME, "status": "promoted", "why": {}, "settings": {}, "steps": steps}
        connection.execute(insert(turns).values(**turn, started=NOW, updated=NOW, finished=NOW))
    return sqlite_workspace


def seen(workspace: Workspace) -> str:
    with workspace.read() as connection:
        return "; ".join(front(connection))


def test_one_champion_that_the_last_turn_promoted_is_as_it_should_be(standing: Workspace) -> None:
    assert seen(standing) == ""


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (delete(aliases), "not one champion"),
        (update(aliases).values(number=1), "version 1 is in front, and the last promoted one is 2"),
        (delete(alias_history).where(alias_history.c.number == 2), "not what its history says"),
        (update(turns).values(status="running"), "the last promoted one is 1"),
    ],
)
def test_whatever_is_wrong_with_the_champion_is_seen(standing: Workspace, broken, found: str) -> None:
    with standing.begin() as connection:
        connection.execute(broken)
    assert found in seen(standing)


def test_two_turns_at_once_are_seen(standing: Workspace) -> None:
    turn = {"name": NAME, "status": "running", "why": {}, "settings": {}, "steps": {}, "started": NOW, "updated": NOW}
    with standing.begin() as connection:
        connection.execute(insert(turns), [turn, turn])
    assert "two turns run" in seen(standing)


def test_texts_of_an_intent_share_its_words_and_no_text_comes_twice() -> None:
    made = texts(range(3), 300, "here")
    assert made == texts(range(3), 300, "here")
    assert len({row["text"] for row in made}) == 300 and {row["label"] for row in made} == {
        f"intent-{intent}" for intent in range(3)
    }


def test_nobody_who_speaks_is_told(tmp_path) -> None:
    ground = Ground(tmp_path, tmp_path / "home", None, mmap.mmap(-1, 1))
    ground.patience = 0.1
    with pytest.raises(RuntimeError, match="nobody speaks"):
        ground.more()
