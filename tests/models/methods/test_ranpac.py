"""Ridge regression on random features: its optimum, and that what is learned in turns is what is learned at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Model, ModelError, Recipe, prepare
from tunewheel.models.methods.ranpac import RIDGES
from tunewheel.models.remembering import FILE
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.testing import check_method

TASK = Classification(("balance", "lost"))
PLAIN = Recipe(window=48, precision="fp32")
FEATURES = 64


def learned(base, rows, folder, task=TASK, dev=(), start=None, gone=(), seed=13, **options):
    options = {"features": FEATURES, **options}
    recipe = replace(PLAIN, seed=seed)
    ready = prepare(task, str(base), rows, recipe, method="ranpac", options=options, start=start, gone=gone)
    return ready.train(rows, list(dev), folder)[0]


def shown(model, rows):
    return [list(p["probabilities"].values()) for p in model.predict([row["text"] for row in rows])]


@pytest.mark.parametrize("several", [False, True])
def test_it_keeps_the_contract_of_methods(tiny_base, tmp_path, several):
    rows = intent_rows(16)
    if several:
        rows = [{"text": row["text"], "labels": [row["label"]]} for row in rows]
    task = MultiLabel(TASK.labels) if several else TASK
    options = {"features": FEATURES}
    check_method("ranpac", task, rows, base=str(tiny_base), folder=tmp_path, recipe=PLAIN, options=options)


def test_the_head_is_scikit_learns_ridge_regression(tiny_base, tmp_path):
    from sklearn.linear_model import Ridge

    rows, ridge = intent_rows(40), 0.05
    model = learned(tiny_base, rows, tmp_path, ridge=ridge)
    network = model.network
    with torch.no_grad():
        vectors = network.features(**model.encoder.collate(TASK.encode(rows, model.encoder)))
        features = torch.relu(vectors @ network.projection).double().numpy()
    gold = np.array([TASK.labels.index(row["label"]) for row in rows])
    alpha = ridge * np.trace(features.T @ features) / FEATURES
    theirs = Ridge(alpha=alpha, fit_intercept=False).fit(features, np.eye(2)[gold])
    ours = (network.head(torch.relu(vectors @ network.projection)).detach().numpy() + 5.0) / 10.0
    assert np.abs(ours - theirs.predict(features)).max() < 1e-4
    assert vectors.norm(dim=-1).tolist() == pytest.approx([1.0] * len(rows), abs=1e-5)


def test_what_is_learned_in_turns_is_what_is_learned_at_once(tiny_base, tmp_path):
    """Also where a label is new in the second turn, that has another seed, and the first one comes from its folder."""
    rows = [*intent_rows(30), *({"text": f"fee number {i}", "label": "fee"} for i in range(12))]
    task, asked = Classification(("balance", "fee", "lost")), intent_rows(40)[30:] + rows[-3:]
    first = learned(tiny_base, rows[:30], tmp_path / "1", ridge=0.01)
    start = Model.load(first.save(tmp_path / "first"))
    second = learned(tiny_base, rows[30:], tmp_path / "2", task=task, start=start, seed=99, ridge=0.01)
    at_once = learned(tiny_base, rows, tmp_path / "3", task=task, ridge=0.01)
    assert np.abs(np.array(shown(second, asked)) - np.array(shown(at_once, asked))).max() < 1e-3
    assert second.body.memory.rows == at_once.body.memory.rows == len(rows)
    assert {p["label"] for p in second.predict([row["text"] for row in rows])} == {"balance", "fee", "lost"}
    alone = learned(tiny_base, rows[30:], tmp_path / "4", task=task, ridge=0.01)
    assert np.abs(np.array(shown(alone, asked)) - np.array(shown(at_once, asked))).max() > 0.5


def test_what_does_not_hold_any_more_is_taken_back(tiny_base, tmp_path):
    """As if the model had never seen it."""
    rows = intent_rows(30)
    wrong = [{**row, "label": "lost" if row["label"] == "balance" else "balance"} for row in rows[:8]]
    first = learned(tiny_base, wrong + rows[8:20], tmp_path / "1", ridge=0.01)
    start = Model.load(first.save(tmp_path / "first"))
    second = learned(tiny_base, rows[:8] + rows[20:], tmp_path / "2", start=start, gone=wrong, ridge=0.01)
    at_once = learned(tiny_base, rows, tmp_path / "3", ridge=0.01)
    assert np.abs(np.array(shown(second, rows)) - np.array(shown(at_once, rows))).max() < 2e-3
    assert second.body.memory.rows == len(rows)


def test_a_label_that_is_no_more_is_taken_back_too(tiny_base, tmp_path):
    rows = intent_rows(20)
    fees = [{"text": f"fee number {i}", "label": "fee"} for i in range(4)]
    first = learned(tiny_base, rows + fees, tmp_path / "1", task=Classification(("balance", "fee", "lost")), ridge=0.01)
    right = [{**row, "label": "balance"} for row in fees]
    second = learned(tiny_base, right, tmp_path / "2", start=first, gone=fees, ridge=0.01)
    at_once = learned(tiny_base, rows + right, tmp_path / "3", ridge=0.01)
    assert np.abs(np.array(shown(second, rows + right)) - np.array(shown(at_once, rows + right))).max() < 1e-3


def test_no_more_than_one_part_of_the_sums_is_held(tiny_base, tmp_path, monkeypatch):
    """Of 3,000 features a part weighs 72 MB, however few rows it is of."""
    import weakref

    from tunewheel.models.methods import ranpac

    alive, most, made = [], [0], ranpac.Memory.of

    def watched(*given):
        found = made(*given)
        alive.append(weakref.ref(found.gram))
        most[0] = max(most[0], sum(part() is not None for part in alive))
        return found

    monkeypatch.setattr(ranpac, "_CHUNK", 2)
    monkeypatch.setattr(ranpac.Memory, "of", watched)
    learned(tiny_base, intent_rows(40), tmp_path)
    assert len(alive) == 20 and most[0] <= 3


def test_to_go_on_without_new_rows_changes_nothing(tiny_base, tmp_path):
    rows = intent_rows(20)
    first = learned(tiny_base, rows, tmp_path / "1", ridge=0.01)
    again = learned(tiny_base, [], tmp_path / "2", start=Model.load(first.save(tmp_path / "first")), ridge=0.01)
    assert np.abs(np.array(shown(first, rows)) - np.array(shown(again, rows))).max() < 1e-4


def test_the_memory_is_read_when_it_is_asked_for_and_was_checked_before(tiny_base, tmp_path):
    folder = learned(tiny_base, intent_rows(20), tmp_path / "run").save(tmp_path / "model")
    model = Model.load(folder)
    model.predict(["no money left"])
    assert "memory" not in vars(model.body)
    assert model.body.memory.rows == 20
    (folder / FILE).write_bytes(b"x")
    with pytest.raises(ModelError, match="was altered"):
        Model.load(folder)


def test_the_ridge_is_chosen_on_dev(tiny_base, tmp_path):
    model = learned(tiny_base, intent_rows(40), tmp_path, dev=intent_rows(60)[40:])
    assert model.origin.settings["ridge"] in RIDGES
    assert model.origin.dev["accuracy"] == 1.0
    assert learned(tiny_base, intent_rows(40), tmp_path).origin.settings["ridge"] == RIDGES[0]


def test_a_weight_counts_as_that_many_rows(tiny_base, tmp_path):
    rows = intent_rows(20)
    lost = [row for row in rows if row["label"] == "lost"]
    heavy = learned(tiny_base, rows, tmp_path / "1", task=Classification(TASK.labels, weights=(1.0, 3.0)), ridge=0.01)
    often = learned(tiny_base, rows + 2 * lost, tmp_path / "2", ridge=0.01)
    for name in ("gram", "cross"):
        assert getattr(heavy.body.memory, name) == pytest.approx(getattr(often.body.memory, name), rel=1e-5)
    assert np.abs(np.array(shown(heavy, rows)) - np.array(shown(often, rows))).max() < 1e-3


def test_what_it_cannot_do_is_refused(tiny_base, tmp_path):
    first = learned(tiny_base, intent_rows(8), tmp_path / "1")
    with pytest.raises(MethodError, match=f"has {FEATURES} features, not 32"):
        learned(tiny_base, intent_rows(8), tmp_path / "2", start=first, features=32)
    full, _ = prepare(TASK, str(tiny_base), intent_rows(8), replace(PLAIN, epochs=1)).train(
        intent_rows(8), [], tmp_path / "3"
    )
    with pytest.raises(MethodError, match="its own models alone"):
        learned(tiny_base, intent_rows(8), tmp_path / "4", start=full)
    with pytest.raises(MethodError, match="whole texts"):
        learned(tiny_base, entity_rows(8), tmp_path / "5", task=Ner(("person",)))
    with pytest.raises(MethodError, match="leave class_weights out"):
        learned(tiny_base, intent_rows(8), tmp_path, task=Classification(TASK.labels, weights=(1.0, 3.0)), start=first)
    several = [{"text": row["text"], "labels": [row["label"]]} for row in intent_rows(8)]
    with pytest.raises(MethodError, match="weights of several labels"):
        learned(tiny_base, several, tmp_path / "6", task=MultiLabel(TASK.labels, weights=(1.0, 3.0)))
    with pytest.raises(MethodError, match="starts from random weights"):
        learned("textcnn", intent_rows(8), tmp_path / "7")


def test_another_method_may_go_on_from_it_with_a_head_of_its_own(tiny_base, tmp_path):
    start = learned(tiny_base, intent_rows(20), tmp_path / "1")
    ready = prepare(TASK, str(tiny_base), intent_rows(20), replace(PLAIN, epochs=1), start=start)
    model, _ = ready.train(intent_rows(20), [], tmp_path / "2")
    assert model.network.head.in_features == model.network.backbone.config.hidden_size
