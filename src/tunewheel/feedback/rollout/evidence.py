"""Bounds that hold at every look at once, however often somebody looks and whatever makes them look.

All of them are one bet. Whoever holds that something happens with chance ``p`` is bet against by the uniform mixture of
all other chances; what the bet has won after ``k`` of ``n`` is never worth ``1 / alpha`` with more than the chance
``alpha``, however long it goes on (Ville 1939; Robbins, *Statistical Methods Related to the Law of the Iterated
Logarithm*, 1970; Howard et al., *Time-uniform, Nonparametric, Nonasymptotic Confidence Sequences*, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

_FIRST, _STEP = 1e-4, 1.05
"""Seconds are counted in buckets, each a twentieth longer than the one before."""


def bet(k: float, n: float, p: float) -> float:
    """The logarithm of what betting against the chance ``p`` has won after ``k`` of ``n``.

    >>> bet(5, 10, 0.5) < 0 < bet(10, 10, 0.5)
    True
    """
    from scipy.special import betaln, xlog1py, xlogy

    return float(betaln(k + 1, n - k + 1) - xlogy(k, p) - xlog1py(n - k, -p))


def interval(k: int, n: int, alpha: float) -> tuple[float, float]:
    """Bounds of a chance after ``k`` of ``n``: the chances that the bet has not won ``1 / alpha`` against.

    >>> [round(bound, 3) for bound in interval(0, 1000, 0.05)]
    [0.0, 0.01]
    """
    if n == 0:
        return 0.0, 1.0
    most, share = -math.log(alpha), k / n
    low = 0.0 if k == 0 else _root(lambda p: bet(k, n, p) - most, 0.0, share)
    high = 1.0 if k == n else _root(lambda p: bet(k, n, p) - most, share, 1.0)
    return low, high


def difference(first: tuple[int, int], second: tuple[int, int], alpha: float) -> tuple[float, float]:
    """Bounds of the second chance less the first, each given as (happened, of so many)."""
    (low1, high1), (low2, high2) = interval(*first, alpha / 2), interval(*second, alpha / 2)
    return low2 - high1, high2 - low1


def excess(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The logarithm of what was won on the second happening oftener; -inf where it did not.

    Of all that happened, between equals each falls to the second with its share of what was tried: a coin. For pairs,
    count what happened on one side alone. Given what was tried, a share drawn without replacement is nearer to its
    mean than the coin's, so the bet wins no more than it should (Hoeffding 1963, theorem 4).

    >>> excess((0, 900), (3, 100)) > math.log(200)
    True
    """
    (k1, n1), (k2, n2) = first, second
    if not n1 or not n2 or k2 * n1 <= k1 * n2:
        return -math.inf
    return bet(k2, k1 + k2, n2 / (n1 + n2))


def bucket(seconds: float) -> int:
    """The bucket that a time is counted in.

    >>> [bucket(seconds) for seconds in (0.0, 0.0001, 0.01, 1.0)]
    [0, 0, 94, 188]
    """
    return max(0, math.floor(math.log(max(seconds, _FIRST) / _FIRST) / math.log(_STEP)))


def quantile(counts: Mapping[int, int], q: float, alpha: float) -> tuple[float, float]:
    """Bounds in seconds of the quantile ``q``, from counts by `bucket`.

    Of ``n`` times, as many lie below the true quantile as of ``n`` coins with chance ``q`` fall: the times whose rank
    the bet has not won against are the bounds, whatever the times' distribution (Howard and Ramdas 2022).
    """
    n = sum(counts.values())
    if n == 0:
        return 0.0, math.inf
    most, middle = -math.log(alpha), q * n
    least = 0.0 if bet(0, n, q) < most else _root(lambda k: bet(k, n, q) - most, 0.0, middle)
    last = float(n) if bet(n, n, q) < most else _root(lambda k: bet(k, n, q) - most, middle, n)
    low, high = math.ceil(least), math.floor(last) + 1
    return (_ranked(counts, low)[0] if low > 0 else 0.0, _ranked(counts, high)[1] if high <= n else math.inf)


def midpoint(counts: Mapping[int, int], q: float) -> float | None:
    """The quantile ``q`` itself, within a fortieth; None of nothing."""
    n = sum(counts.values())
    if n == 0:
        return None
    low, high = _ranked(counts, max(1, math.ceil(q * n)))
    return (low + high) / 2


def ratio(first: Mapping[int, int], second: Mapping[int, int], q: float, alpha: float) -> tuple[float, float]:
    """Bounds of how many times the first's quantile the second's is."""
    (low1, high1), (low2, high2) = quantile(first, q, alpha / 2), quantile(second, q, alpha / 2)
    return low2 / high1, high2 / low1 if low1 else math.inf


def _ranked(counts: Mapping[int, int], rank: int) -> tuple[float, float]:
    """Both ends of the bucket that the time of this rank (from 1) fell in."""
    place, seen = 0, 0
    for place in sorted(counts):
        seen += counts[place]
        if seen >= rank:
            break
    return (0.0 if place == 0 else _FIRST * _STEP**place), _FIRST * _STEP ** (place + 1)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq

    near = 1e-12 * (high - low)  # at the very ends the bet has won without end
    a, b = (low + near if math.isinf(function(low)) else low), (high - near if math.isinf(function(high)) else high)
    if function(a) * function(b) > 0:
        return low if abs(function(a)) < abs(function(b)) else high
    return float(brentq(function, a, b, xtol=1e-10))
