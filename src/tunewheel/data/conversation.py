"""Messages of a conversation: how they are checked, and how they stand as one text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.data.columns import from_cell, is_missing
from tunewheel.data.infer import Prompt
from tunewheel.data.problems import show
from tunewheel.data.rows import encodable

Message = dict[str, str]
"""Who says what: ``role`` is one of `ROLES`, ``content`` a text."""

ROLES = ("system", "user", "assistant")
_FIX = 'write [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]'


class Unsaid(ValueError):
    """A row's prompt or answer cannot be read: its column, what was expected there and found, and the remedy."""

    def __init__(self, column: str, expected: str, found: str, fix: str) -> None:
        self.column, self.expected, self.found, self.fix = column, expected, found, fix
        super().__init__(f"{column}: expected {expected}, found {found}; {fix}")


def rendered(messages: Sequence[Mapping[str, str]]) -> str:
    """The messages as one text: a lone one of the user as it is, else each behind its role, a blank line between.

    >>> rendered([{"role": "user", "content": "Where is my card?"}])
    'Where is my card?'
    >>> print(rendered([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "卡呢？"}]))
    system: Be brief.
    <BLANKLINE>
    user: 卡呢？
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)


def messages_of(row: Mapping[str, Any]) -> list[Message]:
    """What a canonical row asks: its ``messages``, or its text where it has none or was changed since.

    >>> messages_of({"text": "卡呢？"})
    [{'role': 'user', 'content': '卡呢？'}]
    """
    messages = row.get("messages")
    if messages and rendered(messages) == row["text"]:
        return [{"role": message["role"], "content": message["content"]} for message in messages]
    return [{"role": "user", "content": row["text"]}]


def asked(values: Mapping[str, Any], prompt: Prompt) -> list[Message]:
    """The messages that a row's columns ask with; a last one of the assistant is among them. Raises `Unsaid`."""
    messages = None
    if prompt.messages is not None and not is_missing(values.get(prompt.messages)):
        messages = _conversation(prompt.messages, values[prompt.messages])
        # Where a text stands beside its messages and is another by now, it was cleaned since.
        if prompt.text is not None and rendered(messages) != values.get(prompt.text):
            messages = None
    if messages is None:
        text = written(values, prompt.text or prompt.messages or "prompt", "a prompt")
        if prompt.context is not None and not is_missing(values.get(prompt.context)):
            text += "\n\n" + written(values, prompt.context, "a text")
        messages = [{"role": "user", "content": text}]
    if prompt.system is not None and not is_missing(values.get(prompt.system)) and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": written(values, prompt.system, "a text")})
    return messages


def written(values: Mapping[str, Any], column: str, expected: str) -> str:
    """The text of a column. Raises `Unsaid` where it is none."""
    if column not in values:
        raise Unsaid(column, expected, "no such column", f"add the column '{column}'")
    return _text(column, values[column], expected)


def _text(column: str, value: Any, expected: str) -> str:
    if is_missing(value):
        found = "nothing but blanks" if isinstance(value, str) and value else show(value)
        raise Unsaid(column, expected, found, "fill it in or remove the row")
    if not isinstance(value, str):
        raise Unsaid(column, expected, f"{show(value)} ({type(value).__name__})", "write a string")
    if encodable(value) != value:
        fix = "write whole characters: both halves of the pair, or the character itself"
        raise Unsaid(column, expected, "half of a surrogate pair", fix)
    return value


def _conversation(column: str, value: Any) -> list[Message]:
    messages = from_cell(value)
    if not isinstance(messages, list) or not messages:
        raise Unsaid(column, "a list of messages", show(value), _FIX)
    found: list[Message] = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise Unsaid(column, f"a message whose role is {', '.join(ROLES)}", show(message), _FIX)
        found.append({"role": message["role"], "content": _text(column, message.get("content"), "a message's content")})
    if all(message["role"] == "system" for message in found) or any(m["role"] == "system" for m in found[1:]):
        raise Unsaid(column, "a system message only before the others", show(value), _FIX)
    return found
