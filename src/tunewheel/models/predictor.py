"""One predictor for evaluation, prediction and serving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.models.batching import budgeted
from tunewheel.models.machine import keep_memory
from tunewheel.tasks import Pieces, Prediction, Row, Task

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network

CHUNK = 2048
"""Rows held at once: enough to find texts of like length, little enough for constant memory."""

BATCH_TOKENS = 2048


class Predictor:
    """Rows in, predictions out, in order and at constant memory.

    A text's answer does not depend on its neighbours: the same labels and spans, and probabilities within 1e-5 in
    fp32, whatever else stands in its batch (a test shuffles and checks).
    """

    def __init__(
        self, network: Network, task: Task, encoder: TextEncoder, precision: Literal["fp32", "bf16"] = "fp32"
    ) -> None:
        import torch

        keep_memory()
        self.network = network
        self.task = task
        self.encoder = encoder
        self.dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows; see `stream`."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time; rows that the task reads together are not parted."""
        chunk: list[Row] = []
        for row in rows:
            if len(chunk) >= CHUNK and (len(chunk) >= 4 * CHUNK or not self.task.joins(chunk[-1], row)):
                yield from self._chunk(chunk)
                chunk = []
            chunk.append(row)
        if chunk:
            yield from self._chunk(chunk)

    def _chunk(self, rows: list[Row]) -> list[Prediction]:
        import torch

        once = _Once(self.encoder)
        windows = self.task.encode(rows, once)
        sizes = [self.encoder.size(window) for window in windows]
        outputs: list[Any] = [self._nothing() for _ in windows]
        order = sorted((i for i, size in enumerate(sizes) if size), key=sizes.__getitem__)
        was_training = self.network.training
        self.network.eval()
        at = 0
        with torch.inference_mode(), self._autocast():
            for size in budgeted([sizes[i] for i in order], BATCH_TOKENS):
                members = order[at : at + size]
                at += size
                batch = self.encoder.collate([_unlabelled(windows[i]) for i in members])
                batch = {name: tensor.to(self.network.device) for name, tensor in batch.items()}
                logits = self.network(**batch).logits.float().cpu().numpy()
                skip = len(self.encoder.prefix)
                for i, output in zip(members, logits, strict=True):
                    outputs[i] = output[skip : skip + len(windows[i].ids)] if output.ndim == 2 else output
        self.network.train(was_training)
        return self.task.decode(rows, once, windows, outputs)

    def _nothing(self) -> Any:
        """The output for a text without a single token."""
        import numpy as np

        head = self.task.head()
        return np.zeros(head.outputs if head.level == "sequence" else (0, head.outputs), dtype=np.float32)

    def _autocast(self) -> Any:
        import torch

        enabled = self.dtype is not torch.float32
        return torch.autocast(self.network.device.type, dtype=torch.bfloat16, enabled=enabled)


class _Once:
    """An encoder that answers a second question about the same texts from memory: encode and decode ask alike."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._texts: list[str] | None = None
        self._pieces: list[Pieces] = []

    @property
    def room(self) -> int:
        return self._encoder.room

    @property
    def separator(self) -> list[int]:
        return self._encoder.separator

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        if self._texts != list(texts):
            self._texts, self._pieces = list(texts), self._encoder(texts)
        return self._pieces


def _unlabelled(window: Any) -> Any:
    window.labels = None
    return window
