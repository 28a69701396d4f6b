"""Classification: one label, or several, for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import (
    Encoder,
    Head,
    Part,
    Prediction,
    Row,
    Scores,
    Task,
    TaskError,
    Window,
    f1,
    ratio,
    split_windows,
)

STRIDE = 32
"""Pieces that neighbouring windows of a long text share."""


class Classification(Task):
    """One label a text (softmax), or any number of them (``multi_label``: a sigmoid each).

    ``class_weights="balanced"`` weighs a label's loss by ``rows / (labels × rows of the label)`` (King & Zeng 2001),
    so that rare labels are learned; ``weights`` are those figures once known. ``threshold`` decides for several
    labels and is fitted on dev.

    >>> task = Classification(labels=("no", "yes"))
    >>> scores = task.score([{"label": "yes"}, {"label": "no"}], [{"label": "yes"}, {"label": "yes"}])
    >>> task.metrics(scores)["accuracy"]
    0.5
    """

    name: ClassVar[str] = "classification"
    columns: ClassVar[tuple[str, ...]] = ("text", "label", "labels")
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    selection: ClassVar[str] = "accuracy"
    answers: ClassVar[str] = "labels and their probabilities"
    pipeline: ClassVar[str | None] = "text-classification"

    def __init__(
        self,
        labels: Sequence[str],
        *,
        multi_label: bool = False,
        weights: Sequence[float] | None = None,
        threshold: float = 0.5,
    ) -> None:
        if len(set(labels)) != len(labels) or not labels:
            raise TaskError(f"labels must be distinct and not empty, got {list(labels)!r}")
        if len(labels) < 2 and not multi_label:
            raise TaskError(f"a classifier needs at least two labels, the training rows hold only {labels[0]!r}")
        self.labels = tuple(labels)
        self.multi_label = multi_label
        self.weights = tuple(weights) if weights is not None else None
        self.threshold = threshold
        self._index = {label: i for i, label in enumerate(self.labels)}
        if multi_label:
            self.headline = ("micro_f1", "macro_f1", "exact_match")  # type: ignore[misc]
            self.selection = "micro_f1"  # type: ignore[misc]

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        class_weights: Literal["none", "balanced"] = "none",
        **_options: Any,
    ) -> Self:
        """Learn the labels from a split, and their weights when asked for."""
        multi = bool(dataset.multi_label)
        column = dataset[split]["labels" if multi else "label"]
        counts: dict[str, int] = {}
        rows = 0
        for value in column:
            rows += 1
            for label in value if multi else (value,):
                counts[label] = counts.get(label, 0) + 1
        labels = sorted(counts)
        weights = None
        if class_weights == "balanced":
            weights = [rows / (len(labels) * counts[label]) for label in labels]
        return cls(labels, multi_label=multi, weights=weights)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Labels, mode, weights and threshold."""
        return {
            "labels": list(self.labels),
            "multi_label": self.multi_label,
            "weights": list(self.weights) if self.weights is not None else None,
            "threshold": self.threshold,
        }

    def head(self) -> Head:
        """One output a label over the whole text."""
        loss: Literal["binary", "cross_entropy"] = "binary" if self.multi_label else "cross_entropy"
        return Head("sequence", len(self.labels), loss, self.weights)

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Cut each text into windows that share `STRIDE` pieces; each window carries the row's label."""
        windows = []
        for index, pieces in enumerate(encoder([row["text"] for row in rows])):
            target = self._target(rows[index]) if labelled else None
            for start, stop in split_windows(len(pieces.ids), encoder.room, STRIDE):
                part = Part(index, start, stop, 0)
                windows.append(Window(pieces.ids[start:stop], pieces.shapes[start:stop], (part,), target))
        return windows

    def _target(self, row: Row) -> int | list[float]:
        if self.multi_label:
            present = set(row["labels"])
            return [float(label in present) for label in self.labels]
        return self._index[row["label"]]

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' probabilities, weighted by their pieces; one prediction a row."""
        total = np.zeros((len(rows), len(self.labels)))
        size = np.zeros((len(rows), 1))
        for window, logits in zip(windows, outputs, strict=True):
            part = window.parts[0]
            weight = max(1, part.stop - part.start)
            total[part.row] += weight * _probabilities(logits, self.multi_label)
            size[part.row] += weight
        return [self._prediction(p) for p in total / size]

    def _prediction(self, probabilities: npt.NDArray[np.float64]) -> Prediction:
        named = {label: float(p) for label, p in zip(self.labels, probabilities, strict=True)}
        if self.multi_label:
            chosen = [label for label, p in named.items() if p >= self.threshold]
            return {"labels": chosen, "probabilities": named}
        best = int(probabilities.argmax())
        return {"label": self.labels[best], "confidence": float(probabilities[best]), "probabilities": named}

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Indices of the gold and the predicted label, or one bool a label; a label never seen is index -1."""
        if not self.multi_label:
            return {
                "gold": np.array([self._index.get(row["label"], -1) for row in rows], dtype=np.int64),
                "predicted": np.array([self._index.get(p["label"], -1) for p in predictions], dtype=np.int64),
            }
        gold = [self._target(row) for row in rows]
        found = [[label in p["labels"] for label in self.labels] for p in predictions]
        shape = (len(rows), len(self.labels))
        unknown = [any(label not in self._index for label in row["labels"]) for row in rows]
        return {
            "gold": np.array(gold, dtype=bool).reshape(shape),
            "predicted": np.array(found, dtype=bool).reshape(shape),
            "unknown": np.array(unknown, dtype=bool),
        }

    def _counts(self, scores: Scores, weights: npt.NDArray[Any] | None) -> tuple[npt.NDArray[Any], ...]:
        """Correct, predicted and gold counts, one a label."""
        gold, predicted = scores["gold"], scores["predicted"]
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        if self.multi_label:
            return w @ (gold & predicted), w @ predicted, w @ gold
        n = len(self.labels) + 1  # the last bin holds labels the model never learned (index -1)
        hit = gold == predicted
        return (
            np.bincount(gold[hit & (gold >= 0)], w[hit & (gold >= 0)], n)[:-1],
            np.bincount(predicted % n, w, n)[:-1],
            np.bincount(gold % n, w, n)[:-1],
        )

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Accuracy (or exact match) and macro, micro and weighted F1.

        Macro F1 is the mean over the labels that stand in the gold rows or the predictions, as scikit-learn has it.
        """
        correct, found, gold = self._counts(scores, weights)
        per_label = f1(ratio(correct, found), ratio(correct, gold))
        present = (found + gold) > 0
        w = np.ones(len(scores["gold"])) if weights is None else np.asarray(weights, dtype=np.float64)
        equal = scores["gold"] == scores["predicted"]
        if self.multi_label:
            right = equal.all(axis=1) & ~scores["unknown"]
            micro = f1(ratio(correct.sum(), found.sum()), ratio(correct.sum(), gold.sum()))
        else:
            right = equal & (scores["gold"] >= 0)
            micro = ratio(w @ right, w.sum())
        exact = float(ratio(w @ right, w.sum()))
        return {
            ("exact_match" if self.multi_label else "accuracy"): exact,
            "macro_f1": float(per_label[present].mean()) if present.any() else 0.0,
            "micro_f1": float(micro),
            "weighted_f1": float(ratio(per_label @ gold, gold.sum())),
        }

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and predicted count of every label."""
        correct, found, gold = self._counts(scores, None)
        precision, recall = ratio(correct, found), ratio(correct, gold)
        per_label = f1(precision, recall)
        return [
            {
                "label": label,
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(per_label[i]),
                "support": int(gold[i]),
                "predicted": int(found[i]),
            }
            for i, label in enumerate(self.labels)
        ]

    def confusion(self, scores: Scores) -> npt.NDArray[Any] | None:
        """Counts [gold, predicted] over the known labels; None for several labels a text."""
        if self.multi_label:
            return None
        n = len(self.labels)
        known = (scores["gold"] >= 0) & (scores["predicted"] >= 0)
        flat = np.bincount(scores["gold"][known] * n + scores["predicted"][known], minlength=n * n)
        return flat.reshape(n, n)

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold, answer and the confidence of the error; of several labels, that of the surest wrong one."""
        if not self.multi_label:
            return super().mistake(row, prediction)
        gold, found = set(row["labels"]), set(prediction["labels"])
        if gold == found:
            return None
        p = prediction.get("probabilities") or {}
        sure = [p[label] if label in found else 1 - p[label] for label in gold ^ found if label in p]
        return sorted(gold), sorted(found), max(sure, default=None)

    def agrees(self, row: Row, other: Row) -> bool:
        """Whether two rows have the same label, or the same labels in any order."""
        if not self.multi_label:
            return super().agrees(row, other)
        return set(row["labels"]) == set(other["labels"])

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Choose the threshold with the best micro F1 on dev (several labels only)."""
        if not self.multi_label or not rows:
            return self
        p = np.array([[q["probabilities"][label] for label in self.labels] for q in predictions])
        gold = np.array([self._target(row) for row in rows], dtype=bool)
        grid = np.arange(0.05, 0.96, 0.05)
        best = max(
            grid,
            key=lambda t: (2 * (gold & (p >= t)).sum() / max(1, gold.sum() + (p >= t).sum()), -abs(t - 0.5)),
        )
        return type(self)(**{**self.config(), "threshold": round(float(best), 2)})


def _probabilities(logits: npt.NDArray[Any], multi_label: bool) -> npt.NDArray[np.float64]:
    x = np.asarray(logits, dtype=np.float64)
    if multi_label:
        return 1 / (1 + np.exp(-x))
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())
