"""One turn of the wheel under way: its steps, each on record, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.feedback.rollout.plan import Plan
from tunewheel.feedback.settling import Policy, Settled, settle
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


class TurnError(LoopError):
    """A turn was begun and cannot be finished: it is on record as failed, and the next one begins anew."""


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


@dataclass
class Turn:
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
            self._check()
            self.say("turn", ", ".join(f"{reason}: {told}" for reason, told in why.items()))
            settings: dict[str, Any] = {"disagree": self.policy.disagree, "automatic": self.policy.automatic}
            settings |= {"seed": self.seed, "replay": self.replay}
            self.record = self._written(lambda connection: begin_turn(connection, self.name, why, settings))
        try:
            data = self._step("data", self._data)
            version = self._step("adapt", lambda: self._adapt(data["dataset"]))["version"]
            return self._gate(version, data["feedback"])
        except ValueError as error:
            # What data, method or gate refuse they refuse again: left running it would stand in the way of every other.
            outcome = {"error": type(error).__name__, "feedback": _ids(self._settled())}
            self._written(lambda connection: end_turn(connection, self._id, "failed", outcome))
            raise TurnError(f"turn {self._id} failed: {error}") from error

    def _reasons(self, when: When) -> dict[str, Any]:
        """Why a turn should begin now; under ``idle`` why none should."""
        from tunewheel.feedback.quarantine import quarantine

        for suspicion in quarantine(self.workspace, self.name):
            self.say("set aside", f"{len(suspicion.ids):,} of {suspicion.source}: {suspicion.reason}")
        settled = self._settled()
        with self.workspace.read() as connection:
            before = list_turns(connection, self.name)
        # Asked by hand, what a failed turn did not come to try is tried again: what stood in its way may be mended.
        tried = _tried(before[-1]) if before and (when or before[-1].status != "failed") else set()
        fresh = sum(not tried.issuperset(some) for some in settled.behind)
        for reason, count in sorted(settled.waiting.items()):
            self.say("waiting", f"{count:,} {reason}")
        if not fresh:
            tried_all = "all of it was tried by the last turn"
            return {"idle": tried_all if settled.behind else "there is no feedback to learn from"}
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

    def _settled(self) -> Settled:
        with self.workspace.read() as connection:
            return settle(connection, self.name, self.policy)

    def _learned(self) -> Dataset:
        """The rows that the champion learned from."""
        from tunewheel.registry import kept_dataset

        champion = self._champion()
        old = kept_dataset(self.workspace, champion.dataset or "")
        if old is None:
            raise LoopError(f"the rows that {champion} learned from are not kept in {self.workspace.home}")
        return old

    def _check(self) -> None:
        """Refuse what no turn could be finished with, before one begins."""
        from tunewheel.models.methods import check_continues

        champion, old = self._champion(), self._learned()
        if "test" not in old:
            told = f"{champion} has no test rows, so nothing would say whether what comes next is worse"
            raise LoopError(f"{told}; train it anew with some (tunewheel train divides by default)")
        if self.replay is not None:
            check_continues(champion.method, old.task)

    def _data(self) -> dict[str, Any]:
        """The rows that the champion learned from with what people agree on, as their next revision."""
        from tunewheel.registry import keep_dataset

        old, settled = self._learned(), self._settled()
        revised = _revised(old, settled.rows, self.workspace)
        keep_dataset(self.workspace, revised, self.name)
        counts = {split: len(revised[split]) - (len(old[split]) if split in old else 0) for split in revised.splits}
        told = ", ".join(f"{count:+,} {split}" for split, count in counts.items())
        self.say("data", f"{several(len(settled.rows), 'row')} of feedback: {told}")
        return {"dataset": revised.fingerprint, "feedback": _ids(settled), "rows": len(settled.rows), "splits": counts}

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

        made = Registry(self.workspace).resolve(version)
        ended = {"promote": "promoted", "refuse": "refused", "undecided": "undecided"}

        def also(connection: Any, decision: Decision) -> None:
            self.held.fence(connection)
            if self.rollout is not None and decision.verdict == "promote":
                self._begin(connection, made, decision)
                return
            status: Any = ended[decision.verdict]
            outcome = {"decision": decision.id, "version": version}
            end_turn(connection, self._id, status, outcome, consumed if decision.promoted else ())

        place: dict[str, Any] = {"home": self.workspace.home, "database": self.workspace.database}
        options: dict[str, Any] = {"margins": self.margins, "seed": self.seed, "lang": self.lang, "say": self.say}
        found = gate(version, promote=self.rollout is None, also=also, **options, **place)
        why = self.record.why if self.record else {}
        rolls = self.rollout is not None and found.decision.verdict == "promote"
        status: Any = "rolling" if rolls else ended[found.decision.verdict]
        return Updated(status, why, self._id, made, found.decision, found.page)

    def _begin(self, connection: Any, made: Version, decision: Decision) -> None:
        """Begin the rollout of what the gate lets pass; the turn goes on until it comes in front, or does not."""
        from tunewheel.feedback.rollout.record import begin
        from tunewheel.loop.rollout import plan_for
        from tunewheel.registry.registry import who

        plan, reason = plan_for(made, self.rollout), f"the gate's decision {decision.id}"
        begun = begin(connection, self.name, made.number, plan, by=who(None), reason=reason, turn=self._id)
        note_step(connection, self._id, "rollout", {"rollout": begun.id, "decision": decision.id, "version": made.ref})

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


def _ids(settled: Settled) -> list[int]:
    """The feedback behind what people agree on."""
    return sorted(one for some in settled.behind for one in some)


def _tried(turn: TurnRecord) -> set[int]:
    """The feedback that a turn took up; of one that failed at its data, what there was."""
    return set(turn.steps.get("data", turn.steps.get("end", {})).get("feedback", ()))


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
