"""Power laws through made curves: found again where they are there, and no gain claimed where there is none."""

import numpy as np
import pytest

from tunewheel.evaluation import Interval, score_predictions
from tunewheel.tasks.classification import Classification
from tunewheel.tuning.climbing.curve import curve_of, fit_laws, learning_curve

SIZES = (100, 200, 400, 800)


def made(values, spread=0.005, seed=0):
    drawn = np.random.default_rng(seed).normal(values, spread, (1000, len(values)))
    scores = [Interval(value, value - 2 * spread, value + 2 * spread) for value in values]
    return curve_of("full", SIZES, scores, drawn, 500)


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, 2.0, 0.5), (0.8, 1.0, 0.3), (1.0, 5.0, 0.9)])
def test_a_law_is_found_again(a, b, c):
    (found,) = fit_laws(SIZES, np.array([[a - b * n**-c for n in SIZES]]))
    assert found == pytest.approx([a, b, c], rel=1e-6)


def test_a_rising_curve_projects_what_its_law_says():
    curve = made([0.9 - 2 * n**-0.5 for n in SIZES])
    true = 2 * 800**-0.5 - 2 * 1600**-0.5
    assert curve.gain.value == pytest.approx(true, abs=1e-6)
    assert curve.gain.low < true < curve.gain.high
    assert curve.gain.claimed and curve.gain.rows == 800
    assert curve.band[0].rows == pytest.approx(100) and curve.band[-1].rows == pytest.approx(1600)


@pytest.mark.parametrize("seed", range(5))
def test_a_flat_curve_claims_nothing(seed):
    assert not made([0.8] * 4, seed=seed).gain.claimed


def test_a_falling_curve_claims_nothing():
    assert made([0.85, 0.84, 0.82, 0.81]).gain.high <= 0.01


def test_a_curve_that_is_no_law_is_unsure_of_itself():
    """It jumps and then stands still: the rows alone would be sure of a gain."""
    assert not made([0.77, 0.77, 0.92, 0.90]).gain.claimed


def test_no_curve_ends_above_one():
    assert fit_laws(SIZES, np.array([[0.5, 0.8, 0.97, 0.999]]))[0, 0] <= 1


def reports(*wrong):
    task = Classification(("no", "yes"))
    rows = [{"id": str(i), "text": f"text {i}", "label": "yes"} for i in range(400)]
    return [
        score_predictions(task, rows, [{"label": "no" if i < count else "yes"} for i in range(400)], resamples=50)
        for count in wrong
    ]


def test_the_bootstrap_sees_the_same_rows_at_every_size():
    """The same rows are wrong throughout, so that the sample settles the height of the curve and not its slope."""
    curve = learning_curve("full", SIZES, reports(80, 80, 80, 80), resamples=200)
    assert curve.scores[0].high - curve.scores[0].low > 0.05
    assert curve.gain.high - curve.gain.low < 1e-6


def test_too_few_sizes_make_no_law():
    curve = learning_curve("full", SIZES[:3], reports(80, 60, 50))
    assert curve.law is None and curve.gain is None and curve.band == ()
    assert curve.as_dict()["gain"] is None
