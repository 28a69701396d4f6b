"""Bounds that hold at every look: counted over many looks and many runs."""

import math
from collections import Counter

import numpy as np
import pytest

from tunewheel.feedback.rollout.evidence import (
    bet,
    bucket,
    difference,
    excess,
    interval,
    midpoint,
    quantile,
    ratio,
)

ALPHA = 0.05


def looks(most, times=200):
    return np.unique(np.geomspace(5, most, times).astype(int))


def test_a_bound_that_is_looked_at_two_hundred_times_still_holds():
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(600):
        happened = np.cumsum(rng.random(3000) < 0.03)
        wrong += any(bet(int(happened[n - 1]), int(n), 0.03) >= -math.log(ALPHA) for n in looks(3000, 60))
    assert wrong / 600 <= ALPHA


def test_an_interval_holds_what_the_bet_has_not_won_against():
    for k, n in ((0, 50), (3, 200), (200, 200), (97, 180)):
        low, high = interval(k, n, ALPHA)
        assert 0 <= low <= k / n <= high <= 1
        for p in (low - 1e-4, high + 1e-4):
            assert not 0 < p < 1 or bet(k, n, p) >= -math.log(ALPHA)
        assert bet(k, n, (low + high) / 2) < -math.log(ALPHA)
    assert interval(0, 0, ALPHA) == (0.0, 1.0)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("rate", [0.002, 0.05])
def test_between_equals_a_candidate_seldom_seems_to_fail_oftener_at_any_look(share, rate):
    """False alarms of the sequential rule, at every tenth request: 2,000 runs."""
    from scipy.special import betaln, xlog1py, xlogy

    rng = np.random.default_rng(7)
    runs, n = 2000, 4000
    mine, failed = rng.random((runs, n)) < share, rng.random((runs, n)) < rate
    n2, k2, k = (np.cumsum(x, axis=1)[:, 19::10] for x in (mine, mine & failed, failed))
    total = np.arange(20, n + 1, 10)
    pi = n2 / total
    odds = betaln(k2 + 1, k - k2 + 1) - xlogy(k2, pi) - xlog1py(k - k2, -pi)
    worse = (odds >= -math.log(ALPHA)) & (k2 * total > k * n2)
    assert excess((int(k[0, -1] - k2[0, -1]), int(total[-1] - n2[0, -1])), (int(k2[0, -1]), int(n2[0, -1]))) in (
        -math.inf,
        pytest.approx(float(odds[0, -1])),
    )
    assert worse.any(axis=1).mean() <= ALPHA
    assert worse.any(axis=1).mean() > 0 or rate < 0.01  # it can fire


def test_a_candidate_that_fails_ten_times_as_often_is_seen_within_a_few_hundred_requests():
    rng, seen = np.random.default_rng(2), []
    for _ in range(200):
        mine = rng.random(6000) < 0.1
        failed = rng.random(6000) < np.where(mine, 0.1, 0.01)
        for n in looks(6000):
            first = int((failed & ~mine)[:n].sum()), int((~mine)[:n].sum())
            second = int((failed & mine)[:n].sum()), int(mine[:n].sum())
            if excess(first, second) >= math.log(300):
                seen.append(second[1])
                break
    assert len(seen) == 200 and np.median(seen) < 200


def test_differences_and_quantiles_hold_over_all_looks():
    rng, wrong = np.random.default_rng(3), Counter()
    for _ in range(300):
        failed = np.cumsum(rng.random((2, 2000)) < [[0.02], [0.03]], axis=1)
        times = rng.lognormal(-4, 0.6, 2000)
        out = set()
        for n in looks(2000, 25):
            low, high = difference((int(failed[0, n - 1]), int(n)), (int(failed[1, n - 1]), int(n)), ALPHA)
            out |= {"difference"} if not low <= 0.01 <= high else set()
            counts = Counter(map(bucket, times[:n]))
            for q, true in ((0.5, math.exp(-4)), (0.99, math.exp(-4 + 0.6 * 2.3263479))):
                low, high = quantile(counts, q, ALPHA)
                out |= {str(q)} if not low <= true <= high else set()
        wrong.update(out)
    assert all(wrong[each] / 300 <= ALPHA for each in ("difference", "0.5", "0.99"))


def test_a_ratio_of_times_is_bounded_and_narrows():
    rng = np.random.default_rng(4)
    first = Counter(map(bucket, rng.lognormal(-4, 0.5, 9000)))
    second = Counter(map(bucket, 2 * rng.lognormal(-4, 0.5, 1000)))
    low, high = ratio(first, second, 0.5, ALPHA)
    assert 1.6 < low < 2 < high < 2.5
    assert midpoint(second, 0.5) == pytest.approx(2 * math.exp(-4), rel=0.08)
    assert ratio(first, Counter({90: 3}), 0.99, ALPHA)[1] == math.inf
    assert quantile(Counter(), 0.5, ALPHA) == (0.0, math.inf) and midpoint(Counter(), 0.5) is None
