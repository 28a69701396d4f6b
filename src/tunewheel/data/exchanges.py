"""Prompts and their answers: which columns hold them, and how rows are shaped from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.data.columns import Columns, from_cell, is_missing
from tunewheel.data.conversation import Message, Unsaid, asked, rendered, written
from tunewheel.data.infer import GENERATION, Prompt, Schema, Target, check_named, shapes_of
from tunewheel.data.names import (
    ANSWERS,
    CONTEXTS,
    GROUP,
    IDS,
    LABELS,
    MESSAGES,
    PROMPTS,
    QUESTIONS,
    REJECTED,
    SYSTEM,
)
from tunewheel.data.pairs import named_pair
from tunewheel.data.problems import DataError, Problem, listed
from tunewheel.data.readers.base import Record
from tunewheel.data.rows import BadRow, Row, Shaper

LONG = 16
"""Mean bytes of UTF-8 from which on texts that differ from row to row are answers rather than labels."""


def exchanges(
    file: str,
    sample: Sequence[Mapping[str, Any]],
    task: str | None,
    text: str | None,
    label: str | None,
    targets: Sequence[Target] | None = None,
) -> Schema | None:
    """Choose the columns of prompts and answers; None where the rows are not such, and none were asked for.

    ``text`` names the prompt's column and ``label`` the answer's. Raises `DataError` where they were asked for and it
    cannot tell.

    >>> found = exchanges("faq.jsonl", [{"prompt": "卡丢了", "response": "请先冻结。"}], None, None, None)
    >>> found.task, found.text, found.label
    ('generation', 'prompt', 'response')
    """
    columns, wanted = Columns(sample), shapes_of(task, targets)
    if "answer" not in wanted:
        return None
    certain = wanted == ("answer",)
    if not certain and named_pair(text, columns.values):
        return None
    check_named(file, columns, text=text, label=label)
    prompt = prompt_columns(columns, text)
    answer = label or _answer(columns, prompt)
    asks = prompt.text or prompt.messages
    if asks is None or answer is None:
        if certain:
            raise _cannot_tell(file, columns, "prompt" if asks is None else "answer")
        return None
    if not certain and not _plainly(columns, prompt, answer, named=label is not None):
        return None
    other = [name for name in columns.find(LABELS) if name not in (answer, *prompt.columns)]
    notes = [f"'{other[0]}' is kept and not learned: --task classification learns it"] if other and not certain else []
    if prompt.rejected:
        notes.append(f"'{prompt.rejected}' holds answers that were liked less: --method dpo learns from them")
    used = (answer, *prompt.columns)
    return Schema(
        task=task or GENERATION,
        shape="answer",
        text=asks,
        label=answer,
        id=next((name for name in columns.find(IDS) if name not in used), None),
        group=next((name for name in columns.find((GROUP,)) if name not in used), None),
        prompt=prompt,
        notes=tuple(notes),
    )


def prompt_columns(columns: Columns, text: str | None) -> Prompt:
    """The columns that make up a prompt; ``text`` names one, which may hold messages."""
    asking = [name for name in (columns.find(MESSAGES) if text is None else [text]) if _holds_messages(columns, name)]
    chosen = None if asking else text
    if text in (None, "text") and {"text", "answer"} <= columns.values.keys():
        # A canonical row has both, and its text may have been changed since its messages were written.
        asking, chosen = columns.find(MESSAGES[:1]), "text"
    elif chosen is None and not asking:
        names = columns.find(PROMPTS) + columns.find(QUESTIONS)
        chosen = next((name for name in names if columns.mean_length(name) > 0), None)
    context = None
    if chosen is not None and chosen.lower() in PROMPTS[1:]:
        context = next((name for name in columns.find(CONTEXTS) if columns.mean_length(name) > 0), None)
    return Prompt(
        text=chosen,
        context=context,
        messages=next(iter(asking), None),
        system=next((name for name in columns.find(SYSTEM) if name != text), None),
        rejected=next(iter(columns.find(REJECTED)), None),
    )


def _holds_messages(columns: Columns, name: str) -> bool:
    values = [from_cell(value) for value in columns.values.get(name, ()) if not is_missing(value)]
    return any(isinstance(v, list) and v and isinstance(v[0], dict) and "role" in v[0] for v in values)


def _answer(columns: Columns, prompt: Prompt) -> str | None:
    """The column of the answers; a conversation's own last message where there is none."""
    found = [name for name in columns.find(ANSWERS) if name not in prompt.columns and columns.mean_length(name) > 0]
    return found[0] if found else prompt.messages


def _plainly(columns: Columns, prompt: Prompt, answer: str, *, named: bool) -> bool:
    """Whether prompts and answers are what the rows are about, rather than texts and their labels."""
    if answer.lower() not in (*ANSWERS, *MESSAGES):
        return False
    if prompt.messages or prompt.rejected or (prompt.text or "").lower() in PROMPTS:
        return True
    if named or any(name != answer for name in columns.find(LABELS)):
        return False
    answers = [value for value in columns.values[answer] if isinstance(value, str) and value.strip()]
    long = sum(len(value.encode(errors="replace")) for value in answers) >= LONG * len(answers)
    return long and 2 * len(set(answers)) > len(answers)


def _cannot_tell(file: str, columns: Columns, what: str) -> DataError:
    option = "--text" if what == "prompt" else "--label"
    fix = f'name it with {option}, or write {{"prompt": "…", "response": "…"}} or {{"messages": […]}}'
    return DataError(
        [Problem(file, 1, what, f"a column that is plainly the {what}", f"columns {listed(columns.names)}", fix)]
    )


class Exchanges(Shaper):
    """Shapes records into rows of a text to answer and its answer.

    ``text`` is the prompt, or all messages but the answer as one text (`rendered`); ``messages`` stands beside it
    where there is more than one message of the user. A conversation's answer is its last message, the assistant's.
    """

    def __call__(self, record: Record) -> Row | None:
        """Shape one record; None if it is bad (its problem is then recorded)."""
        values, prompt = record.values, self.schema.prompt
        assert prompt is not None
        try:
            messages = asked(values, prompt)
            answer = self._answer(values, messages) if self.labelled else None
            extra = self._rejected(values)
            time = self._time(record) if self.clock else None
        except Unsaid as wrong:
            self._bad(record, wrong.column, wrong.expected, wrong.found, wrong.fix)
            return None
        except BadRow:
            return None
        if len(messages) > 1:
            extra |= {"messages": messages}
        reserved = {name: f"original_{name}" for name in ("id", "text", "answer", "messages", "rejected")}
        used = {self.schema.label, self.schema.id, *prompt.columns}
        kept = {reserved.get(n, n): v for n, v in values.items() if n not in used and not (v is None or v == "")}
        return Row(
            text=rendered(messages),
            label=None,
            labels=None,
            entities=None,
            tokens=None,
            document=None,
            own_id=self._name(values, self.schema.id),
            group=self._name(values, self.schema.group),
            extra={**kept, **extra},
            time=time,
            answer=answer,
        )

    def _answer(self, values: Mapping[str, Any], messages: list[Message]) -> str:
        """The row's answer; one that is the last of ``messages`` is taken out of them."""
        prompt, label = self.schema.prompt, self.schema.label
        assert prompt is not None
        if label != prompt.messages:
            return written(values, label, "an answer")
        if messages[-1]["role"] != "assistant" or len(messages) < 2:
            fix = "end each conversation with the answer that is to be learned"
            raise Unsaid(label, "messages that end with the assistant's", f"{messages[-1]['role']}'s last", fix)
        return messages.pop()["content"]

    def _rejected(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The answer that was liked less, under its name; nothing where the row has none."""
        column = self.schema.prompt.rejected if self.schema.prompt else None
        if column is None or is_missing(values.get(column)):
            return {}
        return {"rejected": written(values, column, "an answer")}
