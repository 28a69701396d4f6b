from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from scipy.stats import t as student

from tunewheel.evaluation import score_predictions
from tunewheel.evaluation.intervals import Sample, distribution, intervals, number_documents, percentiles, wilson
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner


@pytest.mark.parametrize(("right", "trials"), [(0, 20), (20, 20), (3, 9), (57, 60), (1, 1)])
def test_wilson_equals_scipy(right, trials):
    theirs = binomtest(right, trials).proportion_ci(method="wilson")
    assert wilson(right / trials, trials) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("units", [6, 10, 100, 10_000])
def test_percentiles_reach_as_far_as_a_studentised_interval(units):
    resamples = norm.ppf(np.arange(1, 100_000) / 100_000)  # of a figure whose bootstrap deviation is 1
    reach = student.ppf(0.975, units - 1) * (units / (units - 1)) ** 0.5
    assert percentiles(resamples, units) == pytest.approx((-reach, reach), rel=0.003)


def test_coverage_of_the_bootstrap(share):
    rng = np.random.default_rng(5)
    truth, rows, simulations = 0.85, 120, 300
    covered = 0
    for _ in range(simulations):
        predicted = (rng.random(rows) < truth).astype(np.int64)
        scores = {"gold": np.ones(rows, dtype=np.int64), "predicted": predicted}
        found = intervals(share, scores, resamples=300, seed=int(rng.integers(1 << 30)))["accuracy"]
        assert found.method == "bootstrap"
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / simulations <= 0.98


def test_coverage_with_documents_and_what_ignoring_them_costs(share):
    rng = np.random.default_rng(8)
    truth, documents, each, simulations = 0.8, 60, 10, 200
    numbers = np.repeat(np.arange(documents), each)
    covered = {"documents": 0, "rows": 0}
    for _ in range(simulations):
        # One document's rows share their chance of being right: Beta(4, 1) has mean 0.8.
        chance = rng.beta(4 * truth / 0.8, 1, documents)
        predicted = (rng.random(documents * each) < chance[numbers]).astype(np.int64)
        scores = {"gold": np.ones(len(predicted), dtype=np.int64), "predicted": predicted}
        seed = int(rng.integers(1 << 30))
        for name, groups in (("documents", numbers), ("rows", None)):
            found = intervals(share, scores, groups, resamples=200, seed=seed)["accuracy"]
            covered[name] += found.low <= truth <= found.high
    assert 0.91 <= covered["documents"] / simulations <= 0.98
    assert covered["rows"] / simulations < 0.9


def test_distinct_records_are_resampled_as_rows_would_be():
    rng = np.random.default_rng(1)
    scores = {"gold": rng.integers(0, 3, 400), "predicted": rng.integers(0, 3, 400)}
    task = Classification(("a", "b", "c"))
    sample = Sample.of(scores)
    assert len(sample.unit_of) == 9
    assert sample.counts.sum() == 400
    assert task.metrics(sample.scores, sample.weights) == pytest.approx(task.metrics(scores))
    ours = distribution(task, sample.scores, sample.bootstrap(np.random.default_rng(2), 1500))
    rows = (np.bincount(rng.integers(0, 400, 400), minlength=400) for _ in range(1500))
    theirs = distribution(task, scores, rows)
    for name in ("accuracy", "macro_f1"):
        assert ours[name].mean() == pytest.approx(theirs[name].mean(), abs=0.004)
        assert ours[name].std() == pytest.approx(theirs[name].std(), rel=0.1)


def test_every_resample_has_as_many_rows(binary_report):
    report = binary_report([True] * 40 + [False] * 9)
    sample = Sample.of(report.scores)
    assert all(w.sum() == 49 for w in sample.bootstrap(np.random.default_rng(0), 50))


def test_perfect_on_few_rows_is_not_certain(binary_report):
    accuracy = binary_report([True] * 20).metrics["accuracy"]
    assert (accuracy.value, accuracy.high, accuracy.method) == (1.0, 1.0, "wilson")
    assert accuracy.low == pytest.approx(0.8389, abs=1e-4)


def test_perfect_on_many_rows_is_not_certain_in_any_figure(binary_report):
    for interval in binary_report([True] * 200).metrics.values():
        assert interval.method == "wilson"
        assert interval.low == pytest.approx(0.9812, abs=1e-4)


def test_small_samples_use_wilson_for_shares_only(binary_report):
    metrics = binary_report([True] * 20 + [False] * 9).metrics
    assert metrics["accuracy"].method == "wilson"
    assert metrics["macro_f1"].method == "bootstrap"
    assert binary_report([True] * 20 + [False] * 10).metrics["accuracy"].method == "bootstrap"


def ner_row(*entities):
    return {"text": "Ann met Bob.", "entities": [{"start": s, "end": e, "label": "PER"} for s, e in entities]}


def test_perfect_entities_count_the_rows_that_hold_any():
    task = Ner(("PER",))
    rows = [ner_row((0, 3))] * 5 + [ner_row()] * 500
    metrics = score_predictions(task, rows, [{"entities": row["entities"]} for row in rows]).metrics
    for name in ("precision", "recall", "f1"):
        assert (metrics[name].low, metrics[name].high) == pytest.approx(wilson(1.0, 5))
    nothing = score_predictions(task, [ner_row()] * 50, [{"entities": []}] * 50).metrics["f1"]
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 1.0)


def test_one_document_shows_nothing_beyond_itself(binary_report):
    interval = binary_report([True] * 50 + [False] * 50, documents=["d"] * 100).metrics["accuracy"]
    assert (interval.low, interval.high) == pytest.approx(wilson(0.5, 1))


def test_documents_are_drawn_whole(binary_report):
    rng = np.random.default_rng(3)
    right = np.repeat(rng.random(50) < 0.7, 8)
    alone = binary_report(right).metrics["accuracy"]
    together = binary_report(right, documents=np.repeat(np.arange(50), 8).tolist()).metrics["accuracy"]
    assert together.method == "document bootstrap"
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_rows_without_a_document_stand_alone():
    assert number_documents([{"id": 1}, {"document": None}]) is None
    assert number_documents([{"document": 7}, {}, {"document": 7}, {}]).tolist() == [0, 1, 0, 2]


def test_same_seed_same_interval(binary_report):
    right = np.random.default_rng(0).random(150) < 0.8
    assert binary_report(right).metrics == binary_report(right).metrics
    assert binary_report(right).metrics != binary_report(right, seed=14).metrics
