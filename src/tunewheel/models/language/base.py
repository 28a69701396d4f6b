"""What every language model answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


class LanguageModelError(ValueError):
    """A language model cannot be loaded, reached or asked; no message shows a key."""


class BudgetError(LanguageModelError):
    """The next answer might cost more than what is left."""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


Messages = tuple[Message, ...]
"""A prompt: an optional system turn, then turns of user and assistant, the user's last."""


class Completion(NamedTuple):
    """What a model wrote, and the tokens it read and wrote for it; ``cached``: it was written before."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    cached: bool = False


class LanguageModel(Protocol):
    """Answers prompts, each alone: none is moved by its neighbours, and the same prompt has the same answer."""

    @property
    def parameters(self) -> int:
        """Number of weights; 0 where that is not known."""

    @property
    def scores(self) -> bool:
        """Whether it tells probabilities, by `score`."""

    def tokens(self, prompt: Messages) -> int:
        """How many tokens a prompt is."""

    def complete(
        self, prompts: Sequence[Messages], *, most: int, schema: Mapping[str, Any] | None = None
    ) -> list[Completion]:
        """One answer a prompt, in order, of at most ``most`` tokens, in the form of the JSON ``schema`` where possible.

        Raises `LanguageModelError` where one cannot be had.
        """

    def score(self, prompts: Sequence[Messages], choices: Sequence[str]) -> npt.NDArray[np.float64]:
        """Log-probability of each of the ``choices`` as the whole answer [prompts, choices], in nats."""
