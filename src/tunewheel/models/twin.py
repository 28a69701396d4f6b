"""A network that reads two texts apart: what it answers is the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from tunewheel.models.body import Precision
from tunewheel.models.neural import Neural
from tunewheel.models.predictor import Predictor
from tunewheel.models.vectors import Reading
from tunewheel.tasks import Part, Pieces, Prediction, Row, Task, Window
from tunewheel.tasks.base import split_windows

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network

PAIR_QUESTIONS = ("sides", "pair", "together", "judged")


class PairTask(Protocol):
    """What a task about two texts answers beside `Task` (`PAIR_QUESTIONS`), so that they can be read apart."""

    def sides(self, row: Row) -> tuple[str, str]:
        """The two texts of a row."""

    def pair(self, first: str, second: str, *, together: bool) -> Row:
        """A labelled row of two texts."""

    def together(self, row: Row) -> bool:
        """Whether a row's label says that its texts belong together."""

    def judged(self, cosines: npt.ArrayLike) -> list[Prediction]:
        """Predictions of pairs [n] by the cosines of their vectors."""


class Twin(Neural):
    """A network whose pooled vectors are compared; every text is read by itself, however long."""

    kind: ClassVar[str] = "bi-encoder"

    def answers(self, task: Task, precision: Precision) -> Apart:
        """The predictor that reads the texts of a pair apart."""
        return Apart(self.network, task, self.encoder, precision)

    def windows(self, task: Task, rows: Sequence[Row]) -> list[Window]:
        """Both texts of every row, the second as the `Window.other` of the first; long ones window by window.

        The labels of a window number the meanings of its two texts (`meanings`). A row that says of two texts of one
        meaning that they are apart contradicts others and is left out.
        """
        pairs = cast(PairTask, task)
        told = [(*pairs.sides(row), pairs.together(row)) for row in rows if task.learns(row)]
        number = meanings(told)
        texts = list(number)
        pieces = dict(zip(texts, self.encoder(texts), strict=True))
        windows = []
        for first, second, together in told:
            if together or number[first] != number[second]:
                windows += _beside(pieces[first], pieces[second], self.encoder.room, [number[first], number[second]])
        return windows


class Apart(Predictor):
    """Rows of two texts in, predictions out; a text that stands in many rows is read once.

    The vectors it gives have length 1, so that their products are the cosines it answers by.
    """

    def __init__(self, network: Network, task: Task, encoder: TextEncoder, precision: Precision = "fp32") -> None:
        super().__init__(network, cast(Any, Reading()), encoder, precision)
        self.pairs = cast(PairTask, task)

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come."""
        for chunk in self.chunks(rows):
            yield from self.pairs.judged(np.multiply(*self._sides(chunk)).sum(axis=1))

    def described(self, rows: Iterable[Row]) -> tuple[list[Prediction], npt.NDArray[np.float32]]:
        """Predictions, and for each pair the mean direction of its two vectors [n, width], out of one pass."""
        predictions: list[Prediction] = []
        vectors = [np.zeros((0, self._width), dtype=np.float32)]
        for chunk in self.chunks(rows):
            first, second = self._sides(chunk)
            predictions += self.pairs.judged((first * second).sum(axis=1))
            vectors.append(unit(first + second))
        return predictions, np.concatenate(vectors)

    def _sides(self, rows: Sequence[Row]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The vectors of the first and of the second texts [n, width]; each text is read once."""
        sides = [self.pairs.sides(row) for row in rows]
        place = {text: i for i, text in enumerate(dict.fromkeys(text for pair in sides for text in pair))}
        vectors = self.vectors({"text": text} for text in place)
        first, second = (vectors[[place[pair[side]] for pair in sides]] for side in (0, 1))
        return first, second

    def vectors(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """Sentence vectors [n, width] of length 1 (`Predictor.vectors`); all zeros for a text without a piece."""
        found = super().vectors(rows)
        return unit(found)


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Vectors [n, width] at length 1, zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def meanings(pairs: Iterable[tuple[str, str, bool]]) -> dict[str, int]:
    """Number the texts of pairs by what they mean: texts that belong together, by way of others too, share a number.

    >>> meanings([("a", "b", True), ("b", "c", True), ("a", "d", False)])
    {'a': 0, 'b': 0, 'c': 0, 'd': 1}
    """
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while parent.setdefault(text, text) != text:
            parent[text] = text = parent[parent[text]]
        return text

    for first, second, together in pairs:
        one, other = root(first), root(second)
        if together:
            parent[other] = one
    numbers: dict[str, int] = {}
    return {text: numbers.setdefault(root(text), len(numbers)) for text in parent}


def _beside(first: Pieces, second: Pieces, room: int, labels: list[int]) -> list[Window]:
    """Windows of the first text, each with the one at the like place of the second beside it."""
    sides = [[_window(text, *span) for span in split_windows(len(text.ids), room, 0)] for text in (first, second)]
    count = max(map(len, sides))
    chosen = [(sides[0][i * len(sides[0]) // count], sides[1][i * len(sides[1]) // count]) for i in range(count)]
    return [Window(one.ids, one.shapes, one.parts, labels, other) for one, other in chosen]


def _window(text: Pieces, start: int, stop: int) -> Window:
    return Window(text.ids[start:stop], text.shapes[start:stop], (Part(0, start, stop, 0),))
