"""One predictor for evaluation, prediction and serving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from tunewheel.models.batching import cheapest
from tunewheel.models.machine import keep_memory
from tunewheel.tasks import Pieces, Prediction, Row, Task, Window

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network

CHUNK = 2048
"""Rows held at once: enough to find texts of like length, little enough for constant memory."""

BATCH_TOKENS = 2048

Output = Literal["logits", "hidden", "features"]
""""logits": what `Network.forward` answers; "hidden": the last hidden states [batch, length, width]; "features": what
the head sees."""


class Run(Protocol):
    """How a batch is computed: by torch here, by another engine in `tunewheel.models.exporting`."""

    alone: bool
    """Whether texts must not be computed together."""

    @property
    def start(self) -> int:
        """What a batch takes beside its tokens, told in tokens: less padding than that is not worth another batch."""

    def __call__(self, batch: Mapping[str, Any], wanted: Sequence[Output]) -> list[npt.NDArray[np.float32]]:
        """The outputs ``wanted`` of one collated batch (`TextEncoder.collate`), all in one pass."""


class TorchRun:
    """A `Network` as it is, outside of training, in fp32 or under bf16 autocast."""

    alone = False

    def __init__(self, network: Network, precision: Literal["fp32", "bf16"]) -> None:
        self.network = network
        self.precision = precision

    @property
    def start(self) -> int:
        """Measured with MiniLM: 8 ms a batch and 0.25 ms a token on one core, 6 and 0.14 on two."""
        return 32 if self.network.device.type == "cpu" else BATCH_TOKENS

    def __call__(self, batch: Mapping[str, Any], wanted: Sequence[Output]) -> list[npt.NDArray[np.float32]]:
        """Move the batch to the network's device and compute."""
        import torch

        network = self.network
        was_training, device = network.training, network.device
        network.eval()
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            placed = {name: tensor.to(device) for name, tensor in batch.items()}
            mask, hidden = placed["attention_mask"], network.hidden(**placed)
            made: dict[Output, Callable[[], Any]] = {
                "hidden": lambda: hidden,
                "features": lambda: network.pooled(hidden, mask),
                "logits": lambda: network.answers(network.scores(hidden, mask), mask),
            }
            found = [made[name]() for name in wanted]
        network.train(was_training)
        return [output.float().cpu().numpy() for output in found]


class Predictor:
    """Rows in, predictions out, in order and at constant memory.

    A text's answer does not depend on its neighbours: the same labels and spans, and probabilities within 1e-5 in
    fp32, whatever else stands in its batch (a test shuffles and checks).
    """

    def __init__(
        self, network: Network, task: Task, encoder: TextEncoder, precision: Literal["fp32", "bf16"] = "fp32"
    ) -> None:
        keep_memory()
        self.network = network
        self.task = task
        self.encoder = encoder
        self.run: Run = TorchRun(network, precision)

    def through(self, run: Run) -> Self:
        """The same predictor over another way to compute."""
        other = copy(self)
        other.run = run
        return other

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows; see `stream`."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time."""
        for chunk in self.chunks(rows):
            yield from self.task.decode(chunk, *self._said(chunk))

    def described(self, rows: Iterable[Row]) -> tuple[list[Prediction], npt.NDArray[np.float32]]:
        """Predictions and the rows' `vectors` [n, width], out of one pass."""
        predictions: list[Prediction] = []
        vectors = [np.zeros((0, self._width), dtype=np.float32)]
        for chunk in self.chunks(rows):
            mean = _Mean(len(chunk), self._width)
            predictions += self.task.decode(chunk, *self._said(chunk, mean))
            vectors.append(mean.vectors)
        return predictions, np.concatenate(vectors)

    def readings(self, rows: Sequence[Row]) -> list[npt.NDArray[Any]]:
        """What the network says of each row, whatever its tokenizer (`Task.readings`)."""
        return self.task.readings(rows, *self._said(rows))

    def vectors(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """Sentence vectors [n, width]: the mean of the last hidden states over a row's own pieces.

        Pieces that stand in several windows of a long row count in each; special tokens and neighbouring rows in a
        window do not count. A text without a single piece is all zeros. Only the result grows with the rows.
        """
        parts = [np.zeros((0, self._width), dtype=np.float32)]
        for chunk in self.chunks(rows):
            windows, mean = self.task.encode(chunk, self.encoder), _Mean(len(chunk), self._width)
            for i, (hidden,) in self._outputs(windows, ["hidden"]):
                mean.add(windows[i], self._inside(windows[i], hidden))
            parts.append(mean.vectors)
        return np.concatenate(parts)

    def features(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """What the head sees of every window that holds a text's piece [windows, width], in order."""
        found: list[npt.NDArray[np.float32]] = []
        for chunk in self.chunks(rows):
            seen = dict(self._outputs(self.task.encode(chunk, self.encoder), ["features"]))
            found += [seen[i][0] for i in sorted(seen)]
        return np.stack(found) if found else np.zeros((0, self.network.head.in_features), dtype=np.float32)

    def outputs(self, rows: Sequence[Row], wanted: Sequence[Output]) -> Iterator[tuple[npt.NDArray[np.float32], ...]]:
        """The outputs ``wanted`` of every window of the rows, those by token for its own pieces alone."""
        windows = self.task.encode(rows, self.encoder)
        for i, found in self._outputs(windows, wanted):
            yield tuple(self._inside(windows[i], each) if each.ndim == 2 else each for each in found)

    @property
    def _width(self) -> int:
        return int(self.network.backbone.config.hidden_size)

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

    def _said(self, rows: Sequence[Row], mean: _Mean | None = None) -> tuple[_Once, list[Window], list[Any]]:
        """The rows' windows and what the network says of each, with the encoder that remembers the rows.

        ``mean`` is given the hidden states of every window, from the same pass.
        """
        once = _Once(self.encoder)
        windows = self.task.encode(rows, once)
        outputs: list[Any] = [self._nothing() for _ in windows]
        for i, (output, *hidden) in self._outputs(windows, ["logits", "hidden"] if mean else ["logits"]):
            outputs[i] = self._inside(windows[i], output) if output.ndim == 2 else output
            if mean:
                mean.add(windows[i], self._inside(windows[i], hidden[0]))
        return once, windows, outputs

    def _outputs(
        self, windows: Sequence[Window], wanted: Sequence[Output]
    ) -> Iterator[tuple[int, tuple[npt.NDArray[np.float32], ...]]]:
        """Compute batches with little padding; yields each window's place and its share of every output wanted."""
        sizes = [self.encoder.size(window) for window in windows]
        order = sorted((i for i, size in enumerate(sizes) if size), key=sizes.__getitem__)
        ascending, at = [sizes[i] for i in order], 0
        together = cheapest(ascending, BATCH_TOKENS, self.run.start) if not self.run.alone else [1] * len(order)
        for size in together:
            members = order[at : at + size]
            at += size
            batch = self.encoder.collate([_unlabelled(windows[i]) for i in members])
            yield from zip(members, zip(*self.run(batch, wanted), strict=True), strict=True)

    def _inside(self, window: Window, output: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What of an output by token [length, …] belongs to the window's own pieces."""
        skip = len(self.encoder.prefix)
        return output[skip : skip + len(window.ids)]

    def _nothing(self) -> Any:
        """The output for a text without a single token."""
        head = self.task.head()
        return np.zeros(head.outputs if head.level == "sequence" else (0, head.outputs), dtype=np.float32)


class _Mean:
    """The mean of hidden states over the pieces of every row."""

    def __init__(self, rows: int, width: int) -> None:
        self.total, self.pieces = np.zeros((rows, width)), np.zeros((rows, 1))

    def add(self, window: Window, hidden: npt.NDArray[np.float32]) -> None:
        """Count a window's ``hidden`` states [pieces, width] in."""
        for part in window.parts:
            length = part.stop - part.start
            self.total[part.row] += hidden[part.at : part.at + length].sum(0)
            self.pieces[part.row] += length

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """A vector a row, zeros where nothing was counted."""
        return np.asarray(self.total / np.maximum(self.pieces, 1), dtype=np.float32)


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
