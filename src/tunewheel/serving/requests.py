"""What a request may hold, checked before anything is done for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewheel.serving.errors import BadRow

if TYPE_CHECKING:
    from tunewheel.serving.fleet import Served
    from tunewheel.serving.waiting import Limits


def checked(rows: Sequence[Any], served: Served, limits: Limits) -> list[dict[str, Any]]:
    """The rows as a worker reads them; raises `BadRow` naming the first that none could answer.

    A pair may come as ``text`` with a tab between, or as two columns (``sentence1`` and ``sentence2`` or their like);
    who writes may be asked by ``messages``. Nothing else of a row is read: a ``document`` would have rows of several
    requests share a window, and an answer would depend on its neighbours.
    """
    if not rows:
        raise BadRow(0, "the request holds no text")
    if len(rows) > limits.texts:
        raise BadRow(limits.texts, f"a request holds at most {limits.texts} texts; send several")
    return [_row(row, place, served, limits) for place, row in enumerate(rows)]


def _row(row: Any, place: int, served: Served, limits: Limits) -> dict[str, Any]:
    from tunewheel.data.pairs import join_pair, pair_of, part_pair

    if not isinstance(row, Mapping):
        raise BadRow(place, f"expected an object with a text, found {type(row).__name__}")
    if served.writes and isinstance(row.get("messages"), list):
        return _conversation(row, place, limits)
    if served.task != "matching":
        return {"text": _text(row.get("text"), place, limits, "text")}
    if "text" not in row and (pair := pair_of(row)):
        first, second = (_text(row.get(side), place, limits, side) for side in pair)
        return {"text": join_pair(first, second)}
    text = _text(row.get("text"), place, limits, "text")
    if part_pair(text) is None:
        raise BadRow(place, "text: expected two texts with a tab between, or sentence1 and sentence2; found one")
    return {"text": text}


def _conversation(row: Mapping[str, Any], place: int, limits: Limits) -> dict[str, Any]:
    from tunewheel.data.conversation import Unsaid, asked, rendered
    from tunewheel.data.infer import Prompt

    try:
        messages = asked(row, Prompt(messages="messages"))
    except Unsaid as error:
        raise BadRow(place, f"{error.column}: expected {error.expected}; {error.fix}") from None
    return {"text": _text(rendered(messages), place, limits, "messages"), "messages": messages}


def _text(value: Any, place: int, limits: Limits, column: str) -> str:
    if not isinstance(value, str):
        raise BadRow(place, f"{column}: expected a text, found {'none' if value is None else type(value).__name__}")
    if len(value) > limits.characters:
        raise BadRow(place, f"{column}: {len(value):,} characters, where {limits.characters:,} are the most")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise BadRow(place, f"{column}: half a character (a lone surrogate) stands in it") from None
    return value
