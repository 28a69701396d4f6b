"""Drift: whether what a model is asked, and what it answers, is still what it was trained and measured on.

Everything here takes plain arrays (`Seen`) and knows neither models nor the service.
"""

from tunewheel.feedback.drift.estimate import Expected, expected_accuracy
from tunewheel.feedback.drift.levels import RATE
from tunewheel.feedback.drift.seen import DriftError, Seen
from tunewheel.feedback.drift.statistics import LEAST, LEAST_ROWS, Reference, Statistic
from tunewheel.feedback.drift.watch import Check, Cut, Window, cut_windows, judge, watch

__all__ = [
    "LEAST",
    "LEAST_ROWS",
    "RATE",
    "Check",
    "Cut",
    "DriftError",
    "Expected",
    "Reference",
    "Seen",
    "Statistic",
    "Window",
    "cut_windows",
    "expected_accuracy",
    "judge",
    "watch",
]
