"""What texts that carry labels have in common, be it one a text (`classification`) or several (`multi_label`)."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import (
    Encoder,
    Head,
    Part,
    Prediction,
    Probabilities,
    Row,
    Scores,
    Task,
    TaskError,
    Window,
    f1,
    ratio,
    split_windows,
)
from tunewheel.tasks.calibration import UNCALIBRATED, Claims

STRIDE = 32
"""Pieces that neighbouring windows of a long text share."""

Weighing = Literal["none", "balanced"]


class Labelled(Task):
    """A text has labels of a fixed set; a subclass says how many, and what that means for answers and figures.

    ``classes`` are the labels to learn; ``labels`` all that an answer may hold. ``weights`` are those of the classes in
    the loss. ``temperature`` cools or heats the probabilities that a prediction shows; it changes no answer.
    """

    name: ClassVar[str] = "classification"
    answers: ClassVar[str] = "labels and their probabilities"
    pipeline: ClassVar[str | None] = "text-classification"
    calibrated_by: ClassVar[tuple[str, ...]] = ("temperature",)
    loss: ClassVar[Literal["binary", "cross_entropy"]]
    fitted: ClassVar[tuple[str, ...]] = ("temperature",)
    """Keys of `config` that `fit` sets."""

    def __init__(
        self, labels: Sequence[str], *, weights: Sequence[float] | None = None, temperature: float | None = None
    ) -> None:
        if len(set(labels)) != len(labels) or not labels:
            raise TaskError(f"labels must be distinct and not empty, got {list(labels)!r}")
        self.classes = tuple(labels)
        self.labels = self.classes
        self.weights = tuple(weights) if weights is not None else None
        self.temperature = temperature

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels that are learned; what is out of scope has no output."""
        return self.classes

    def head(self) -> Head:
        """One output a label to learn, over the whole text."""
        return Head("sequence", len(self.classes), self.loss, self.weights)

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Cut each text into windows that share `STRIDE` pieces; each window carries the row's label."""
        windows = []
        for index, pieces in enumerate(encoder([row["text"] for row in rows])):
            if labelled and not self.learns(rows[index]):
                continue
            target = self._target(rows[index]) if labelled else None
            for start, stop in split_windows(len(pieces.ids), encoder.room, STRIDE):
                part = Part(index, start, stop, 0)
                windows.append(Window(pieces.ids[start:stop], pieces.shapes[start:stop], (part,), target))
        return windows

    @abstractmethod
    def _target(self, row: Row) -> int | list[float]:
        """A row's labels as the loss reads them."""

    def _read(self, rows: Sequence[Row], logits: npt.NDArray[np.float64]) -> list[Prediction]:
        """Log-probabilities [rows, classes] as predictions, read as a head's outputs are."""
        windows = [Window([], [], (Part(i, 0, 0, 0),)) for i in range(len(rows))]
        return self.decode(rows, cast(Encoder, None), windows, list(logits))

    def _named(self, p: npt.NDArray[Any]) -> dict[str, float]:
        return dict(zip(self.classes, p.tolist(), strict=True))

    def _matrix(self, predictions: Sequence[Prediction]) -> npt.NDArray[np.float64]:
        """Probabilities [rows, classes]; a label that a prediction does not name has none."""
        return np.array([[p["probabilities"].get(label, 0.0) for label in self.classes] for p in predictions])

    def _shown(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The probabilities of the rows that are learned from, with no gold yet; None where a prediction lacks them."""
        kept = [i for i, row in enumerate(rows) if self.learns(row)]
        if not kept or any("probabilities" not in predictions[i] for i in kept):
            return None
        values = self._matrix([predictions[i] for i in kept])
        return Probabilities(np.array(kept), values, np.zeros(values.shape, dtype=bool), exclusive=False)

    @abstractmethod
    def _counts(self, scores: Scores, weights: npt.NDArray[Any] | None) -> tuple[npt.NDArray[Any], ...]:
        """Correct, predicted and gold counts, one a label."""

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

    def facts(self) -> dict[str, str]:
        """How probabilities were calibrated."""
        heat = self.temperature
        return {"calibration": UNCALIBRATED if heat is None else f"temperature {heat:.3f}, fitted on dev"}

    def unfitted(self) -> Self:
        """The task as it was before `fit`."""
        return self._with(dict.fromkeys(self.fitted))

    def _with(self, changed: dict[str, Any]) -> Self:
        """The same task but for these settings; None is the default."""
        config = {**self.config(), **changed}
        return cast(Self, self.from_config({name: value for name, value in config.items() if value is not None}))


def label_weights(rows: Iterable[Sequence[str]], weighing: Weighing) -> tuple[list[str], list[float] | None]:
    """The labels of rows, sorted, and their weights: ``rows / (labels × rows of the label)`` where balanced.

    So rare labels are learned (King & Zeng 2001, "Logistic Regression in Rare Events Data").

    >>> label_weights([("a",), ("a",), ("a",), ("b",)], "balanced")
    (['a', 'b'], [0.6666666666666666, 2.0])
    """
    counts: Counter[str] = Counter()
    count = 0
    for labels in rows:
        count += 1
        counts.update(labels)
    names = sorted(counts)
    return names, [count / (len(names) * counts[name]) for name in names] if weighing == "balanced" else None


def claims_of(made: Sequence[tuple[int, float, bool]]) -> Claims | None:
    """Row, confidence and correctness of every claim; None where there is none."""
    if not made:
        return None
    row_of, confidence, correct = zip(*made, strict=True)
    return Claims(np.array(row_of), np.array(confidence, dtype=np.float64), np.array(correct, dtype=bool))


def label_f1(correct: npt.NDArray[Any], found: npt.NDArray[Any], gold: npt.NDArray[Any]) -> tuple[float, float]:
    """Macro and weighted F1 of counts by label.

    Macro F1 is the mean over the labels that stand in the gold rows or the predictions, as scikit-learn has it.
    """
    per_label = f1(ratio(correct, found), ratio(correct, gold))
    present = (found + gold) > 0
    macro = float(per_label[present].mean()) if present.any() else 0.0
    return macro, float(ratio(per_label @ gold, gold.sum()))
