"""How to train: plain settings, each with the default that was measured best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tunewheel.tasks import Level

Optimizer = Literal["adamw", "sgd", "adafactor"]
Schedule = Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Training settings; None means chosen for the data and the machine by `resolve`, and recorded then.

    epochs, learning_rate, batch_tokens: the usual; a batch is filled to so many tokens, padding counted in.
    warmup: share of the updates. layer_decay: factor of the learning rate from layer to layer downwards (Howard &
    Ruder 2018). dropout, attention_dropout: shares. shape_rate: factor of the learning rate for the word-shape table.
    freeze_embeddings: leave the word table as it is. head_first: fit a text-level head on the frozen backbone before
    anything else learns. patience: evaluations without a better dev score before
    stopping (0: never). eval_steps: updates between evaluations (None: once an epoch).
    checkpoint_seconds: how much work a killed run may lose at most. accumulation: batches an
    update. word_shapes: a table for what a lower-casing tokenizer forgets. window: most tokens read at once (a language
    model that writes reads a row whole). packing: its rows share a sequence without padding, each seeing itself alone.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch_tokens: int | None = None
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "linear"
    warmup: float = 0.1
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    dropout: float = 0.1
    attention_dropout: float = 0.0
    label_smoothing: float = 0.0
    max_grad_norm: float = 1.0
    accumulation: int = 1
    shape_rate: float = 10.0
    freeze_embeddings: bool = False
    head_first: bool = False
    word_shapes: bool | None = None
    window: int = 256
    packing: bool = False
    eval_steps: int | None = None
    patience: int = 0
    checkpoint_seconds: float = 120.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 13

    def resolve(
        self,
        *,
        tokens: int,
        width: int,
        pretrained: bool,
        precision: Literal["fp32", "bf16"],
        level: Level = "token",
    ) -> Recipe:
        """Fill in what is None for ``tokens`` training tokens an epoch and a backbone ``width`` wide.

        Small data gets smaller batches and more epochs, until about 600 updates are made; a narrow base, which knows
        less, makes about 2,800 (zh-mini, dev F1: on Resume 90.8 after 1,200 and 92.0 after 2,400, on CLUENER 61.6 after
        1,400 and 62.3 after 2,800).
        """
        batch = self.batch_tokens or min(1024, max(256, tokens // 40))
        updates = max(1, tokens // (batch * self.accumulation))
        floor = 4 if pretrained else 12
        wanted = 2800 if pretrained and width <= 256 else 600
        epochs = self.epochs or min(40 if not pretrained else 20, max(floor, -(-wanted // updates)))
        if self.learning_rate is not None:
            rate = self.learning_rate
        elif not pretrained:
            rate = 3e-3
        else:
            # zh-mini, 256 wide: on Resume dev F1 86.9 at 2e-4, 90.0 at 1e-3; on ChnSentiCorp, where a batch holds eight
            # labels and not hundreds, dev accuracy 88.8 at 1e-3, 91.4 at 3e-4.
            narrow = 3e-4 if level == "sequence" else 1e-3
            rate = narrow if width <= 256 else 2e-4 if width <= 400 else 5e-5 if width <= 800 else 2e-5
        chosen = precision if self.precision == "auto" else self.precision
        return replace(self, epochs=epochs, learning_rate=rate, batch_tokens=batch, precision=chosen)
