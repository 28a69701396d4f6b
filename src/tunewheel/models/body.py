"""What answers inside a model: a network, a linear model over word counts, a prompted language model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from tunewheel.tasks import Prediction, Row, Task

Precision = Literal["fp32", "bf16"]


class Answers(Protocol):
    """Rows in, predictions out: one a row, in order, none moved by its neighbours."""

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows."""

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, at constant memory."""


class Body(Protocol):
    """What of a model answers, and how it lies in the model's folder: safetensors and JSON only, never code.

    A body knows no labels and no scores: it is asked through the `Task` that stands beside it in the model.
    """

    kind: ClassVar[str]

    @property
    def parameters(self) -> int:
        """Number of weights."""

    def answers(self, task: Task, precision: Precision) -> Answers:
        """The one way from rows to predictions, for evaluation, prediction and serving."""

    def save(self, folder: Path) -> dict[str, Any]:
        """Write its files into ``folder``, and return what `load` needs beside them, as JSON values."""

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read it again; ``declared`` is the whole of ``tunewheel.json``, whose hashes were checked."""


_KINDS = {
    "generator": ("tunewheel.models.generator", "Generator"),
    "linear": ("tunewheel.models.linear", "Linear"),
    "network": ("tunewheel.models.neural", "Neural"),
    "remembering": ("tunewheel.models.remembering", "Remembering"),
    "prompted": ("tunewheel.models.prompted", "Prompted"),
    "bi-encoder": ("tunewheel.models.twin", "Twin"),
    "nli": ("tunewheel.models.nli", "Entailment"),
}


def body_class(kind: str) -> type[Body]:
    """The class of a body by the name that a model folder declares; raises KeyError for one that is not known."""
    module, name = _KINDS[kind]
    found: type[Body] = getattr(import_module(module), name)
    return found
