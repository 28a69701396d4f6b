"""Decisions in the database, each with the evidence it is made by again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, func, insert, select

from tunewheel.registry import aliases as moves
from tunewheel.registry.gate.evidence import Evidence
from tunewheel.registry.gate.gate import Gate
from tunewheel.registry.gate.nouns import Decision, GateError
from tunewheel.registry.names import CHAMPION, parse
from tunewheel.registry.registry import who
from tunewheel.store.files import temporary_folder
from tunewheel.store.kinds import plain
from tunewheel.store.schema import decisions
from tunewheel.store.workspace import Workspace


def uses_of(workspace: Workspace, name: str, test: str) -> int:
    """How many decisions about versions of ``name`` were made on the test set of this fingerprint."""
    with workspace.read() as connection:
        return _uses(connection, name, test)


def record_decision(
    workspace: Workspace,
    decision: Decision,
    evidence: Evidence,
    *,
    promote: bool = False,
    by: str | None = None,
    also: Callable[[Connection, Decision], None] = lambda connection, decision: None,
) -> Decision:
    """Keep a decision and its evidence; with ``promote`` and that verdict move the champion in the same transaction.

    ``also`` is called in it last, with the decision as recorded: what it writes stands or falls with the decision.

    Raises:
        GateError: the champion is another one by now; it has to be compared with.
    """
    artifact, by = _put(workspace, evidence), who(by)
    challenger, champion = parse(decision.challenger), parse(decision.champion)
    moving = promote and decision.verdict == "promote"

    def work(connection: Connection) -> Decision:
        at = datetime.now(UTC)
        row = {
            **{"name": challenger.name, "challenger": challenger.number, "champion": champion.number},
            **{"verdict": decision.verdict, "test": decision.test, "evidence": plain(decision.as_dict())},
            **{"artifact": artifact, "seed": decision.seed, "promoted": moving, "by": by, "at": at},
        }
        key = connection.execute(insert(decisions).values(row)).inserted_primary_key
        number = int(key[0]) if key else 0
        if moving:
            standing = moves.current(connection, challenger.name, CHAMPION)
            if standing not in (champion.number, challenger.number):
                raise GateError(
                    f"{challenger.name}:{standing} became champion meanwhile, and {decision.challenger} was compared "
                    f"with {decision.champion}: run the gate again"
                )
            why = f"the gate's decision {number}"
            moves.promote(connection, challenger.name, challenger.number or 0, CHAMPION, why=why, by=by)
        recorded = replace(decision, id=number, promoted=moving, by=by, at=at.isoformat(), artifact=artifact)
        also(connection, recorded)
        return recorded

    return workspace.transact(work)


def get_decision(workspace: Workspace, number: int) -> Decision:
    """A recorded decision.

    Raises:
        GateError: there is none of that number.
    """
    with workspace.read() as connection:
        row = connection.execute(select(decisions).where(decisions.c.id == number)).mappings().first()
        if row is None:
            highest = connection.scalar(select(func.max(decisions.c.id)))
            known = f"the newest is {highest}" if highest else "none is recorded yet"
            raise GateError(f"there is no decision {number}: {known}")
        return _made(row)


def list_decisions(workspace: Workspace, name: str) -> list[Decision]:
    """Every decision about versions of ``name``, oldest first."""
    query = select(decisions).where(decisions.c.name == name).order_by(decisions.c.id)
    with workspace.read() as connection:
        return [_made(row) for row in connection.execute(query).mappings()]


def decide_again(workspace: Workspace, number: int) -> tuple[Decision, Decision]:
    """A recorded decision, and what its evidence gives today under its margins and seed.

    Raises:
        GateError: no such decision, or its evidence cannot be read.
    """
    recorded = get_decision(workspace, number)
    if recorded.artifact is None or recorded.artifact not in workspace.artifacts:
        raise GateError(f"the evidence of decision {number} is not in {workspace.home}: restore it from a backup")
    evidence = Evidence.load(workspace.artifacts.path(recorded.artifact))
    gate = Gate(recorded.margins, resamples=recorded.resamples, seed=recorded.seed)
    own = ("id", "promoted", "by", "at", "artifact")
    return recorded, replace(gate.decide(evidence), **{key: getattr(recorded, key) for key in own})


def _uses(connection: Connection, name: str, test: str) -> int:
    count = select(func.count()).where(decisions.c.name == name, decisions.c.test == test)
    return int(connection.scalar(count) or 0)


def _made(row: RowMapping) -> Decision:
    own = {key: row[key] for key in ("id", "promoted", "by", "artifact")}
    return replace(Decision.from_dict(row["evidence"]), **own, at=row["at"].isoformat())


def _put(workspace: Workspace, evidence: Evidence) -> str:
    beside = temporary_folder(workspace.cache_dir, ".tmp-")
    try:
        return workspace.artifacts.put(evidence.save(beside / "evidence"), move=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
