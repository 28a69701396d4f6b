"""Decisions in the database: made again from what was kept, counted, and moving an alias only when asked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sqlalchemy import update

from tunewheel.evaluation.slices import Part
from tunewheel.registry import Registry
from tunewheel.registry.gate import (
    Answers,
    Evidence,
    Gate,
    GateError,
    Margins,
    RowSet,
    fingerprint,
    get_decision,
    list_decisions,
    record_decision,
    uses_of,
)
from tunewheel.registry.gate.evidence import find_parts
from tunewheel.registry.gate.record import decide_again
from tunewheel.store.schema import decisions
from tunewheel.tasks.calibration import Claims
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

RIGHT = np.arange(2000) % 10 > 0
BETTER = RIGHT | (np.arange(2000) % 20 == 0)


@pytest.fixture
def name(add):
    """A model with a champion and a challenger."""
    add("a", alias="champion")
    add("a")
    return "a"


def rich(evidence):
    rng = np.random.default_rng(0)
    claims = Claims(np.arange(2000), rng.random(2000), RIGHT)
    more = {"squared": rng.random(2000), "claims": claims, "seconds": rng.random(8)}
    answers = {"a:1": Answers(RIGHT, **more), "a:2": Answers(BETTER, **more), "a:0": Answers(BETTER)}
    parts = [Part("渠道", "手机", np.arange(2000) % 2 == 0)]
    sets = [RowSet("earlier", "test set of data 12ab", "o", np.arange(500), ("a:0",))]
    told = {"documents": np.arange(2000), "uses": 1, "parity": True, "facts": {"data": "x"}}
    return evidence(RIGHT, BETTER, sets, parts, answers=answers, former=("a:0",), **told)


def test_the_same_evidence_gives_the_same_decision(workspace, name, evidence):
    told = rich(evidence)
    margins = Margins(test=0.01, slices=0.1)
    made = record_decision(workspace, Gate(margins, seed=7, resamples=300).decide(told), told, by="li")
    recorded, again = decide_again(workspace, made.id)
    assert recorded == again == made
    assert (made.by, made.promoted, made.seed, made.resamples) == ("li", False, 7, 300)


def test_a_decision_by_resampling_is_made_again_too(workspace, name):
    task, rng = Ner(("person",)), np.random.default_rng(0)
    span = {"start": 0, "end": 4, "label": "person"}
    rows = [{"text": "Anna met Bob", "entities": [span]} for _ in range(100)]
    found = [[{"entities": [span | {"confidence": 0.9}] * bool(rng.random() < p)} for _ in rows] for p in (0.7, 0.8)]
    pair = {f"a:{i + 1}": Answers.of(task, "f1", rows, each) for i, each in enumerate(found)}
    told = Evidence("f1", task, "a:2", "a:1", pair, [RowSet("test", "t", "t", np.arange(100))])
    made = record_decision(workspace, Gate(resamples=100).decide(told), told)
    recorded, again = decide_again(workspace, made.id)
    assert recorded == again
    assert again.checks[0].low is not None


def test_a_record_that_was_altered_is_noticed(workspace, name, evidence):
    told = evidence(RIGHT, BETTER)
    made = record_decision(workspace, Gate().decide(told), told)
    stored = made.as_dict() | {"uses": 5}
    with workspace.begin() as connection:
        connection.execute(update(decisions).values(evidence=stored))
    recorded, again = decide_again(workspace, made.id)
    assert recorded != again


def test_no_text_and_no_id_is_kept(workspace, name, evidence, tmp_path):
    folder = rich(evidence).save(tmp_path / "evidence")
    assert sorted(path.name for path in folder.iterdir()) == ["evidence.json", "evidence.npz"]
    with np.load(folder / "evidence.npz", allow_pickle=False) as file:
        assert {array.dtype.kind for array in file.values()} <= set("bif")


def test_no_alias_moves_unasked(workspace, name, evidence):
    told = evidence(RIGHT, BETTER)
    decision = Gate().decide(told)
    assert decision.verdict == "promote"
    record_decision(workspace, decision, told)
    assert Registry(workspace).aliases(name) == {"champion": 1}


def test_promotion_is_part_of_the_record(workspace, name, evidence):
    told = evidence(RIGHT, BETTER)
    made = record_decision(workspace, Gate().decide(told), told, promote=True, by="li")
    assert made.promoted
    assert Registry(workspace).aliases(name) == {"champion": 2}
    move = Registry(workspace).history(name, "champion")[-1]
    assert (move.why, move.by, move.replaced) == (f"the gate's decision {made.id}", "li", 1)


def test_a_refusal_promotes_nobody(workspace, name, evidence):
    told = evidence(BETTER, RIGHT)
    made = record_decision(workspace, Gate().decide(told), told, promote=True)
    assert (made.verdict, made.promoted) == ("refuse", False)
    assert Registry(workspace).aliases(name) == {"champion": 1}


def test_a_champion_that_changed_meanwhile_is_not_overrun(workspace, name, evidence, add):
    told = evidence(RIGHT, BETTER)
    decision = Gate().decide(told)
    add("a", alias="champion")
    with pytest.raises(GateError, match="a:3 became champion meanwhile"):
        record_decision(workspace, decision, told, promote=True)
    assert Registry(workspace).aliases(name) == {"champion": 3}
    assert list_decisions(workspace, name) == []


def test_uses_of_a_test_set_are_counted(workspace, name, evidence):
    told = evidence(RIGHT, BETTER)
    for expected in (0, 1, 2):
        assert uses_of(workspace, name, "t") == expected
        record_decision(workspace, Gate().decide(told), told)
    assert (uses_of(workspace, name, "other"), uses_of(workspace, "b", "t")) == (0, 0)
    assert [decision.id for decision in list_decisions(workspace, name)] == [1, 2, 3]


def test_a_decision_that_is_not_there(workspace, name, evidence):
    with pytest.raises(GateError, match="none is recorded yet"):
        get_decision(workspace, 1)
    told = evidence(RIGHT, BETTER)
    made = record_decision(workspace, Gate().decide(told), told)
    with pytest.raises(GateError, match="the newest is 1"):
        get_decision(workspace, 2)
    workspace.artifacts.remove(made.artifact)
    with pytest.raises(GateError, match="restore it from a backup"):
        decide_again(workspace, made.id)


def test_broken_evidence_is_named(tmp_path, evidence):
    folder = rich(evidence).save(tmp_path / "evidence")
    stored = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    (folder / "evidence.json").write_text(json.dumps(stored | {"schema": 9}), encoding="utf-8")
    with pytest.raises(GateError, match="schema 9"):
        Evidence.load(folder)
    (folder / "evidence.npz").unlink()
    with pytest.raises(GateError, match="no readable evidence"):
        Evidence.load(folder)


ROWS = [{"text": f"text {i}", "label": ("no", "yes")[i % 2], "channel": ("app", "web")[i % 3 == 0]} for i in range(60)]
TASK = Classification(("no", "yes"))


def test_a_test_set_is_known_by_its_texts_and_labels():
    first = fingerprint(TASK, ROWS)
    assert fingerprint(TASK, [row | {"id": "x", "channel": "y"} for row in reversed(ROWS)]) == first
    assert fingerprint(TASK, [ROWS[0] | {"label": "yes"}, *ROWS[1:]]) != first
    assert fingerprint(TASK, ROWS[1:]) != first


def test_every_label_is_a_slice():
    parts = {(part.name, part.value): int(part.inside.sum()) for part in find_parts(TASK, ROWS)}
    assert parts["label", "no"] == parts["label", "yes"] == 30
    assert parts["channel", "web"] == 20
    spans = [{"text": "a", "entities": [{"start": 0, "end": 1, "label": kind}]} for kind in ("person", "place")]
    assert [p.value for p in find_parts(Ner(("person", "place")), spans)] == ["person", "place"]


def test_answers_say_who_is_right_and_how_far_off_probabilities_are():
    predictions = [
        {"label": label, "confidence": 0.8, "probabilities": {label: 0.8, other: 0.2}}
        for label, other in [("no", "yes")] * 60
    ]
    answers = Answers.of(TASK, "accuracy", ROWS, predictions)
    assert answers.right.tolist() == [True, False] * 30
    assert answers.squared[:2].tolist() == pytest.approx([0.04, 0.64])
    assert answers.scores == {}
    macro = Answers.of(TASK, "macro_f1", ROWS, predictions)
    assert macro.right is None
    assert set(macro.scores) == {"gold", "predicted"}
    together = [row | {"document": "d"} for row in ROWS]
    assert Answers.of(TASK, "accuracy", together, predictions).right is None
