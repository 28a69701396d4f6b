"""`update`: one turn of the wheel, from what people said to a model that is provably not worse, or to none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.rollout.plan import Plan
from tunewheel.feedback.settling import Policy
from tunewheel.loop.reading import LoopError
from tunewheel.loop.turn import Turn, TurnError, Updated, When
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.models import Progress
    from tunewheel.pages import Lang
    from tunewheel.registry.gate import Margins
    from tunewheel.store import Workspace

POLL = 60.0
"""Seconds between two looks for a reason to turn."""


def update(
    name: str,
    *,
    when: When | None = None,
    policy: Policy | None = None,
    margins: Margins | None = None,
    replay: float | None = None,
    rollout: Plan | None = None,
    seed: int = 13,
    home: str | Path | None = None,
    database: str | None = None,
    lang: Lang = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Updated:
    """Learn on from feedback, and let the new version in front only where the gate says so.

    Feedback that looks like an attack is set aside; what people agree on joins all the rows that the champion learned
    from (joint training; splits are inherited, so no test row is ever learned from, and some of the new rows become
    test rows); the champion's settings train anew on them; the gate compares. With ``replay`` the champion itself goes
    on instead, with the new rows and that share of the old ones, chosen for coverage (`ContinuedTraining`). Feedback
    counts as learned from in the very transaction that promotes; where nothing is promoted it stays, to be tried with
    more. With ``rollout`` the gate's promotion is the beginning of one, and the turn ends with it; while one is under
    way, each call is a look.

    Each step is recorded. A turn that was killed is gone on with by the same call, and two never run at once, whatever
    machines share the database.

    Raises:
        LoopError: there is no champion, what it learned from is not kept, or it has no test rows to be compared on.
        MethodError: with ``replay``, the champion is of a method that cannot go on from a model.
        TurnError: the turn cannot be finished; what stood in the way is its cause.
        LockedError: another turn of this model is running.
    """
    from tunewheel.registry import CHAMPION, Registry
    from tunewheel.store import Workspace
    from tunewheel.store.leases import lease

    if replay is not None and not 0 <= replay <= 1:
        raise LoopError(f"replay is a share of the old rows, from 0 to 1; got {replay:g}")
    workspace = Workspace.open(home, database)
    registry = Registry(workspace)
    if CHAMPION not in registry.aliases(name):
        raise LoopError(f"{name} has no champion to learn on from; next: tunewheel promote {name}:1")
    with lease(workspace, f"update {name}") as held:
        if (looked := _rolling(workspace, name, say)) is not None:
            return looked
        turn = Turn(workspace, name, held, policy or Policy(), margins, replay, rollout, seed, lang, progress, say)
        return turn.run(when or When())


def keep_turning(
    name: str, when: When, *, poll: float = POLL, say: Say = lambda heading, line: None, **options: Any
) -> Iterator[Updated]:
    """Turn whenever there is a reason, for as long as one asks for the next; a database away is waited for.

    After a turn that failed the next waits for feedback that it has not tried.
    """
    from tunewheel.store import StoreError

    while True:
        try:
            updated = update(name, when=when, say=say, **options)
        except StoreError as error:  # the database is away, or another machine turns
            say("waiting", str(error))
        except TurnError as error:
            say("failed", str(error))
        else:
            if not updated.quiet:
                yield updated
                continue
        time.sleep(poll)


def drifted(workspace: Workspace, name: str) -> str | None:
    """What moved of a model's traffic since its version came in front (`tunewheel.loop.drift`), or None."""
    from tunewheel.loop.drift import drift

    try:
        found = drift(name, home=workspace.home, database=workspace.database)
    except LoopError:  # too few exchanges to compare
        return None
    if found.alarm is None:
        return None
    return f"{', '.join(sorted(found.alarm.fired))} moved by {found.alarm.end:%Y-%m-%d %H:%M}"


def _rolling(workspace: Workspace, name: str, say: Say) -> Updated | None:
    """A look at the rollout under way; None where there is none."""
    from tunewheel.feedback.rollout.record import find_active
    from tunewheel.loop.rollout import rollout as look
    from tunewheel.registry import Registry

    with workspace.read() as connection:
        found = find_active(connection, [name]).get(name)
    if found is None:
        return None
    rolled = look(name, home=workspace.home, database=workspace.database, say=say)
    ended = {"promote": "promoted", "ended": "refused"}
    ended["roll back"] = "rolled back" if found.stage == "watch" else "refused"
    status: Any = ended.get(rolled.decided.verdict, "rolling")
    version = Registry(workspace).resolve(f"{name}:{found.candidate}")
    return Updated(status, {"rollout": rolled.decided.reason}, found.turn, version, rolled=rolled)
