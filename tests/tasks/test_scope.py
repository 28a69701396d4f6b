import json
from types import SimpleNamespace

import numpy as np
import pytest

from tunewheel.tasks import TaskError, load_task
from tunewheel.tasks.base import Part, Window
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.scope import choose_score, fit_threshold, scope_scores
from tunewheel.testing import PlainEncoder

LABELS = ("card", "loan")


def decoded(task, logits):
    rows = [{"text": "x"}] * len(logits)
    windows = [Window([1], [0], (Part(i, 0, 1, 0),)) for i in range(len(logits))]
    return task.decode(rows, PlainEncoder(), windows, list(logits))


def answered(n=200, outside="oos", seed=0):
    """Logits and rows: in scope one logit is high, out of scope none is."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    logits = rng.normal(scale=0.7, size=(n, 2))
    known = np.flatnonzero(gold < 2)
    logits[known, gold[known]] += 4
    return logits, [{"text": "x", "label": (*LABELS, outside)[g]} for g in gold]


@pytest.mark.parametrize("outside", ["oos", "超出范围"])
def test_texts_out_of_scope_are_told(outside):
    logits, rows = answered(outside=outside)
    task = Classification(LABELS, out_of_scope=outside)
    before = decoded(task, logits)
    assert {p["label"] for p in before} == set(LABELS)
    fitted = task.fit(rows, before)
    fitted = load_task({"name": "classification", "config": json.loads(json.dumps(fitted.config()))})
    test_logits, test_rows = answered(outside=outside, seed=1)
    after = decoded(fitted, test_logits)
    assert all((p["label"] == outside) == (p["scope"] < fitted.scope_threshold) for p in after)
    metrics = fitted.metrics(fitted.score(test_rows, after))
    assert metrics["oos_recall"] > 0.85
    assert metrics["in_scope_accuracy"] > 0.85
    assert metrics["oos_precision"] > 0.8
    assert outside in fitted.facts()["scope"]
    out = next(p for p in after if p["label"] == outside)
    assert out["confidence"] == pytest.approx(1 - max(out["probabilities"].values()))


def test_metrics_by_hand():
    task = Classification(LABELS, out_of_scope="oos")
    gold = ["card", "card", "loan", "oos", "oos", "oos", "new"]
    said = ["card", "oos", "card", "oos", "oos", "loan", "card"]
    scores = task.score([{"label": g} for g in gold], [{"label": p} for p in said])
    found = task.metrics(scores)
    assert found["accuracy"] == pytest.approx(3 / 7)
    assert found["in_scope_accuracy"] == pytest.approx(1 / 4)
    assert (found["oos_recall"], found["oos_precision"]) == pytest.approx((2 / 3, 2 / 3))
    assert [row["label"] for row in task.table(scores)] == ["card", "loan", "oos"]
    assert task.confusion(scores).shape == (3, 3)
    assert task.counted("oos_recall", scores).sum() == task.counted("oos_precision", scores).sum() == 3
    assert task.counted("in_scope_accuracy", scores).sum() == 4
    inside = task.score([{"label": "card"}], [{"label": "card"}])
    assert "oos_recall" not in task.metrics(inside)


def test_such_rows_are_not_learned():
    class Rows:
        multi_label = False

        def __getitem__(self, split):
            return {"label": ["a"] * 30 + ["b"] * 10 + ["oos"] * 60}

    task = Classification.from_dataset(Rows(), class_weights="balanced", out_of_scope="oos")
    assert (task.classes, task.labels) == (("a", "b"), ("a", "b", "oos"))
    assert task.head().outputs == 2
    assert task.weights == pytest.approx((40 / 60, 40 / 20))
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": "oos"}, {"text": "three", "label": "b"}]
    windows = task.encode(rows, PlainEncoder(), labelled=True)
    assert [(w.parts[0].row, w.labels) for w in windows] == [(0, 0), (2, 1)]
    assert len(task.encode(rows, PlainEncoder())) == 3


def test_without_enough_dev_rows_there_is_no_threshold_and_that_is_said():
    logits, rows = answered()
    kept = [i for i, row in enumerate(rows) if row["label"] != "oos"]
    kept += [i for i, row in enumerate(rows) if row["label"] == "oos"][:9]
    task = Classification(LABELS, out_of_scope="oos")
    fitted = task.fit([rows[i] for i in kept], decoded(task, logits[kept]))
    assert fitted.scope_threshold is None
    assert "10 dev rows are labelled 'oos'" in fitted.facts()["scope"]
    assert {p["label"] for p in decoded(fitted, logits)} == set(LABELS)


def test_the_threshold_maximises_its_criterion():
    rng = np.random.default_rng(3)
    inside = rng.random(60) < 0.6
    score = np.round(rng.normal(size=60) + inside, 1)
    right = rng.random(60) < 0.8

    def criterion(t):
        return (
            (right & inside & (score >= t)).sum() / inside.sum() + (~inside & (score < t)).sum() / (~inside).sum()
        ) / 2

    threshold, value = fit_threshold(score, right, inside)
    assert criterion(threshold) == pytest.approx(value)
    assert value == pytest.approx(max(criterion(t) for t in np.linspace(-4, 4, 1601)))


def test_the_best_score_is_chosen():
    inside = np.arange(60) < 30
    noise = np.random.default_rng(0).normal(size=60)
    chosen = choose_score({"probability": noise, "energy": np.where(inside, 5.0, 1.0)}, inside, inside)
    assert chosen == ("energy", 3.0)


def test_the_largest_logit_comes_from_energy_and_probability():
    z = np.random.default_rng(0).normal(size=(20, 4)) * 3
    raw = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    scores = scope_scores(raw, raw, np.log(np.exp(z).sum(axis=1)))
    assert scores["logit"] == pytest.approx(z.max(axis=1))


def test_a_fitted_task_may_be_fitted_again():
    logits, rows = answered()
    task = Classification(LABELS, out_of_scope="oos")
    once = task.fit(rows, decoded(task, logits))
    twice = once.fit(rows, decoded(once, logits))
    assert twice.scope_score == once.scope_score
    assert twice.scope_threshold == pytest.approx(once.scope_threshold, rel=1e-3)


def test_what_cannot_be_is_refused():
    with pytest.raises(TaskError, match="one label a text"):
        Classification.from_dataset(SimpleNamespace(multi_label=True), out_of_scope="oos")
    with pytest.raises(TaskError, match="cannot be a label to learn"):
        Classification(("a", "oos"), out_of_scope="oos")


def test_a_gold_label_that_was_never_learned_weighs_in_weighted_f1():
    """As scikit-learn has it where that label is among its own."""
    task = Classification(("a", "b"))
    rows = [{"text": "x", "label": label} for label in "aabz"]
    figures = task.metrics(task.score(rows, [{"label": label} for label in "aabb"]))
    assert figures["weighted_f1"] == pytest.approx((2 * 1.0 + 1 * 2 / 3 + 1 * 0) / 4)
