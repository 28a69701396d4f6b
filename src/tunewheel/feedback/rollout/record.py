"""Rollouts in the database: begun, moved on, looked at, and decided again by what was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from tunewheel.feedback.rollout.plan import Counts, Decided, Figures, Plan, RolloutError, Stage
from tunewheel.store.leases import database_now

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

STAGES = ("shadow", "share", "watch")
"""Where a rollout is under way."""


@dataclass(frozen=True)
class Rollout:
    """A candidate's way to the champion's place; ``stages`` says when each stage began."""

    id: int
    name: str
    candidate: int
    champion: int
    stage: Stage
    stages: Mapping[str, datetime]
    plan: Plan
    reason: str
    turn: int | None
    by: str
    started: datetime
    finished: datetime | None

    @property
    def since(self) -> datetime:
        """When its present stage began."""
        return self.stages[self.stage]

    @property
    def beside(self) -> int | None:
        """The version that services hold beside the champion: who may take over, or take back, at once."""
        return {"share": self.candidate, "watch": self.champion}.get(self.stage)

    def span(self, stage: Stage) -> tuple[datetime, datetime | None]:
        """When a stage began and ended; None while it lasts."""
        begin = self.stages.get(stage, self.started)
        return begin, min((at for at in self.stages.values() if at > begin), default=None)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        from tunewheel.store.kinds import plain

        value: dict[str, Any] = plain({**asdict(self), "since": self.since})
        return value


class Side(NamedTuple):
    """One version in one stage of one rollout."""

    rollout: int
    stage: Stage
    number: int


@dataclass(frozen=True)
class Look:
    """A recorded look: what was seen, and what came of it."""

    id: int
    rollout: int
    figures: Figures
    decided: Decided
    by: str
    at: datetime

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        from tunewheel.store.kinds import plain

        told = {"id": self.id, "rollout": self.rollout, "by": self.by, "at": self.at}
        value: dict[str, Any] = plain({**told, "figures": self.figures.as_dict(), "decided": self.decided.as_dict()})
        return value


def begin(
    connection: Connection, name: str, candidate: int, plan: Plan, *, by: str, reason: str, turn: int | None = None
) -> Rollout:
    """Record that a candidate sets out to replace the champion.

    Raises:
        RolloutError: another rollout of this model is under way, it is the champion already, or of another task.
    """
    from sqlalchemy import insert, select

    from tunewheel.registry.aliases import current
    from tunewheel.registry.names import CHAMPION
    from tunewheel.store.schema import rollouts, versions

    if (standing := find_active(connection, [name]).get(name)) is not None:
        raise RolloutError(
            f"{name}:{standing.candidate} is being rolled out (stage {standing.stage}): wait for its end, "
            f"or `tunewheel rollout {name} --abort`"
        )
    champion = current(connection, name, CHAMPION)
    if champion is None:
        raise RolloutError(f"{name} has no champion to stand beside; next: tunewheel promote {name}:{candidate}")
    if champion == candidate:
        raise RolloutError(f"{name}:{candidate} is the champion already")
    numbers = versions.c.number.in_((champion, candidate))
    tasks = connection.scalars(select(versions.c.task).where(versions.c.name == name, numbers)).all()
    if len(tasks) < 2 or len(set(tasks)) > 1:
        raise RolloutError(f"{name}:{candidate} is of another task than the champion: promote it by hand")
    now = database_now(connection)
    values = {
        **{"name": name, "candidate": candidate, "champion": champion, "stage": plan.stages[0], "plan": asdict(plan)},
        **{"stages": {plan.stages[0]: now}, "reason": reason, "turn": turn, "by": by, "started": now},
    }
    key = connection.execute(insert(rollouts).values(values)).inserted_primary_key
    return get(connection, int(key[0]) if key else 0)


def find_active(connection: Connection, names: Iterable[str]) -> dict[str, Rollout]:
    """The rollouts of these models that are under way, by name, by one query."""
    from sqlalchemy import select

    from tunewheel.store.schema import rollouts

    query = select(rollouts).where(rollouts.c.name.in_(list(names)), rollouts.c.finished.is_(None))
    return {row["name"]: _rollout(row) for row in connection.execute(query).mappings()}


def get(connection: Connection, number: int) -> Rollout:
    """The rollout with this id."""
    from sqlalchemy import select

    from tunewheel.store.schema import rollouts

    row = connection.execute(select(rollouts).where(rollouts.c.id == number)).mappings().first()
    if row is None:
        raise RolloutError(f"there is no rollout {number}")
    return _rollout(row)


def newest(connection: Connection, name: str) -> Rollout | None:
    """The rollout of a model that was begun last."""
    from sqlalchemy import select

    from tunewheel.store.schema import rollouts

    query = select(rollouts).where(rollouts.c.name == name).order_by(rollouts.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _rollout(row)


def move(connection: Connection, rollout: Rollout, stage: Stage, reason: str) -> Rollout:
    """Record that a rollout has come to another stage."""
    from sqlalchemy import update

    from tunewheel.store.schema import rollouts

    now = database_now(connection)
    values: dict[str, Any] = {"stage": stage, "reason": reason, "stages": {**rollout.stages, stage: now}}
    if stage not in STAGES:
        values["finished"] = now
    connection.execute(update(rollouts).where(rollouts.c.id == rollout.id).values(values))
    return get(connection, rollout.id)


def record_look(connection: Connection, rollout: Rollout, figures: Figures, decided: Decided, by: str) -> Look:
    """Record a look, so that it can be decided again."""
    from sqlalchemy import insert

    from tunewheel.store.schema import rollout_looks

    at = database_now(connection)
    values = {
        **{"rollout": rollout.id, "stage": rollout.stage, "verdict": decided.verdict, "by": by, "at": at},
        **{"figures": figures.as_dict(), "decided": decided.as_dict()},
    }
    key = connection.execute(insert(rollout_looks).values(values)).inserted_primary_key
    return Look(int(key[0]) if key else 0, rollout.id, figures, decided, by, at)


def list_looks(connection: Connection, rollout: int) -> list[Look]:
    """Every look at a rollout, oldest first."""
    from sqlalchemy import select

    from tunewheel.store.schema import rollout_looks

    query = select(rollout_looks).where(rollout_looks.c.rollout == rollout).order_by(rollout_looks.c.id)
    return [_look(row) for row in connection.execute(query).mappings()]


def look_again(connection: Connection, number: int) -> tuple[Look, Decided]:
    """A recorded look, and what its figures give today under the rollout's plan.

    Raises:
        RolloutError: there is none of that number.
    """
    from sqlalchemy import func, select

    from tunewheel.feedback.rollout.decide import decide
    from tunewheel.store.schema import rollout_looks

    row = connection.execute(select(rollout_looks).where(rollout_looks.c.id == number)).mappings().first()
    if row is None:
        highest = connection.scalar(select(func.max(rollout_looks.c.id)))
        known = f"the newest is {highest}" if highest else "none is recorded yet"
        raise RolloutError(f"there is no look {number}: {known}")
    look = _look(row)
    return look, decide(look.figures, get(connection, look.rollout).plan)


def write_counts(
    connection: Connection,
    counted: Mapping[Side, Counts],
    refused: Mapping[Side, str],
    service: str,
) -> None:
    """Put what a service has counted in all, by rollout, stage and version, in place of what it wrote before."""
    from sqlalchemy.dialects import postgresql, sqlite

    from tunewheel.store.schema import rollout_counts

    sides = sorted({*counted, *refused})
    if not sides:
        return
    now = database_now(connection)
    rows = [
        {
            **{**side._asdict(), "service": service, "at": now},
            **{"counts": counted.get(side, Counts()).as_dict(), "refused": refused.get(side)},
        }
        for side in sides
    ]
    kind: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = kind(rollout_counts)
    fresh = {name: insert.excluded[name] for name in ("counts", "refused", "at")}
    where = ["rollout", "stage", "number", "service"]
    connection.execute(insert.on_conflict_do_update(index_elements=where, set_=fresh), rows)


def _rollout(row: RowMapping) -> Rollout:
    values = {name: row[name] for name in Rollout.__dataclass_fields__}
    stages = {stage: datetime.fromisoformat(at) for stage, at in row["stages"].items()}
    return Rollout(**{**values, "plan": Plan.from_dict(row["plan"]), "stages": stages})


def _look(row: RowMapping) -> Look:
    own = {name: row[name] for name in ("id", "rollout", "by", "at")}
    return Look(**own, figures=Figures.from_dict(row["figures"]), decided=Decided.from_dict(row["decided"]))
