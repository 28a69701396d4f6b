from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from tunewheel.evaluation import EvaluationError, compare, score_predictions
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

compare = partial(compare, resamples=300)
score_predictions = partial(score_predictions, resamples=50)


def test_a_real_gain_is_better_and_its_mirror_worse(binary_report):
    rng = np.random.default_rng(0)
    weak = rng.random(400) < 0.7
    strong = weak | (rng.random(400) < 0.3)
    before, after = binary_report(weak, name="old"), binary_report(strong, name="new")
    gain, loss = compare(before, after), compare(after, before)
    found = gain.differences["accuracy"]
    assert found.value == pytest.approx(strong.mean() - weak.mean())
    assert 0 < found.low < found.value < found.high
    assert found.p == pytest.approx(1 / 301)
    assert set(gain.verdicts.values()) == {"better"}
    assert set(loss.verdicts.values()) == {"worse"}
    assert loss.differences["accuracy"].low == pytest.approx(-found.high, abs=0.01)


def test_the_same_predictions_are_undecided(binary_report):
    report = binary_report(np.arange(100) % 4 > 0)
    found = compare(report, report).differences["accuracy"]
    assert (found.value, found.low, found.high, found.p, found.verdict) == (0, 0, 0, 1, "undecided")


def test_five_rows_prove_nothing(binary_report):
    found = compare(binary_report([False] * 5), binary_report([True] * 5)).differences["accuracy"]
    assert found.value == 1
    assert found.p == pytest.approx(2 / 32, abs=0.045)
    assert found.verdict == "undecided"


def test_pairing_is_used(binary_report):
    """Two models that fail on the same rows differ less by chance than two that fail on others."""
    rng = np.random.default_rng(2)
    base = rng.random(300) < 0.7
    alike = base.copy()
    alike[np.flatnonzero(~base)[:12]] = True
    apart = rng.permutation(alike)
    width = {}
    for name, right in (("alike", alike), ("apart", apart)):
        found = compare(binary_report(base), binary_report(right)).differences["accuracy"]
        width[name] = found.high - found.low
    assert width["alike"] < 0.5 * width["apart"]


def test_false_positives_are_rare_and_p_values_uniform(binary_report, share):
    rng = np.random.default_rng(4)
    p, verdicts = [], []
    for _ in range(150):
        left, right = (binary_report(rng.random(80) < 0.8, task=share, resamples=1) for _ in range(2))
        found = compare(left, right, resamples=100, seed=int(rng.integers(1 << 30))).differences["accuracy"]
        p.append(found.p)
        verdicts.append(found.verdict != "undecided")
    assert 0.005 <= np.mean(np.array(p) < 0.05) <= 0.11
    assert 0.3 <= np.mean(np.array(p) < 0.5) <= 0.6
    assert np.mean(verdicts) <= 0.10


def test_permutation_p_equals_the_exact_sign_test(binary_report, share):
    # 12 rows gained, 3 lost: swapping rows is a sign test on the 15 that differ.
    before = [False] * 12 + [True] * 3 + [True] * 40
    after = [True] * 12 + [False] * 3 + [True] * 40
    before, after = binary_report(before, task=share), binary_report(after, task=share)
    found = compare(before, after, resamples=20_000).differences["accuracy"]
    assert found.p == pytest.approx(0.03516, abs=0.004)


def test_documents_are_swapped_whole(binary_report):
    documents = np.repeat(np.arange(4), 50).tolist()
    before, after = np.zeros(200, dtype=bool), np.ones(200, dtype=bool)
    found = compare(binary_report(before, documents=documents), binary_report(after, documents=documents)).differences[
        "accuracy"
    ]
    assert found.p == pytest.approx(2 / 16, abs=0.07)
    assert found.verdict == "undecided"


def test_texts_out_of_scope_count_in_a_comparison():
    task = Classification(("a", "b"), out_of_scope="超出范围")
    gold = ["a", "b", "超出范围"] * 40
    rows = [{"id": str(i), "text": "t", "label": g} for i, g in enumerate(gold)]
    never = score_predictions(task, rows, [{"label": "a" if g == "超出范围" else g} for g in gold])
    always = score_predictions(task, rows, [{"label": g} for g in gold])
    assert set(compare(never, always).verdicts.values()) == {"better"}
    assert compare(never, never).verdicts["accuracy"] == "undecided"
    with pytest.raises(EvaluationError, match="different labels"):
        compare(never, score_predictions(Classification(("a", "b")), rows, [{"label": g} for g in gold]))


def test_entities_compare_too():
    task = Ner(("PER",))
    entity = {"start": 0, "end": 3, "label": "PER"}
    rows = [{"id": str(i), "text": "Ann ran", "entities": [entity]} for i in range(60)]
    before = score_predictions(task, rows, [{"entities": [entity] if i % 2 else []} for i in range(60)])
    after = score_predictions(task, rows, [{"entities": [entity]}] * 60)
    found = compare(before, after)
    assert found.verdicts == {"f1": "better", "precision": "undecided", "recall": "better"}


def test_rows_in_another_order_are_joined_by_id():
    task = Classification(("a", "b"))
    rows = [{"id": str(i), "text": "t", "label": "ab"[i % 2]} for i in range(50)]
    predictions = [{"label": "ab"[i % 3 > 0]} for i in range(50)]
    order = np.random.default_rng(0).permutation(50)
    first = score_predictions(task, rows, predictions)
    second = score_predictions(task, [rows[i] for i in order], [predictions[i] for i in order])
    found = compare(first, second).differences["accuracy"]
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_other_rows_are_refused(binary_report):
    with pytest.raises(EvaluationError, match=r"2 stand in the first only, 0 in the second .* 'r5'"):
        compare(binary_report([True] * 7), binary_report([True] * 5))


def test_other_gold_answers_are_refused():
    task = Classification(("a", "b"))
    rows = [{"id": str(i), "text": "t", "label": "a"} for i in range(5)]
    changed = [row | {"label": "b"} if row["id"] == "3" else row for row in rows]
    predictions = [{"label": "a"}] * 5
    with pytest.raises(EvaluationError, match=r"1 rows have another gold answer .*'3'"):
        compare(score_predictions(task, rows, predictions), score_predictions(task, changed, predictions))


def test_other_labels_are_refused_and_a_shared_task_helps():
    rows = [{"id": str(i), "text": "t", "label": "ab"[i % 2]} for i in range(40)]
    predictions = [{"label": "a"}] * 40
    small, large = Classification(("a", "b")), Classification(("a", "b", "c"))
    before = score_predictions(small, rows, predictions)
    with pytest.raises(EvaluationError, match=r"different labels \(these stand in one only: c\).*task="):
        compare(before, score_predictions(large, rows, predictions))
    compare(score_predictions(large, rows, predictions), score_predictions(large, rows, predictions))


def test_other_tasks_are_refused(binary_report):
    row = {"id": "r0", "text": "Ann", "entities": []}
    with pytest.raises(EvaluationError, match="different tasks"):
        compare(binary_report([True]), score_predictions(Ner(("PER",)), [row], [{"entities": []}]))


def test_as_json(binary_report):
    comparison = compare(binary_report([True] * 40, name="one"), binary_report([True, False] * 20, name="two"))
    stored = json.loads(json.dumps(comparison.as_dict()))
    assert (stored["before"], stored["after"], stored["rows"]) == ("one", "two", 40)
    assert stored["differences"]["accuracy"]["verdict"] == "worse"
