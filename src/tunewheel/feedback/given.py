"""Feedback: what people say of answers, taken in once, masked, and counted by what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from tunewheel.data.privacy import Masker
from tunewheel.feedback.answers import ANSWERS, FeedbackError, check_tokens, checked_answer, fits
from tunewheel.feedback.exchanges import find_columns
from tunewheel.feedback.sent import as_recorded

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from tunewheel.store import Workspace

Kind = Literal["correction", "rating", "outcome", "row"]
Status = Literal["new", "accepted", "rejected", "quarantined", "superseded", "consumed"]

LATE = timedelta(days=90)
"""How old an answer may be before what is said of it counts as late."""

MOST_CHARACTERS = 100_000

_CHUNK = 500  # parameters of one query


@dataclass(frozen=True)
class Feedback:
    """What one person or program said once.

    A ``correction`` says what the answer should have been, a ``rating`` how good it was (``{"score": -1 … 1}``), an
    ``outcome`` what came of it (``{"event": "escalated"}``), a ``row`` is a text with its labels.
    """

    id: int
    key: str
    kind: Kind
    name: str
    exchange: str | None
    row: Mapping[str, Any] | None = field(hash=False)
    value: Mapping[str, Any] = field(hash=False)
    source: str
    at: datetime
    received: datetime
    status: Status
    reason: str | None
    turn: int | None


@dataclass
class Received:
    """What became of feedback: how many were new, and of these late, contradictory or of an unknown exchange."""

    new: int = 0
    repeated: int = 0
    superseded: int = 0
    late: int = 0
    unknown: int = 0
    contradictory: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    """Place of an item, counted from 1, and why it was not taken."""


def give(
    workspace: Workspace,
    name: str,
    items: Sequence[Mapping[str, Any]],
    *,
    source: str,
    at: datetime | None = None,
    vouched: bool = False,
    masked: bool = False,
) -> Received:
    """Take feedback in, all that is well-formed in one transaction; the same ``key`` from anyone is taken once.

    An item is ``{"exchange": id, "label": …}`` (or another of
    `tunewheel.feedback.answers.ANSWERS`), a correction, with ``rating`` or ``outcome``
    in place of the label, or a row of the task with its labels, and ``exchange`` where it came of one. ``key`` makes it
    idempotent; without one the content is the key. ``at`` (ISO 8601) says when it was said.

    What the same source said before of the same exchange is superseded; what sources say against each other is left
    for `tunewheel.feedback.settle`. Nothing is dropped for being late or of an unknown exchange: it is told in
    ``reason``.

    Args:
        workspace: where it is kept.
        name: the model that answered.
        items: see above.
        source: who says it: a person, a program, a file; an item's ``source`` names one behind it.
        at: when, for items that do not say.
        vouched: somebody who may decide stands behind it: it is accepted as it comes.
        masked: entities of an exchange whose text an item does not repeat are places in the recorded, masked text,
            which labelling tools show; else in the text as it was sent, as those of the answer are.

    >>> import tempfile
    >>> from tunewheel.store import Workspace
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     row = {"text": "my card is gone", "label": "lost"}
    ...     twice = give(workspace, "tickets", [row, row, {"text": "no label"}], source="ann")
    ...     twice.new, twice.repeated, twice.refused
    (1, 1, [(3, 'it says neither label, labels, entities, answer or score, nor rating or outcome')])
    """
    masker, received = Masker(), Received()
    taken: list[tuple[int, dict[str, Any]]] = []
    moment = at or datetime.now(UTC)
    for place, item in enumerate(items, 1):
        try:
            taken.append((place, _read(item, name, source, moment, masker)))
        except FeedbackError as error:
            received.refused.append((place, str(error)))

    def work(connection: Connection) -> None:
        _Store(connection, name, received, "accepted" if vouched else "new", masked).take(taken)

    if taken:
        workspace.transact(work)
    received.refused.sort()
    return received


def list_feedback(
    connection: Connection,
    name: str,
    *,
    statuses: Sequence[Status] = (),
    kinds: Sequence[Kind] = (),
    exchanges: Sequence[str] | None = None,
    after: int = 0,
    limit: int | None = 100,
) -> list[Feedback]:
    """Feedback on a model, or on some exchanges, in the order it came, behind the id ``after``; at most ``limit``."""
    from sqlalchemy import select

    from tunewheel.store.schema import feedback

    query = select(feedback).where(feedback.c.name == name, feedback.c.id > after)
    if kinds:
        query = query.where(feedback.c.kind.in_(kinds))
    # A status at a time: each is read in the order of its ids, and no further than to the limit.
    one_by_one = (query.where(feedback.c.status == each) for each in statuses or get_args(Status))
    parts = [part.order_by(feedback.c.id).limit(limit) for part in one_by_one]
    if exchanges is not None:
        # All else is looked at below: a database that went by the name would read everything on the model.
        parts = [select(feedback).where(feedback.c.exchange.in_(some)) for some in _chunks(list(exchanges))]
    found = (feedback_of(row) for part in parts for row in connection.execute(part).mappings())
    wanted = (
        one
        for one in found
        if one.name == name
        and one.id > after
        and (not statuses or one.status in statuses)
        and (not kinds or one.kind in kinds)
    )
    return sorted(wanted, key=lambda one: one.id)[:limit]


def count_feedback(connection: Connection, name: str) -> dict[str, int]:
    """How much feedback on a model stands where, by status."""
    from sqlalchemy import func, select

    from tunewheel.store.schema import feedback

    query = select(feedback.c.status, func.count()).where(feedback.c.name == name).group_by(feedback.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def find_feedback(connection: Connection, id: int) -> Feedback | None:
    """The feedback of this id; None where there is none."""
    from sqlalchemy import select

    from tunewheel.store.schema import feedback

    row = connection.execute(select(feedback).where(feedback.c.id == id)).mappings().first()
    return None if row is None else feedback_of(row)


def feedback_of(row: RowMapping) -> Feedback:
    """Feedback from its row in the table."""
    return Feedback(**{key: row[key] for key in Feedback.__dataclass_fields__})


def _read(item: Mapping[str, Any], name: str, source: str, moment: datetime, masker: Masker) -> dict[str, Any]:
    """An item as the table holds it; raises `FeedbackError` saying what is wrong with it."""
    if not isinstance(item, Mapping):
        raise FeedbackError(f"expected an object, found {type(item).__name__}")
    exchange, text = item.get("exchange"), item.get("text")
    if exchange is not None and not (isinstance(exchange, str) and 0 < len(exchange) <= 64):
        raise FeedbackError("exchange: expected the id that came with an answer")
    if text is not None and not (isinstance(text, str) and text.strip() and len(text) <= MOST_CHARACTERS):
        raise FeedbackError(f"text: expected a text of at most {MOST_CHARACTERS:,} characters, and not of blanks alone")
    kind, value, row = _said(item, exchange, text)
    if row is not None:
        masked, _ = masker.mask_row({**row, **value})
        value = {key: masked[key] for key in value}
        row = {key: masked[key] for key in row}
    else:
        free = ("answer", "event")  # what anybody may have written; labels are the model's
        value = {key: masker.mask(told).text if key in free else told for key, told in value.items()}
    behind = item.get("source")
    if behind is not None and not (isinstance(behind, str) and 0 < len(behind) <= 200):
        raise FeedbackError("source: expected a name of 1 to 200 characters")
    source = f"{source}/{behind}" if behind else source
    at = _moment(item.get("at"), moment)
    content = json.dumps([source, name, exchange, kind, row, value], sort_keys=True, ensure_ascii=False)
    key = item.get("key")
    if key is not None and not (isinstance(key, str) and 0 < len(key) <= 200):
        raise FeedbackError("key: expected a text of 1 to 200 characters")
    return {
        **{"key": key or hashlib.sha256(content.encode("utf-8", "replace")).hexdigest(), "kind": kind, "name": name},
        **{"exchange": exchange, "row": row, "value": value, "source": source, "at": at},
    }


def _said(
    item: Mapping[str, Any], exchange: str | None, text: str | None
) -> tuple[Kind, dict[str, Any], dict[str, Any] | None]:
    """Kind, value and, where it brings its own text, row of an item."""
    told = [key for key in ("rating", "outcome", *ANSWERS) if key in item]
    if not told:
        raise FeedbackError(f"it says neither {', '.join(ANSWERS[:-1])} or {ANSWERS[-1]}, nor rating or outcome")
    if exchange is None and text is None:
        raise FeedbackError("it names neither the exchange it is about nor a text of its own")
    if "rating" in told or "outcome" in told:
        if len(told) > 1 or exchange is None:
            raise FeedbackError(
                f"{' and '.join(told)}: a rating or an outcome stands alone, with the exchange it is of"
            )
        return _remark(item[told[0]], told[0])
    value = checked_answer({key: item[key] for key in told}, text)
    if text is None:
        return "correction", value, None
    if item.get("tokens") is not None:
        check_tokens(item["tokens"], text)
    aside = {"exchange", "key", "at", "source", "id", *told}
    return "row", value, {key: item[key] for key in item if key not in aside}


def _remark(value: Any, told: str) -> tuple[Kind, dict[str, Any], None]:
    if told == "outcome":
        if not (isinstance(value, str) and 0 < len(value) <= 100):
            raise FeedbackError("outcome: expected a word for what came of it, such as 'clicked' or 'escalated'")
        return "outcome", {"event": value}, None
    good = isinstance(value, int | float) and not isinstance(value, bool) and -1 <= value <= 1
    if not good:
        raise FeedbackError(f"rating: expected a number from -1 (bad) to 1 (good), found {value!r}")
    return "rating", {"score": float(value)}, None


def _moment(told: Any, otherwise: datetime) -> datetime:
    if told is None:
        return otherwise
    try:
        moment = told if isinstance(told, datetime) else datetime.fromisoformat(told)
    except (TypeError, ValueError):
        raise FeedbackError(f"at: expected a time such as 2026-01-31T12:00:00+00:00, found {told!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass
class _Store:
    """Items on their way into the table, in one transaction."""

    connection: Connection
    name: str
    received: Received
    status: Status
    masked: bool

    def take(self, items: list[tuple[int, dict[str, Any]]]) -> None:
        """Store what is new, and count it all."""
        from sqlalchemy import insert

        from tunewheel.store.schema import feedback

        now, known = datetime.now(UTC), self._known([item["key"] for _, item in items])
        seen = self._seen([item["exchange"] for _, item in items if item["exchange"]])
        marked = [item["exchange"] for _, item in items if "entities" in item["value"] and item["row"] is None]
        asked = find_columns(self.connection, self.name, marked, "row", "moves")
        for place, told in items:
            try:
                item = self._placed(told, asked)
            except FeedbackError as error:
                self.received.refused.append((place, str(error)))
                continue
            if item["key"] in known:
                if _same(known[item["key"]], item):
                    self.received.repeated += 1
                else:
                    reason = f"key {item['key']!r} was given for other feedback before"
                    self.received.refused.append((place, reason))
                continue
            values = {**item, "received": now, "status": self.status, "reason": self._reason(item, seen)}
            if item["exchange"] and item["kind"] in ("correction", "row"):
                values |= self._among_others(item)
            self.connection.execute(insert(feedback).values(values))
            known[item["key"]] = values
            self.received.new += 1

    def _known(self, keys: list[str]) -> dict[str, Mapping[str, Any]]:
        from sqlalchemy import select

        from tunewheel.store.schema import feedback

        known: dict[str, Mapping[str, Any]] = {}
        for some in _chunks(keys):
            found = self.connection.execute(select(feedback).where(feedback.c.key.in_(some))).mappings()
            known |= {row["key"]: row for row in found}
        return known

    def _seen(self, ids: list[str]) -> dict[str, datetime]:
        """When those of the model's exchanges that are known were answered."""
        return {key: row["at"] for key, row in find_columns(self.connection, self.name, ids, "at").items()}

    def _placed(self, item: dict[str, Any], asked: Mapping[str, RowMapping]) -> dict[str, Any]:
        """The item with its spans in the recorded text of its exchange; raises `FeedbackError` where they are not."""
        if item["row"] is not None or (exchange := asked.get(item["exchange"])) is None:
            return item
        value = item["value"] if self.masked else as_recorded(item["value"], exchange["moves"])
        if not fits(value, exchange["row"]):
            raise FeedbackError("entities: expected spans with start, end and label inside the text of the exchange")
        return {**item, "value": value}

    def _reason(self, item: Mapping[str, Any], seen: Mapping[str, datetime]) -> str | None:
        """What is odd about an item that is taken all the same, counted."""
        if item["exchange"] and item["exchange"] not in seen:
            self.received.unknown += 1
            return "its exchange is not known (yet)"
        if item["exchange"] and item["at"] - seen[item["exchange"]] > LATE:
            self.received.late += 1
            return f"said more than {LATE.days} days after the answer"
        return None

    def _among_others(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Settle the item with what was said of the same exchange before; what of its values that changes.

        Of one source the latest word counts, whatever order they come in; what was learned from stays so.
        """
        from sqlalchemy import select, update

        from tunewheel.store.schema import feedback

        same = feedback.c.name == self.name, feedback.c.exchange == item["exchange"]
        standing = feedback.c.kind.in_(("correction", "row")), feedback.c.status.in_(("new", "accepted"))
        query = select(feedback.c.id, feedback.c.source, feedback.c.value, feedback.c.at).where(*same, *standing)
        others = self.connection.execute(query).all()
        self.received.contradictory += any(
            row.source != item["source"] and row.value != item["value"] for row in others
        )
        own = [row for row in others if row.source == item["source"]]
        earlier = [row.id for row in own if row.at <= item["at"]]
        reason = f"{item['source']} said otherwise later"
        if earlier:
            values = {"status": "superseded", "reason": reason}
            self.connection.execute(update(feedback).where(feedback.c.id.in_(earlier)).values(values))
        self.received.superseded += len(own)
        return {"status": "superseded", "reason": reason} if len(own) > len(earlier) else {}


def _same(before: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    return all(before[key] == item[key] for key in ("kind", "name", "exchange", "row", "value"))


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
