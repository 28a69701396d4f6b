"""The queue: words of people first, then answers worth a look; each decided on once, by one, and taken back by them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select, update

from tunewheel.feedback.answers import FeedbackError
from tunewheel.feedback.erase import erase_exchanges
from tunewheel.feedback.given import Feedback, give, list_feedback
from tunewheel.feedback.quarantine import BURST, quarantine
from tunewheel.feedback.review import Conflict, NoItem, Queue
from tunewheel.feedback.settling import settle
from tunewheel.feedback.suggesting import worth
from tunewheel.feedback.turns import begin_turn, note_step
from tunewheel.store import Workspace
from tunewheel.store.schema import exchanges, feedback, reviews

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answered(workspace: Workspace, **confidences: float) -> None:
    """Record exchanges as the service does."""
    rows = [
        {
            **{"id": one, "name": "tickets", "number": 1, "role": "live", "row": {"text": f"text of {one}"}},
            **{"prediction": {"label": "lost", "confidence": sure}, "label": "lost", "confidence": sure},
            **{"vector": np.eye(64, dtype=np.float16)[at % 64].tobytes(), "language": "en", "characters": 9},
            **{"variant": "torch-fp32", "seconds": 0.01, "at": NOW + timedelta(seconds=at)},
        }
        for at, (one, sure) in enumerate(confidences.items())
    ]
    with workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)


def said(workspace: Workspace, *items: dict[str, Any], source: str = "web", vouched: bool = False) -> None:
    assert not give(workspace, "tickets", list(items), source=source, at=NOW, vouched=vouched).refused


def queue(workspace: Workspace, target: str = "label") -> Queue:
    return Queue(workspace, "tickets", target)


def ids(workspace: Workspace, n: int = 20, by: str = "ann") -> list[str]:
    return [item.id for item in queue(workspace).items(n, by=by)]


def everything(workspace: Workspace) -> list[Feedback]:
    with workspace.read() as connection:
        return list_feedback(connection, "tickets", limit=None)


def rows_of(workspace: Workspace) -> list[dict[str, Any]]:
    with workspace.read() as connection:
        return settle(connection, "tickets").rows


def test_contradictions_come_first_then_what_is_new_then_what_was_set_aside_then_unsure_answers(workspace) -> None:
    many = {f"q{i}": 0.6 for i in range(BURST + 1)}
    answered(workspace, sure=0.95, unsure=0.3, new=0.8, split=0.8, settled=0.8, **many)
    said(workspace, *({"exchange": one, "label": "x"} for one in many), source="bot")
    assert [found.source for found in quarantine(workspace, "tickets")] == ["bot"]
    said(workspace, {"exchange": "new", "label": "stolen"})
    said(workspace, {"exchange": "split", "label": "stolen"}, vouched=True)
    said(workspace, {"exchange": "split", "label": "found"}, source="other", vouched=True)
    said(workspace, {"exchange": "settled", "label": "found"}, vouched=True)
    said(workspace, {"exchange": "gone", "label": "no text to show"})
    items = queue(workspace).items(100, by="ann")
    assert [item.id for item in items] == ["split", "new", *many, "unsure", "sure"]
    assert [item.why for item in items[:3]] == ["contradictory", "said", "quarantined"]
    assert items[-1].why == "unsure" and items[-2].confidence == 0.3
    split = items[0]
    assert [(side.value["label"], side.sources) for side in split.sides] == [
        ("stolen", ("web",)),
        ("found", ("other",)),
    ]
    assert (split.answer, split.version, split.row) == ({"label": "lost"}, "tickets:1", {"text": "text of split"})
    assert "within 10 minutes" in items[2].reasons[0]
    assert ids(workspace, 2) == ["split", "new"]
    assert queue(workspace).waiting() == BURST + 3


def test_an_exchange_of_another_model_shows_nothing_of_it(workspace) -> None:
    answered(workspace, e1=0.8, e2=0.8)
    with workspace.begin() as connection:
        connection.execute(update(exchanges).values(name="others"))
    said(workspace, {"exchange": "e1", "label": "x"}, {"exchange": "e2", "text": "close it", "label": "close"})
    (item,) = queue(workspace).items(20, by="ann")
    assert (item.id, item.row, item.answer) == ("e2", {"text": "close it"}, None)


def test_suggestions_stand_in_the_order_of_suggest(workspace) -> None:
    answered(workspace, a=0.9, b=0.4, c=0.6, d=0.41)
    with workspace.read() as connection:
        order = [row["exchange"] for row in worth(connection, "tickets", 4)]
    assert ids(workspace) == order and order[0] == "b"


def test_an_answer_accepted_as_it_is_becomes_a_row_with_its_exchange(workspace) -> None:
    answered(workspace, e1=0.4)
    decided = queue(workspace).decide("e1", "accept", by="ann")
    assert (decided.value, decided.by, decided.repeated) == ({"label": "lost"}, "ann", False)
    assert rows_of(workspace) == [{"text": "text of e1", "id": "feedback-e1", "exchange": "e1", "label": "lost"}]
    (one,) = everything(workspace)
    assert (one.source, one.kind, one.status, one.reason) == ("ann", "correction", "accepted", "accepted by ann")
    assert ids(workspace) == []


def test_an_edit_is_the_reviewers_word_and_what_says_otherwise_is_rejected(workspace) -> None:
    answered(workspace, e1=0.4)
    said(workspace, {"exchange": "e1", "label": "stolen"})
    said(workspace, {"exchange": "e1", "label": "found"}, source="other")
    with pytest.raises(FeedbackError, match="contradict each other here"):
        queue(workspace).decide("e1", "accept", by="ann")
    queue(workspace).decide("e1", "accept", {"label": "returned"}, by="ann")
    assert [(one.source, one.status) for one in everything(workspace)] == [
        *(("web", "rejected"), ("other", "rejected"), ("ann", "accepted"))
    ]
    assert [row["label"] for row in rows_of(workspace)] == ["returned"]


def test_the_side_that_is_right_is_accepted_with_all_who_say_so(workspace) -> None:
    answered(workspace, e1=0.4)
    for source, label in (("a", "stolen"), ("b", "found"), ("c", "stolen")):
        said(workspace, {"exchange": "e1", "label": label}, source=source)
    decided = queue(workspace).decide("e1", "accept", {"label": "stolen"}, by="ann")
    assert [one.status for one in everything(workspace)] == ["accepted", "rejected", "accepted"]
    assert decided.changed == 3 and [row["label"] for row in rows_of(workspace)] == ["stolen"]


def test_a_row_that_came_without_an_exchange_is_one_item_whoever_said_it(workspace) -> None:
    said(workspace, {"text": "close it", "label": "close"}, {"text": "open it", "label": "open"})
    said(workspace, {"text": "close it", "label": "end"}, source="other")
    first, second = queue(workspace).items(20, by="ann")
    assert (first.id, first.why, len(first.sides), first.row) == ("row-1", "contradictory", 2, {"text": "close it"})
    assert (second.id, second.why, second.answer) == ("row-2", "said", None)
    queue(workspace).decide("row-1", "accept", {"label": "shut"}, by="ann")
    queue(workspace).decide("row-2", "reject", by="ann")
    assert ids(workspace) == []
    ((row),) = rows_of(workspace)
    assert (row["text"], row["label"], row["exchange"]) == ("close it", "shut", "")


def test_what_is_rejected_is_neither_learned_from_nor_asked_again(workspace) -> None:
    answered(workspace, e1=0.4, e2=0.5)
    said(workspace, {"exchange": "e1", "label": "stolen"})
    queue(workspace).decide("e1", "reject", by="ann")
    queue(workspace).decide("e2", "reject", by="ann")
    assert (ids(workspace), rows_of(workspace)) == ([], [])
    assert [one.status for one in everything(workspace)] == ["rejected"]
    with workspace.read() as connection:
        assert worth(connection, "tickets", 9) == []


def test_what_one_skipped_comes_last_for_them_and_in_its_place_for_others(workspace) -> None:
    answered(workspace, e1=0.4, e2=0.5, e3=0.6)
    said(workspace, {"exchange": "e3", "label": "stolen"})
    for one in ("e3", "e1"):
        first = queue(workspace).decide(one, "skip", by="ann")
        again = queue(workspace).decide(one, "skip", by="ann")
        assert (again.id, again.repeated) == (first.id, True)
    items = queue(workspace).items(20, by="ann")
    assert [(item.id, item.skipped) for item in items] == [("e2", False), ("e3", True), ("e1", True)]
    assert ids(workspace, by="ben")[0] == "e3"
    queue(workspace).withdraw(first.id, by="ann")
    assert ids(workspace) == ["e1", "e2", "e3"]
    assert queue(workspace).decide("e3", "accept", by="ben").changed == 1


def test_the_first_decision_counts_and_the_second_is_told_of_it(workspace) -> None:
    answered(workspace, e1=0.4, e2=0.4)
    first = queue(workspace).decide("e1", "accept", by="ann")
    again = queue(workspace).decide("e1", "accept", {"label": "lost"}, by="ann")
    assert again.repeated and (again.id, again.value) == (first.id, first.value)
    for action, value, by in (("accept", None, "ben"), ("reject", None, "ann"), ("accept", {"label": "x"}, "ann")):
        with pytest.raises(Conflict, match="ann accepted this on 20"):
            queue(workspace).decide("e1", action, value, by=by)
    assert len(everything(workspace)) == 1
    said(workspace, {"exchange": "e2", "label": "x"}, vouched=True)
    with pytest.raises(Conflict, match="nothing waits here any more"):
        queue(workspace).decide("e2", "skip", by="ann")


def test_of_many_at_once_one_counts(workspace) -> None:
    answered(workspace, e1=0.4)
    told: list[str] = []

    def decide(by: str) -> None:
        try:
            queue(workspace).decide("e1", "accept", {"label": by}, by=by)
            told.append(by)
        except Conflict:
            told.append("conflict")

    threads = [threading.Thread(target=decide, args=(f"p{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [one for one in told if one != "conflict"]
    assert len(told) == 6 and [one.value for one in everything(workspace)] == [{"label": winner}]


def test_a_new_word_on_what_was_decided_waits_again(workspace) -> None:
    answered(workspace, e1=0.4)
    queue(workspace).decide("e1", "accept", by="ann")
    said(workspace, {"exchange": "e1", "label": "stolen"})
    assert ids(workspace) == ["e1"]
    queue(workspace).decide("e1", "accept", {"label": "stolen"}, by="ben")
    assert [row["label"] for row in rows_of(workspace)] == ["stolen"]


def test_a_decision_is_taken_back_by_whom_it_was_and_all_stands_as_before(workspace) -> None:
    answered(workspace, e1=0.4, e2=0.5)
    said(workspace, {"exchange": "e1", "label": "stolen"})
    before = everything(workspace)
    edited = queue(workspace).decide("e1", "accept", {"label": "found"}, by="ann")
    rejected = queue(workspace).decide("e2", "reject", by="ann")
    with pytest.raises(Conflict, match="it was ann who accepted this"):
        queue(workspace).withdraw(edited.id, by="ben")
    queue(workspace).withdraw(edited.id, by="ann")
    queue(workspace).withdraw(rejected.id, by="ann")
    assert everything(workspace) == before and ids(workspace) == ["e1", "e2"]
    assert queue(workspace).withdraw(edited.id, by="ann").repeated
    with pytest.raises(NoItem):
        queue(workspace).withdraw(99, by="ann")
    with workspace.read() as connection:
        kept = connection.execute(select(reviews.c.by, reviews.c.at, reviews.c.withdrawn)).all()
    assert all(by == "ann" and at <= withdrawn for by, at, withdrawn in kept) and len(kept) == 2


@pytest.mark.parametrize(("value", "before"), [({"label": "stolen"}, "accepted"), ({"label": "found"}, "rejected")])
@pytest.mark.parametrize("later", [True, False])
def test_of_one_source_one_word_stands_again_when_a_decision_is_taken_back(workspace, value, before, later) -> None:
    answered(workspace, e1=0.4)
    said(workspace, {"exchange": "e1", "label": "stolen"})
    decided = queue(workspace).decide("e1", "accept", value, by="ann")
    assert everything(workspace)[0].status == before
    at = NOW + timedelta(hours=1 if later else -1)
    said(workspace, {"exchange": "e1", "label": "returned", "at": at.isoformat()})
    queue(workspace).withdraw(decided.id, by="ann")
    standing = [one.value["label"] for one in everything(workspace) if one.status == "new"]
    assert standing == ["returned" if later else "stolen"]


def test_an_older_decision_is_not_taken_back_under_a_newer_one(workspace) -> None:
    answered(workspace, e1=0.4)
    first = queue(workspace).decide("e1", "accept", by="ann")
    said(workspace, {"exchange": "e1", "label": "stolen"})
    queue(workspace).decide("e1", "reject", by="ben")
    with pytest.raises(Conflict, match="decided again since, by ben"):
        queue(workspace).withdraw(first.id, by="ann")


def test_what_an_update_learned_from_or_is_learning_from_stays(workspace) -> None:
    answered(workspace, e1=0.4)
    decided = queue(workspace).decide("e1", "accept", by="ann")
    (one,) = everything(workspace)
    with workspace.begin() as connection:
        turn = begin_turn(connection, "tickets", {}, {})
        note_step(connection, turn.id, "data", {"feedback": [one.id]})
    with pytest.raises(Conflict, match="is learning from this now"):
        queue(workspace).withdraw(decided.id, by="ann")
    said(workspace, {"exchange": "e1", "label": "stolen"})
    with pytest.raises(Conflict, match="is learning from this now"):
        queue(workspace).decide("e1", "reject", by="ben")
    assert [one.status for one in everything(workspace)] == ["accepted", "new"]
    with workspace.begin() as connection:
        connection.execute(update(feedback).values(status="consumed"))
    with pytest.raises(Conflict):
        queue(workspace).withdraw(decided.id, by="ann")


@pytest.mark.parametrize(
    ("target", "value", "told"),
    [
        ("label", {"labels": ["x"]}, "expected label, which this model answers with; found labels"),
        ("label", {"label": " "}, "label: expected a text"),
        ("label", {}, "expected one of"),
        ("entities", {"entities": [{"start": 0, "end": 99, "label": "x"}]}, "inside the text"),
        (
            "entities",
            {"entities": [{"start": 0, "end": 4, "label": "x"}, {"start": 3, "end": 6, "label": "y"}]},
            "two of them overlap",
        ),
        ("score", {"score": "much"}, "score: expected a number"),
        ("label", None, None),
    ],
)
def test_a_value_that_is_no_answer_of_the_model_is_refused(workspace, target, value, told) -> None:
    answered(workspace, e1=0.4)
    if told is None:
        assert queue(workspace, "labels").items(1, by="ann")[0].answer is None
        with pytest.raises(FeedbackError, match="there is no answer to accept"):
            queue(workspace, "labels").decide("e1", "accept", by="ann")
    else:
        with pytest.raises(FeedbackError, match=told):
            queue(workspace, target).decide("e1", "accept", value, by="ann")
    assert everything(workspace) == [] and ids(workspace) == ["e1"]


@pytest.mark.parametrize(
    "item", ["e9", "row-1", "row-99999999999999999", "other", "shadow", "row-x", "", "e\0", "' OR 1=1"]
)
def test_an_item_that_is_none_is_not_found(workspace, item) -> None:
    answered(workspace, other=0.4, shadow=0.4)
    with workspace.begin() as connection:
        connection.execute(update(exchanges).where(exchanges.c.id == "other").values(name="others"))
        connection.execute(update(exchanges).where(exchanges.c.id == "shadow").values(role="shadow"))
    with pytest.raises(NoItem):
        queue(workspace).decide(item, "accept", by="ann")
    assert ids(workspace) == []


def test_what_a_reviewer_writes_is_masked(workspace) -> None:
    answered(workspace, e1=0.4)
    decided = queue(workspace, "answer").decide("e1", "accept", {"answer": "call 138 1234 5678"}, by="ann")
    assert decided.value == {"answer": "call [PHONE]"} == everything(workspace)[0].value


def test_a_graded_pair_has_its_label_beside_its_score(workspace) -> None:
    answered(workspace, e1=0.4)
    value = {"score": 0.7, "label": "same"}
    queue(workspace, "score").decide("e1", "accept", value, by="ann")
    assert {key: rows_of(workspace)[0][key] for key in value} == value


def test_what_is_forgotten_leaves_no_decision_behind(workspace) -> None:
    from tunewheel.data.erased import Erased

    answered(workspace, e1=0.4, e2=0.4)
    said(workspace, {"text": "close it", "label": "close"})
    for one in ("e1", "e2", "row-1"):
        queue(workspace).decide(one, "accept", by="ann")
    erase_exchanges(workspace, Erased({"text of e1", "close it"}, set()))
    with workspace.read() as connection:
        assert list(connection.scalars(select(reviews.c.item))) == ["e2"]


@pytest.mark.slow
def test_a_large_table_is_read_in_bounded_time(sqlite_workspace) -> None:
    from time import perf_counter

    draw = np.random.default_rng(0)
    rows = [
        {
            **{"id": f"e{i:06}", "name": "tickets", "number": 1, "role": "live", "row": {"text": f"text {i}"}},
            **{"prediction": {"label": "lost"}, "label": "lost", "confidence": float(draw.random()), "seconds": 0.01},
            **{"vector": draw.random(64).astype(np.float16).tobytes(), "language": "en", "characters": 9},
            **{"variant": "torch-fp32", "at": NOW + timedelta(seconds=i)},
        }
        for i in range(200_000)
    ]
    with sqlite_workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)
    items = [{"exchange": f"e{i:06}", "label": "x"} for i in range(60_000)]
    for start in range(0, len(items), 10_000):
        said(sqlite_workspace, *items[start : start + 10_000], vouched=start >= 20_000)
    began = perf_counter()
    assert len(queue(sqlite_workspace).items(20, by="ann")) == 20
    waits = perf_counter() - began
    with sqlite_workspace.begin() as connection:
        connection.execute(update(feedback).values(status="consumed"))
    began = perf_counter()
    assert {item.why for item in queue(sqlite_workspace).items(20, by="ann")} == {"unsure"}
    unsure = perf_counter() - began
    print(f"waiting {waits:.2f} s, unsure {unsure:.2f} s")
    assert waits < 3 and unsure < 5
