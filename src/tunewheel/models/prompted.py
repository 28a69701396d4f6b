"""A language model that is asked in words, as the body of a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data.erased import Erased
from tunewheel.models.body import Precision
from tunewheel.models.language.base import LanguageModel, Message, Messages
from tunewheel.models.language.similar import Shelf
from tunewheel.store.files import write_whole
from tunewheel.tasks import Prediction, Row, Task
from tunewheel.tasks.prompts import Lang, Prompt, Scored, asked

CHUNK = 64
"""Rows asked about at once."""

FILE = "prompt.json"

NOTHING = ("N/A", "", "[MASK]")
"""Texts that say nothing, by which Zhao et al. (2021) measure what a model would answer anyway."""


@dataclass(frozen=True)
class Server:
    """An OpenAI-compatible server and how it is asked; see `tunewheel.models.language.endpoint.Endpoint`."""

    url: str
    mask: bool = True
    answers: str | None = None
    budget: float | None = None
    prices: tuple[float, float] | None = None
    timeout: float = 60.0
    retries: int = 5
    workers: int = 4


@dataclass(frozen=True)
class Plan:
    """All that settles a prompt, as JSON values: who is asked, in which words, and with which examples.

    ``default`` answers for what cannot be read. ``shots`` examples are shown, as long as the prompt stays within
    ``tokens``; ``vectors`` and ``balanced`` choose them (`Shelf`). ``contextual`` takes from each choice's score what
    it scores without a text (Zhao et al. 2021, "Calibrate Before Use").
    """

    model: str
    server: Server | None
    lang: Lang
    default: Prediction
    told: str | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    answer_tokens: int = 512
    contextual: bool = False
    shots: int = 0
    tokens: int = 2000
    vectors: str | None = None
    balanced: bool = False


class Prompted:
    """A `Plan` with the labelled rows that examples are taken from.

    The language model is loaded, or its server reached, with the first answer. ``keep``, set before that, is a folder
    for a server's answers where the plan names none; it belongs to a run and is not saved.
    """

    kind: ClassVar[str] = "prompted"

    def __init__(self, plan: Plan, rows: Sequence[Row] = (), *, parameters: int | None = None) -> None:
        self.plan, self.rows = plan, list(rows)
        self.shelf = Shelf(self.rows, vectors=plan.vectors, balanced=plan.balanced)
        self.keep: Path | None = None
        self._parameters = parameters

    @cached_property
    def language(self) -> LanguageModel:
        """Who answers; raises `LanguageModelError` where it cannot be loaded."""
        from tunewheel.data.privacy import Masker
        from tunewheel.models.language.endpoint import Endpoint
        from tunewheel.models.language.local import Local

        server = self.plan.server
        if server is None:
            return Local(self.plan.model)
        return Endpoint(
            self.plan.model,
            server.url,
            masker=Masker() if server.mask else None,
            answers=Path(server.answers) if server.answers else self.keep,
            budget=server.budget,
            prices=server.prices,
            timeout=server.timeout,
            retries=server.retries,
            workers=server.workers,
        )

    @property
    def parameters(self) -> int:
        """Number of weights of a model on this machine; 0 for one behind a server."""
        if self._parameters is None:
            self._parameters = 0 if self.plan.server else self.language.parameters
        return self._parameters

    def answers(self, task: Task, precision: Precision) -> Asked:
        """The way from rows to predictions; the precision is the language model's own."""
        plan = self.plan
        return Asked(plan, task.prompt(plan.lang, plan.told, plan.descriptions), self)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write plan and rows as JSON; neither weights nor key are among them."""
        told = {"plan": asdict(self.plan), "parameters": self.parameters, "rows": self.rows}
        write_whole(folder / FILE, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        return {}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read it again; nobody is asked or loaded before the first answer."""
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        server = told["plan"]["server"]
        if server and server["prices"]:
            server["prices"] = tuple(server["prices"])
        plan = Plan(**{**told["plan"], "server": Server(**server) if server else None})
        return cls(plan, told["rows"], parameters=told["parameters"])


def erase_from_prompt(folder: Path, gone: Erased) -> bool:
    """Take the examples of some texts out of a saved model; say whether any stood there.

    Each text is looked for as a server sees it too, its personal data masked. Raises `ModelError` for a damaged folder.
    """
    from tunewheel.models.language.shield import masked_rows
    from tunewheel.models.model import Model

    model = Model.load(folder)
    if not isinstance(model.body, Prompted):
        return False
    hidden = Erased([row["text"] for row in masked_rows([{"text": text} for text in gone.texts])], ())
    left = [row for row in model.body.rows if not (gone.is_text(row["text"]) or hidden.is_text(row["text"]))]
    if len(left) == len(model.body.rows):
        return False
    shutil.rmtree(folder)
    Model(Prompted(model.body.plan, left, parameters=model.body.parameters), model.task, model.origin).save(folder)
    return True


class Asked:
    """Rows in, predictions out, by asking a language model about each.

    Where its scores are known, the choices' probabilities become the prediction. Else its answer is read; one that
    cannot be read is asked for once more, and then answered by the plan's default: such predictions say ``unparsed``.
    """

    def __init__(self, plan: Plan, prompt: Prompt, body: Prompted) -> None:
        self.plan, self.prompt, self.body = plan, prompt, body
        self._nothing: dict[Messages, npt.NDArray[np.float64]] = {}

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows; see `stream`."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time."""
        coming = iter(rows)
        while chunk := list(islice(coming, CHUNK)):
            shown = self.body.shelf.nearest([row["text"] for row in chunk], self.plan.shots)
            if self.prompt.scored and self.body.language.scores:
                yield from self._scored(chunk, shown)
            else:
                yield from self._written(chunk, shown)

    def _scored(self, rows: Sequence[Row], shown: Sequence[Sequence[Row]]) -> list[Prediction]:
        scored = self.prompt.scored
        assert scored is not None
        prompts = [self._asked(r["text"], s, scored) for r, s in zip(rows, shown, strict=True)]
        scores = self.body.language.score(prompts, scored.choices)
        if self.plan.contextual:
            scores = scores - np.stack([self._unprompted(prompt, scored.choices) for prompt in prompts])
        return scored.read(rows, scores)

    def _unprompted(self, prompt: Messages, choices: Sequence[str]) -> npt.NDArray[np.float64]:
        """What the choices score [choices] in this prompt without a text: the logarithm of their mean probability."""
        frame = prompt[:-1]
        if frame not in self._nothing:
            self._nothing = {} if self.plan.shots else self._nothing  # examples differ from text to text
            empty = [(*frame, Message("user", asked(text, self.plan.lang))) for text in NOTHING]
            scores = self.body.language.score(empty, choices)
            self._nothing[frame] = np.logaddexp.reduce(scores, axis=0) - np.log(len(NOTHING))
        return self._nothing[frame]

    def _written(self, rows: Sequence[Row], shown: Sequence[Sequence[Row]]) -> list[Prediction]:
        prompts = [self._asked(r["text"], s, self.prompt) for r, s in zip(rows, shown, strict=True)]
        answers = self._complete(prompts)
        read = [self.prompt.parse(answer, row) for answer, row in zip(answers, rows, strict=True)]
        unread = [i for i, prediction in enumerate(read) if prediction is None]
        again = self._complete([self._reminded(prompts[i], answers[i]) for i in unread])
        for i, answer in zip(unread, again, strict=True):
            read[i] = self.prompt.parse(answer, rows[i])
        return [{**self.plan.default, "unparsed": True} if one is None else one for one in read]

    def _complete(self, prompts: Sequence[Messages]) -> list[str]:
        plan = self.plan
        answers = self.body.language.complete(prompts, most=plan.answer_tokens, schema=self.prompt.schema())
        return [answer.text for answer in answers]

    def _reminded(self, prompt: Messages, answer: str) -> Messages:
        if answer.strip():
            return (*prompt, Message("assistant", answer), Message("user", self.prompt.again))
        # An empty turn, or two turns of one side, are more than some servers take.
        return (*prompt[:-1], Message("user", f"{self.prompt.again}\n\n{prompt[-1].content}"))

    def _asked(self, text: str, shown: Sequence[Row], form: Prompt | Scored) -> Messages:
        """The prompt about a text; of its examples the unlikest stay away until it is short enough."""
        lang = self.plan.lang
        turns = [(Message("user", asked(row["text"], lang)), Message("assistant", form.example(row))) for row in shown]
        head, question = Message("system", form.instructions), Message("user", asked(text, lang))
        while True:
            prompt: Messages = (head, *(message for turn in turns for message in turn), question)
            if not turns or self.body.language.tokens(prompt) <= self.plan.tokens:
                return prompt
            turns = turns[1:]
