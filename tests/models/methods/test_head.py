"""The head alone: solved for where it can be, learned by updates where the recipe says how."""

from dataclasses import replace

import pytest
import torch

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.methods.engine import Ready
from tunewheel.models.methods.head import DECAYS, Solved
from tunewheel.models.probe import DECAY
from tunewheel.tasks import TaskError
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.testing import check_method

TASK = Classification(("balance", "lost"))
PLAIN = Recipe(window=48, precision="fp32")


def made(base, recipe=PLAIN, task=TASK, rows=None, **options):
    return prepare(task, str(base), rows or intent_rows(20), recipe, method="head", options=options)


@pytest.mark.parametrize("several", [False, True])
def test_a_solved_head_keeps_the_contract_of_methods(tiny_base, tmp_path, several):
    rows = intent_rows(16)
    task = MultiLabel(TASK.labels) if several else TASK
    if several:
        rows = [{"text": row["text"], "labels": [row["label"]]} for row in rows]
    check_method("head", task, rows, base=str(tiny_base), folder=tmp_path, recipe=PLAIN)


def test_it_is_solved_for_on_vectors_that_stay_as_they_are(tiny_base, tmp_path):
    ready, rows = made(tiny_base), intent_rows(60)
    assert isinstance(ready, Solved)
    before = {name: weight.clone() for name, weight in ready.untrained.network.state_dict().items()}
    model, trained = ready.train(rows[:40], rows[40:], tmp_path)
    after = model.network.state_dict()
    assert trained is None
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"head.weight", "head.bias"}
    assert model.origin.dev["accuracy"] == 1.0
    assert Model.load(model.save(tmp_path / "model")).origin.settings["decay"] == DECAYS[0], "the first of equals"


def test_the_decay_that_is_best_on_dev_is_taken(tiny_base, tmp_path):
    # Every fourth label is wrong: what has to be learned is less than what can be.
    rows = [{**row, "label": TASK.labels[i % 2]} if i % 4 == 0 else row for i, row in enumerate(intent_rows(80))]
    dev = intent_rows(120)[80:]
    scores = {
        decay: made(tiny_base, rows=rows, decay=decay).train(rows, dev, tmp_path)[0].origin.dev["accuracy"]
        for decay in DECAYS
    }
    assert len(set(scores.values())) > 1
    model, _ = made(tiny_base, rows=rows).train(rows, dev, tmp_path)
    assert model.origin.dev["accuracy"] == max(scores.values()) == scores[model.origin.settings["decay"]]
    assert TASK.metrics(TASK.score(dev, model.predict(dev)))["accuracy"] == max(scores.values())


def test_without_dev_the_usual_decay_is_taken(tiny_base, tmp_path):
    model, _ = made(tiny_base).train(intent_rows(20), [], tmp_path)
    assert model.origin.settings["decay"] == DECAY
    assert model.origin.dev == {}


def test_a_split_without_rows_is_told(tiny_base, tmp_path):
    with pytest.raises(TaskError, match="no text to learn from"):
        made(tiny_base).train([], [], tmp_path)


def test_what_says_how_updates_are_made_has_them_made(tiny_base, tmp_path):
    for recipe in (replace(PLAIN, epochs=1), replace(PLAIN, learning_rate=1e-2), replace(PLAIN, dropout=0.2)):
        assert isinstance(made(tiny_base, recipe), Ready)
    assert isinstance(made(tiny_base, task=Ner(("person",)), rows=entity_rows(8)), Ready)
    start, _ = made(tiny_base).train(intent_rows(20), [], tmp_path)
    assert isinstance(prepare(TASK, "", intent_rows(8), PLAIN, method="head", start=start), Ready)


def test_a_decay_that_nothing_would_go_by_is_refused(tiny_base):
    with pytest.raises(MethodError, match="decay can be given for a head on whole texts"):
        made(tiny_base, replace(PLAIN, epochs=1), decay=1e-3)
    with pytest.raises(MethodError, match="decay can be given for a head on whole texts"):
        made(tiny_base, task=Ner(("person",)), rows=entity_rows(8), decay=1e-3)
