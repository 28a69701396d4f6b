from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunewheel.evaluation import Report, score_predictions
from tunewheel.tasks.classification import Classification

LABELS = ("no", "yes")


class Share(Classification):
    """Accuracy and nothing else: thousands of resamples in a second."""

    headline = ("accuracy",)

    def metrics(self, scores, weights=None):
        right = scores["gold"] == scores["predicted"]
        return {"accuracy": float(right.mean() if weights is None else weights @ right / weights.sum())}


@pytest.fixture(scope="session")
def share() -> Share:
    return Share(LABELS)


@pytest.fixture(scope="session")
def bench_data() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("TUNEWHEEL_BENCH_DATA", default))
    if not (folder / "conlleval" / "expected.json").is_file():
        pytest.skip("benchmark data not found (set TUNEWHEEL_BENCH_DATA)")
    return folder


@pytest.fixture
def binary_report() -> Callable[..., Report]:
    """A report on yes-rows, each right or wrong as told."""

    def build(right: Any, **options: Any) -> Report:
        documents = options.pop("documents", None)
        task = options.pop("task", Classification(LABELS))
        options.setdefault("resamples", 200)
        rows = [{"id": f"r{i}", "text": f"text {i}", "label": "yes"} for i in range(len(right))]
        if documents is not None:
            rows = [row | {"document": document} for row, document in zip(rows, documents, strict=True)]
        predictions = [
            {"label": LABELS[int(ok)], "confidence": 0.5 + i / (2 * len(right))}
            for i, ok in enumerate(np.asarray(right))
        ]
        return score_predictions(task, rows, predictions, **options)

    return build
