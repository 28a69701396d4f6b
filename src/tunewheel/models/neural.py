"""A network with its tokenizer, as the body of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tunewheel.models.body import Precision
from tunewheel.models.predictor import Predictor
from tunewheel.models.quiet import quiet
from tunewheel.store.files import sha256

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network
    from tunewheel.tasks import Row, Task, Window


class Neural:
    """A `Network` and the `TextEncoder` that reads for it."""

    kind: ClassVar[str] = "network"

    def __init__(self, network: Network, encoder: TextEncoder) -> None:
        self.network = network
        self.encoder = encoder

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.network.parameters())

    def answers(self, task: Task, precision: Precision) -> Predictor:
        """The predictor over this network."""
        return Predictor(self.network, task, self.encoder, precision)

    def windows(self, task: Task, rows: Sequence[Row]) -> list[Window]:
        """What the engine learns from labelled rows."""
        return task.encode(rows, self.encoder, labelled=True)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write weights, configuration and tokenizer."""
        with quiet():
            self.network.save_pretrained(folder)
        self.encoder.tokenizer.save_pretrained(folder)
        return {
            "encoder": {"window": self.encoder.window, "shapes": self.encoder.shapes},
            "tokenizer": sha256(folder / "tokenizer.json"),
        }

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read weights and tokenizer; safetensors only, and no code comes with them."""
        import torch
        from transformers import AutoTokenizer

        from tunewheel.models.encoding import TextEncoder
        from tunewheel.models.network import Network

        with quiet():
            network = Network.from_pretrained(folder, dtype=torch.float32, local_files_only=True, use_safetensors=True)
        if torch.cuda.is_available():
            network = network.to("cuda")
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return cls(network.eval(), TextEncoder(tokenizer, **declared["encoder"]))
