"""Sentence vectors of a base as it comes, before any task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from tunewheel.models.backbones import BackboneError, load_backbone
from tunewheel.tasks import Encoder, Head, Part, Row, Window
from tunewheel.tasks.base import split_windows

if TYPE_CHECKING:
    from tunewheel.models.predictor import Predictor


def sentence_vectors(
    base: str, texts: Iterable[str], *, window: int = 256, precision: Literal["fp32", "bf16"] = "fp32"
) -> npt.NDArray[np.float32]:
    """Vectors [texts, width] of the base's last layer, the mean over each text's own pieces (`Predictor.vectors`).

    The whole of a long text counts, at most ``window`` pieces at a time. Only the result grows with the texts.

    Raises:
        BackboneError: the base cannot be loaded, or starts from random weights, whose vectors say nothing.
    """
    return sentence_reader(base, window=window, precision=precision).vectors({"text": text} for text in texts)


def sentence_reader(base: str, *, window: int = 256, precision: Literal["fp32", "bf16"] = "fp32") -> Predictor:
    """What makes those vectors (its ``vectors``), to be kept where texts come one by one; raises as above."""
    import torch

    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network
    from tunewheel.models.predictor import Predictor

    backbone = load_backbone(base, ())
    if not backbone.pretrained:
        raise BackboneError(f"base {base!r} starts from random weights, so its vectors say nothing; name another")
    encoder = TextEncoder(backbone.tokenizer, window=min(window, backbone.longest), shapes=False)
    # Vectors are taken below the head; the network wants one all the same.
    network = Network.on(backbone.model, Head("sequence", 1, "binary"))
    if torch.cuda.is_available():
        network = network.to("cuda")
    return Predictor(network, cast(Any, Reading()), encoder, precision)


class Reading:
    """What of a task vectors need: how texts become windows."""

    def encode(self, rows: Sequence[Row], encoder: Encoder) -> list[Window]:
        """Each text in windows without an overlap."""
        return [
            Window(pieces.ids[start:stop], pieces.shapes[start:stop], (Part(i, start, stop, 0),))
            for i, pieces in enumerate(encoder([row["text"] for row in rows]))
            for start, stop in split_windows(len(pieces.ids), encoder.room, 0)
        ]

    def joins(self, row: Row, following: Row) -> bool:
        """No text is read with its neighbour."""
        return False
