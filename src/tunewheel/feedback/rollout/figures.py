"""The figures of a stage: what services counted, and what people said of the answers since it began."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.rollout.plan import Arm, Counts, Figures, Stage

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.feedback.rollout.record import Rollout


def gather(connection: Connection, rollout: Rollout, now: datetime) -> Figures:
    """What there is to decide the rollout's present stage by, at the moment ``now`` of the database's clock."""
    from tunewheel.registry.aliases import current
    from tunewheel.registry.names import CHAMPION

    stage = rollout.stage
    standing = current(connection, rollout.name, CHAMPION)
    expected = rollout.candidate if stage == "watch" else rollout.champion
    counted, refused = _counted(connection, rollout, stage)
    before: Stage = rollout.plan.stages[-1] if stage == "watch" else stage
    former = counted if before == stage else _counted(connection, rollout, before)[0]
    arms = {}
    for side, number, of, counts in (
        ("champion", rollout.champion, before, former),
        ("candidate", rollout.candidate, stage, counted),
    ):
        arms[side] = Arm(counts.get(number, Counts()), *_said(connection, rollout, number, of))
    if stage == "shadow":
        arms = _paired(connection, rollout, arms["champion"].counts, arms["candidate"].counts)
    if stage == "watch" and before == "shadow":  # times of shadow answers are of the computing alone
        arms["champion"].counts.seconds.clear()
    elapsed = (now - rollout.since).total_seconds()
    return Figures(stage, elapsed, **arms, refused=refused, moved=None if standing == expected else standing)


def answered_right(prediction: Mapping[str, Any], kind: str, value: Mapping[str, Any]) -> bool | None:
    """Whether an answer was right by what somebody said of it; None where that says nothing.

    >>> answered_right({"label": "lost"}, "correction", {"label": "lost"})
    True
    >>> answered_right({"label": "lost"}, "rating", {"score": -1.0}), answered_right({}, "outcome", {"event": "read"})
    (False, None)
    """
    if kind == "rating":
        return None if value["score"] == 0 else bool(value["score"] > 0)
    if "label" in value:
        return bool(prediction.get("label") == value["label"]) if "label" in prediction else None
    if "labels" in value:
        return sorted(prediction.get("labels", ())) == sorted(value["labels"])
    if "entities" in value:
        return _spans(prediction) == _spans(value)
    if "answer" in value:
        return bool(prediction.get("text") == value["answer"])
    return None


def same_answer(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two predictions say the same, however sure they are.

    >>> same_answer({"label": "lost", "confidence": 0.9}, {"label": "lost", "confidence": 0.6})
    True
    """
    if "entities" in first or "entities" in second:
        return _spans(first) == _spans(second)
    if "labels" in first or "labels" in second:
        return sorted(first.get("labels", ())) == sorted(second.get("labels", ()))
    return all(first.get(key) == second.get(key) for key in ("label", "text"))


def _spans(value: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    return {(span["start"], span["end"], span["label"]) for span in value.get("entities", ())}


def _counted(connection: Connection, rollout: Rollout, stage: Stage) -> tuple[dict[int, Counts], str | None]:
    """The sums over all services of what each version did, and why one could not serve the candidate."""
    from sqlalchemy import select

    from tunewheel.store.schema import rollout_counts as table

    query = select(table).where(table.c.rollout == rollout.id, table.c.stage == stage)
    sums: dict[int, Counts] = {}
    refused = None
    for row in connection.execute(query.order_by(table.c.service, table.c.number)):
        sums[row.number] = sums.get(row.number, Counts()) + Counts.from_dict(row.counts)
        refused = refused or row.refused
    return sums, refused


def _said(connection: Connection, rollout: Rollout, number: int, stage: Stage) -> tuple[int, int, int]:
    """How many answers a version gave in a stage, and how many people called right and wrong."""
    from sqlalchemy import func, select

    from tunewheel.store.schema import exchanges

    where = [exchanges.c.name == rollout.name, exchanges.c.number == number, exchanges.c.role == "live"]
    begin, end = rollout.span(stage)
    where.append(exchanges.c.at >= begin)
    if end is not None:
        where.append(exchanges.c.at < end)
    of = int(connection.scalar(select(func.count()).where(*where)) or 0)
    told = _latest(connection, where)
    return of, sum(told.values()), len(told) - sum(told.values())


def _latest(connection: Connection, where: list[Any]) -> dict[str, bool]:
    """Of each exchange that somebody spoke of, whether it was right by the latest word."""
    from sqlalchemy import select

    from tunewheel.store.schema import exchanges, feedback

    heard = feedback.c.status.in_(("new", "accepted", "consumed"))
    columns = (exchanges.c.id, exchanges.c.prediction, feedback.c.kind, feedback.c.value)
    query = select(*columns).join(feedback, feedback.c.exchange == exchanges.c.id).where(heard, *where)
    query = query.where(feedback.c.name == exchanges.c.name)
    told: dict[str, bool] = {}
    for row in connection.execute(query.order_by(feedback.c.at, feedback.c.id)):
        if (right := answered_right(row.prediction, row.kind, row.value)) is not None:
            told[row.id] = right
    return told


def _paired(connection: Connection, rollout: Rollout, champion: Counts, candidate: Counts) -> dict[str, Arm]:
    """Both sides' answers to the same questions, by what people said of those that were given.

    A rating is of the one answer alone; only who says what the right one is speaks of both.
    """
    from sqlalchemy import select

    from tunewheel.store.schema import exchanges, feedback

    shadows = exchanges.alias("shadows")
    begin, _ = rollout.span("shadow")
    columns = (exchanges.c.id, exchanges.c.prediction, shadows.c.prediction.label("other"), feedback.c.value)
    query = (
        select(*columns)
        .join(feedback, feedback.c.exchange == exchanges.c.id)
        .join(shadows, shadows.c.shadow_of == exchanges.c.id)
        .where(feedback.c.status.in_(("new", "accepted", "consumed")), feedback.c.kind.in_(("correction", "row")))
        .where(exchanges.c.name == rollout.name, feedback.c.name == rollout.name, exchanges.c.role == "live")
        .where(shadows.c.number == rollout.candidate)
        .where(shadows.c.at >= begin, exchanges.c.number == rollout.champion)
    )
    told: dict[str, tuple[bool, bool]] = {}
    for row in connection.execute(query.order_by(feedback.c.at, feedback.c.id)):
        both = [answered_right(prediction, "correction", row.value) for prediction in (row.prediction, row.other)]
        if None not in both:
            told[row.id] = bool(both[0]), bool(both[1])
    pairs = list(told.values())
    rights = [sum(pair[side] for pair in pairs) for side in (0, 1)]
    alone = sum(second and not first for first, second in pairs), sum(first and not second for first, second in pairs)
    return {
        "champion": Arm(champion, len(pairs), rights[0], alone[0]),
        "candidate": Arm(candidate, len(pairs), rights[1], alone[1]),
    }
