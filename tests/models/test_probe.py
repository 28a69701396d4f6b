"""The head first: the same optimum as scikit-learn's, from which the whole network goes on."""

from dataclasses import replace

import pytest
import torch

from tiny import entity_rows, intent_rows
from tunewheel.models import Recipe, prepare
from tunewheel.models.probe import Probe
from tunewheel.tasks import TaskError
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner

RECIPE = Recipe(epochs=1, learning_rate=1e-5, batch_tokens=128, window=48)
TASK = Classification(("balance", "lost"))


def fitted(tiny_base, task, rows, decay):
    model = prepare(task, str(tiny_base), rows, RECIPE).model
    windows = task.encode(rows, model.encoder, labelled=True)
    return model, Probe(model.network, model.encoder, windows).fit(decay)


def test_the_head_is_scikit_learns_logistic_regression(tiny_base):
    from sklearn.linear_model import LogisticRegression

    rows, decay = intent_rows(40), 0.01
    model, _ = fitted(tiny_base, TASK, rows, decay)
    with torch.no_grad():
        batch = model.encoder.collate(TASK.encode(rows, model.encoder))
        features = model.network.eval().features(**batch).numpy()
    gold = [TASK.labels.index(row["label"]) for row in rows]
    # Two outputs share one margin between them, so the same penalty on it is half as large.
    theirs = LogisticRegression(C=2 / (decay * len(rows)), tol=1e-10, max_iter=10_000).fit(features, gold)
    ours = [p["probabilities"]["lost"] for p in model.predict([row["text"] for row in rows])]
    assert ours == pytest.approx(theirs.predict_proba(features)[:, 1].tolist(), abs=2e-3)


def test_it_leaves_the_backbone_alone_and_needs_no_seed(tiny_base):
    rows = intent_rows(40)
    one, loss = fitted(tiny_base, TASK, rows, 1e-3)
    torch.manual_seed(99)
    other, again = fitted(tiny_base, TASK, rows, 1e-3)
    assert loss == pytest.approx(again, abs=1e-6) and loss < 0.5
    fresh = prepare(TASK, str(tiny_base), rows, RECIPE).model.network.state_dict()
    after = one.network.state_dict()
    assert all(torch.equal(fresh[name], after[name]) for name in fresh if name.startswith("backbone."))
    assert not torch.equal(fresh["head.weight"], after["head.weight"])
    assert torch.allclose(one.network.head.weight, other.network.head.weight, atol=1e-3)


def test_several_labels_have_a_head_first_too(tiny_base):
    rows = [{"text": row["text"], "labels": [row["label"]]} for row in intent_rows(40)]
    _, loss = fitted(tiny_base, MultiLabel(TASK.labels), rows, 1e-3)
    assert loss < 0.5


def test_training_goes_on_from_the_fitted_head(tiny_base, tmp_path):
    rows = intent_rows(60)
    scores = {}
    for first in (False, True):
        ready = prepare(TASK, str(tiny_base), rows, replace(RECIPE, head_first=first))
        scores[first] = ready.train(rows, rows[:20], tmp_path / str(first))[1].dev["accuracy"]
    assert scores[True] > 0.9 > scores[False]


def test_a_task_on_tokens_is_refused(tiny_base, tmp_path):
    ready = prepare(Ner(("person",)), str(tiny_base), entity_rows(8), replace(RECIPE, head_first=True))
    with pytest.raises(TaskError, match="head_first"):
        ready.train(entity_rows(8), [], tmp_path)
