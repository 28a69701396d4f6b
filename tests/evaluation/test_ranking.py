from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.evaluation.ranking import areas, fpr_at_recall, macro_areas

metrics = pytest.importorskip("sklearn.metrics")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 4)), min_size=2, max_size=60))
def test_areas_equal_scikit_learn_with_ties_and_weights(drawn):
    scores, positive, weight = (np.array(column) for column in zip(*drawn, strict=True))
    weights = np.stack([np.ones(len(scores)), weight.astype(float)])
    found = areas(scores / 5, positive, weights)
    for r, w in enumerate(weights):
        if w[positive].sum() and w[~positive].sum():
            roc = metrics.roc_auc_score(positive, scores, sample_weight=w)
            assert found.roc[r] == pytest.approx(roc, abs=1e-9)
            precision = metrics.average_precision_score(positive, scores, sample_weight=w)
            assert found.pr[r] == pytest.approx(precision, abs=1e-9)
        else:
            assert np.isnan(found.roc[r])


def test_macro_is_over_the_labels_that_occur():
    rng = np.random.default_rng(0)
    values, gold = rng.random((80, 4)), np.eye(4, dtype=bool)[rng.integers(0, 3, 80)]
    found = macro_areas(values, gold, np.ones((1, 80)))
    theirs = [metrics.roc_auc_score(gold[:, k], values[:, k]) for k in range(3)]
    assert found.roc[0] == pytest.approx(np.mean(theirs), abs=1e-9)
    theirs = [metrics.average_precision_score(gold[:, k], values[:, k]) for k in range(3)]
    assert found.pr[0] == pytest.approx(np.mean(theirs), abs=1e-9)


def test_nothing_to_rank_is_not_a_number():
    found = macro_areas(np.ones((3, 1)), np.zeros((3, 1), dtype=bool), np.ones((2, 3)))
    assert np.isnan(found.roc).all()
    assert np.isnan(found.pr).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(1, 4)), min_size=2, max_size=80))
def test_fpr_equals_scikit_learn(drawn):
    scores, inside, weight = (np.array(column) for column in zip(*drawn, strict=True))
    if inside.all() or not inside.any():
        return
    for w in (np.ones(len(scores)), weight.astype(float)):
        false, true, _ = metrics.roc_curve(inside, scores, sample_weight=w, drop_intermediate=False)
        theirs = false[(true >= 0.95 - 1e-9).argmax()]
        assert fpr_at_recall(scores, inside, w[None])[0] == pytest.approx(theirs, abs=1e-9)
