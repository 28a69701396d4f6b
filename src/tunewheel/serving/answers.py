"""What a worker has loaded of a version: rows in, predictions and vectors out. The only place that knows variants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.models import Model
    from tunewheel.tasks import Prediction, Row

EXACT = "torch-fp32"
"""What every other variant is held against, and what a version without an export is served as."""


class Opened:
    """A version in memory, under one of its variants; every file's hash was checked.

    ``auto`` is the fastest here of those that were accepted at the export, measured on ``rows``; bf16, which nobody
    judged, is served only where it is asked for.
    """

    def __init__(self, folder: str | Path, variant: str, export: str | Path | None, rows: Sequence[Row]) -> None:
        from tunewheel.models import Model
        from tunewheel.models.exporting.variants import fastest, usable_variants, variant_predictor

        self.model: Model = Model.load(folder)
        place = None if export is None else Path(export)
        if variant == "auto":
            able = [name for name in usable_variants(self.model, place) if name != "torch-bf16"]
            variant = fastest(self.model, place, rows, variants=able)[0] if len(able) > 1 else EXACT
        self.variant = variant
        self.answers = variant_predictor(self.model, variant, place)

    def __call__(self, rows: Sequence[Row]) -> tuple[list[Prediction], npt.NDArray[np.float32] | None]:
        """Predictions in order and, out of the same pass, sentence vectors [n, width]; None of a model without."""
        from tunewheel.models.exporting.variants import described

        return described(self.answers, rows)

    def pieces(self, row: Row) -> Iterator[str]:
        """The answer of a model that writes, while it is written."""
        return self.model.stream_text(row)
