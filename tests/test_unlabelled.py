"""Texts without labels on their way from a file into training: read, cleared of what is measured on, recorded."""

import json

import pytest

from tiny import intent_rows
from tunewheel import loop
from tunewheel.data import DataError
from tunewheel.loop.reading import LoopError
from tunewheel.models import MethodError, Recipe
from tunewheel.store import get_run

RECIPE = Recipe(epochs=1, batch_tokens=256, window=24, learning_rate=0.005, precision="fp32")
ASKED = {"method": "self-training", "options": {"confidence": 0.5}, "recipe": RECIPE}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "intents"
    folder.mkdir()
    rows = intent_rows(40)
    for split, part in (("train", rows[:20]), ("dev", rows[20:30]), ("test", rows[30:])):
        write(folder / f"{split}.jsonl", part)
    return folder


@pytest.fixture
def beside(tmp_path):
    """Six texts of use; the others stand in dev, in test and in train, or repeat one."""
    rows = intent_rows(46)
    texts = [row["text"] for row in [*rows[40:], rows[0], rows[20], rows[31], rows[41]]]
    return write(
        tmp_path / "beside.jsonl", [{"text": text.upper()} for text in texts[:3]] + [{"text": t} for t in texts[3:]]
    )


def test_they_reach_the_method_but_for_what_is_measured_on(data, beside, tiny_base, sqlite_workspace):
    said = []
    given = {"base": str(tiny_base), "home": sqlite_workspace.home, "say": lambda *line: said.append(line)}
    turn = loop.train(data, unlabelled=beside, **given, **ASKED)
    told = next(line for heading, line in said if heading == "unlabelled")
    assert "6 texts of" in told
    assert "2 stand in dev or test, 1 are labelled in train, 1 repeat others" in told
    assert sum(turn.model.origin.settings["pseudo_labelled"]) <= 6
    run = get_run(sqlite_workspace, turn.version.run)
    assert run.settings["unlabelled"] == str(beside)

    moved = beside.rename(beside.with_name("moved.jsonl"))
    assert loop.train(data, unlabelled=moved, **given, **ASKED).version == turn.version
    write(moved, [{"text": "where is my card"}])
    assert loop.train(data, unlabelled=moved, **given, **ASKED).version != turn.version


def test_what_does_not_fit_is_refused_before_any_work(data, beside, tmp_path, tiny_base):
    home, base = tmp_path / "home", str(tiny_base)
    with pytest.raises(MethodError, match="--unlabelled FILE"):
        loop.train(data, base=base, home=home, method="gan-bert")
    with pytest.raises(MethodError, match="'full' makes no use of texts without labels"):
        loop.train(data, base=base, home=home, unlabelled=beside)
    with pytest.raises(DataError, match="name the column that holds the text"):
        loop.train(data, base=base, home=home, unlabelled=write(beside, [{"label": "x"}]), **ASKED)
    write(beside, [{"text": row["text"]} for row in intent_rows(40)])
    with pytest.raises(LoopError, match="no text is left"):
        loop.train(data, base=base, home=home, unlabelled=beside, **ASKED)


def test_a_method_without_a_base_takes_none(data, sqlite_workspace):
    home = sqlite_workspace.home
    with pytest.raises(LoopError, match="'tfidf' starts from no base; leave --base minilm out"):
        loop.train(data, base="minilm", method="tfidf", home=home)
    turn = loop.train(data, method="tfidf", home=home)
    assert (turn.version.base, turn.version.method, turn.trained) == ("none", "tfidf", None)
    assert turn.report.metrics["accuracy"].value > 0.9
