"""Whether recorded answers were right, by what people said of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.exchanges import find_columns
from tunewheel.feedback.given import list_feedback

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.feedback.drift.traffic import Right
    from tunewheel.store import Workspace


def said_right(workspace: Workspace, name: str) -> Right:
    """What tells, of exchanges by their ids, which of them people called right or wrong.

    A correction that says what the answer said calls it right, any other wrong; a rating above 0 right, below wrong. Of
    one source the latest word counts, of several the majority, and a tie says nothing; what was rejected or set aside
    is not heard.
    """

    def right(ids: Sequence[str]) -> Mapping[str, bool]:
        with workspace.read() as connection:
            return _judged(connection, name, ids)

    return right


def _judged(connection: Connection, name: str, ids: Sequence[str]) -> dict[str, bool]:
    words = defaultdict[str, dict[str, bool]](dict)
    heard: Any = {"statuses": ("new", "accepted", "consumed"), "kinds": ("correction", "rating"), "limit": None}
    said = list_feedback(connection, name, exchanges=ids, **heard)
    found = find_columns(connection, name, {one.exchange for one in said if one.exchange}, "prediction")
    for one in sorted(said, key=lambda one: one.at):
        assert one.exchange is not None
        exchange = found.get(one.exchange)
        word = None if exchange is None else calls_right(one.kind, one.value, exchange["prediction"])
        if word is not None:
            words[one.exchange][one.source] = word
    shares = {exchange: sum(by.values()) / len(by) for exchange, by in words.items()}
    return {exchange: share > 0.5 for exchange, share in shares.items() if share != 0.5}


def calls_right(kind: str, value: Mapping[str, Any], prediction: Mapping[str, Any]) -> bool | None:
    """Whether a word calls an answer right; None where it says nothing of that.

    >>> calls_right("correction", {"label": "lost"}, {"label": "lost"}), calls_right("rating", {"score": -1.0}, {})
    (True, False)
    """
    if kind == "rating":
        return bool(value["score"] > 0) if value["score"] else None
    for key, (there, read) in _SAME.items():
        if key in value and there in prediction:
            return bool(read(value[key]) == read(prediction[there]))
    return None


def _spans(entities: Sequence[Mapping[str, Any]]) -> set[tuple[int, int, str]]:
    return {(entity["start"], entity["end"], entity["label"]) for entity in entities}


_SAME: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "label": ("label", str),
    "labels": ("labels", set),
    "entities": ("entities", _spans),
    "answer": ("text", str.split),
}
"""What a correction says, where a prediction says it, and what of both must be equal."""
