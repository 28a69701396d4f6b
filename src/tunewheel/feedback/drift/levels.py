"""How small a p-value must be: for all tests of a window jointly, for looking often, and for an unlucky reference.

Three things would make false alarms out of nothing, and each has its answer here.

*Many tests.* The tests of a window are corrected by Holm's method.

*Many looks.* What is tested is a whole window, once, however often somebody looks: the same window tested again gives
the same answer, and one that is not full yet is not judged. Blocks of 2, 4, 8 … windows are tested as well, so that
drift too small for one window adds up; a block of 2ᵏ windows ends at every 2ᵏ-th window only, so it may be tested at
2ᵏ times the level for the same number of false alarms a window. Each further way of cutting the same exchanges into
windows takes a smaller share of what is left (`share`).

*One reference.* Every window is compared with the same reference. Over many references a test's false alarms are as
rare as its p-value says; under the one reference that is in use they may be far more frequent, since its own chance
deviation is seen by every window. `cautious` makes p-values larger, so that the rate holds under 19 references of 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

RATE = 0.01
"""False alarms a window, all tests taken jointly, that are accepted where nothing drifts."""

SURE = 0.95
"""Share of references under which that shall hold."""

_NORMAL = NormalDist()


def cautious(p: float, window: int, reference: int, *, sure: float = SURE) -> float:
    """The p-value ``p`` of a window of so many rows, as it is worth under all but 1 - ``sure`` of references.

    Of the variance of a difference between a window of n rows and a reference of m, the share ρ = n / (n + m) is the
    reference's and the same for all windows. The reference at the border of the unlucky ones moves every z-score by
    zₛ√ρ, and what is left to chance is √(1 - ρ) wide: z becomes (z - zₛ√ρ) / √(1 - ρ). It never becomes larger, since
    the average over references counts too. Exact for the mean of one feature; statistics made of many gather around
    their own mean and need less.

    >>> f"{cautious(0.001, 500, 2000):.4f}", f"{cautious(0.001, 500, 10**9):.4f}"
    ('0.0070', '0.0010')
    """
    if p <= 0:
        return 0.0
    share = window / (window + reference)
    z = -_NORMAL.inv_cdf(min(p, 1.0) / 2) if p < 1 else 0.0
    left = (z - _NORMAL.inv_cdf((1 + sure) / 2) * sqrt(share)) / sqrt(1 - share)
    return max(p, 2 * _NORMAL.cdf(-left)) if left > 0 else 1.0


def holm(p: Mapping[str, float], level: float) -> dict[str, bool]:
    """Which tests reject when all of them together may be wrong once in 1 / ``level`` times (Holm 1979).

    >>> holm({"labels": 0.004, "length": 0.006, "words": 0.2}, 0.01)
    {'labels': False, 'length': False, 'words': False}
    >>> holm({"labels": 0.003, "length": 0.004, "words": 0.2}, 0.01)
    {'labels': True, 'length': True, 'words': False}
    """
    rejected = dict.fromkeys(p, False)
    for place, name in enumerate(sorted(p, key=lambda name: p[name])):
        if p[name] > level / (len(p) - place):
            break
        rejected[name] = True
    return rejected


def share(looks: int) -> float:
    """The share of `RATE` for the ``looks``-th way (1, 2 …) of cutting the same exchanges into windows.

    All of them add up to 1; nearly everybody looks in one way only.

    >>> [round(share(looks), 3) for looks in (1, 2, 3)]
    [0.8, 0.1, 0.033]
    """
    return 0.8 if looks == 1 else 0.2 / (looks * (looks - 1))


def spread(kinds: int, rate: float) -> list[float]:
    """Levels for blocks of 1, 2, 4 … windows, so many ``kinds`` of them, that add up to ``rate`` a window.

    >>> [round(level, 4) for level in spread(4, 0.01)]
    [0.0025, 0.005, 0.01, 0.02]
    """
    return [rate / kinds * 2**kind for kind in range(kinds)]
