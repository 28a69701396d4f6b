"""What is said of two models on the same rows, against exact enumeration and a published example."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.registry.gate.paired import (
    paired_mean,
    paired_metric,
    paired_shares,
    resolved,
    rows_needed,
    score_bounds,
    score_statistic,
    sign_test,
)
from tunewheel.tasks.ner import Ner


def bounds(won, lost, rows, alpha=0.025):
    low, high = score_bounds(np.array([won]), np.array([lost]), np.array([rows]), alpha)
    return float(low[0]), float(high[0])


def test_tangos_published_example():
    # Tango (1998), table I: 43 of 44 pairs agree, one is lost: 95 % interval -0.118 to 0.060.
    assert bounds(0, 1, 44) == pytest.approx((-0.118, 0.060), abs=0.0015)


def test_without_shift_the_statistic_is_mcnemars():
    assert score_statistic(np.array(10), np.array(4), np.array(500), np.array(0.0)) == pytest.approx(6 / 14**0.5)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400))
def test_bounds_hold_the_value_and_mirror_each_other(won, lost, more):
    rows = won + lost + more + 1
    low, high = bounds(won, lost, rows)
    assert -1 <= low <= (won - lost) / rows <= high <= 1
    assert bounds(lost, won, rows) == pytest.approx((-high, -low))


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 300), st.sampled_from([(-1, 0), (0, 1), (-1, 1)]))
@settings(max_examples=200)
def test_a_worse_answer_lowers_both_bounds(won, lost, more, change):
    rows = won + lost + more
    before, after = bounds(won, lost, rows), bounds(won + change[0], lost + change[1], rows)
    assert after[0] <= before[0] + 1e-9
    assert after[1] <= before[1] + 1e-9


def level(rows, apart, margin, alpha=0.025):
    """Exact probability that a loss of just the margin passes, over every possible table."""
    p, q = (apart - margin) / 2, (apart + margin) / 2
    won, lost = np.meshgrid(np.arange(rows + 1), np.arange(rows + 1))
    kept = (won + lost) <= rows
    won, lost = won[kept], lost[kept]
    fact = np.array([lgamma(k + 1) for k in range(rows + 1)])
    rest = rows - won - lost
    weight = fact[rows] - fact[won] - fact[lost] - fact[rest] + rest * log(1 - p - q) + lost * log(q)
    weight += won * log(p) if p > 0 else np.where(won > 0, -np.inf, 0.0)
    near = weight > -25
    low, _ = score_bounds(won[near], lost[near], np.full(near.sum(), rows), alpha)
    return float(np.exp(weight[near])[low > -margin].sum())


@pytest.mark.parametrize(
    ("rows", "apart", "margin"),
    [(50, 0.1, 0.1), (50, 0.2, 0.1), (100, 0.05, 0.05), (100, 0.15, 0.05), (200, 0.02, 0.02), (200, 0.1, 0.02)],
)
def test_a_loss_of_the_margin_passes_as_rarely_as_promised_on_few_rows(rows, apart, margin):
    assert level(rows, apart, margin) <= 0.032


def test_rows_that_never_disagree_prove_nothing_beyond_their_number():
    assert bounds(0, 0, 500)[0] < -0.005 < bounds(0, 0, 1000)[0]


def test_the_sign_test_is_exact_and_even_for_no_disagreement():
    assert sign_test(np.array([0, 3, 0]), np.array([0, 3, 10])).tolist() == pytest.approx([1.0, 42 / 64, 2**-10])


def test_parts_are_compared_each_for_itself():
    before, after = np.zeros(100, bool), np.zeros(100, bool)
    before[:50], after[10:60] = True, True
    whole, half = paired_shares(before, after, [np.arange(100), np.arange(50)], 0.025)
    assert (whole.value, whole.apart, whole.units) == (0.0, 20, 100)
    assert (half.before, half.after, half.apart) == (1.0, pytest.approx(0.8), 10)
    assert half.worse == pytest.approx(2**-10)


def spans(rng, rows, miss):
    task = Ner(("person",))
    gold = [{"text": "Anna met Bob", "entities": [{"start": 0, "end": 4, "label": "person"}]} for _ in range(rows)]
    found = [{"entities": [] if rng.random() < miss else [{**row["entities"][0], "confidence": 0.9}]} for row in gold]
    return task, task.score(gold, found)


def test_any_metric_is_compared_by_resampling():
    rng = np.random.default_rng(0)
    (task, before), (_, after) = spans(rng, 400, 0.3), spans(rng, 400, 0.1)
    found = paired_metric(task, "f1", before, after, None, alpha=0.025, resamples=400, seed=13)
    assert found.low < found.value < found.high
    assert found.low > 0
    assert (found.better, found.worse, found.apart) == (pytest.approx(1 / 401), 1.0, None)
    mirrored = paired_metric(task, "f1", after, before, None, alpha=0.025, resamples=400, seed=13)
    assert mirrored.value == pytest.approx(-found.value)
    assert (mirrored.worse, mirrored.better) == (pytest.approx(1 / 401), 1.0)


def test_resamples_that_all_agree_claim_no_certainty():
    task, scores = spans(np.random.default_rng(0), 300, 0.2)
    found = paired_metric(task, "f1", scores, scores, None, alpha=0.025, resamples=200, seed=13)
    assert found.low == pytest.approx(-(1.96**2) / 300, rel=0.01)
    assert found.worse == found.better == 1.0


def test_rows_of_a_document_are_one_unit():
    rng = np.random.default_rng(1)
    (task, before), (_, after) = spans(rng, 400, 0.3), spans(rng, 400, 0.2)
    ways = [
        paired_metric(task, "f1", before, after, d, alpha=0.025, resamples=400, seed=13)
        for d in (None, np.arange(400) // 40)
    ]
    assert [way.units for way in ways] == [400, 10]
    assert ways[1].low < ways[0].low


def test_a_higher_mean_is_a_worse_one():
    rng = np.random.default_rng(2)
    before = rng.random(500)
    found = paired_mean(before, before + 0.1 + rng.normal(0, 0.1, 500), 0.025)
    assert found.worse < 1e-6
    assert found.low < 0.1 < found.high + 0.02
    assert paired_mean(before, before, 0.025).worse == pytest.approx(0.5)


def test_the_rows_asked_for_have_the_power_promised():
    spread, distance = 0.08**0.5, 0.02
    rows = rows_needed(distance, spread, 0.025, 0.8)
    rng = np.random.default_rng(3)
    seen = rng.multinomial(rows, [0.05, 0.03, 0.92], size=4000)
    low, _ = score_bounds(seen[:, 0], seen[:, 1], np.full(4000, rows), 0.025)
    assert (low > 0).mean() == pytest.approx(0.8, abs=0.03)
    assert resolved(rows, spread, 0.025, 0.8) == pytest.approx(distance, rel=0.01)
    assert rows_needed(0.0, spread, 0.025, 0.8) is None
