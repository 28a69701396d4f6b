"""Feedback: taken once, masked, the late and contradictory counted, attacks set aside, rows of what is agreed alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from sqlalchemy import insert, update

from tunewheel.feedback.answers import FeedbackError
from tunewheel.feedback.given import Feedback, count_feedback, give, list_feedback
from tunewheel.feedback.quarantine import BURST, quarantine, suspicions
from tunewheel.feedback.review import decide
from tunewheel.feedback.settling import Policy, settle
from tunewheel.store import Workspace
from tunewheel.store.schema import exchanges, feedback

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answered(workspace: Workspace, *ids: str, confidence: float = 0.6, at: datetime = NOW) -> None:
    """Record exchanges as the service does."""
    rows = [
        {
            **{"id": one, "name": "tickets", "number": 1, "role": "live", "row": {"text": f"text of {one}"}},
            **{"prediction": {"label": "lost", "confidence": confidence}, "label": "lost", "confidence": confidence},
            **{"language": "en", "characters": 9, "variant": "torch-fp32", "seconds": 0.01, "at": at},
        }
        for one in ids
    ]
    with workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)


def said(workspace: Workspace, *items: dict, source: str = "ann", **options):
    return give(workspace, "tickets", list(items), source=source, at=NOW, **options)


def rows_of(workspace: Workspace, **policy):
    with workspace.read() as connection:
        return settle(connection, "tickets", Policy(**policy))


def decided(workspace: Workspace, one: int, action) -> int:
    """Decide on one piece of feedback as the commands do."""
    return workspace.transact(lambda to: decide(to, "tickets", one, action, by="bob", over=True)).changed


def everything(workspace: Workspace) -> list[Feedback]:
    with workspace.read() as connection:
        return list_feedback(connection, "tickets", limit=None)


def test_the_same_key_is_taken_once_and_for_one_thing(workspace: Workspace) -> None:
    answered(workspace, "e1")
    item = {"exchange": "e1", "label": "stolen", "key": "k1"}
    assert said(workspace, item, item).repeated == 1
    assert said(workspace, item).new == 0
    other = said(workspace, {**item, "label": "found"})
    assert other.refused == [(1, "key 'k1' was given for other feedback before")]
    assert [one.value for one in everything(workspace)] == [{"label": "stolen"}]


def test_personal_data_is_masked_before_it_is_written_and_spans_move_along(workspace: Workspace) -> None:
    text = "call 138 1234 5678 about my Visa"
    at = text.index("Visa")
    said(
        workspace,
        {"text": text, "entities": [{"start": at, "end": at + 4, "label": "card"}]},
        {"exchange": "e9", "answer": "write to li@example.com"},
        {"exchange": "e9", "outcome": "called 138 1234 5678"},
    )
    row, answer, outcome = everything(workspace)
    assert row.row == {"text": "call [PHONE] about my Visa"}
    span = row.value["entities"][0]
    assert row.row["text"][span["start"] : span["end"]] == "Visa"
    assert answer.value == {"answer": "write to [EMAIL]"}
    assert outcome.value == {"event": "called [PHONE]"}


def test_late_and_unknown_are_kept_counted_and_said(workspace: Workspace) -> None:
    answered(workspace, "old", at=NOW - timedelta(days=91))
    received = said(workspace, {"exchange": "old", "label": "a"}, {"exchange": "gone", "label": "b"})
    assert (received.new, received.late, received.unknown) == (2, 1, 1)
    assert [one.reason for one in everything(workspace)] == [
        "said more than 90 days after the answer",
        "its exchange is not known (yet)",
    ]


def test_an_unknown_exchange_that_comes_late_is_found_again(workspace: Workspace) -> None:
    said(workspace, {"exchange": "e1", "label": "stolen"}, vouched=True)
    assert rows_of(workspace).waiting == {"unknown exchange": 1}
    answered(workspace, "e1")
    assert rows_of(workspace).rows == [{"text": "text of e1", "id": "feedback-e1", "exchange": "e1", "label": "stolen"}]


def test_an_exchange_of_another_model_is_none_that_is_known(workspace: Workspace) -> None:
    answered(workspace, "e1", confidence=0.99)
    said(workspace, {"exchange": "e1", "label": "stolen"})
    received = give(workspace, "others", [{"exchange": "e1", "label": "y"}], source="ann", at=NOW, vouched=True)
    assert (received.unknown, received.superseded, received.contradictory) == (1, 0, 0)
    assert [one.status for one in everything(workspace)] == ["new"]
    with workspace.read() as connection:
        settled = settle(connection, "others")
        assert (settled.rows, settled.waiting) == ([], {"unknown exchange": 1})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_one_source_the_latest_word_counts_whatever_order_it_comes_in(workspace: Workspace, order) -> None:
    answered(workspace, "e1")
    items = [
        {"exchange": "e1", "label": "first", "at": "2026-03-01T10:00:00+00:00"},
        {"exchange": "e1", "label": "second", "at": "2026-03-01T11:00:00+00:00"},
    ]
    assert said(workspace, *(items[i] for i in order), vouched=True).superseded == 1
    assert [row["label"] for row in rows_of(workspace).rows] == ["second"]


def test_what_was_learned_from_is_not_superseded(workspace: Workspace) -> None:
    answered(workspace, "e1")
    said(workspace, {"exchange": "e1", "label": "first"})
    with workspace.begin() as connection:
        connection.execute(update(feedback).values(status="consumed"))
    assert said(workspace, {"exchange": "e1", "label": "second"}).superseded == 0
    assert decided(workspace, 1, "reject") == 0
    assert decided(workspace, 2, "accept") == 1
    assert [one.status for one in everything(workspace)] == ["consumed", "accepted"]


def test_two_who_disagree_are_resolved_by_the_policy_named(workspace: Workspace) -> None:
    answered(workspace, "e1")
    for source, label, hour in (("ann", "lost", 9), ("ben", "stolen", 10), ("cem", "lost", 8)):
        item = {"exchange": "e1", "label": label, "at": f"2026-03-01T{hour:02}:00:00+00:00"}
        received = said(workspace, item, source=source)
        assert received.contradictory == (source != "ann")
    assert rows_of(workspace).waiting == {"not looked at": 1}
    told = {
        "review": rows_of(workspace, automatic=True).waiting,
        **{
            policy: [row["label"] for row in rows_of(workspace, automatic=True, disagree=policy, trust={"ben": 3}).rows]
            for policy in ("latest", "majority", "trust")
        },
    }
    assert told == {"review": {"disagreed": 1}, "latest": ["stolen"], "majority": ["lost"], "trust": ["stolen"]}
    assert rows_of(workspace, automatic=True, disagree="trust", trust={"ben": 2}).waiting == {"tied": 1}
    assert rows_of(workspace, automatic=True, disagree="trust", trust={"ben": 0}).rows[0]["label"] == "lost"


def test_little_trust_waits_and_a_persons_decision_does_not(workspace: Workspace) -> None:
    answered(workspace, "e1")
    said(workspace, {"exchange": "e1", "label": "stolen", "source": "guest"}, source="web")
    assert rows_of(workspace, automatic=True, trust={"web": 0.4}).waiting == {"not enough trust": 1}
    assert rows_of(workspace, automatic=True, trust={"web": 0.4, "web/guest": 1}).rows
    assert decided(workspace, 1, "accept") == 1
    assert rows_of(workspace, trust={"web": 0.4}).behind == [[1]]
    decided(workspace, 1, "reject")
    assert rows_of(workspace).rows == []


def test_what_is_malformed_is_refused_by_place_and_the_rest_is_kept(workspace: Workspace) -> None:
    bad = [
        {"exchange": "e1"},
        {"label": "x"},
        {"exchange": "e1", "rating": 2},
        {"exchange": "e1", "rating": 1, "label": "x"},
        {"exchange": "e1", "label": " "},
        {"exchange": "e1", "label": "x", "labels": ["x"]},
        {"text": "ab", "entities": [{"start": 0, "end": 3, "label": "x"}]},
        {"text": "ab", "entities": [{"start": 1, "end": 1, "label": "x"}]},
        {"text": "ab", "entities": [{"start": 0, "end": 1, "label": ""}]},
        {"exchange": "e1", "label": "x", "at": "yesterday"},
        {"exchange": 5, "label": "x"},
        {"text": "a", "label": "x", "key": ""},
        {"text": " ", "label": "x"},
        {"text": "mail a@b.com", "label": "x", "tokens": "abc"},
        {"text": "mail a@b.com", "label": "x", "tokens": ["mail"]},
        {"text": "mail a@b.com", "label": "x", "tokens": [{"start": 0, "end": 99}]},
        "no object",
    ]
    received = said(workspace, *bad, {"text": "good", "label": "x"})
    assert [place for place, _ in received.refused] == list(range(1, len(bad) + 1))
    assert received.new == 1
    with workspace.read() as connection:
        assert count_feedback(connection, "tickets") == {"new": 1}


def test_blanks_that_were_answered_wait_and_stop_no_one_else(workspace: Workspace) -> None:
    answered(workspace, "e1", "e2")
    with workspace.begin() as connection:
        connection.execute(update(exchanges).where(exchanges.c.id == "e1").values(row={"text": " "}))
    said(workspace, {"exchange": "e1", "label": "x"}, {"exchange": "e2", "label": "x"}, vouched=True)
    assert [row["id"] for row in rows_of(workspace).rows] == ["feedback-e2"]
    assert rows_of(workspace).waiting == {"without a text": 1}


def test_spans_outside_the_text_of_an_exchange_are_refused_or_wait_and_stop_no_one_else(workspace: Workspace) -> None:
    answered(workspace, "e1", "e3")
    item = {"exchange": "e1", "entities": [{"start": 5, "end": 1_000_000_000, "label": "x"}]}
    received = said(workspace, item, {**item, "exchange": "e2"}, vouched=True)
    assert (received.new, [place for place, _ in received.refused]) == (1, [1])
    assert "inside the text of the exchange" in received.refused[0][1]
    answered(workspace, "e2")
    said(workspace, {"exchange": "e3", "entities": [{"start": 8, "end": 10, "label": "x"}]}, vouched=True)
    settled = rows_of(workspace)
    assert [row["id"] for row in settled.rows] == ["feedback-e3"]
    assert settled.waiting == {"with spans outside the text": 1}
    with pytest.raises(FeedbackError, match="e2: its entities have spans outside the text"):
        decided(workspace, 1, "accept")
    assert decided(workspace, 1, "reject") == 1


@over(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["exchange", "text", "label", "labels", "entities", "tokens", "rating", "key", "at"]),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_nothing_that_may_come_breaks_anything(tmp_path_factory, item) -> None:
    from tunewheel.data.privacy import Masker
    from tunewheel.feedback.given import _read

    try:
        _read(item, "tickets", "ann", NOW, Masker())
    except FeedbackError as error:
        assert str(error)


def corrections(source: str, exchanges: list[str], *, apart: timedelta = timedelta(hours=1), start: int = 0):
    return [
        Feedback(
            *(start + i, f"{source}{i}", "correction", "tickets", one, None, {"label": "x"}, source),
            *(NOW, NOW + i * apart, "new", None, None),
        )
        for i, one in enumerate(exchanges)
    ]


USUAL = np.array([0.95] * 900 + [0.5] * 100)
"""Of a calibrated model's mistakes, 45 in 95 have confidence 0.95."""


def test_a_burst_of_one_source_is_set_aside_and_a_steady_hand_is_not() -> None:
    many = [f"e{i}" for i in range(BURST + 1)]
    assert suspicions(corrections("ann", many), {}, USUAL) == []
    (found,) = suspicions(corrections("bot", many, apart=timedelta(seconds=5)), {}, USUAL)
    assert found.source == "bot" and len(found.ids) == BURST + 1 and "within 10 minutes" in found.reason


def test_one_who_contradicts_confident_answers_is_set_aside() -> None:
    usual = np.array([0.99] * 900 + [0.5] * 100)
    confidences = {f"e{i}": 0.99 if i < 20 else 0.5 for i in range(100)}
    attacker = corrections("eve", [f"e{i}" for i in range(20)])
    honest = corrections("ann", [f"e{i}" for i in range(18, 60)], start=100)
    (found,) = suspicions(attacker + honest, confidences, usual)
    assert found.source == "eve" and found.reason.startswith("20 of 20 corrections contradict confident answers")


def test_one_who_says_what_the_answer_said_contradicts_nothing(workspace: Workspace) -> None:
    """Else those who confirm would be set aside, or, where all do, whoever flips would look as they do."""
    sure = [f"e{i}" for i in range(50)]
    answered(workspace, *sure, confidence=0.99)
    answered(workspace, *(f"u{i}" for i in range(10)), confidence=0.5)
    said(workspace, *({"exchange": one, "label": "lost"} for one in sure[:25]), source="ann")
    assert quarantine(workspace, "tickets") == []
    said(workspace, *({"exchange": one, "label": "found"} for one in sure[25:]), source="eve")
    (found,) = quarantine(workspace, "tickets")
    assert found.source == "eve" and found.reason.startswith("25 of 25")


def test_under_drift_where_all_contradict_confident_answers_nobody_is_set_aside() -> None:
    usual = np.array([0.99] * 900 + [0.5] * 100)
    confidences = {f"e{i}": 0.99 for i in range(100)}
    all_of_them = [
        one
        for k, who in enumerate(("ann", "ben", "cem"))
        for one in corrections(who, [f"e{i}" for i in range(25)], start=100 * k)
    ]
    assert suspicions(all_of_them, confidences, usual) == []


def test_honest_sources_are_rarely_set_aside() -> None:
    draw, wrong = np.random.default_rng(0), 0
    for _ in range(300):
        confidence = draw.beta(8, 1.2, 3000)
        mistakes = np.flatnonzero(draw.random(3000) > confidence)
        known = {f"e{i}": float(c) for i, c in enumerate(confidence)}
        given = [
            one
            for k in range(3)
            for one in corrections(f"s{k}", [f"e{i}" for i in draw.choice(mistakes, 40, replace=False)], start=100 * k)
        ]
        wrong += bool(suspicions(given, known, confidence))
    assert wrong <= 3


def test_what_somebody_vouched_for_is_no_burst(workspace: Workspace) -> None:
    items = [{"text": f"text {i}", "label": "x"} for i in range(BURST + 5)]
    said(workspace, *items, source="file", vouched=True)
    assert quarantine(workspace, "tickets") == [] and len(rows_of(workspace).rows) == len(items)


def test_what_is_set_aside_waits_for_a_person(workspace: Workspace) -> None:
    many = [f"e{i}" for i in range(BURST + 5)]
    answered(workspace, *many)
    said(workspace, *({"exchange": one, "label": "x"} for one in many), source="bot")
    assert [found.source for found in quarantine(workspace, "tickets")] == ["bot"]
    assert rows_of(workspace, automatic=True).rows == []
    decided(workspace, 1, "accept")
    assert quarantine(workspace, "tickets") == []
    assert [row["id"] for row in rows_of(workspace, automatic=True).rows] == ["feedback-e0"]
