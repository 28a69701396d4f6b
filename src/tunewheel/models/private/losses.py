"""How well a model knows each row: what an attack goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunewheel.models.batching import budgeted

if TYPE_CHECKING:
    from tunewheel.models.model import Model
    from tunewheel.tasks import Row

_BATCH_TOKENS = 2048


def row_losses(model: Model, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """The loss of each labelled row [n], the mean over its windows; nan for a row that is none to learn from."""
    import torch

    from tunewheel.models.private.clipping import window_losses

    network, encoder = model.network, model.encoder
    windows = [w for w in model.body.windows(model.task, rows) if encoder.size(w)]  # type: ignore[attr-defined]
    windows.sort(key=encoder.size)
    total, count, at = np.zeros(len(rows)), np.zeros(len(rows)), 0
    network.eval()
    for size in budgeted([encoder.size(window) for window in windows], _BATCH_TOKENS):
        part = windows[at : at + size]
        at += size
        batch = {name: value.to(network.device) for name, value in encoder.collate(part).items()}
        labels = batch.pop("labels")
        with torch.inference_mode():
            losses = window_losses(network, network(**batch).logits, labels).cpu().numpy()
        for window, loss in zip(part, losses, strict=True):
            owners = {one.row for one in window.parts}
            for row in owners:
                total[row] += loss
                count[row] += 1
    return np.asarray(np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0))
