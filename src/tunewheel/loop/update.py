"""`update`: one turn of the wheel, from what people said to a model that is provably not worse, or to none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.rollout.plan import Plan
from tunewheel.feedback.settling import Policy, settle
from tunewheel.feedback.turns import TurnRecord, begin_turn, end_turn, list_turns, note_step, unfinished_turn
from tunewheel.loop.again import settings_of
from tunewheel.loop.reading import LoopError
from tunewheel.pages import several
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.loop.rollout import Rolled
    from tunewheel.models import Progress
    from tunewheel.pages import Lang
    from tunewheel.registry import Version
    from tunewheel.registry.gate import Decision, Margins
    from tunewheel.store import Workspace
    from tunewheel.store.leases import Lease

POLL = 60.0
"""Seconds between two looks for a reason to turn."""


@dataclass(frozen=True)
class When:
    """What begins a turn; nothing of it: being asked does.

    ``min_feedback`` rows that people agree on and no turn has tried yet, ``every`` so much time since the last turn, or
    ``drift`` where it says so.
    """

    min_feedback: int | None = None
    every: timedelta | None = None
    drift: Callable[[Workspace, str], str | None] | None = None

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.min_feedback, self.every, self.drift))


@dataclass(frozen=True)
class Updated:
    """What a turn came to. ``idle``: there was no reason for one, or nothing new to learn from.

    ``rolling``: a rollout is under way, of this turn's version or another; ``rolled back``: one was, by this look.
    """

    status: Literal["promoted", "refused", "undecided", "idle", "rolling", "rolled back"]
    why: Mapping[str, Any]
    turn: int | None = None
    version: Version | None = None
    decision: Decision | None = None
    page: Path | None = None
    rolled: Rolled | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing has happened that anybody should hear of."""
        waits = self.rolled is not None and self.rolled.decided.verdict == "wait"
        return self.status == "idle" or (self.status == "rolling" and waits)


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
        LoopError: there is no champion, or what it learned from is not kept.
        MethodError: with ``replay``, the champion is of a method that cannot go on from a model.
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
        turn = _Turn(workspace, name, held, policy or Policy(), margins, replay, rollout, seed, lang, progress, say)
        return turn.run(when or When())


def keep_turning(
    name: str, when: When, *, poll: float = POLL, say: Say = lambda heading, line: None, **options: Any
) -> Iterator[Updated]:
    """Turn whenever there is a reason, for as long as one asks for the next; a database away is waited for."""
    from tunewheel.store import StoreError

    while True:
        try:
            updated = update(name, when=when, say=say, **options)
        except StoreError as error:  # the database is away, or another machine turns
            say("waiting", str(error))
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


@dataclass
class _Turn:
    """One turn under way, by whoever holds the lease."""

    workspace: Workspace
    name: str
    held: Lease
    policy: Policy
    margins: Margins | None
    replay: float | None
    rollout: Plan | None
    seed: int
    lang: Lang
    progress: Progress | None
    say: Say
    record: TurnRecord | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def run(self, when: When) -> Updated:
        """Begin a turn or go on with one, to its end."""
        with self.workspace.read() as connection:
            self.record = unfinished_turn(connection, self.name)
        if self.record is not None:
            self.say("turn", f"{self.record.id} goes on behind {', '.join(self.record.steps) or 'its beginning'}")
        else:
            why = self._reasons(when)
            if "idle" in why:
                return Updated("idle", why)
            self.say("turn", ", ".join(f"{reason}: {told}" for reason, told in why.items()))
            settings: dict[str, Any] = {"disagree": self.policy.disagree, "automatic": self.policy.automatic}
            settings |= {"seed": self.seed, "replay": self.replay}
            self.record = self._written(lambda connection: begin_turn(connection, self.name, why, settings))
        data = self._step("data", self._data)
        version = self._step("adapt", lambda: self._adapt(data["dataset"]))["version"]
        return self._gate(version, data["feedback"])

    def _reasons(self, when: When) -> dict[str, Any]:
        """Why a turn should begin now; under ``idle`` why none should."""
        from tunewheel.feedback.quarantine import quarantine

        for suspicion in quarantine(self.workspace, self.name):
            self.say("set aside", f"{len(suspicion.ids):,} of {suspicion.source}: {suspicion.reason}")
        with self.workspace.read() as connection:
            settled = settle(connection, self.name, self.policy)
            before = list_turns(connection, self.name)
        ids = sorted(one for some in settled.behind for one in some)
        tried = set(before[-1].steps.get("data", {}).get("feedback", ())) if before else set()
        fresh = sum(not tried.issuperset(some) for some in settled.behind)
        for reason, count in sorted(settled.waiting.items()):
            self.say("waiting", f"{count:,} {reason}")
        if not fresh:
            tried_all = "all of it was tried by the last turn" if ids else "there is no feedback to learn from"
            return {"idle": tried_all}
        if not when:
            return {"by hand": f"{fresh:,} new rows"}
        why: dict[str, Any] = {}
        if when.min_feedback is not None and fresh >= when.min_feedback:
            why["feedback"] = f"{fresh:,} new rows, {when.min_feedback:,} are asked for"
        last = (before[-1].finished or before[-1].started) if before else self._since()
        if when.every is not None and datetime.now(UTC) - last >= when.every:
            why["calendar"] = f"the last turn was on {last:%Y-%m-%d %H:%M}"
        if when.drift is not None and (drifted := when.drift(self.workspace, self.name)):
            why["drift"] = drifted
        return why or {"idle": f"{fresh:,} new rows, and no reason yet"}

    def _since(self) -> datetime:
        return self._champion().created

    def _champion(self) -> Version:
        from tunewheel.registry import CHAMPION, Registry

        return Registry(self.workspace).resolve(f"{self.name}@{CHAMPION}")

    def _data(self) -> dict[str, Any]:
        """The rows that the champion learned from with what people agree on, as their next revision."""
        from tunewheel.registry import keep_dataset, kept_dataset

        champion = self._champion()
        old = kept_dataset(self.workspace, champion.dataset or "")
        if old is None:
            raise LoopError(f"the rows that {champion} learned from are not kept in {self.workspace.home}")
        with self.workspace.read() as connection:
            settled = settle(connection, self.name, self.policy)
        revised = _revised(old, settled.rows, self.workspace)
        keep_dataset(self.workspace, revised, self.name)
        counts = {split: len(revised[split]) - (len(old[split]) if split in old else 0) for split in revised.splits}
        told = ", ".join(f"{count:+,} {split}" for split, count in counts.items())
        self.say("data", f"{several(len(settled.rows), 'row')} of feedback: {told}")
        ids = sorted(one for some in settled.behind for one in some)
        return {"dataset": revised.fingerprint, "feedback": ids, "rows": len(settled.rows), "splits": counts}

    def _adapt(self, fingerprint: str) -> dict[str, Any]:
        """The champion's settings on these rows, or the champion itself on the new ones; registered, not in front."""
        from tunewheel.loop.continued import ContinuedTraining
        from tunewheel.loop.learn import planned
        from tunewheel.registry import kept_dataset

        dataset = kept_dataset(self.workspace, fingerprint)
        if dataset is None:
            raise LoopError(f"the rows of turn {self._id} are not kept in {self.workspace.home} any more")
        champion = self._champion()
        given = settings_of(self.workspace, champion)
        given |= {"home": self.workspace.home, "database": self.workspace.database, "name": self.name}
        training = planned(dataset, **given, task=dataset.task, lang=self.lang, say=self.say)
        assert self.record is not None
        # As the turn began: a call that says otherwise goes on with it all the same.
        if (replay := self.record.settings.get("replay")) is not None:
            training = ContinuedTraining.of(training, champion, replay)
        made = replace(training, promotes=False).run(self.progress, (), again=False)
        return {"version": made.version.ref}

    def _gate(self, version: str, consumed: list[int]) -> Updated:
        """Compare, decide, and end the turn in the transaction that records the decision."""
        from tunewheel.loop.gate import gate
        from tunewheel.registry import Registry

        ended = {"promote": "promoted", "refuse": "refused", "undecided": "undecided"}

        def also(connection: Any, decision: Decision) -> None:
            self.held.fence(connection)
            if self.rollout is not None and decision.verdict == "promote":
                self._begin(connection, version, decision)
                return
            status: Any = ended[decision.verdict]
            outcome = {"decision": decision.id, "version": version}
            end_turn(connection, self._id, status, outcome, consumed if decision.promoted else ())

        place: dict[str, Any] = {"home": self.workspace.home, "database": self.workspace.database}
        options: dict[str, Any] = {"margins": self.margins, "seed": self.seed, "lang": self.lang, "say": self.say}
        found = gate(version, promote=self.rollout is None, also=also, **options, **place)
        made = Registry(self.workspace).resolve(version)
        why = self.record.why if self.record else {}
        rolls = self.rollout is not None and found.decision.verdict == "promote"
        status: Any = "rolling" if rolls else ended[found.decision.verdict]
        return Updated(status, why, self._id, made, found.decision, found.page)

    def _begin(self, connection: Any, version: str, decision: Decision) -> None:
        """Begin the rollout of what the gate lets pass; the turn goes on until it comes in front, or does not."""
        from tunewheel.feedback.rollout.record import begin
        from tunewheel.registry.names import parse
        from tunewheel.registry.registry import who

        number, reason = parse(version).number or 0, f"the gate's decision {decision.id}"
        begun = begin(connection, self.name, number, self.rollout or Plan(), by=who(None), reason=reason, turn=self._id)
        note_step(connection, self._id, "rollout", {"rollout": begun.id, "decision": decision.id, "version": version})

    @property
    def _id(self) -> int:
        assert self.record is not None
        return self.record.id

    def _step(self, step: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What a step came to, done now unless it was before."""
        assert self.record is not None
        if step in self.record.steps:
            return dict(self.record.steps[step])
        outcome = work()
        self._written(lambda connection: note_step(connection, self._id, step, outcome))
        return outcome

    def _written(self, work: Callable[[Any], Any]) -> Any:
        """Write while the lease stands."""

        def fenced(connection: Any) -> Any:
            self.held.fence(connection)
            return work(connection)

        return self.workspace.transact(fenced)


def _revised(old: Dataset, rows: list[dict[str, Any]], workspace: Workspace) -> Dataset:
    """The next revision of a dataset with these rows, one of which takes the place of an old row with its text.

    A row with its id, an earlier word on the same exchange, goes in whatever split it is; the new one inherits that.
    Texts that were erased are in none: what the champion learned from keeps them until they are purged.
    """
    from tunewheel.data.erased import is_erased, said_in
    from tunewheel.store.erasures import erased_texts

    erased = erased_texts(workspace)
    corrected, again = {row["text"] for row in rows if "text" in row}, {row["id"] for row in rows if "id" in row}
    standing = (
        row
        for split in old.splits
        for row in old[split]
        if row["id"] not in again and (row["text"] not in corrected or split != "train")
    )
    left = [row for row in [*standing, *rows] if not is_erased(erased, *said_in(row))]
    return old.revise(left, cache=workspace.cache_dir)
