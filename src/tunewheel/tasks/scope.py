"""Texts that are about something else: a figure of how much a text looks like the known labels, and its threshold.

Sources: Hendrycks & Gimpel (2017), "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural
Networks" (the largest probability); Vaze et al. (2022), "Open-Set Recognition: a Good Closed-Set Classifier is All You
Need?" (the largest logit); Liu et al. (2020), "Energy-based Out-of-distribution Detection" (log-sum-exp of the logits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import TaskError

Array = npt.NDArray[Any]
ScopeScore = Literal["probability", "logit", "energy"]

FEWEST = 10
"""Dev rows out of scope that a threshold needs."""

NAMES = ("oos", "out_of_scope", "out-of-scope", "超出范围")
"""Labels that are taken for "none of these" unless told otherwise."""


def scope_label(labels: Sequence[str], asked: str | Literal[False] | None) -> str | None:
    """The label that means out of scope: the one asked for, else one that is named so; False: none is.

    >>> scope_label(["card", "OOS"], None), scope_label(["card", "oos"], False)
    ('OOS', None)
    """
    if asked is None:
        return next((label for label in labels if label.casefold() in NAMES), None)
    if asked and asked not in labels:
        near = get_close_matches(asked, labels, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TaskError(f"out_of_scope={asked}: no row has that label{hint}")
    return asked or None


def energy_of(logits: Array) -> float:
    """The energy of a text's logits [k]: their log-sum-exp."""
    return float(np.logaddexp.reduce(np.asarray(logits, dtype=np.float64)))


def scope_scores(probabilities: Array, raw: Array, energy: Array) -> dict[ScopeScore, Array]:
    """The three figures [n], from calibrated and ``raw`` probabilities [n, k] and the energy [n].

    The largest logit is the energy plus the logarithm of the largest raw probability.
    """
    best = np.maximum(raw.max(axis=1), np.finfo(np.float64).tiny)
    return {"probability": probabilities.max(axis=1), "logit": energy + np.log(best), "energy": energy}


def fit_threshold(score: Array, right: Array, inside: Array) -> tuple[float, float]:
    """The threshold with the best mean of in-scope accuracy and out-of-scope recall, and that mean.

    ``score`` [n] below the threshold is out of scope; ``right`` [n] says whether the best known label is the gold one.
    Of equally good thresholds the lowest is taken: it sends the fewest texts away.
    """
    values, place = np.unique(score, return_inverse=True)
    kept = np.bincount(place, right & inside, len(values))
    sent = np.bincount(place, ~inside, len(values))
    accuracy = kept[::-1].cumsum()[::-1] / max(1, inside.sum())
    recall = (sent.cumsum() - sent) / max(1, (~inside).sum())
    mean = (accuracy + recall) / 2
    best = int(mean.argmax())
    if best == 0:
        return float(values[0]), float(mean[0])
    middle = (values[best - 1] + values[best]) / 2
    return float(middle if middle > values[best - 1] else values[best]), float(mean[best])


def choose_score(scores: Mapping[ScopeScore, Array], right: Array, inside: Array) -> tuple[ScopeScore, float] | None:
    """The score that separates best by `fit_threshold`, the first of equals, and its threshold.

    None with fewer than `FEWEST` rows out of scope, or none in it.
    """
    if (~inside).sum() < FEWEST or not inside.any():
        return None
    fitted = {name: fit_threshold(score, right, inside) for name, score in scores.items()}
    best = max(fitted, key=lambda name: fitted[name][1])
    return best, fitted[best][0]
