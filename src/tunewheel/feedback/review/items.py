"""What waits for a person: words that people left, then answers worth a look. Read in bounded time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.exchanges import Exchange, find_exchanges
from tunewheel.feedback.given import Feedback, feedback_of
from tunewheel.feedback.suggesting import worth

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

Why = Literal["contradictory", "said", "quarantined", "unsure"]

PIECES = 1_000
"""Pieces of feedback of each kind that the queue begins with, the oldest."""

ACCEPTED = 50_000
"""Accepted pieces that are looked through for contradictions, the newest."""

COUNTED = 10_000
"""Waiting pieces are counted up to here."""

SPOKEN = ("correction", "row")
"""Kinds of feedback that say what an answer should be."""

STANDING = ("new", "accepted", "quarantined")


@dataclass(frozen=True)
class Side:
    """One answer that people gave, and who they are; ``ids`` are their pieces of feedback."""

    value: Mapping[str, Any] = field(hash=False)
    sources: tuple[str, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Item:
    """One thing to decide on.

    ``id`` is the exchange's, or ``row-7`` for a text that came without one, first with feedback 7. ``why`` it is asked:
    people contradict each other (``contradictory``), someone said something nobody has looked at (``said``), it looks
    like an attack (``quarantined``), or the model is ``unsure``. ``answer`` is the model's, in the form of a value.
    """

    id: str
    why: Why
    row: Mapping[str, Any] = field(hash=False)
    sides: tuple[Side, ...] = ()
    exchange: str | None = None
    version: str | None = None
    answer: Mapping[str, Any] | None = field(default=None, hash=False)
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    skipped: bool = False
    """Whoever asks has passed over it before: such come last."""


def list_items(connection: Connection, name: str, target: str, n: int, *, by: str) -> list[Item]:
    """The first ``n`` of what waits of a model's answers.

    First what people said: contradictions, then what nobody has looked at, then what was set aside, the oldest first.
    Then answers in the order of `tunewheel.feedback.suggesting.worth`. What ``by`` skipped comes after all else. What
    was said of an exchange that is not recorded is left out: there is no text to show.

    Args:
        connection: to the workspace's database.
        name: the model.
        target: what its answers are called: label, labels, entities, answer or score.
        n: how many.
        by: who asks.
    """
    skipped = _skipped(connection, name, by)
    firsts = _firsts(connection, name)
    later = [one for one in firsts if one.id in skipped]
    items = _said(connection, name, target, [one for one in firsts if one.id not in skipped][:n])
    if len(items) < n:
        most = worth(connection, name, n - len(items) + len(skipped))
        unsure = [_unsure(row, target) for row in most]
        items += [item for item in unsure if item.id not in skipped][: n - len(items)]
        if len(items) < n:
            passed = [*_said(connection, name, target, later[:n]), *(item for item in unsure if item.id in skipped)]
            items += [replace(item, skipped=True) for item in passed][: n - len(items)]
    return items


def count_waiting(connection: Connection, name: str) -> int:
    """How many pieces of feedback nobody has decided on; `COUNTED` and one stand for more."""
    from sqlalchemy import func, select

    from tunewheel.store.schema import feedback

    where = (feedback.c.name == name, feedback.c.status.in_(("new", "quarantined")), feedback.c.kind.in_(SPOKEN))
    some = select(feedback.c.id).where(*where).limit(COUNTED + 1).subquery()
    return int(connection.scalar(select(func.count()).select_from(some)) or 0)


def answer_of(prediction: Mapping[str, Any], target: str) -> dict[str, Any] | None:
    """A model's answer in the form of a person's; None where it has no such.

    >>> answer_of({"entities": [{"start": 0, "end": 2, "label": "person", "confidence": 0.9}]}, "entities")
    {'entities': [{'start': 0, 'end': 2, 'label': 'person'}]}
    >>> answer_of({"text": "Please block it."}, "answer")
    {'answer': 'Please block it.'}
    """
    if target == "entities" and isinstance(spans := prediction.get("entities"), list):
        return {"entities": [{key: span[key] for key in ("start", "end", "label")} for span in spans]}
    if target == "answer":
        return {"answer": prediction["text"]} if prediction.get("text") else None
    wanted = ("label", "score") if target == "score" else (target,)
    return {key: prediction[key] for key in wanted} if all(key in prediction for key in wanted) else None


def canonical(value: Any) -> str:
    """The same for the same value, or row, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class _First:
    """An item by the piece of feedback that brought it up."""

    id: str
    piece: Feedback


def _firsts(connection: Connection, name: str) -> list[_First]:
    """Everything in the queue that people said, in its order."""
    pieces = [
        *_pieces(connection, name, _disagreed(connection, name)),
        *_oldest(connection, name, "new"),
        *_oldest(connection, name, "quarantined"),
    ]
    firsts: dict[str, _First] = {}
    for piece in pieces:
        subject = piece.exchange or canonical(piece.row)
        firsts.setdefault(subject, _First(piece.exchange or f"row-{piece.id}", piece))
    return list(firsts.values())


def _oldest(connection: Connection, name: str, status: str) -> list[Feedback]:
    from sqlalchemy import select

    from tunewheel.store.schema import feedback

    where = (feedback.c.name == name, feedback.c.status == status, feedback.c.kind.in_(SPOKEN), _shown())
    rows = connection.execute(select(feedback).where(*where).order_by(feedback.c.id).limit(PIECES))
    return [feedback_of(row) for row in rows.mappings()]


def _disagreed(connection: Connection, name: str) -> list[int]:
    """Ids of the first of accepted pieces that say different things of one exchange or row; they wait, too."""
    from sqlalchemy import Text, cast, func, select

    from tunewheel.store.schema import feedback

    where = (feedback.c.name == name, feedback.c.status == "accepted", feedback.c.kind.in_(SPOKEN))
    subject = func.coalesce(feedback.c.exchange, cast(feedback.c.row, Text)).label("subject")
    told = select(feedback.c.id, subject, cast(feedback.c.value, Text).label("value")).where(*where, _shown())
    newest = told.order_by(feedback.c.id.desc()).limit(ACCEPTED).subquery()
    query = select(func.min(newest.c.id)).group_by(newest.c.subject)
    query = query.having(func.min(newest.c.value) != func.max(newest.c.value)).order_by(func.min(newest.c.id))
    return list(connection.scalars(query.limit(PIECES)))


def _shown() -> ColumnElement[bool]:
    """There is a text: the piece's own, or that of the model's exchange."""
    from sqlalchemy import exists, null, or_

    from tunewheel.store.schema import exchanges, feedback

    answered = exists().where(exchanges.c.id == feedback.c.exchange, exchanges.c.name == feedback.c.name)
    return or_(feedback.c.row.is_not(null()), answered)


def _pieces(connection: Connection, name: str, ids: Sequence[int]) -> list[Feedback]:
    from sqlalchemy import select

    from tunewheel.store.schema import feedback

    found: list[Feedback] = []
    for start in range(0, len(ids), 500):
        query = select(feedback).where(feedback.c.name == name, feedback.c.id.in_(ids[start : start + 500]))
        found += [feedback_of(row) for row in connection.execute(query.order_by(feedback.c.id)).mappings()]
    return found


def spoken_of(connection: Connection, name: str, exchanges: Iterable[str], rows: Iterable[Any]) -> list[Feedback]:
    """Everything that says what the answer to these exchanges, or to these rows without one, should be."""
    from sqlalchemy import Text, and_, cast, or_, select

    from tunewheel.store.schema import feedback

    # The words that the database holds: a document is kept as it was written.
    texts = [json.dumps(row, ensure_ascii=False) for row in rows]
    of_rows = and_(feedback.c.exchange.is_(None), feedback.c.kind == "row", cast(feedback.c.row, Text).in_(texts))
    of_exchanges = and_(feedback.c.exchange.in_(list(exchanges)), feedback.c.kind.in_(SPOKEN))
    where = or_(of_exchanges, of_rows) if texts else of_exchanges
    query = select(feedback).where(feedback.c.name == name, where).order_by(feedback.c.id)
    return [feedback_of(row) for row in connection.execute(query).mappings()]


def _said(connection: Connection, name: str, target: str, firsts: Sequence[_First]) -> list[Item]:
    """The items with all that stands on each."""
    if not firsts:
        return []
    ids = [one.piece.exchange for one in firsts if one.piece.exchange]
    rows = [one.piece.row for one in firsts if not one.piece.exchange]
    known = {key: one for key, one in find_exchanges(connection, ids).items() if one.name == name}
    standing: dict[str, list[Feedback]] = defaultdict(list)
    for piece in spoken_of(connection, name, ids, rows):
        if piece.status in STANDING:
            standing[piece.exchange or canonical(piece.row)].append(piece)
    items = []
    for one in firsts:
        pieces = standing[one.piece.exchange or canonical(one.piece.row)]
        exchange = known.get(one.piece.exchange or "")
        row = exchange.row if exchange else next(piece.row for piece in pieces if piece.row is not None)
        items.append(Item(one.id, _why(pieces), row, sides_of(pieces), **_answered(exchange, name, target)))
        reasons = dict.fromkeys(piece.reason for piece in pieces if piece.reason and piece.status != "accepted")
        items[-1] = replace(items[-1], reasons=tuple(reasons))
    return items


def sides_of(pieces: Iterable[Feedback]) -> tuple[Side, ...]:
    """What is said, each answer once."""
    sides: dict[str, list[Feedback]] = defaultdict(list)
    for piece in pieces:
        sides[canonical(piece.value)].append(piece)
    return tuple(
        Side(said[0].value, tuple(dict.fromkeys(piece.source for piece in said)), tuple(piece.id for piece in said))
        for said in sides.values()
    )


def _why(pieces: Sequence[Feedback]) -> Why:
    if len({canonical(piece.value) for piece in pieces}) > 1:
        return "contradictory"
    return "said" if any(piece.status == "new" for piece in pieces) else "quarantined"


def _answered(exchange: Exchange | None, name: str, target: str) -> dict[str, Any]:
    if exchange is None:
        return {}
    version = name if exchange.number is None else f"{name}:{exchange.number}"
    answer = answer_of(exchange.prediction, target)
    return {"exchange": exchange.id, "version": version, "answer": answer, "confidence": exchange.confidence}


def _unsure(row: Mapping[str, Any], target: str) -> Item:
    from tunewheel.feedback.exchanges import confidence_of

    beside = ("exchange", "prediction", "version")
    prediction = row["prediction"]
    return Item(
        **{"id": row["exchange"], "why": "unsure", "row": {key: row[key] for key in row if key not in beside}},
        **{"exchange": row["exchange"], "version": row["version"], "answer": answer_of(prediction, target)},
        confidence=confidence_of(prediction),
    )


def _skipped(connection: Connection, name: str, by: str) -> set[str]:
    """The last items that somebody passed over."""
    from sqlalchemy import select

    from tunewheel.store.schema import reviews

    where = (reviews.c.name == name, reviews.c.action == "skip", reviews.c.by == by, reviews.c.withdrawn.is_(None))
    return set(connection.scalars(select(reviews.c.item).where(*where).order_by(reviews.c.id.desc()).limit(PIECES)))
