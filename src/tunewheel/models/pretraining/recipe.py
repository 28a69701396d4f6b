"""How to pretrain: plain settings, each with its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tunewheel.models.pretraining.objectives import Objective


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """Settings of a pretraining run.

    objective: mlm (masked words), rtd (replaced tokens; an encoder only, from scratch) or clm (next token).
    tokens: how many to learn from, text repeated as often as it takes. layers, width, heads: of a model made from
    scratch; vocabulary: its entries. length: tokens of a packed sequence, and the longest text it will read at once.
    batch_tokens: of an update. learning_rate, weight_decay, max_grad_norm: the usual; muon: matrices by Muon.
    warmup, decay: shares of the updates at the beginning and the end in which the rate climbs and falls; it is constant
    between, so a run can be taken further with more ``tokens`` (Hu et al. 2024). masked: share of the tokens.
    checkpoint_seconds: how much work a killed run may lose at most. eval_steps: updates between looks at held-out text.
    compile: by torch.compile; None: on a processor that has a C++ compiler, where the run is long enough to pay for it.
    """

    objective: Objective = "mlm"
    tokens: int = 100_000_000
    layers: int = 6
    width: int = 256
    heads: int = 4
    vocabulary: int = 8000
    length: int = 256
    batch_tokens: int = 4096
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    muon: bool = True
    warmup: float = 0.02
    decay: float = 0.25
    masked: float = 0.2
    eval_steps: int = 500
    checkpoint_seconds: float = 300.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool | None = None
    seed: int = 13

    @property
    def batch(self) -> int:
        """Sequences of an update."""
        return max(1, self.batch_tokens // self.length)

    @property
    def steps(self) -> int:
        """Updates."""
        return max(1, self.tokens // (self.batch * self.length))

    def rate(self, step: int) -> float:
        """The factor of the learning rate at an update.

        >>> recipe = PretrainRecipe(tokens=4096 * 1000)
        >>> recipe.rate(10), recipe.rate(500), recipe.rate(1000)
        (0.5, 1.0, 0.0)
        """
        rise, fall = max(1.0, self.warmup * self.steps), max(1.0, self.decay * self.steps)
        return max(0.0, min(1.0, step / rise, (self.steps - step) / fall))
