"""Evaluation: what a model is worth on a dataset, how sure that is, and whether another one is better."""

from __future__ import annotations

from tunewheel.evaluation.comparison import Comparison, Difference, compare
from tunewheel.evaluation.conlleval import conlleval_text, counts_entities
from tunewheel.evaluation.figures import Calibration
from tunewheel.evaluation.intervals import EvaluationError, Interval
from tunewheel.evaluation.perturbations import PERTURBATIONS, perturb
from tunewheel.evaluation.predictions import read_conll_predictions, read_predictions
from tunewheel.evaluation.report import Mistake, Report, read_report
from tunewheel.evaluation.robustness import Robustness
from tunewheel.evaluation.scoring import evaluate, score_predictions
from tunewheel.evaluation.slices import Slice

__all__ = [
    "PERTURBATIONS",
    "Calibration",
    "Comparison",
    "Difference",
    "EvaluationError",
    "Interval",
    "Mistake",
    "Report",
    "Robustness",
    "Slice",
    "compare",
    "conlleval_text",
    "counts_entities",
    "evaluate",
    "perturb",
    "read_conll_predictions",
    "read_predictions",
    "read_report",
    "score_predictions",
]
