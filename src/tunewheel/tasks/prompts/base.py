"""What every prompt answers, and what prompts share: JSON found in an answer, labels told with their descriptions."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import Prediction, Row, TaskError

Lang = Literal["en", "zh"]

_FRAMES = {"en": "Text: {}\nAnswer:", "zh": "文本：{}\n回答："}
_THOUGHTS = re.compile(r"\A.*</think>", re.S)
_OPENING = re.compile(r"[{\[]")


@dataclass(frozen=True)
class Scored:
    """The same question, asked so that a model's answer is its probability of each of ``choices``.

    ``instructions`` and ``example`` are as a `Prompt`'s; ``read`` takes rows and the log-probabilities of the choices
    after each row's prompt [rows, choices].
    """

    instructions: str
    choices: tuple[str, ...]
    example: Callable[[Row], str]
    read: Callable[[Sequence[Row], npt.NDArray[np.float64]], list[Prediction]]


class Prompt(ABC):
    """One task in words: what a language model is told, what it should write, and what that means."""

    instructions: str
    """What is wanted, which labels there are, and the form of the answer."""
    again: str
    """What is said to an answer that could not be read."""
    scored: Scored | None = None
    """How choices are scored instead, where the answer is one of a few."""

    @abstractmethod
    def example(self, row: Row) -> str:
        """The answer that a labelled row should get."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The answer's JSON schema: an object, closed, all of its properties required."""

    @abstractmethod
    def parse(self, answer: str, row: Row) -> Prediction | None:
        """The prediction that an answer states; None where it states none."""

    @abstractmethod
    def default(self, rows: Sequence[Row]) -> Prediction:
        """What stands in for an answer that cannot be read, chosen on labelled rows, which may be none."""


def asked(text: str, lang: Lang) -> str:
    """How a text is put before a language model, the answer's beginning last."""
    return _FRAMES[lang].format(text)


def as_json(value: Any) -> str:
    """JSON as an answer holds it: one line, characters as they are."""
    return json.dumps(value, ensure_ascii=False)


def without_thoughts(answer: str) -> str:
    """An answer without what a reasoning model wrote before it."""
    return _THOUGHTS.sub("", answer).strip()


def read_json(answer: str) -> Any:
    """The first JSON object or list in an answer, whatever stands around it; None without one.

    >>> read_json('Sure! ```json\\n{"label": "lost"}\\n```')
    {'label': 'lost'}
    """
    for opening in _OPENING.finditer(answer):
        try:
            return json.JSONDecoder().raw_decode(answer, opening.start())[0]
        except RecursionError:
            return None
        except ValueError:
            continue
    return None


def listed_labels(labels: Sequence[str], descriptions: Mapping[str, str], lang: Lang) -> str:
    """The labels, a line each, with what is said about them; raises `TaskError` for a description of no label."""
    for name in descriptions:
        if name not in labels:
            close = get_close_matches(name, labels, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(labels)}"
            raise TaskError(f"descriptions: no label is called {name!r}{hint}")
    colon = "：" if lang == "zh" else ": "
    return "\n".join(f"- {name}{colon + descriptions[name] if name in descriptions else ''}" for name in labels)
