"""Logistic regression as weights and a bias for every output of a task."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tunewheel.tasks import Head

_NEVER = -20.0
"""The logit of a label that no row has."""


class Fit(NamedTuple):
    """What was fitted under one inverse ``strength`` of regularisation: ``weights`` [width, outputs], ``bias``."""

    strength: float
    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]


def fits(vectors: Any, gold: npt.NDArray[Any], head: Head, strengths: Sequence[float]) -> Iterator[Fit]:
    """Fit ``vectors`` [rows, width], dense or sparse, to their targets under each of ``strengths`` (scikit-learn's C).

    ``gold`` holds an output's number for each row (softmax), or a 0 or 1 for each row and output (a sigmoid each),
    as the head's loss has it. Each fit goes on from the one before: ascending strengths are found in half the time.
    """
    fitted = _several if head.loss == "binary" else _one
    yield from fitted(vectors, gold, head, strengths)


def _one(vectors: Any, gold: npt.NDArray[Any], head: Head, strengths: Sequence[float]) -> Iterator[Fit]:
    weights, bias = _blank(vectors, head)
    seen = np.unique(gold)
    bias[seen] = 0.0
    model = _regression(None if head.class_weights is None else dict(enumerate(head.class_weights)))
    for strength in strengths:
        if len(seen) > 1:
            with warnings.catch_warnings():
                # With a row or two a label scikit-learn wonders whether the labels are measurements.
                warnings.filterwarnings("ignore", "The number of unique classes")
                model.set_params(C=strength).fit(vectors, gold)
            # Of two labels scikit-learn fits the difference alone.
            both = len(seen) == 2
            weights[:, seen] = (np.concatenate([-model.coef_, model.coef_]) / 2 if both else model.coef_).T
            bias[seen] = np.concatenate([-model.intercept_, model.intercept_]) / 2 if both else model.intercept_
        yield Fit(strength, weights.copy(), bias.copy())


def _several(vectors: Any, gold: npt.NDArray[Any], head: Head, strengths: Sequence[float]) -> Iterator[Fit]:
    weights, bias = _blank(vectors, head)
    costs = head.class_weights or (1.0,) * head.outputs
    models = [_regression({False: 1.0, True: cost}) for cost in costs]
    for strength in strengths:
        for column, model in enumerate(models):
            having = gold[:, column] > 0.5
            if having.all() or not having.any():
                # All rows say the same: as sure of it as so many rows allow.
                bias[column] = (1 if having.all() else -1) * np.log(2 * len(having) + 1)
                continue
            model.set_params(C=strength).fit(vectors, having)
            weights[:, column], bias[column] = model.coef_[0], model.intercept_[0]
        yield Fit(strength, weights.copy(), bias.copy())


def _blank(vectors: Any, head: Head) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return np.zeros((vectors.shape[1], head.outputs)), np.full(head.outputs, _NEVER)


def _regression(costs: dict[Any, float] | None) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(class_weight=costs, max_iter=1000, warm_start=True)
