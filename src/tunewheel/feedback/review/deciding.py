"""Decisions on what waits: taken once, recorded with who and when, and withdrawn until something learned from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.data.privacy import Masker
from tunewheel.feedback.answers import FeedbackError, checked_answer, fits
from tunewheel.feedback.exchanges import Exchange, exchange_id, find_columns, find_exchanges
from tunewheel.feedback.given import Feedback, find_feedback
from tunewheel.feedback.latest import supersede
from tunewheel.feedback.review.items import SPOKEN, STANDING, answer_of, canonical, sides_of, spoken_of
from tunewheel.feedback.turns import unfinished_turn

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

Action = Literal["accept", "reject", "skip"]

_ROW = re.compile(r"row-([0-9]{1,9})")
_PAST = {"accept": "accepted", "reject": "rejected", "skip": "skipped"}


class NoItem(FeedbackError):
    """There is no such item, or no such decision."""


class Conflict(FeedbackError):
    """It was decided already, or learned from; the message says by whom and when."""


@dataclass(frozen=True)
class Decided:
    """A decision on record. ``value`` is the answer that counts, ``changed`` how much feedback it touched."""

    id: int | None
    item: str
    action: Action
    by: str
    at: datetime
    value: Mapping[str, Any] | None = field(default=None, hash=False)
    changed: int = 0
    repeated: bool = False
    """It stood so already."""


@dataclass(frozen=True)
class _Subject:
    """What is decided on: an exchange, or a row without one, and all that people said of it."""

    id: str
    pieces: Sequence[Feedback]
    exchange: Exchange | None
    row: Mapping[str, Any] | None

    @property
    def standing(self) -> list[Feedback]:
        return [piece for piece in self.pieces if piece.status in STANDING]

    @property
    def waits(self) -> bool:
        """Whether people's words wait; an answer that nobody spoke of does so if it was not decided on."""
        accepted = {canonical(piece.value) for piece in self.pieces if piece.status == "accepted"}
        return len(accepted) > 1 or any(piece.status in ("new", "quarantined") for piece in self.pieces)


def decide(
    connection: Connection,
    name: str,
    item: str | int,
    action: Action,
    value: Mapping[str, Any] | None = None,
    *,
    by: str,
    target: str | None = None,
    over: bool = False,
) -> Decided:
    """Decide on an item, in one transaction that may write (`tunewheel.store.Workspace.transact`).

    Accepting says which answer is right: ``value``, else what was said or, where nobody said anything, the model's
    answer. Feedback that says so is accepted and what says otherwise rejected; where none does, the decision is written
    as a correction, or row, of its own. Rejecting says that nothing is to be learned from any of it. Skipping leaves it
    to others.

    The same decision of the same person again changes nothing.

    Args:
        connection: to the workspace's database.
        name: the model.
        item: the id of an `Item`; or the number of one piece of feedback, of which its own value is accepted, or
            which alone is rejected.
        action: what to do.
        value: the right answer, such as ``{"label": "lost"}``.
        by: who decides.
        target: what the model's answers are called; a value has to be one. None leaves it open.
        over: let the decision stand over one that was taken before.

    Raises:
        NoItem: there is none of this id.
        Conflict: it was decided before, or was learned from.
        FeedbackError: the value is none, or has to be said because people contradict each other.
    """
    if isinstance(item, int):
        piece = _piece(connection, name, item)
        if piece.status in ("consumed", "superseded"):
            return Decided(None, f"{item}", action, by, datetime.now(UTC), piece.value)
        subject = _of_piece(connection, name, piece)
        if action == "accept":
            value = piece.value
    else:
        piece, subject = None, _named(connection, name, item)
    last = _last(connection, name, subject.id)
    if not over and not subject.waits and (subject.pieces or last is not None):
        return _again(connection, last, action, value, by=by)
    if action == "skip":
        return _skip(connection, name, f"{item}", by=by)
    if action == "reject":
        changes = {one.id: "rejected" for one in ([piece] if piece else subject.standing) if one.status != "rejected"}
        return _record(connection, name, subject, action, changes, by=by)
    right = _right(subject, value, target, given=piece is not None)
    return _accept(connection, name, subject, right, piece, by=by)


def withdraw(connection: Connection, name: str, decision: int, *, by: str) -> Decided:
    """Take a decision back: all that it changed, and nothing has changed since, stands as before and waits again.

    Raises:
        NoItem: there is no such decision.
        Conflict: it is another's, was decided again, was learned from, or is being learned from by an update.
    """
    from sqlalchemy import delete, select, update

    from tunewheel.store.schema import feedback, reviews

    row = connection.execute(select(reviews).where(reviews.c.id == decision, reviews.c.name == name)).mappings().first()
    if row is None:
        raise NoItem(f"{decision}: there is no such decision on {name}")
    if row["by"] != by:
        raise Conflict(f"it was {row['by']} who {_PAST[row['action']]} this: nobody else can withdraw it")
    told: dict[str, Any] = {"item": row["item"], "action": row["action"], "by": by}
    if row["withdrawn"] is not None:
        return Decided(row["id"], **told, at=row["withdrawn"], repeated=True)
    last = _last(connection, name, row["item"])
    if row["action"] != "skip" and last is not None and last["id"] != decision:
        raise Conflict(f"it was decided again since, by {last['by']}")
    before = {int(key): kept for key, kept in row["before"].items()}
    chosen = row["chosen"]
    _unlearned(connection, name, [*before, *([chosen] if chosen else [])])
    if row["made"]:
        connection.execute(delete(feedback).where(feedback.c.id == chosen))
    changed = 0
    for key, (status, reason) in before.items():
        so = feedback.c.id == key, feedback.c.status.in_(("accepted", "rejected"))  # as the decision left it
        changed += connection.execute(update(feedback).where(*so).values(status=status, reason=reason)).rowcount
    supersede(connection, list(before))
    now = datetime.now(UTC)
    connection.execute(update(reviews).where(reviews.c.id == decision).values(withdrawn=now))
    return Decided(decision, **told, at=now, changed=changed)


def _named(connection: Connection, name: str, item: str) -> _Subject:
    if "\0" in item:  # which PostgreSQL cannot ask for
        raise NoItem("nothing of this id waits here")
    if match := _ROW.fullmatch(item):
        found = find_feedback(connection, int(match[1]))
        if found is None or found.name != name or found.exchange or found.row is None:
            raise NoItem(f"{item}: nothing of this id waits for {name}")
        pieces = spoken_of(connection, name, (), [found.row])
        return _Subject(f"row-{pieces[0].id}", pieces, None, found.row)
    exchange = find_exchanges(connection, [item]).get(item)
    if exchange is not None and (exchange.name != name or exchange.role != "live"):
        exchange = None
    pieces = spoken_of(connection, name, [item], ())
    row = exchange.row if exchange else next((piece.row for piece in pieces if piece.row is not None), None)
    if row is None:
        raise NoItem(f"{item[:64]}: nothing of this id waits for {name}")
    return _Subject(item, pieces, exchange, row)


def _piece(connection: Connection, name: str, id: int) -> Feedback:
    found = find_feedback(connection, id)
    if found is None or found.name != name:
        raise NoItem(f"{id}: no feedback on {name} has this id; see `feedback list`")
    return found


def _of_piece(connection: Connection, name: str, piece: Feedback) -> _Subject:
    """What a piece is about; a rating or an outcome is about itself."""
    if piece.kind not in SPOKEN:
        return _Subject(f"piece-{piece.id}", [piece], None, None)
    about = ([piece.exchange], ()) if piece.exchange else ((), [piece.row])
    pieces, row = spoken_of(connection, name, *about), piece.row
    if row is None and (found := find_columns(connection, name, [piece.exchange or ""], "row")):
        row = found[piece.exchange or ""]["row"]
    return _Subject(piece.exchange or f"row-{pieces[0].id}", pieces, None, row)


def _last(connection: Connection, name: str, item: str) -> RowMapping | None:
    """The decision that stands on an item."""
    from sqlalchemy import select

    from tunewheel.store.schema import reviews

    where = (reviews.c.name == name, reviews.c.item == item, reviews.c.withdrawn.is_(None), reviews.c.action != "skip")
    return connection.execute(select(reviews).where(*where).order_by(reviews.c.id.desc()).limit(1)).mappings().first()


def _again(
    connection: Connection, last: RowMapping | None, action: Action, value: Mapping[str, Any] | None, *, by: str
) -> Decided:
    """The decision that stands, where it is this very one; else a `Conflict`."""
    if last is None:
        raise Conflict("nothing waits here any more: it was decided on, or learned from")
    chosen = find_feedback(connection, last["chosen"]) if last["chosen"] else None
    right = chosen.value if chosen else None
    if last["by"] == by and last["action"] == action and (value is None or canonical(value) == canonical(right)):
        return Decided(last["id"], last["item"], action, by, last["at"], right, repeated=True)
    raise Conflict(f"{last['by']} {_PAST[last['action']]} this on {last['at']:%Y-%m-%d %H:%M:%S} UTC")


def _right(subject: _Subject, value: Mapping[str, Any] | None, target: str | None, *, given: bool) -> dict[str, Any]:
    """The answer that is to count, checked."""
    if given and value is not None:
        if not fits(value, subject.row or {}):  # it came before its exchange was recorded
            raise FeedbackError(f"{subject.id}: its entities have spans outside the text; reject it, or say right ones")
        return dict(value)
    if value is None:
        sides = sides_of(subject.standing)
        if len(sides) > 1:
            raise FeedbackError("people contradict each other here: say which answer is right, as value")
        value = sides[0].value if sides else None
        if value is None and subject.exchange:
            value = answer_of(subject.exchange.prediction, target or "")
        if value is None:
            raise FeedbackError("there is no answer to accept: say the right one, as value")
    text = (subject.row or {}).get("text")
    right = checked_answer(value, text if isinstance(text, str) else None)
    if target is not None and target not in right:
        raise FeedbackError(f"expected {target}, which this model answers with; found {', '.join(right)}")
    if "answer" in right:
        right["answer"] = Masker().mask(right["answer"]).text
    spans = sorted(right.get("entities", ()), key=lambda span: (span["start"], span["end"]))
    if any(second["start"] < first["end"] for first, second in pairwise(spans)):
        raise FeedbackError("entities: two of them overlap")
    return {"entities": spans} if "entities" in right else right


def _accept(
    connection: Connection, name: str, subject: _Subject, right: dict[str, Any], piece: Feedback | None, *, by: str
) -> Decided:
    said = [one for one in (*subject.standing, *([piece] if piece else ())) if canonical(one.value) == canonical(right)]
    agreed = {one.id for one in said}
    changes = {one.id: "accepted" for one in said if one.status != "accepted"}
    changes |= {one.id: "rejected" for one in subject.standing if one.id not in agreed}
    chosen = max(agreed, default=None)
    return _record(connection, name, subject, "accept", changes, right=right, chosen=chosen, by=by)


def _record(
    connection: Connection,
    name: str,
    subject: _Subject,
    action: Action,
    changes: Mapping[int, str],
    *,
    by: str,
    right: dict[str, Any] | None = None,
    chosen: int | None = None,
) -> Decided:
    """Change the feedback, write the decision's own where none says so, and put it on record."""
    from sqlalchemy import insert, update

    from tunewheel.store.schema import feedback, reviews

    _unlearned(connection, name, list(changes))
    now = datetime.now(UTC)
    known = {piece.id: piece for piece in subject.pieces}
    before = {str(key): [known[key].status, known[key].reason] for key in changes}
    for key, status in changes.items():
        told = {"status": status, "reason": f"{status} by {by}"}
        connection.execute(update(feedback).where(feedback.c.id == key).values(told))
    made = right is not None and chosen is None
    if made:
        chosen = _key(connection.execute(insert(feedback).values(_own(subject, name, right, by, now))))
    values: dict[str, Any] = {"name": name, "item": subject.id, "action": action, "chosen": chosen, "made": made}
    key = _key(connection.execute(insert(reviews).values(**values, before=before, by=by, at=now)))
    return Decided(key, subject.id, action, by, now, right, len(changes) + made)


def _own(subject: _Subject, name: str, right: Any, by: str, now: datetime) -> dict[str, Any]:
    """The feedback that a decision is where nobody else said so."""
    exchange = next((piece.exchange for piece in subject.pieces if piece.exchange), None)
    return {
        **{"key": f"review-{exchange_id(now)}", "kind": "correction" if subject.exchange else "row", "name": name},
        **{"exchange": subject.exchange.id if subject.exchange else exchange},
        **{"row": None if subject.exchange else subject.row, "value": right, "source": by, "at": now},
        **{"received": now, "status": "accepted", "reason": f"accepted by {by}"},
    }


def _skip(connection: Connection, name: str, item: str, *, by: str) -> Decided:
    from sqlalchemy import insert, select

    from tunewheel.store.schema import reviews

    where = (reviews.c.name == name, reviews.c.item == item, reviews.c.withdrawn.is_(None))
    mine = select(reviews).where(*where, reviews.c.action == "skip", reviews.c.by == by)
    if (row := connection.execute(mine).mappings().first()) is not None:
        return Decided(row["id"], item, "skip", by, row["at"], repeated=True)
    now = datetime.now(UTC)
    values: dict[str, Any] = {"name": name, "item": item, "action": "skip", "made": False, "before": {}}
    key = _key(connection.execute(insert(reviews).values(**values, by=by, at=now)))
    return Decided(key, item, "skip", by, now)


def _unlearned(connection: Connection, name: str, ids: Sequence[int]) -> None:
    """Refuse to change what was learned from, or what an update learns from at this moment."""
    turn = unfinished_turn(connection, name)
    learning = set(turn.steps.get("data", {}).get("feedback", ())) if turn else set()
    for key in ids:
        if key in learning:
            raise Conflict(f"an update of {name} is learning from this now: wait for it to end")
        found = find_feedback(connection, key)
        if found is not None and found.status == "consumed":
            raise Conflict("it was learned from already")


def _key(result: Any) -> int:
    return int(result.inserted_primary_key[0])
