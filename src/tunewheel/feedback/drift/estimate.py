"""How often a model is right where nobody says so: from its own calibrated confidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tunewheel.feedback.drift.seen import Floats, Seen

_Z = 1.959964
"""Of a 95 % interval."""


class Expected(NamedTuple):
    """The share right to be expected of rows like these, with its 95 % interval, fractions of 1."""

    value: float
    low: float
    high: float


def expected_accuracy(window: Seen, reference: Seen) -> Expected | None:
    """What share of a window's answers is right, by confidence; None where there is none to go by.

    A confidence that is calibrated is the chance to be right, so its mean is the share to be expected
    (confidence-based performance estimation). What confidence and truth are apart on the reference is added, and how
    uncertain both are makes the interval, as in prediction-powered inference (Angelopoulos et al. 2023). It holds while
    confidence means what it meant on the reference: of texts unlike any seen before a model is often too sure, so read
    it as the better end where ``novelty`` or ``vectors`` drifted.

    >>> half = Seen.of(["a"] * 100, confidences=[0.9] * 100, right=[1.0] * 80 + [0.0] * 20)
    >>> round(expected_accuracy(Seen.of(["a"] * 50, confidences=[0.6] * 50), half).value, 3)
    0.5
    """
    here = _given(window.confidences)
    if len(here) < 2:
        return None
    value, variance = float(here.mean()), float(here.var(ddof=1)) / len(here)
    if reference.confidences is not None and reference.right is not None:
        gap = _given(reference.right - reference.confidences)
        if len(gap) >= 2:
            value += float(gap.mean())
            variance += float(gap.var(ddof=1)) / len(gap)
    reach = _Z * variance**0.5
    low, middle, high = np.clip([value - reach, value, value + reach], 0.0, 1.0).tolist()
    return Expected(middle, low, high)


def _given(column: Floats | None) -> Floats:
    return np.zeros(0) if column is None else column[~np.isnan(column)]
