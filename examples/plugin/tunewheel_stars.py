"""Ratings on a scale of stars: a task whose labels have an order, so that near misses are not as bad as far ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tunewheel.tasks import Encoder, Head, Part, Prediction, Row, Scores, Task, TaskError, Window
from tunewheel.tasks.base import f1, ratio, split_windows

STRIDE = 32
"""Pieces that neighbouring windows of a long text share."""


class Stars(Task):
    """A whole number of stars from ``lowest`` to ``highest``.

    The network answers ``highest - lowest`` questions, "more than k stars?", one sigmoid each (Frank & Hall 2001), so
    that it learns from a five-star text something about four stars too. The rating is the number of yeses.

    >>> task = Stars(1, 5)
    >>> scores = task.score([{"label": "5"}, {"label": "1"}], [{"label": "4"}, {"label": "1"}])
    >>> task.metrics(scores)["closeness"]
    0.875
    """

    name: ClassVar[str] = "stars"
    chinese: ClassVar[str] = "评星"
    columns: ClassVar[tuple[str, ...]] = ("text", "label")
    headline: ClassVar[tuple[str, ...]] = ("closeness", "agreement")
    selection: ClassVar[str] = "closeness"
    proportions: ClassVar[frozenset[str]] = frozenset({"accuracy", "within_one"})
    metric_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        "closeness": ("closeness (1 − mean error / scale)", "接近度（1 − 平均误差/量程）"),
        "agreement": ("weighted kappa", "加权 kappa"),
        "within_one": ("within one star", "误差不超过一星"),
    }
    answers: ClassVar[str] = "a number of stars"
    pipeline: ClassVar[str | None] = "text-classification"

    def __init__(self, lowest: int, highest: int) -> None:
        if lowest >= highest:
            raise TaskError(f"a scale needs at least two ratings, the training rows hold {lowest} to {highest}")
        self.lowest, self.highest = lowest, highest
        self.labels = tuple(str(star) for star in range(lowest, highest + 1))

    @classmethod
    def from_dataset(cls, dataset: Any, *, split: str = "train", **_options: Any) -> Self:
        """Learn where the scale begins and ends."""
        seen = sorted(set(dataset[split]["label"]))
        odd = [label for label in seen if not label.lstrip("-").isdecimal()]
        if odd:
            raise TaskError(f"ratings must be whole numbers, the {split} split holds {', '.join(map(repr, odd[:5]))}")
        return cls(min(map(int, seen)), max(map(int, seen)))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Both ends of the scale."""
        return {"lowest": self.lowest, "highest": self.highest}

    def head(self) -> Head:
        """One question for each step of the scale."""
        return Head("sequence", self.highest - self.lowest, "binary")

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Cut each text into windows that share `STRIDE` pieces; each carries the answers to all questions."""
        windows = []
        steps = range(self.lowest, self.highest)
        for index, pieces in enumerate(encoder([row["text"] for row in rows])):
            target = [float(int(rows[index]["label"]) > step) for step in steps] if labelled else None
            for start, stop in split_windows(len(pieces.ids), encoder.room, STRIDE):
                part = Part(index, start, stop, 0)
                windows.append(Window(pieces.ids[start:stop], pieces.shapes[start:stop], (part,), target))
        return windows

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' answers, weighted by their pieces; ``stars`` is the expected rating."""
        total, size = np.zeros((len(rows), self.highest - self.lowest)), np.zeros((len(rows), 1))
        for window, logits in zip(windows, outputs, strict=True):
            part = window.parts[0]
            weight = max(1, part.stop - part.start)
            total[part.row] += weight / (1 + np.exp(-np.asarray(logits, dtype=np.float64)))
            size[part.row] += weight
        return [self._prediction(yes) for yes in total / size]

    def _prediction(self, yes: npt.NDArray[np.float64]) -> Prediction:
        # Each question's answer was learned alone: without sorting, "more than 4" may be surer than "more than 3".
        yes = np.sort(yes)[::-1]
        shares = -np.diff(np.concatenate([[1.0], yes, [0.0]]))
        rating = int((yes >= 0.5).sum())
        return {
            "label": self.labels[rating],
            "stars": float(self.lowest + yes.sum()),
            "confidence": float(shares[rating]),
            "probabilities": dict(zip(self.labels, shares.tolist(), strict=True)),
        }

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """The gold and the predicted number of stars of each row."""
        return {
            "gold": np.array([int(row["label"]) for row in rows], dtype=np.int64),
            "predicted": np.array([int(p["label"]) for p in predictions], dtype=np.int64),
        }

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Closeness, quadratically weighted kappa (Cohen 1968), accuracy and the share at most one star off.

        Closeness is 1 − mean absolute error / width of the scale. A kappa below 0, worse than chance, counts as 0.
        """
        gold, predicted = scores["gold"].astype(np.float64), scores["predicted"].astype(np.float64)
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        error = np.abs(gold - predicted)
        # What two independent raters of these habits would differ by: both variances, and the means' distance.
        means = ratio(w @ gold, w.sum()), ratio(w @ predicted, w.sum())
        chance = w @ (gold - means[0]) ** 2 + w @ (predicted - means[1]) ** 2 + w.sum() * (means[0] - means[1]) ** 2
        kappa = 1.0 if chance < 1e-9 else 1 - w @ error**2 / chance
        return {
            "closeness": max(0.0, 1 - float(ratio(w @ error, w.sum())) / (self.highest - self.lowest)),
            "agreement": max(0.0, float(kappa)),
            "accuracy": float(ratio(w @ (error == 0), w.sum())),
            "within_one": float(ratio(w @ (error <= 1), w.sum())),
        }

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and predicted count of every rating."""
        lines = []
        for label in self.labels:
            gold, found = scores["gold"] == int(label), scores["predicted"] == int(label)
            hit, support, predicted = int((gold & found).sum()), int(gold.sum()), int(found.sum())
            precision, recall = float(ratio(hit, predicted)), float(ratio(hit, support))
            shares = {"precision": precision, "recall": recall, "f1": float(f1(precision, recall))}
            lines.append({"label": label, **shares, "support": support, "predicted": predicted})
        return lines

    def confusion(self, scores: Scores) -> npt.NDArray[Any] | None:
        """Counts [gold, predicted] over the scale."""
        n = len(self.labels)
        gold, predicted = scores["gold"] - self.lowest, scores["predicted"] - self.lowest
        known = (gold >= 0) & (gold < n)
        return np.bincount(gold[known] * n + predicted[known], minlength=n * n).reshape(n, n)
