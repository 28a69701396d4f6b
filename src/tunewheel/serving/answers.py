"""What a worker has loaded of a version: rows in, predictions and vectors out. The only place that knows variants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models import Model
    from tunewheel.tasks import Prediction, Row

VARIANTS = ("torch-fp32", "torch-bf16")


class Opened:
    """A version in memory, under one of its variants; every file's hash was checked."""

    def __init__(self, folder: str | Path, variant: str) -> None:
        from tunewheel.models import Model

        if variant not in VARIANTS:
            raise ValueError(f"no variant {variant!r}; there are {', '.join(VARIANTS)}")
        self.model: Model = Model.load(folder)
        self.answers = self.model.predictor("bf16" if variant == "torch-bf16" else "fp32")

    def __call__(self, rows: Sequence[Row]) -> tuple[list[Prediction], npt.NDArray[np.float32] | None]:
        """Predictions in order, and sentence vectors [n, width], None of a model that has none."""
        vectors: Any = getattr(self.answers, "vectors", None)
        return self.answers(rows), None if vectors is None else vectors(rows)

    def pieces(self, row: Row) -> Iterator[str]:
        """The answer of a model that writes, while it is written."""
        return self.model.stream_text(row)
