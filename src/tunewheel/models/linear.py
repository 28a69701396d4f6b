"""A linear model over counted n-grams, as the body of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tunewheel.models.body import Precision
from tunewheel.models.ngrams import Ngrams
from tunewheel.tasks import Pieces, Prediction, Row, Task, Window

WEIGHTS = "linear.safetensors"

CHUNK = 2048
"""Rows counted at once: enough for one product of many, little enough for constant memory."""


class Linear:
    """`Ngrams` and a weight for each of them and each output: ``weights`` [width, outputs], ``bias`` [outputs]."""

    kind: ClassVar[str] = "linear"

    def __init__(self, ngrams: Ngrams, weights: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> None:
        self.ngrams = ngrams
        self.weights = np.ascontiguousarray(weights)
        self.bias = bias

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return self.weights.size + self.bias.size

    def answers(self, task: Task, precision: Precision) -> Counting:
        """The way from rows to predictions; a sparse product gains nothing from fewer bits."""
        return Counting(self, task)

    def outputs(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Logits [texts, outputs]."""
        found: npt.NDArray[np.float64] = self.ngrams(texts) @ self.weights + self.bias
        return found

    def save(self, folder: Path) -> dict[str, Any]:
        """Write vocabulary and weights, these as they were learned, in double precision."""
        from safetensors.numpy import save_file

        save_file({**self.ngrams.save(folder), "weights": self.weights, "bias": self.bias}, folder / WEIGHTS)
        return {}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read it again."""
        from safetensors.numpy import load_file

        tensors = load_file(folder / WEIGHTS)
        return cls(Ngrams.load(folder, tensors), tensors["weights"], tensors["bias"])


@dataclass(frozen=True)
class Counting:
    """Rows in, predictions out, in order and at constant memory."""

    body: Linear
    task: Task

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows; see `stream`."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time."""
        ahead = iter(rows)
        while chunk := list(islice(ahead, CHUNK)):
            yield from predictions(self.task, chunk, self.body.outputs([row["text"] for row in chunk]))


class Uncut:
    """An encoder for what reads a text as a whole: one piece a text, so one window a row."""

    room = 1
    separator: ClassVar[list[int]] = []

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        """One piece for each text, an empty one too."""
        return [Pieces([0], [(0, len(text))], [0]) for text in texts]


def targets(task: Task, rows: Sequence[Row]) -> list[Window]:
    """A window for each row that the task learns from, with the row's target and its place."""
    return task.encode(rows, Uncut(), labelled=True)


def predictions(task: Task, rows: Sequence[Row], outputs: npt.NDArray[np.float64]) -> list[Prediction]:
    """What the task answers for ``outputs`` [rows, outputs]."""
    return task.decode(rows, Uncut(), task.encode(rows, Uncut()), list(outputs))
