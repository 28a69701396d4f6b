"""A candidate's answers to copies of requests, given by a process apart: no champion's answer waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.rollout.figures import same_answer
from tunewheel.feedback.rollout.record import Side
from tunewheel.serving.crew import Changes, Crew, Hand, Tell, WorkerLost
from tunewheel.serving.fleet import Served, Target, settled
from tunewheel.serving.probes import opened, probed
from tunewheel.serving.tally import Tally
from tunewheel.serving.waiting import estimated

if TYPE_CHECKING:
    from tunewheel.feedback.rollout.record import Rollout
    from tunewheel.store import Workspace

REQUESTS, TOKENS = 64, 65_536
"""Copies that may wait, and their tokens; what comes beyond is dropped, and counted."""

_DEATHS = 3
"""Times that its process may die before it is given up."""

_AGAIN = 5.0  # seconds until a database that was away is asked again


@dataclass(frozen=True)
class Copy:
    """A request and what the champion made of it: its predictions, or None where it failed.

    ``seconds``: of computing, None where the champion computed other rows along. ``exchanges`` are the ids that its
    answers were given with, ``key`` is the public id of the key that asked.
    """

    rows: Sequence[Mapping[str, Any]]
    predictions: Sequence[Mapping[str, Any]] | None
    seconds: float | None
    exchanges: Sequence[str] | None = None
    key: str | None = None


@dataclass(frozen=True)
class Shadowed:
    """What a candidate answered to a copy, for the record alone."""

    name: str
    number: int
    variant: str
    copy: Copy
    answers: Sequence[Mapping[str, Any]]
    seconds: float


class Shadow:
    """The candidate of one rollout in a process of its own, which has the processor when nobody else wants it.

    It takes a copy only while nothing of the champion's waits and one of its workers has nothing to do, as ``spare``
    says. One that kills its process, or does not load, is refused for good; it never was near an answer.
    """

    def __init__(
        self,
        workspace: Workspace,
        target: Target,
        rollout: Rollout,
        variant: str,
        *,
        threads: int,
        patience: float,
        spare: Callable[[], bool],
        tally: Tally,
        hear: Callable[[Shadowed], None],
        tell: Tell,
    ) -> None:
        self.rollout, self.workspace, self.patience = rollout, workspace, patience
        self.champion = Side(rollout.id, "shadow", rollout.champion)
        self.candidate = Side(rollout.id, "shadow", rollout.candidate)
        self.ref = f"{rollout.name}:{rollout.candidate}"
        self.waiting: deque[Copy] = deque()
        self.hand: Hand | None = None
        self._target, self._variant = target.version(rollout.candidate), variant
        self._spare, self._tally, self._hear, self._say = spare, tally, hear, tell
        self._changes, self._tokens, self._deaths = Changes(), 0, 0
        self._served: Served | None = None
        self._crew = Crew(1, self._prepare, self._gone, lambda *_, **__: None, threads=threads, nice=True)
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to load the candidate; copies are taken from now on."""
        await self._crew.start()
        self._working = asyncio.ensure_future(self._work())

    async def stop(self) -> None:
        """End its process; copies that wait are forgotten."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self._crew.stop()

    def take(self, copy: Copy) -> None:
        """Answer a copy some time, or drop it."""
        tokens = sum(map(estimated, copy.rows))
        if self.hand is None or len(self.waiting) >= REQUESTS or self._tokens + tokens > TOKENS:
            self._tally.dropped(self.candidate)
            self._tally.versions[self.ref, "shadow_dropped"] += 1
            return
        self._tokens += tokens
        self.waiting.append(copy)
        self.wake()

    def wake(self) -> None:
        """Look again whether there is time for a copy."""
        self._changes.happened()

    async def _work(self) -> None:
        while True:
            await self._changes.until(lambda: bool(self.waiting) and self.hand is not None and self._spare())
            copy, hand = self.waiting.popleft(), self.hand
            self._tokens -= sum(map(estimated, copy.rows))
            assert hand is not None
            try:
                async with asyncio.timeout(self.patience):
                    reply = await hand.ask("predict", ref=self.ref, rows=list(copy.rows))
            except WorkerLost:
                self._count(copy, None)
            except TimeoutError:
                hand.kill()
                self._count(copy, None)
            else:
                self._count(copy, reply)

    def _count(self, copy: Copy, reply: Mapping[str, Any] | None) -> None:
        """Count both sides of a pair, and hand over what the candidate said."""
        answers = None if reply is None or any("error" in one for one in reply["answers"]) else reply["answers"]
        alike = copy.seconds is not None and answers is not None
        self._tally.asked(self.champion, copy.seconds if alike else None, failed=copy.predictions is None)
        seconds = None if reply is None else float(reply["seconds"])
        self._tally.asked(self.candidate, seconds if alike else None, failed=answers is None)
        self._tally.versions[self.ref, "shadow_failed" if answers is None else "shadow_answered"] += 1
        if answers is None or seconds is None or copy.predictions is None:
            return
        said = [one["prediction"] for one in answers]
        agreed = sum(map(same_answer, copy.predictions, said))
        self._tally.agreed(self.candidate, len(said), agreed)
        assert self._served is not None
        served = self._served
        self._hear(Shadowed(served.name, self.rollout.candidate, served.variant, copy, answers, seconds))

    async def _prepare(self, hand: Hand) -> None:
        """Load the candidate and have it answer the probes, twice, as any version that shall take over."""
        from tunewheel.serving.versions import LOADING
        from tunewheel.store import ArtifactError, StoreError

        try:
            async with asyncio.timeout(LOADING):
                served = self._served
                if served is None:
                    served = await asyncio.to_thread(settled, self._target, self.workspace, self._variant)
                variant = await opened(hand, served)
                await probed(hand, served)
        except WorkerLost:
            return
        except TimeoutError:
            self._refuse(f"it did not load and answer its probes within {LOADING:g} s")
        except StoreError as error:
            if isinstance(error, ArtifactError):
                self._refuse(str(error))
                return
            await asyncio.sleep(_AGAIN)
            await self._prepare(hand)
        except Exception as error:  # whatever it is, it stands in nobody's way
            self._refuse(str(error) or type(error).__name__)
        else:
            self._served, self.hand = replace(served, variant=variant), hand
            hand.loaded.add(self.ref)
            self._say("shadow", model=served.name, version=self.ref)
            self._changes.happened()

    def _gone(self, reason: str) -> None:
        self.hand = None
        self._deaths += 1
        if self._deaths >= _DEATHS:
            self._refuse(f"its process died {self._deaths} times (the last: {reason})")

    def _refuse(self, reason: str) -> None:
        if self.candidate in self._tally.refused:
            return
        self._tally.refuse(self.candidate, reason)
        self._say("shadow_refused", model=self.rollout.name, version=self.ref, reason=reason)
