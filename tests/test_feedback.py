"""The commands on feedback: in from a file or a labelling tool, looked at, decided on, out as rows that train."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

import tunewheel as tw
from tiny import intent_rows
from tunewheel.cli import app
from tunewheel.feedback.answers import FeedbackError
from tunewheel.loop import feedback as loop
from tunewheel.registry import RegistryError
from tunewheel.store.schema import exchanges

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    """A workspace with a classifier and four recorded answers, two of them sure."""
    data = tw.Dataset.from_rows({"train": intent_rows(40), "test": intent_rows(8)})
    tw.train(data, name="tickets", method="tfidf", home=tmp_path)
    told = [("e1", "the card is gone", 0.4), ("e2", "的卡丢了", 0.5), ("e3", "pay it", 0.99), ("e4", "pay that", 0.98)]
    rows = [
        {
            **{"id": one, "name": "tickets", "number": 1, "role": "live", "row": {"text": text}},
            **{"prediction": {"label": "lost", "confidence": sure}, "label": "lost", "confidence": sure},
            **{"vector": np.full(64, i, np.float16).tobytes(), "language": "en", "characters": len(text)},
            **{"variant": "torch-fp32", "seconds": 0.01, "at": NOW},
        }
        for i, (one, text, sure) in enumerate(told)
    ]
    with tw.Workspace.open(tmp_path).begin() as connection:
        connection.execute(insert(exchanges), rows)
    return tmp_path


def run(home, *arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments), "--home", str(home)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def test_a_file_of_feedback_becomes_rows_that_train(home, tmp_path):
    file = tmp_path / "said.jsonl"
    items = [
        {"exchange": "e1", "label": "lost"},
        {"text": "close it", "label": "close"},
        {"exchange": "e2", "rating": 1},
    ]
    file.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    assert json.loads(run(home, "feedback", "import", "tickets", file, "--json"))["new"] == 3
    assert json.loads(run(home, "feedback", "import", "tickets", file, "--json"))["repeated"] == 3
    out = tmp_path / "rows.jsonl"
    assert json.loads(run(home, "feedback", "export", "tickets", "-o", out, "--json"))["rows"] == 2
    assert [row["label"] for row in tw.Dataset.read(out, dev=0, test=0)["train"]] == ["lost", "close"]


def test_what_waits_is_listed_and_decided_on(home, tmp_path):
    file = tmp_path / "said.jsonl"
    file.write_text('{"exchange": "e1", "label": "stolen"}\n{"exchange": "e2", "label": " "}\n', encoding="utf-8")
    shown = run(home, "feedback", "import", "tickets", file, "--review", code=1)
    assert "1 new" in shown and "item 2: label: expected a text" in shown
    listed = run(home, "feedback", "list", "tickets", "--status", "new")
    assert "stolen" in listed and "file said.jsonl" in listed and "1 new" in listed
    assert "1 rejected" in run(home, "feedback", "reject", "tickets", 1)
    assert json.loads(run(home, "feedback", "list", "tickets", "--json"))["counts"] == {"rejected": 1}
    assert "1 accepted" in run(home, "feedback", "accept", "tickets", 1)
    with pytest.raises(FeedbackError, match="7, 1099511627776: no feedback on tickets has this id"):
        loop.decide_feedback("tickets", [7, 1 << 40], "accepted", home=home)
    with pytest.raises(RegistryError, match="there is no model 'ticket'"):
        loop.suggest("ticket", home=home)


def test_unsure_answers_go_out_to_be_labelled_and_come_back_once(home, tmp_path):
    out = tmp_path / "ask.json"
    run(home, "suggest", "tickets", "-n", 2, "-o", out, "--format", "label-studio")
    tasks = json.loads(out.read_text(encoding="utf-8"))
    assert {task["data"]["exchange"] for task in tasks} == {"e1", "e2"}
    result = [{"type": "choices", "value": {"choices": ["found"]}}]
    done = [{**task, "annotations": [{"result": result, "completed_by": 1}]} for task in tasks]
    out.write_text(json.dumps(done), encoding="utf-8")
    run(home, "feedback", "import", "tickets", out, "--format", "label-studio")
    left = [row["exchange"] for row in loop.suggest("tickets", home=home)]
    assert sorted(left) == ["e3", "e4"]
    assert "pay it" in run(home, "suggest", "tickets")
