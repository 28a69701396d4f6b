from __future__ import annotations

import time

import numpy as np
import pytest

from tunewheel.evaluation import score_predictions
from tunewheel.evaluation.figures import Draws, figures
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

metrics = pytest.importorskip("sklearn.metrics")


def answered(labels, n=300, seed=0, sharpness=1.0):
    """Rows and predictions whose probabilities are the truth (``sharpness`` 1) or too sure (above)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, len(labels))) * 1.5
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    gold = [labels[rng.choice(len(labels), p=row)] for row in p]
    told = p**sharpness / (p**sharpness).sum(axis=1, keepdims=True)
    rows = [{"id": str(i), "text": f"文 {i}", "label": g} for i, g in enumerate(gold)]
    predictions = [
        {"label": labels[q.argmax()], "confidence": float(q.max()), "probabilities": dict(zip(labels, q, strict=True))}
        for q in told
    ]
    return rows, predictions, gold, told


def test_figures_equal_scikit_learn():
    labels = ("a", "b", "好")
    rows, predictions, gold, told = answered(labels)
    report = score_predictions(Classification(labels), rows, predictions, resamples=60)
    theirs = metrics.roc_auc_score(gold, told, multi_class="ovr", labels=labels)
    assert report.figures["auroc"].value == pytest.approx(theirs, abs=1e-9)
    brier = metrics.brier_score_loss(gold, told, labels=labels, scale_by_half=True)
    assert report.calibration.brier.value == pytest.approx(brier)
    for interval in (*report.figures.values(), report.calibration.ece, report.calibration.brier):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        assert interval.low < interval.high


def test_of_two_labels_the_second_is_positive():
    rows, predictions, gold, told = answered(("no", "yes"))
    report = score_predictions(Classification(("no", "yes")), rows, predictions, resamples=20)
    positive = np.array(gold) == "yes"
    assert report.figures["auprc"].value == pytest.approx(metrics.average_precision_score(positive, told[:, 1]))
    assert report.calibration.brier.value == pytest.approx(metrics.brier_score_loss(positive, told[:, 1]))


def test_overconfidence_is_found_and_the_truth_is_not_accused():
    labels = ("a", "b", "c")
    honest, sure = (
        score_predictions(Classification(labels), *answered(labels, 2000, sharpness=s)[:2], resamples=200)
        for s in (1.0, 3.0)
    )
    assert honest.calibration.ece.low < 0.01
    assert sure.calibration.ece.low > 0.1
    assert sum(one.claims for one in sure.calibration.bins) == sure.calibration.claims == 2000
    assert all(one.right < one.confidence for one in sure.calibration.bins if one.claims > 100)


def test_predictions_without_probabilities_lack_the_figures():
    rows = [{"text": "x", "label": "ab"[i % 2]} for i in range(40)]
    task = Classification(("a", "b"))
    report = score_predictions(task, rows, [{"label": "a"}] * 40, resamples=20)
    assert (report.figures, report.calibration) == ({}, None)
    report = score_predictions(task, rows, [{"label": "a", "confidence": 0.5}] * 40, resamples=20)
    assert report.figures == {}
    assert (report.calibration.ece.value, report.calibration.brier) == (0.0, None)


def test_entities_are_claims_and_documents_are_drawn_whole():
    gold = {"start": 0, "end": 2, "label": "PER"}
    rows = [{"text": "王芳 came", "entities": [gold], "document": i // 10} for i in range(200)]
    rng = np.random.default_rng(0)
    found = [{"entities": [{**gold, "end": 2 if i % 20 < 14 else 1, "confidence": 0.9}]} for i in range(200)]
    report = score_predictions(Ner(("PER",)), rows, found, resamples=100)
    assert report.calibration.ece.value == pytest.approx(0.2)
    assert report.calibration.ece.method == "document bootstrap"
    assert report.figures == {}
    alone = [{k: v for k, v in row.items() if k != "document"} for row in rows]
    order = rng.permutation(200)
    single = score_predictions(Ner(("PER",)), [alone[i] for i in order], [found[i] for i in order], resamples=100)
    width = [r.calibration.ece.high - r.calibration.ece.low for r in (report, single)]
    assert width[0] > 1.3 * width[1]


def test_texts_out_of_scope_are_figured():
    rng = np.random.default_rng(4)
    gold = rng.choice(["a", "b", "oos"], 300)
    scope = rng.normal(size=300) + 2 * (gold != "oos")
    rows = [{"text": "x", "label": g} for g in gold]
    predictions = [
        {
            "label": "oos" if s < 1 else "a",
            "confidence": 0.6,
            "probabilities": {"a": 0.6, "b": 0.4},
            "scope": float(s),
        }
        for s in scope
    ]
    report = score_predictions(Classification(("a", "b"), out_of_scope="oos"), rows, predictions, resamples=60)
    theirs = metrics.roc_auc_score(gold != "oos", scope)
    assert report.figures["oos_auroc"].value == pytest.approx(theirs, abs=1e-9)
    assert 0 < report.figures["oos_fpr95"].low < report.figures["oos_fpr95"].high < 1
    assert report.metrics["oos_recall"].value == pytest.approx(np.mean(scope[gold == "oos"] < 1))
    assert report.calibration.claims == (scope >= 1).sum()
    assert [row["label"] for row in report.table] == ["a", "b", "oos"]


def test_a_perfect_ranking_is_not_certain():
    rows = [{"text": "x", "label": "ab"[i % 2]} for i in range(40)]
    predictions = [{"label": r["label"], "confidence": 0.9, "probabilities": {r["label"]: 0.9}} for r in rows]
    auroc = score_predictions(Classification(("a", "b")), rows, predictions, resamples=20).figures["auroc"]
    assert (auroc.value, auroc.high, auroc.method) == (1.0, 1.0, "wilson")
    assert auroc.low < 0.95


def test_many_labels_cost_little():
    labels = tuple(f"l{i:02}" for i in range(77))
    rows, predictions, *_ = answered(labels, 3000)
    started = time.process_time()
    found = figures(Classification(labels), rows, predictions, Draws(3000, None, 13, 1000))
    assert time.process_time() - started < 4
    assert found.keys() == {"auroc", "auprc"}
