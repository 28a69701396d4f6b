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

    A pair may come as ``text`` with a tab between, or as two columns (``sentence1`` and ``sentence2`` or their like).
    """
    from tunewheel.data.pairs import join_pair, pair_of

    if not rows:
        raise BadRow(0, "the request holds no text")
    if len(rows) > limits.texts:
        raise BadRow(limits.texts, f"a request holds at most {limits.texts} texts; send several")
    taken = []
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BadRow(place, f"expected an object with a text, found {type(row).__name__}")
        given = dict(row)
        if served.task == "matching" and "text" not in given and (pair := pair_of(given)):
            first, second = (_text(given.get(side), place, limits, side) for side in pair)
            given = {"text": join_pair(first, second)}
        if not (served.writes and isinstance(given.get("messages"), list)):
            _text(given.get("text"), place, limits, "text")
        taken.append(given)
    return taken


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
