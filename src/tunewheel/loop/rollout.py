"""`rollout`: a candidate answers in the shadow, then for a share, and takes the champion's place; back by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.rollout.plan import Decided, Figures, Plan, RolloutError
from tunewheel.feedback.rollout.record import (
    STAGES,
    Look,
    Rollout,
    begin,
    find_active,
    get,
    list_looks,
    look_again,
    move,
    newest,
    record_look,
)
from tunewheel.training import Say

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.registry import Version
    from tunewheel.store import Workspace
    from tunewheel.store.leases import Lease

POLL = 30.0
"""Seconds between two looks."""

_GROWN = 1.1
"""Looks that say to wait are recorded once so many times the requests have come; they change nothing."""


@dataclass(frozen=True)
class Rolled:
    """A rollout after a look; ``look`` is the record of that, None where it said to wait and little was new."""

    rollout: Rollout
    figures: Figures
    decided: Decided
    look: Look | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        told = {"figures": self.figures.as_dict(), "decided": self.decided.as_dict()}
        return {"rollout": self.rollout.as_dict(), "look": self.look and self.look.id, **told}


def rollout(
    name: str,
    to: str | int | None = None,
    *,
    plan: Plan | None = None,
    by: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
) -> Rolled:
    """Begin the rollout of a version, or go on with the one under way: one look, and what follows from it.

    A look gathers what services counted and what people said since the stage began, decides, and records both; where it
    promotes or rolls back, the alias moves in the same transaction. Killed anywhere, the same call goes on.

    Args:
        name: the model.
        to: the version that shall become champion, ``3`` or ``name:3``; not needed while its rollout is under way.
        plan: stages and margins of a rollout that begins.

    Raises:
        RolloutError: there is none under way and ``to`` names none, or another one is.
        LockedError: another process is looking.
    """
    from tunewheel.registry.registry import who
    from tunewheel.store import Workspace
    from tunewheel.store.leases import lease

    workspace, by = Workspace.open(home, database), who(by)
    with lease(workspace, f"rollout {name}") as held:
        found = _begun(workspace, name, to, plan, by, held, say)
        rolled = _looked(workspace, found, by, held)
    _told(rolled, found, say)
    return rolled


def keep_rolling(
    name: str, to: str | int | None = None, *, poll: float = POLL, say: Say = lambda heading, line: None, **options: Any
) -> Iterator[Rolled]:
    """Look again and again until the rollout has ended; yields each look that moved something, and the last."""
    from tunewheel.store import StoreError

    rolled: Rolled | None = None
    while True:
        try:
            rolled = rollout(name, to if rolled is None else None, say=say, **options)
        except StoreError as error:  # the database is away, or another machine looks
            say("waiting", str(error))
        except RolloutError:
            if rolled is None:
                raise
            place = {key: options[key] for key in ("home", "database") if key in options}
            yield replace(rolled, rollout=rollout_status(name, **place)[0])  # somebody else has ended it
            return
        else:
            ended = rolled.rollout.stage not in STAGES
            if ended or rolled.decided.verdict != "wait":
                yield rolled
            if ended:
                return
        time.sleep(poll)


def rollout_status(
    name: str, *, home: str | Path | None = None, database: str | None = None
) -> tuple[Rollout, list[Look]]:
    """The newest rollout of a model and every recorded look at it. Raises `RolloutError` where there never was one."""
    from tunewheel.store import Workspace

    workspace = Workspace.open(home, database)
    with workspace.read() as connection:
        found = newest(connection, name)
        if found is None:
            raise RolloutError(f"{name} was never rolled out; next: tunewheel rollout {name} --to VERSION")
        return found, list_looks(connection, found.id)


def decide_again(look: int, *, home: str | Path | None = None, database: str | None = None) -> tuple[Look, Decided]:
    """A recorded look, and what its figures give today under its plan."""
    from tunewheel.store import Workspace

    with Workspace.open(home, database).read() as connection:
        return look_again(connection, look)


def rollback(
    name: str,
    *,
    alias: str = "champion",
    why: str,
    by: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
) -> tuple[Version, Rollout | None]:
    """Take back what is newest: the rollout under way, where there is one, else the alias's latest promotion.

    A candidate that is not champion yet goes, and the champion stays; one that is watched gives its place back.
    Returns the version that the alias points at now, and the rollout that has ended by it.
    """
    from tunewheel.registry import CHAMPION, Registry
    from tunewheel.registry.registry import who
    from tunewheel.store import Workspace

    workspace = Workspace.open(home, database)
    registry = Registry(workspace)
    with workspace.read() as connection:
        found = find_active(connection, [name]).get(name) if alias == CHAMPION else None
    if found is None:
        return registry.rollback(name, alias=alias, why=why, by=by), None

    def work(connection: Connection) -> Rollout:
        standing = find_active(connection, [name]).get(name)
        return get(connection, found.id) if standing is None else _back(connection, standing, why, who(by))

    ended = workspace.transact(work)
    return registry.resolve(f"{name}@{alias}"), ended


def plan_for(version: Version, plan: Plan | None) -> Plan:
    """The plan that a version's rollout goes by: one that writes has no shadow, in which nobody would ask it."""
    from tunewheel.tasks import task_class

    plan = plan or Plan()
    return plan.without_shadow() if task_class(version.task).writes else plan


def _begun(
    workspace: Workspace, name: str, to: str | int | None, plan: Plan | None, by: str, held: Lease, say: Say
) -> Rollout:
    """The rollout under way, begun now unless it was before."""
    from tunewheel.registry import Registry

    with workspace.read() as connection:
        found = find_active(connection, [name]).get(name)
    told = None if to is None else str(to)
    wanted = None if told is None else Registry(workspace).resolve(told if ":" in told else f"{name}:{told}")
    if wanted is not None and wanted.name != name:
        raise RolloutError(f"{wanted} is a version of another model than {name}")
    if found is not None and (wanted is None or wanted.number == found.candidate):
        return found
    if wanted is None:
        raise RolloutError(f"no rollout of {name} is under way; say which version: tunewheel rollout {name} --to 3")
    number, fitting = wanted.number, plan_for(wanted, plan)

    def work(connection: Connection) -> Rollout:
        held.fence(connection)
        return begin(connection, name, number, fitting, by=by, reason="begun by hand")

    begun = workspace.transact(work)
    say("rollout", f"{begun.id}: {wanted} beside {name}:{begun.champion}, first stage {begun.stage}")
    return begun


def _looked(workspace: Workspace, found: Rollout, by: str, held: Lease) -> Rolled:
    """One look: gathered without holding up anybody who writes, decided, and written down with what follows."""
    from tunewheel.feedback.rollout.decide import decide
    from tunewheel.feedback.rollout.figures import gather
    from tunewheel.registry.aliases import current
    from tunewheel.registry.names import CHAMPION
    from tunewheel.store.leases import database_now

    with workspace.read() as connection:
        figures = gather(connection, found, database_now(connection))
        before = [look for look in list_looks(connection, found.id) if look.figures.stage == found.stage]
    decided = decide(figures, found.plan)
    asked = figures.candidate.counts.asked
    if decided.verdict == "wait" and before and asked <= _GROWN * before[-1].figures.candidate.counts.asked:
        return Rolled(found, figures, decided, None)

    def work(connection: Connection) -> Rolled:
        held.fence(connection)
        now = get(connection, found.id)
        standing = current(connection, found.name, CHAMPION)
        expected = figures.moved or (found.candidate if found.stage == "watch" else found.champion)
        if now != found or standing != expected:  # somebody took it back while this one looked
            return Rolled(now, figures, Decided("wait", "it was moved by hand meanwhile", decided.checks), None)
        look = record_look(connection, found, figures, decided, by)
        return Rolled(_follow(connection, found, look, by), figures, decided, look)

    return workspace.transact(work)


def _follow(connection: Connection, found: Rollout, look: Look, by: str) -> Rollout:
    """Do what a look came to."""
    from tunewheel.feedback.turns import end_turn, get_turn
    from tunewheel.registry import aliases
    from tunewheel.registry.names import CHAMPION

    reason, why = look.decided.reason, f"rollout {found.id}, look {look.id}: {look.decided.reason}"
    match look.decided.verdict:
        case "next":
            return move(connection, found, found.plan.after(found.stage) or found.stage, reason)
        case "promote":
            aliases.promote(connection, found.name, found.candidate, CHAMPION, why=why, by=by)
            if found.turn is not None:
                consumed = get_turn(connection, found.turn).steps.get("data", {}).get("feedback", ())
                end_turn(connection, found.turn, "promoted", {"rollout": found.id, "look": look.id}, consumed)
            return move(connection, found, "watch" if found.plan.watch else "done", reason)
        case "roll back":
            return _back(connection, found, why, by)
        case "done":
            return move(connection, found, "done", reason)
        case "ended":
            _end_turn(connection, found)
            return move(connection, found, "ended", reason)
    return found


def _back(connection: Connection, found: Rollout, why: str, by: str) -> Rollout:
    """Have the champion answer alone again; what the candidate learned from people is there to be learned anew."""
    from tunewheel.feedback.turns import give_back
    from tunewheel.registry import aliases
    from tunewheel.registry.names import CHAMPION

    if found.stage == "watch":
        if aliases.current(connection, found.name, CHAMPION) == found.candidate:
            aliases.rollback(connection, found.name, CHAMPION, why=why, by=by)
        if found.turn is not None:
            give_back(connection, found.turn)
    _end_turn(connection, found)
    return move(connection, found, "rolled back", why)


def _end_turn(connection: Connection, found: Rollout) -> None:
    """End the turn that made a candidate which does not come in front, unless it has ended."""
    from tunewheel.feedback.turns import end_turn, get_turn

    if found.turn is not None and get_turn(connection, found.turn).status == "running":
        end_turn(connection, found.turn, "refused", {"rollout": found.id})


def _told(rolled: Rolled, before: Rollout, say: Say) -> None:
    now, verdict = rolled.rollout, rolled.decided.verdict
    candidate = f"{now.name}:{now.candidate}"
    match rolled.look and verdict:
        case "promote":
            say("champion", f"{candidate}: {rolled.decided.reason}")
        case "roll back":
            say("rolled back", f"{candidate} in stage {before.stage}: {rolled.decided.reason}")
        case "next":
            say("stage", f"{now.stage}: {rolled.decided.reason}")
