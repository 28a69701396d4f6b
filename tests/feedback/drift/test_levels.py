"""False alarms are as rare as promised: for all tests together, for many looks, under one unlucky reference."""

import numpy as np
import pytest
from scipy.stats import norm

from tunewheel.feedback.drift.levels import RATE, SURE, cautious, holm, share, spread


def test_every_further_way_of_looking_gets_less_and_all_of_them_no_more_than_one():
    shares = [share(looks) for looks in range(1, 2000)]
    assert shares == sorted(shares, reverse=True) and 0.99 < sum(shares) <= 1


def test_blocks_of_all_sizes_cost_no_more_than_the_rate_a_window():
    levels = spread(4, RATE)
    assert sum(level / 2**kind for kind, level in enumerate(levels)) == pytest.approx(RATE)


def test_holm_rejects_no_more_than_bonferroni_does_for_the_smallest_and_never_skips_one():
    assert holm({"a": 0.004, "b": 0.001, "c": 0.02}, 0.01) == {"a": True, "b": True, "c": False}
    assert holm({"a": 0.0034, "b": 0.9, "c": 0.0049}, 0.01) == {"a": False, "b": False, "c": False}
    assert holm({}, 0.01) == {}


@pytest.mark.parametrize(("window", "size"), [(250, 2000), (1000, 1000), (4000, 1000)])
def test_under_nearly_every_reference_the_rate_is_no_higher_than_the_level(window, size):
    draw = np.random.default_rng(1)
    level, scale = 0.01, np.sqrt(1 / window + 1 / size)
    # What an uncorrected test does under each reference, and a cautious one.
    plain, careful = [], []
    references = draw.standard_normal(400) / np.sqrt(size)
    for reference in references:
        z = (draw.standard_normal(4000) / np.sqrt(window) - reference) / scale
        p = 2 * norm.sf(np.abs(z))
        plain.append((p < level).mean())
        careful.append(sum(cautious(each, window, size) < level for each in p[p < level]) / len(p))
    # Noise of 4,000 windows aside.
    above = np.mean(np.array(careful) > level + 0.004)
    assert above <= 1 - SURE + 0.02
    assert np.mean(np.array(plain) > level + 0.004) > above
    assert np.mean(careful) <= level


def test_a_large_reference_needs_no_caution_and_none_makes_a_p_smaller():
    assert cautious(0.003, 100, 10**9) == pytest.approx(0.003, rel=0.01)
    for p in (0.0, 1e-300, 1e-6, 0.3, 1.0):
        assert p <= cautious(p, 500, 500) <= 1
