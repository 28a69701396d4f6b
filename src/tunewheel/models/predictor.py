"""One predictor for evaluation, prediction and serving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tunewheel.models.batching import budgeted
from tunewheel.models.machine import keep_memory
from tunewheel.tasks import Pieces, Prediction, Row, Task, Window

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
        """Predict rows as they come, `CHUNK` at a time."""
        for chunk in self.chunks(rows):
            yield from self.task.decode(chunk, *self._said(chunk))

    def readings(self, rows: Sequence[Row]) -> list[npt.NDArray[Any]]:
        """What the network says of each row, whatever its tokenizer (`Task.readings`)."""
        return self.task.readings(rows, *self._said(rows))

    def vectors(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """Sentence vectors [n, width]: the mean of the last hidden states over a row's own pieces.

        Pieces that stand in several windows of a long row count in each; special tokens and neighbouring rows in a
        window do not count. A text without a single piece is all zeros. Only the result grows with the rows.
        """
        width = self.network.backbone.config.hidden_size
        parts = [self._vectors(chunk, width) for chunk in self.chunks(rows)]
        return np.concatenate(parts) if parts else np.zeros((0, width), dtype=np.float32)

    def features(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """What the head sees of every window that holds a text's piece [windows, width], in order."""
        found: list[npt.NDArray[np.float32]] = []
        for chunk in self.chunks(rows):
            seen = dict(self._outputs(self.task.encode(chunk, self.encoder), self.network.features))
            found += [seen[i] for i in sorted(seen)]
        return np.stack(found) if found else np.zeros((0, self.network.head.in_features), dtype=np.float32)

    def _vectors(self, rows: list[Row], width: int) -> npt.NDArray[np.float32]:
        windows = self.task.encode(rows, self.encoder)
        total, pieces = np.zeros((len(rows), width)), np.zeros((len(rows), 1))
        for i, hidden in self._outputs(windows, self.network.hidden):
            for part in windows[i].parts:
                length = part.stop - part.start
                total[part.row] += self._inside(windows[i], hidden)[part.at : part.at + length].sum(0)
                pieces[part.row] += length
        return (total / np.maximum(pieces, 1)).astype(np.float32)

    def chunks(self, rows: Iterable[Row]) -> Iterator[list[Row]]:
        """Rows `CHUNK` at a time; those that the task reads together are not parted."""
        chunk: list[Row] = []
        for row in rows:
            if len(chunk) >= CHUNK and (len(chunk) >= 4 * CHUNK or not self.task.joins(chunk[-1], row)):
                yield chunk
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk

    def _said(self, rows: Sequence[Row]) -> tuple[_Once, list[Window], list[Any]]:
        """The rows' windows and what the network says of each, with the encoder that remembers the rows."""
        once = _Once(self.encoder)
        windows = self.task.encode(rows, once)
        outputs: list[Any] = [self._nothing() for _ in windows]
        for i, output in self._outputs(windows, lambda **batch: self.network(**batch).logits):
            outputs[i] = self._inside(windows[i], output) if output.ndim == 2 else output
        return once, windows, outputs

    def _outputs(self, windows: Sequence[Window], compute: Callable[..., Any]) -> Iterator[tuple[int, Any]]:
        """Run ``compute`` on batches of like length; yields each window's place and its share of the result."""
        sizes = [self.encoder.size(window) for window in windows]
        order = sorted((i for i, size in enumerate(sizes) if size), key=sizes.__getitem__)
        at = 0
        for size in budgeted([sizes[i] for i in order], BATCH_TOKENS):
            members = order[at : at + size]
            at += size
            yield from zip(members, self._computed([windows[i] for i in members], compute), strict=True)

    def _computed(self, windows: Sequence[Window], compute: Callable[..., Any]) -> npt.NDArray[np.float32]:
        """What ``compute`` makes of one batch, outside of training."""
        import torch

        was_training = self.network.training
        self.network.eval()
        batch = self.encoder.collate([_unlabelled(window) for window in windows])
        with torch.inference_mode(), self._autocast():
            output = compute(**{name: tensor.to(self.network.device) for name, tensor in batch.items()})
        self.network.train(was_training)
        array: npt.NDArray[np.float32] = output.float().cpu().numpy()
        return array

    def _inside(self, window: Window, output: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What of an output by token [length, …] belongs to the window's own pieces."""
        skip = len(self.encoder.prefix)
        return output[skip : skip + len(window.ids)]

    def _nothing(self) -> Any:
        """The output for a text without a single token."""
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
