"""Entities are marked in the text that was sent, and stand in the one that is recorded without personal data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from tunewheel.feedback.exchanges import Exchange, exchange_id
from tunewheel.feedback.given import Received, give, list_feedback
from tunewheel.feedback.interchange import exported
from tunewheel.feedback.judging import said_right
from tunewheel.feedback.recorder import Recorder
from tunewheel.feedback.review import Queue
from tunewheel.feedback.settling import settle
from tunewheel.feedback.suggesting import worth
from tunewheel.loop import feedback as loop
from tunewheel.store import Workspace
from tunewheel.store.schema import exchanges

NOW = datetime(2026, 3, 1, tzinfo=UTC)

TEXTS = [("Ring 13812345678 and ask Anna Li", "Anna"), ("打13812345678找王芳，或写信到li@example.com问陈晨", "陈晨")]


def marked(text: str, name: str) -> list[dict[str, Any]]:
    return [{"start": text.index(name), "end": text.index(name) + len(name), "label": "person"}]


def recorded(workspace: Workspace, text: str, spans: list[dict[str, Any]], id: str | None = None) -> str:
    """Record an exchange as the service does, and its id."""
    made = Exchange(id or exchange_id(NOW), "names", 1, {"text": text}, {"entities": spans}, "torch-fp32", 0.01, at=NOW)
    with Recorder(workspace, every=0.02) as recorder:
        recorder.record([made])
    return made.id


def said(workspace: Workspace, *items: dict[str, Any], **options: Any) -> Received:
    return give(workspace, "names", items, source="ann", at=NOW, vouched=True, **options)


def read(workspace: Workspace) -> list[str]:
    """What the rows to be learned from mark."""
    with workspace.read() as connection:
        rows = settle(connection, "names").rows
    return [row["text"][span["start"] : span["end"]] for row in rows for span in row["entities"]]


@pytest.mark.parametrize(("text", "name"), TEXTS)
@pytest.mark.parametrize("early", [False, True])
def test_a_correction_marks_what_was_meant_whether_it_comes_before_its_exchange_or_after(
    workspace: Workspace, text: str, name: str, early: bool
) -> None:
    id, spans = exchange_id(NOW), marked(text, name)
    item = {"exchange": id, "entities": spans, "key": "k1"}
    if early:
        assert said(workspace, item).unknown == 1
    recorded(workspace, text, spans, id)
    assert said(workspace, item).repeated == early
    assert read(workspace) == [name]
    assert said_right(workspace, "names")([id]) == {id: True}
    recorded(workspace, text, spans, id)  # what comes twice moves nothing twice
    assert said(workspace, item).repeated == 1 and read(workspace) == [name]


def test_where_masking_moved_a_text_is_kept_in_numbers_alone(workspace: Workspace) -> None:
    text, name = TEXTS[0]
    recorded(workspace, text, marked(text, name))
    recorded(workspace, "ask Anna", marked("ask Anna", "Anna"))
    with workspace.read() as connection:
        kept = connection.scalars(select(exchanges.c.moves).order_by(exchanges.c.id)).all()
    assert sorted(kept, key=bool) == [None, [[5, 16, 5, 12]]]


@pytest.mark.parametrize("early", [False, True])
def test_a_span_that_cuts_personal_data_is_refused_and_one_that_holds_it_is_not(
    workspace: Workspace, early: bool
) -> None:
    text, name = TEXTS[0]
    id = exchange_id(NOW)
    cut = {"exchange": id, "entities": [{"start": 10, "end": len(text), "label": "x"}]}
    if early:
        said(workspace, cut)
        recorded(workspace, text, marked(text, name), id)
        with workspace.read() as connection:
            (one,) = list_feedback(connection, "names")
        assert (one.status, one.reason) == ("rejected", "entities: " + CUT)
    else:
        recorded(workspace, text, marked(text, name), id)
        assert said(workspace, cut).refused == [(1, "entities: " + CUT)]
    outside = {"exchange": id, "entities": [{"start": len(text) - 1, "end": len(text) + 1, "label": "x"}]}
    assert "inside the text of the exchange" in said(workspace, outside).refused[0][1]
    whole = [{"start": 0, "end": 16, "label": "x"}, {"start": 5, "end": 16, "label": "y"}]
    said(workspace, {"exchange": id, "entities": whole})
    assert read(workspace) == ["Ring [PHONE]", "[PHONE]"]


CUT = "a span cuts personal data, which is masked; take in all of it, or none"


@pytest.mark.parametrize("form", ["doccano", "label-studio"])
def test_what_labelling_tools_and_review_show_is_marked_as_they_show_it(
    workspace: Workspace, tmp_path, monkeypatch, form
) -> None:
    text, name = TEXTS[0]
    recorded(workspace, text, marked(text, name))
    with workspace.read() as connection:
        found = worth(connection, "names", 1)
    lines, file = "\n".join(exported(found, form)), tmp_path / "all.json"
    if form == "label-studio":
        (task,) = json.loads(lines)
        lines = json.dumps([{**task, "annotations": [{"result": task["predictions"][0]["result"]}]}])
    file.write_text(lines, encoding="utf-8")
    monkeypatch.setattr(loop, "_model", lambda *_: (workspace, "entities"))
    assert loop.import_feedback("names", file, form=form).new == 1
    assert read(workspace) == [name]


@pytest.mark.parametrize(("text", "name"), TEXTS)
def test_a_file_of_corrections_marks_what_was_sent(workspace: Workspace, tmp_path, monkeypatch, text, name) -> None:
    item = {"exchange": recorded(workspace, text, marked(text, name)), "entities": marked(text, name)}
    file = tmp_path / "all.jsonl"
    file.write_text(json.dumps(item), encoding="utf-8")
    monkeypatch.setattr(loop, "_model", lambda *_: (workspace, "entities"))
    assert loop.import_feedback("names", file, form="jsonl").new == 1
    assert read(workspace) == [name]


def test_review_marks_the_masked_text(workspace: Workspace) -> None:
    text, name = TEXTS[0]
    id = recorded(workspace, text, marked(text, name))
    queue = Queue(workspace, "names", "entities")
    (item,) = queue.items(1, by="ann")
    queue.decide(id, "accept", {"entities": marked(item.row["text"], "Li")}, by="ann")
    assert read(workspace) == ["Li"]


def test_an_exchange_of_before_that_keeps_no_moves_is_read_as_it_is_recorded(workspace: Workspace) -> None:
    text, name = TEXTS[0]
    id = recorded(workspace, text, marked(text, name))
    with workspace.begin() as connection:
        connection.execute(update(exchanges).values(moves=None))
        masked = connection.scalar(select(exchanges.c.row))["text"]
    said(workspace, {"exchange": id, "entities": marked(masked, name)})
    assert read(workspace) == [name]
