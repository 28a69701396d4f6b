"""A language model's answers, for evaluation, prediction and serving."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tunewheel.models.batching import budgeted
from tunewheel.models.body import Precision
from tunewheel.models.machine import keep_memory
from tunewheel.models.writing.chat import Chat
from tunewheel.tasks import Prediction, Row, TaskError

if TYPE_CHECKING:
    from tunewheel.models.writing.decoding import Manner
    from tunewheel.tasks.generation import Generation

CHUNK = 512
"""Rows held at once, enough to find prompts of like length."""

BATCH_TOKENS = 4096


class Writer:
    """Rows in, predictions out: ``text`` is what was written.

    Of a prompt that leaves no room for an answer the beginning is not read; ``cut`` then says how many tokens that
    were. A row that brings its answer also gets how probable it was (`Generation`).
    """

    def __init__(self, model: Any, chat: Chat, longest: int, task: Generation, precision: Precision = "fp32") -> None:
        keep_memory()
        self.model, self.chat, self.task, self.precision = model, chat, task, precision
        self.longest = longest
        if not chat.pairs and task.max_new_tokens >= longest:
            raise TaskError(
                f"max_new_tokens is {task.max_new_tokens}, the base reads and writes {longest} tokens in all; lower it"
            )

    def __call__(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict all rows; see `stream`."""
        return list(self.stream(rows))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict rows as they come, `CHUNK` at a time."""
        every = iter(rows)
        while chunk := list(islice(every, CHUNK)):
            yield from self._chunk(chunk)

    def pieces(self, row: Row) -> Iterator[str]:
        """The answer to one row while it is written; the pieces joined are its whole ``text``."""
        from tunewheel.models.writing.decoding import steps

        prompt, _ = self._prompt(row)
        self.model.eval()
        written = (token for step in steps(self.model, [prompt], self.chat.pad, self.manner) for _, token in step)
        yield from self.chat.pieces(written)

    def judged(self, rows: Sequence[Row]) -> list[Prediction]:
        """How probable the answers that rows bring are, and nothing written."""
        found: list[Prediction] = [{} for _ in rows]
        for key, column in (("gold", "answer"), ("rejected", "rejected")):
            for i, known in self._likelihoods(rows, column):
                found[i][key] = known
        return found

    @property
    def manner(self) -> Manner:
        """How the task wants its answers written."""
        from tunewheel.models.writing.decoding import Manner

        config, t = getattr(self.model, "generation_config", None), self.task
        also = getattr(config, "eos_token_id", None)
        ends = {self.chat.end, self.chat.tokenizer.eos_token_id, *(also if isinstance(also, list) else [also])}
        known = frozenset(int(end) for end in ends if end is not None)
        return Manner(t.max_new_tokens, t.temperature, t.top_p, t.seed, known, bf16=self.precision == "bf16")

    def _prompt(self, row: Row) -> tuple[list[int], int]:
        """The ids that ask for the answer, and how many were cut off before them."""
        ids = self.chat.prompt(self.task.messages(row))
        room = self.longest if self.chat.pairs else self.longest - self.task.max_new_tokens
        return ids[-room:], max(0, len(ids) - room)

    def _chunk(self, rows: list[Row]) -> list[Prediction]:
        from tunewheel.models.writing.decoding import steps

        was_training = self.model.training
        self.model.eval()
        prompts = [self._prompt(row) for row in rows]
        written: list[list[int]] = [[] for _ in rows]
        sizes = [len(ids) + self.task.max_new_tokens for ids, _ in prompts]
        for members in _batches(sizes):
            for step in steps(self.model, [prompts[i][0] for i in members], self.chat.pad, self.manner):
                for place, token in step:
                    written[members[place]].append(token)
        self.model.train(was_training)
        told = [self._told(ids, cut) for ids, (_, cut) in zip(written, prompts, strict=True)]
        return [{**answer, **judged} for answer, judged in zip(told, self.judged(rows), strict=True)]

    def _told(self, ids: list[int], cut: int) -> Prediction:
        return {"text": self.chat.text(ids), **({"cut": cut} if cut else {})}

    def _likelihoods(self, rows: Sequence[Row], column: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """Places of the rows that have a text in ``column``, and how probable it was; none where it does not fit."""
        from tunewheel.models.writing.lessons import Lesson, likelihoods

        there = [i for i, row in enumerate(rows) if row.get(column) and row.get("answer")]
        lessons = {i: Lesson.of(self.chat, self.task.messages(rows[i]), rows[i][column]) for i in there}
        fitting = {i: lesson for i, lesson in lessons.items() if fits(lesson, self.chat, self.longest)}
        known = likelihoods(self.model, self.chat, list(fitting.values()), bf16=self.precision == "bf16")
        yield from zip(fitting, (each._asdict() for each in known), strict=True)


def fits(lesson: Any, chat: Chat, longest: int) -> bool:
    """Whether a base that reads ``longest`` tokens can learn or judge a lesson as a whole."""
    return max(map(len, lesson)) <= longest if chat.pairs else lesson.size <= longest


def _batches(sizes: Sequence[int]) -> Iterator[list[int]]:
    """Places of like sizes that fill the token budget together."""
    order, at = sorted(range(len(sizes)), key=sizes.__getitem__), 0
    for count in budgeted([sizes[i] for i in order], BATCH_TOKENS):
        yield order[at : at + count]
        at += count
