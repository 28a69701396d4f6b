import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.evaluation import EvaluationError
from tunewheel.evaluation.retrieval import measure


def test_figures_equal_those_worked_out_by_hand():
    ranked = [["a", "b", "c", "d"], ["x", "a", "y", "b"], ["x", "y"]]
    found = measure(ranked, [{"a"}, {"a", "b"}, {"a"}], cuts=(1, 2, 4))
    value = {name: interval.value for name, interval in found.metrics.items()}
    assert value["mrr"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert value["map"] == pytest.approx((1 + (1 / 2 + 2 / 4) / 2 + 0) / 3)
    assert value["recall@1"] == pytest.approx((1 + 0 + 0) / 3)
    assert value["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert value["recall@4"] == pytest.approx((1 + 1 + 0) / 3)
    second = (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert value["ndcg@4"] == pytest.approx((1 + second + 0) / 3)
    assert "3 queries" in str(found) and found.as_dict()["queries"] == 3


@given(st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.0]), min_size=2, max_size=12), st.integers(1, 14))
def test_ndcg_equals_scikit_learn(gains, cut):
    metrics = pytest.importorskip("sklearn.metrics")
    if not any(gains):
        return
    ids = [str(i) for i in range(len(gains))]
    gold = {id: gain for id, gain in zip(ids, gains, strict=True) if gain}
    ours = measure([ids], [gold], cuts=(cut,)).metrics[f"ndcg@{cut}"].value
    falling = -np.arange(len(gains), dtype=float)
    assert ours == pytest.approx(metrics.ndcg_score([gains], [falling], k=cut))


def test_groups_are_resampled_whole():
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(40) < 0.5, 20)
    ranked = [["a"] if hit else ["b"] for hit in right]
    gold = [{"a"}] * len(right)
    alone = measure(ranked, gold).metrics["mrr"]
    grouped = measure(ranked, gold, groups=np.repeat(np.arange(40), 20).tolist()).metrics["mrr"]
    assert alone.value == grouped.value
    # Twenty rewordings that stand or fall together are one piece of evidence: √20 times the width.
    assert 3.5 < (grouped.high - grouped.low) / (alone.high - alone.low) < 5.5
    assert measure(ranked, gold, seed=2).metrics["mrr"] == measure(ranked, gold, seed=2).metrics["mrr"]


def test_a_perfect_ranking_does_not_claim_certainty():
    found = measure([["a"]] * 20, [{"a"}] * 20).metrics["recall@1"]
    assert (found.value, found.high, found.method) == (1.0, 1.0, "wilson") and found.low == pytest.approx(
        0.839, abs=1e-3
    )


def test_the_gain_of_one_ranking_on_another_is_paired():
    gold = [{"a"}] * 200
    worse = measure([["b", "a"] if i % 2 else ["a", "b"] for i in range(200)], gold)
    better = measure([["b", "a"] if i % 4 == 1 else ["a", "b"] for i in range(200)], gold)
    gain = better.gain(worse, "mrr")
    assert gain.value == pytest.approx(0.125) and 0 < gain.low < gain.value < gain.high
    assert worse.gain(better, "mrr").value == pytest.approx(-0.125)
    nothing = better.gain(better, "mrr")
    assert nothing.value == 0 and nothing.low < 0 < nothing.high
    with pytest.raises(EvaluationError, match="the same queries"):
        better.gain(measure([["a"]], [{"a"}]), "mrr")


@pytest.mark.parametrize(
    ("ranked", "gold", "told"),
    [
        ([["a"]], [], "1 rankings for 0 queries"),
        ([["a"]], [set()], "query 0: expected gold ids"),
        ([["a"]], [{"a": 0.0}], "gain above 0"),
        ([["a", "a"]], [{"a"}], "query 0: an id is ranked twice"),
    ],
)
def test_what_cannot_be_scored_is_said(ranked, gold, told):
    with pytest.raises(EvaluationError, match=told):
        measure(ranked, gold)
