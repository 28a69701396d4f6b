"""Calibration: confidences that come true as often as they say, fitted on dev without moving an answer.

Sources: Guo et al. (2017), "On Calibration of Modern Neural Networks" (temperature, expected calibration error);
Platt (1999), "Probabilistic Outputs for Support Vector Machines" (a sigmoid with smoothed targets); Naeini, Cooper
& Hauskrecht (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (the error over bins).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST = 50
"""Claims that a calibration needs; a curve through fewer follows their noise."""

BINS = 15
"""Bins of equal width, as Guo et al. draw them."""

UNCALIBRATED = f"none: it is fitted on dev where that brings {FEWEST} claims, right and wrong ones"
"""What a report states of a task without it."""

_HOTTEST = 20.0
_SMALLEST = 1e-6


class Claims(NamedTuple):
    """What was claimed, one entry a claim: the row [m] it is about, how surely [m] in [0, 1], whether rightly [m]."""

    row: Array
    confidence: Array
    correct: Array


def temper(probabilities: Array, temperature: float | None) -> Array:
    """Probabilities [n, k] under ``temperature``: p^(1/T) normalised, which is the softmax of logits / T.

    >>> temper(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    if temperature is None:
        return probabilities
    powered = (probabilities / probabilities.max(axis=1, keepdims=True)) ** (1 / temperature)
    return np.asarray(powered / powered.sum(axis=1, keepdims=True))


def temper_each(probabilities: Array, temperature: float | None) -> Array:
    """Independent probabilities of any shape, each one's logit divided by ``temperature``."""
    if temperature is None:
        return probabilities
    yes, no = probabilities ** (1 / temperature), (1 - probabilities) ** (1 / temperature)
    return np.asarray(yes / (yes + no))


def fit_temperature(probabilities: Array, gold: Array) -> float | None:
    """The temperature with the least negative log-likelihood of ``gold`` [n] under ``probabilities`` [n, k].

    None where there is too little to fit: fewer than `FEWEST` rows, or only right, or only wrong ones.
    """
    if not _enough(probabilities.argmax(axis=1) == gold):
        return None
    z = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    told = z[np.arange(len(z)), gold].mean()

    def slope(sharpness: float) -> float:
        e = np.exp(sharpness * (z - z.max(axis=1, keepdims=True)))
        return float((e * z).sum(axis=1) @ (1 / e.sum(axis=1)) / len(z) - told)

    return 1 / _root(slope)


def fit_temperature_each(probabilities: Array, gold: Array) -> float | None:
    """The temperature for independent probabilities [n, k] of labels that stand (bool [n, k]); None as above."""
    if not _enough((probabilities >= 0.5) == gold):
        return None
    z = _logit(probabilities, np.finfo(np.float64).eps)

    def slope(sharpness: float) -> float:
        return float((z * (_sigmoid(sharpness * z) - gold)).mean())

    return 1 / _root(slope)


def _root(slope: Callable[[float], float]) -> float:
    """Where a convex function's slope is zero, between 1 / `_HOTTEST` and `_HOTTEST`."""
    low, high = -np.log(_HOTTEST), np.log(_HOTTEST)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) < 0 else (low, middle)
    return float(np.exp((low + high) / 2))


def platt(confidence: Array, curve: tuple[float, float] | None) -> Array:
    """Confidences through the sigmoid ``curve`` (slope and shift on the logit)."""
    if curve is None:
        return confidence
    return _sigmoid(curve[0] * _logit(confidence, _SMALLEST) + curve[1])


def fit_platt(confidence: Array, correct: Array) -> tuple[float, float] | None:
    """Slope and shift on the logit that fit ``correct`` [m] best (Platt 1999, his smoothed targets).

    None where there is too little to fit, or where surer claims are no truer: a falling curve would turn their
    order round.
    """
    if not _enough(correct):
        return None
    x = np.stack([_logit(confidence, _SMALLEST), np.ones(len(confidence))], axis=1)
    right = int(correct.sum())
    target = np.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))

    def loss(curve: Array) -> float:
        score = x @ curve
        return float((np.logaddexp(0, score) - target * score).sum())

    curve = np.array([1.0, 0.0])
    for _ in range(100):
        p = _sigmoid(x @ curve)
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + 1e-9 * np.eye(2), x.T @ (p - target))
        size = 1.0
        while size > 1e-6 and loss(curve - size * step) > loss(curve):
            size /= 2
        curve = curve - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return (float(curve[0]), float(curve[1])) if curve[0] > 0 else None


def bin_of(confidence: Array) -> Array:
    """Which of the `BINS` bins each confidence falls in; a bin holds its upper border.

    >>> bin_of(np.array([0.0, 1 / 15, 0.5, 1.0])).tolist()
    [0, 0, 7, 14]
    """
    return np.clip(np.ceil(confidence * BINS - 1e-9).astype(np.int64) - 1, 0, BINS - 1)


def calibration_error(claims: Claims, weights: Array | None = None) -> Array:
    """Expected calibration error: mean gap of confidence and share right over the bins, weighted by their claims.

    ``weights`` [..., m] counts each claim so often; the error has what stands before its last axis as shape.
    """
    w = np.ones(len(claims.row)) if weights is None else weights
    gaps = np.zeros((len(claims.row), BINS))
    gaps[np.arange(len(gaps)), bin_of(claims.confidence)] = claims.confidence - claims.correct
    total = np.maximum(w.sum(axis=-1), np.finfo(np.float64).tiny)
    return np.asarray(np.abs(w @ gaps).sum(axis=-1) / total)


def _enough(right: Array) -> bool:
    return right.size >= FEWEST and bool(right.any()) and not bool(right.all())


def _logit(p: Array, smallest: float) -> Array:
    clipped = np.clip(np.asarray(p, dtype=np.float64), smallest, 1 - smallest)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(x, dtype=np.float64))))
