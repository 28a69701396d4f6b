"""Evaluation: what a model is worth on a dataset, how sure that is, and whether another one is better."""

from __future__ import annotations

from tunewheel.evaluation.comparison import Comparison, Difference, compare
from tunewheel.evaluation.conlleval import conlleval_text
from tunewheel.evaluation.figures import Calibration
from tunewheel.evaluation.intervals import EvaluationError, Interval
from tunewheel.evaluation.predictions import read_conll_predictions, read_predictions
from tunewheel.evaluation.report import Mistake, Report
from tunewheel.evaluation.scoring import evaluate, score_predictions

__all__ = [
    "Calibration",
    "Comparison",
    "Difference",
    "EvaluationError",
    "Interval",
    "Mistake",
    "Report",
    "compare",
    "conlleval_text",
    "evaluate",
    "read_conll_predictions",
    "read_predictions",
    "score_predictions",
]
