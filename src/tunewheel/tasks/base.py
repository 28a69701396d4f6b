"""What every task answers: the layer between rows and a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, cast

import numpy as np
import numpy.typing as npt

from tunewheel.data.infer import TARGETS, Target
from tunewheel.tasks.calibration import Claims
from tunewheel.tasks.soft import whole_texts

if TYPE_CHECKING:
    from tunewheel.tasks.prompts import Lang, Prompt

Row = Mapping[str, Any]
Prediction = dict[str, Any]
Scores = dict[str, npt.NDArray[Any]]

IGNORED = -100
"""The label id that a loss skips (torch's own convention)."""


class TaskError(ValueError):
    """A task cannot be built from, or applied to, these rows."""


class Pieces(NamedTuple):
    """One text as a backbone reads it, without special tokens.

    ``ids`` and ``shapes`` have one entry a piece; ``offsets`` are the piece's characters in the text, end-exclusive.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    shapes: list[int]


class Encoder(Protocol):
    """Turns texts into pieces; `tunewheel.models` implements it over a tokenizer."""

    @property
    def room(self) -> int:
        """How many pieces fit into one window, special tokens left out."""

    @property
    def separator(self) -> list[int]:
        """What stands between the texts of neighbouring rows that share a window."""

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut each text into pieces, none dropped."""


class Part(NamedTuple):
    """Pieces ``start:stop`` of row ``row`` stand in a window from position ``at`` on (special tokens not counted)."""

    row: int
    start: int
    stop: int
    at: int


@dataclass(slots=True)
class Window:
    """What a network reads at once: at most ``Encoder.room`` pieces, of one row or of neighbouring rows.

    ``labels`` is an int (one label), a list of floats (several labels) or one int a piece (`IGNORED` where the loss
    must not look); None when the rows carry no labels. ``other`` is a second text that the network reads apart from
    this one; the two stand in one batch, and ``labels`` are about both. ``soft`` is what a teacher says of the
    window (`Task.soft_targets`), None where there is none.
    """

    ids: list[int]
    shapes: list[int]
    parts: tuple[Part, ...]
    labels: int | list[int] | list[float] | None = None
    other: Window | None = None
    soft: npt.NDArray[Any] | None = field(default=None, compare=False)


Level = Literal["sequence", "token", "vector", "generate"]
"""What a head looks at."""


@dataclass(frozen=True)
class Head:
    """The output a task needs on top of a backbone: ``outputs`` numbers a sequence or a token, and their loss.

    At the level ``vector`` nothing stands on top: the pooled vectors of two texts are brought together or kept apart
    (`tunewheel.models.contrast`). Level ``generate`` with loss ``clm`` is a language model's own head, which no task
    adds (`Task.writes`).
    """

    level: Level
    outputs: int
    loss: Literal["cross_entropy", "binary", "crf", "contrastive", "cosent", "both", "clm"]
    class_weights: tuple[float, ...] | None = None


class Probabilities(NamedTuple):
    """What each label's probability was: ``values`` and ``gold`` (bool) are [m, labels], ``row`` [m] says of which row.

    ``exclusive``: a row has one label, so its values sum to 1.
    """

    row: npt.NDArray[Any]
    values: npt.NDArray[Any]
    gold: npt.NDArray[Any]
    exclusive: bool


class Scope(NamedTuple):
    """How much each row looks like the known labels (``score`` [n]), and whether it is one of them (``inside`` [n])."""

    score: npt.NDArray[Any]
    inside: npt.NDArray[Any]


class Task(ABC):
    """The adaptation layer: how rows become model inputs and how outputs become predictions and scores.

    A task is stateless but for its configuration (`config`), which the model folder stores as JSON. Third parties
    register a subclass under the entry point group ``tunewheel.tasks`` and prove it with
    ``tunewheel.testing.check_task``.
    """

    name: ClassVar[str]
    chinese: ClassVar[str] = ""
    """What Chinese pages call it, where it is none of Tunewheel's own."""
    columns: ClassVar[tuple[str, ...]]
    """``text``, then the column that holds a row's own labels, or the few of which one does (see `targets`)."""
    headline: ClassVar[tuple[str, ...]]
    selection: ClassVar[str]
    """The dev metric by which the best checkpoint is chosen."""
    proportions: ClassVar[frozenset[str]] = frozenset({"accuracy", "exact_match"})
    """Metrics that are a share of rows, each right or wrong: few rows get Wilson's interval."""
    metric_names: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Metrics' names for people, English and Chinese; without one its underscores become spaces."""
    answers: ClassVar[str] = "what its task defines"
    """What a model answers with, for the model card's reader."""
    pipeline: ClassVar[str | None] = None
    """What model hubs call the task."""
    calibrated_by: ClassVar[tuple[str, ...]] = ()
    """Keys of `config` that `fit` sets and that move confidences only, never an answer."""

    writes: ClassVar[bool] = False
    """Whether its answers are texts that a language model writes: it is then never read in windows."""
    compares: ClassVar[bool] = False
    """Whether a row is two texts, a tab between them."""

    labels: tuple[str, ...]

    @classmethod
    @abstractmethod
    def from_dataset(cls, dataset: Any, *, split: str = "train", **options: Any) -> Task:
        """Learn the labels (and their weights) from a split of a `tunewheel.data.Dataset`."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> Task:
        """Build the task again from what `config` returned."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything that defines the task, as JSON values."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each number of the head stands for: a later model takes over by these names what an earlier one knew."""
        return self.labels

    @abstractmethod
    def head(self) -> Head:
        """The head and loss a network needs for this task."""

    @abstractmethod
    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Turn rows into windows; every piece of every row stands in at least one of them."""

    @abstractmethod
    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Put the windows' outputs (log-probabilities or logits) together again: one prediction a row, in order."""

    @abstractmethod
    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Compare predictions with the rows' own labels; every array's first axis is the row."""

    @abstractmethod
    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Reduce scores to metrics in [0, 1]; ``weights`` [n] counts each row that often (the bootstrap's draws)."""

    @abstractmethod
    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and predicted count of every label."""

    def readings(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[npt.NDArray[Any]]:
        """What outputs say of each row, whatever tokenizer read it: [units, outputs] a row, for a student to learn.

        Log-probabilities, or for a binary head each label's log-odds; NaN where nothing was said. The unit is the whole
        text. A task that labels tokens must say what its units are, here and in `soft_targets`; raises `TaskError` for
        one that does not.
        """
        self._check_whole_texts()
        return whole_texts(self.head(), len(rows), windows, outputs)

    def soft_targets(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        readings: Sequence[npt.NDArray[Any]],
    ) -> list[npt.NDArray[Any]]:
        """Another network's `readings` of the rows as what their windows shall say: [outputs] or [pieces, outputs]."""
        self._check_whole_texts()
        return [readings[window.parts[0].row][0] for window in windows]

    def _check_whole_texts(self) -> None:
        if self.head().level != "sequence":
            raise TaskError(f"task {self.name!r} labels tokens and does not say how a student learns from a teacher")

    def confusion(self, scores: Scores) -> npt.NDArray[Any] | None:
        """Counts [gold, predicted], or None where the task has none."""
        return None

    @classmethod
    def targets(cls) -> tuple[Target, ...]:
        """The canonical columns that may hold a row's own labels; raises `TaskError` if `columns` name none."""
        found = tuple(target for target in TARGETS if target in cls.columns)
        if not found:
            raise TaskError(
                f"task {cls.name!r} reads {', '.join(cls.columns)}; one of {', '.join(TARGETS)} must hold the labels"
            )
        return found

    @property
    def does(self) -> str:
        """What it does, told apart from its namesake with labels of another kind."""
        return f"{self.name} with several labels a text" if self.target == "labels" else self.name

    @property
    def target(self) -> Target:
        """Which of `targets` holds the labels of this task's rows."""
        return self.targets()[0]

    def answer(self, prediction: Prediction) -> Any:
        """What of a prediction answers the row's own labels; all of it where it has none of `targets`."""
        return next((prediction[target] for target in self.targets() if target in prediction), dict(prediction))

    def truth(self, row: Row) -> Any:
        """The row's own labels, in the form of an `answer`."""
        return next(row[target] for target in self.targets() if target in row)

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold, answer and how sure the model was of the error (None: unknown); None when the row is right."""
        gold, answer = self.truth(row), self.answer(prediction)
        return None if gold == answer else (gold, answer, prediction.get("confidence"))

    def agrees(self, row: Row, other: Row) -> bool:
        """Whether two rows of like texts are labelled alike."""
        return bool(self.truth(row) == self.truth(other))

    def joins(self, row: Row, following: Row) -> bool:
        """Whether neighbouring rows are read together, so that a stream must not be cut between them."""
        return False

    def learns(self, row: Row) -> bool:
        """Whether a labelled row is one to train on; ``encode(…, labelled=True)`` leaves the others out."""
        return True

    def standing_for(self, rows: Sequence[Row], whole: Sequence[Row]) -> Self:
        """The task under which ``rows``, a part of ``whole`` in which some labels are rarer, are to be learned.

        By default they are learned as they are.
        """
        return self

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Which rows (bool [n]) hold anything for ``metric`` to count; by default all do."""
        return np.ones(len(next(iter(scores.values()))), dtype=bool)

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """What was claimed with which confidence, and whether rightly; None where no confidence is known."""
        return None

    def probabilities(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The probability of every label; None where a prediction lacks it."""
        return None

    def scope(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scope | None:
        """How much each row looked like the known labels; None where that was not looked at, or all rows are alike."""
        return None

    def facts(self) -> dict[str, str]:
        """What a report should state of how this task was fitted."""
        return {}

    def prompt(self, lang: Lang, told: str | None = None, descriptions: Mapping[str, str] | None = None) -> Prompt:
        """How a language model is asked, and its answers are read; raises `TaskError` where the task does not say.

        ``told`` stands in place of what the model is told to do (labels and the form of the answer follow it);
        ``descriptions`` explain labels.
        """
        raise TaskError(f"task {self.name!r} does not say how a language model is asked for it (`Task.prompt`)")

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Return the task with calibration and thresholds fitted on dev; the default has none.

        ``predictions`` are this task's own for ``rows``. What stands under `calibrated_by` changes no answer.
        """
        return self

    def unfitted(self) -> Self:
        """The task as it was before `fit`."""
        return cast(Self, self.from_config({**self.config(), **dict.fromkeys(self.calibrated_by)}))


def split_windows(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Cut ``length`` pieces into overlapping ranges of at most ``room``, ``stride`` pieces shared by neighbours.

    >>> split_windows(10, 6, 2)
    [(0, 6), (4, 10)]
    >>> split_windows(0, 6, 2)
    [(0, 0)]
    """
    if length <= room:
        return [(0, length)]
    stride = min(stride, room // 2)
    step = room - stride
    starts = range(0, length - stride, step)
    return [(start, min(start + room, length)) for start in starts]


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Divide elementwise; nothing out of nothing is 0, as conlleval has it.

    >>> ratio([1, 0], [2, 0]).tolist()
    [0.5, 0.0]
    """
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    return np.divide(top, bottom, out=np.zeros(np.broadcast_shapes(top.shape, bottom.shape)), where=bottom > 0)


def f1(precision: npt.ArrayLike, recall: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Harmonic mean of precision and recall (van Rijsbergen 1979)."""
    p, r = np.asarray(precision, dtype=np.float64), np.asarray(recall, dtype=np.float64)
    return ratio(2 * p * r, p + r)
