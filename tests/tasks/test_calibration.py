import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.tasks.base import Part, Window
from tunewheel.tasks.calibration import (
    Claims,
    bin_of,
    calibration_error,
    fit_platt,
    fit_temperature,
    fit_temperature_each,
    platt,
    temper,
    temper_each,
)
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.testing import PlainEncoder


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def drawn(n=3000, k=5, seed=0):
    """Logits whose softmax is the truth, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(n, k))
    return z, np.array([rng.choice(k, p=p) for p in softmax(z)])


def likelihood(p, gold):
    return -np.log(p[np.arange(len(gold)), gold]).mean()


def test_the_temperature_is_found_again_and_lessens_the_error():
    z, gold = drawn()
    hot = softmax(3 * z)
    found = fit_temperature(hot, gold)
    assert found == pytest.approx(3, rel=0.08)
    sure = Claims(np.arange(len(z)), hot.max(axis=1), hot.argmax(axis=1) == gold)
    assert calibration_error(sure) > 0.15
    assert calibration_error(sure._replace(confidence=temper(hot, found).max(axis=1))) < 0.03


def test_the_temperature_has_the_least_negative_log_likelihood():
    optimize = pytest.importorskip("scipy.optimize")
    z, gold = drawn(400, 3, seed=1)
    sharp = softmax(2.5 * z)
    best = optimize.minimize_scalar(lambda t: likelihood(temper(sharp, t), gold), bounds=(0.05, 20), method="bounded")
    assert fit_temperature(sharp, gold) == pytest.approx(best.x, rel=1e-3)


def test_tempering_is_dividing_the_logits():
    z, _ = drawn(50, 4)
    assert temper(softmax(z), 1.7) == pytest.approx(softmax(z / 1.7))
    assert temper_each(1 / (1 + np.exp(-z)), 1.7) == pytest.approx(1 / (1 + np.exp(-z / 1.7)))
    assert temper(np.array([[1.0, 0.0]]), 0.05).tolist() == [[1.0, 0.0]]


def test_each_sigmoid_gets_the_temperature():
    rng = np.random.default_rng(3)
    p = rng.random((2000, 4))
    gold = rng.random(p.shape) < p
    assert fit_temperature_each(temper_each(p, 0.4), gold) == pytest.approx(1 / 0.4, rel=0.1)


def test_too_little_is_left_alone():
    z, gold = drawn(49)
    assert fit_temperature(softmax(z), gold) is None
    z, _ = drawn(200)
    assert fit_temperature(softmax(z), z.argmax(axis=1)) is None
    assert fit_temperature(softmax(z), z.argmin(axis=1)) is None
    rng = np.random.default_rng(0)
    assert fit_platt(rng.random(49), rng.random(49) < 0.5) is None
    assert fit_platt(rng.random(80), np.ones(80, dtype=bool)) is None


def test_platt_equals_an_unpenalised_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.02, 0.98, 5000)
    correct = rng.random(5000) < platt(confidence, (0.5, -0.3))
    x = np.log(confidence / (1 - confidence))[:, None]
    theirs = linear.LogisticRegression(C=1e9, tol=1e-10).fit(x, correct)
    # Platt's smoothed targets shift it by a thousandth.
    assert fit_platt(confidence, correct) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=0.005)


def test_a_falling_curve_is_refused():
    rng = np.random.default_rng(6)
    confidence = rng.random(500)
    assert fit_platt(confidence, rng.random(500) < 1 - confidence) is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.floats(0.05, 20), st.floats(-5, 5))
def test_no_order_is_turned_round(values, slope, shift):
    ordered = np.sort(values)
    assert (np.diff(platt(ordered, (slope, shift))) >= 0).all()
    assert (np.diff(temper_each(ordered, slope)) >= -1e-12).all()


def test_the_error_by_hand_and_under_weights():
    claims = Claims(np.arange(4), np.array([0.9, 0.9, 0.3, 0.3]), np.array([True, False, False, False]))
    assert bin_of(claims.confidence).tolist() == [13, 13, 4, 4]
    assert calibration_error(claims) == pytest.approx((0.8 + 0.6) / 4)
    assert calibration_error(claims, np.array([[1, 1, 1, 1], [2, 0, 0, 0.0]])) == pytest.approx([0.35, 0.1])


def answers(task, logits, texts):
    rows = [{"text": text} for text in texts]
    windows = [Window([1], [0], (Part(i, 0, 1, 0),)) for i in range(len(rows))]
    return task.decode(rows, PlainEncoder(), windows, list(logits))


def test_fitting_calibrates_and_moves_no_label():
    z, gold = drawn(600, 3, seed=7)
    labels, texts = ("a", "b", "好"), ["text"] * 600
    rows = [{"text": "text", "label": labels[g]} for g in gold]
    task = Classification(labels)
    before = answers(task, 3 * z, texts)
    fitted = task.fit(rows, before)
    after = answers(fitted, 3 * z, texts)
    assert fitted.temperature == pytest.approx(3, rel=0.2)
    assert [p["label"] for p in after] == [p["label"] for p in before]
    assert calibration_error(fitted.claims(rows, after)) < calibration_error(task.claims(rows, before)) / 2
    assert "temperature" in fitted.facts()["calibration"]
    # Fitted again on its own answers there is nothing left to do.
    assert fitted.fit(rows, after).temperature == pytest.approx(fitted.temperature, rel=1e-6)


def test_too_few_dev_rows_are_said():
    rows = [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}] * 20
    task = Classification(("a", "b"))
    fitted = task.fit(rows, answers(task, np.random.default_rng(0).normal(size=(40, 2)), ["x"] * 40))
    assert fitted.temperature is None
    assert "50 claims" in fitted.facts()["calibration"]
    assert "50 claims" in Ner(("PER",)).facts()["calibration"]


def entity_answers(sure, right):
    """One entity a row, found with a confidence, at its place or beside it."""
    gold = {"start": 0, "end": 3, "label": "PER"}
    rows = [{"text": "王小明 came", "entities": [gold]} for _ in sure]
    found = [{"entities": [{**gold, "end": 3 if r else 2, "confidence": c}]} for c, r in zip(sure, right, strict=True)]
    return rows, found


def test_entities_are_calibrated_by_platt():
    rng = np.random.default_rng(8)
    sure = rng.uniform(0.05, 0.99, 800)
    right = rng.random(800) < platt(sure, (0.6, -0.5))
    rows, found = entity_answers(sure.tolist(), right.tolist())
    task = Ner(("PER",))
    fitted = task.fit(rows, found)
    assert fitted.platt == pytest.approx((0.6, -0.5), abs=0.15)
    before = task.claims(rows, found)
    after = before._replace(confidence=platt(before.confidence, fitted.platt))
    assert calibration_error(after) < calibration_error(before) / 2
    _, again = entity_answers(after.confidence.tolist(), right.tolist())
    assert fitted.fit(rows, again).platt == pytest.approx(fitted.platt, abs=1e-3)


def test_claims_are_the_labels_given():
    task = MultiLabel(("a", "b", "c"))
    rows = [{"text": "x", "labels": ["a"]}, {"text": "y", "labels": []}]
    predictions = [
        {"labels": ["a", "b"], "probabilities": {"a": 0.9, "b": 0.6, "c": 0.1}},
        {"labels": [], "probabilities": {"a": 0.1, "b": 0.1, "c": 0.1}},
    ]
    made = task.claims(rows, predictions)
    assert (made.row.tolist(), made.confidence.tolist(), made.correct.tolist()) == ([0, 0], [0.9, 0.6], [True, False])
    assert task.claims(rows, [{"labels": ["a"]}, {"labels": []}]) is None
    assert task.probabilities(rows, [{"labels": ["a"]}, {"labels": []}]) is None
