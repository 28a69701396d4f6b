"""What a language model can be taught: answers, or which of two answers is liked better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from tunewheel.models.writing.chat import Chat
from tunewheel.models.writing.lessons import Batch, Lesson, answer_losses, likelihoods, packed, padded


class Course(Protocol):
    """What the engine needs to know of what is learned; ``sizes`` are the items' tokens."""

    selection: str
    has_dev: bool

    @property
    def items(self) -> Sequence[Any]:
        """What a batch is made of."""

    @property
    def sizes(self) -> list[int]:
        """Tokens of each item."""

    def batch(self, items: Sequence[Any]) -> Batch:
        """Items as tensors; ``tokens`` counts the real ones."""

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """What is made smaller."""

    def scores(self, model: Any) -> dict[str, float]:
        """Figures on dev, without anything being written: writing takes longer than learning."""


class Answers:
    """Answers to prompts: the mean cross entropy of their tokens, each token of a batch counting alike.

    ``pack``: the lessons of a batch share one row (`packed`), ``additive`` as there.
    """

    selection = "gold_probability"

    def __init__(
        self,
        chat: Chat,
        items: Sequence[Lesson],
        dev: Sequence[Lesson],
        *,
        pack: bool = False,
        additive: bool = False,
        smoothing: float = 0.0,
        bf16: bool = False,
    ) -> None:
        self.chat, self.items, self.dev, self.pack, self.additive = chat, items, dev, pack, additive
        self.smoothing, self.bf16, self.has_dev = smoothing, bf16, bool(dev)

    @property
    def sizes(self) -> list[int]:
        """Prompt and answer."""
        return [lesson.size for lesson in self.items]

    def batch(self, items: Sequence[Lesson]) -> Batch:
        """Padded, or packed."""
        made = packed(items, additive=self.additive) if self.pack else padded(items, self.chat)
        return {**made, "tokens": torch.tensor(sum(lesson.size for lesson in items))}

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Mean over the answers' tokens."""
        losses, counted = answer_losses(model, batch, smoothing=self.smoothing)
        return losses.sum() / counted.sum()

    def scores(self, model: Any) -> dict[str, float]:
        """The geometric mean of the probabilities of the dev answers' tokens."""
        known = likelihoods(model, self.chat, self.dev, bf16=self.bf16)
        tokens = max(1, sum(each.tokens for each in known))
        return {"gold_probability": math.exp(-sum(each.loss for each in known) / tokens)}


class Choice(NamedTuple):
    """An answer and one that was liked less."""

    chosen: Lesson
    rejected: Lesson


class Judged(NamedTuple):
    """A choice, and the log-probabilities that the reference model gives its two answers."""

    choice: Choice
    chosen: float
    rejected: float


class Preferences:
    """Direct preference optimisation (Rafailov et al. 2023, "Your Language Model is Secretly a Reward Model").

    An answer's implicit reward is ``beta`` times how much more log-probability it has than under the reference model,
    which is the model as it begins: its log-probabilities are taken down once, so no second model is kept.
    """

    selection = "preference"

    def __init__(
        self,
        chat: Chat,
        model: Any,
        items: Sequence[Choice],
        dev: Sequence[Choice],
        *,
        beta: float,
        bf16: bool = False,
    ) -> None:
        self.chat, self.beta, self.bf16, self.has_dev = chat, beta, bf16, bool(dev)
        self.items, self.dev = self._judged(model, items), self._judged(model, dev)

    @property
    def sizes(self) -> list[int]:
        """Both lessons of a choice, as long as the longer."""
        return [2 * max(item.choice.chosen.size, item.choice.rejected.size) for item in self.items]

    def batch(self, items: Sequence[Judged]) -> Batch:
        """The chosen lessons, then the rejected ones; ``reference`` [rows] has the log-probabilities."""
        lessons = [item.choice.chosen for item in items] + [item.choice.rejected for item in items]
        reference = [item.chosen for item in items] + [item.rejected for item in items]
        tokens = torch.tensor(sum(lesson.size for lesson in lessons))
        return {**padded(lessons, self.chat), "reference": torch.tensor(reference), "tokens": tokens}

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Minus the mean log-probability, under Bradley and Terry's model, that the chosen answer is preferred."""
        reference = batch["reference"]
        losses, _ = answer_losses(model, {name: x for name, x in batch.items() if name != "reference"})
        chosen, rejected = (self.beta * (-losses.sum(1) - reference)).chunk(2)
        return -F.logsigmoid(chosen - rejected).mean()

    def scores(self, model: Any) -> dict[str, float]:
        """On dev: how probable the preferences are (geometric mean), and the share of pairs with the right order."""
        before, now = self.dev, self._judged(model, [item.choice for item in self.dev])
        margins = torch.tensor(
            [self.beta * ((n.chosen - b.chosen) - (n.rejected - b.rejected)) for b, n in zip(before, now, strict=True)],
            dtype=torch.float64,
        )
        return {
            "preference": float(F.logsigmoid(margins).mean().exp()),
            "reward_accuracy": float((margins > 0).double().mean()),
            "reward_margin": float(margins.mean()),
        }

    def _judged(self, model: Any, choices: Sequence[Choice]) -> list[Judged]:
        chosen = likelihoods(model, self.chat, [choice.chosen for choice in choices], bf16=self.bf16)
        rejected = likelihoods(model, self.chat, [choice.rejected for choice in choices], bf16=self.bf16)
        return [Judged(c, -a.loss, -b.loss) for c, a, b in zip(choices, chosen, rejected, strict=True)]
