"""The service without its web: requests in, answers of exactly one version out, whatever dies or moves meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewheel.serving.crew import Changes, Crew
from tunewheel.serving.errors import (
    BadRow,
    Draining,
    NotReady,
    ServiceError,
    TimedOut,
    UnknownModel,
    WorkerDied,
)
from tunewheel.serving.fleet import Served, Target, targets_of
from tunewheel.serving.generation import Generation
from tunewheel.serving.recording import vectors_of
from tunewheel.serving.requests import checked
from tunewheel.serving.scheduler import Scheduler
from tunewheel.serving.trials import NOBODY, Asker, Trials
from tunewheel.serving.versions import Versions
from tunewheel.serving.waiting import Limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.store import Workspace
    from tunewheel.tasks import Row


@dataclass(frozen=True)
class Event:
    """Something that metrics and logs should know.

    ``batch``, ``shed``, ``swap``, ``swap_refused``, ``worker_died``, ``load_failed`` or ``registry_away``; of rollouts
    ``beside``, ``beside_refused``, ``shadow``, ``shadow_refused`` or ``fell_back``.
    """

    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Answered:
    """One version's answer to all rows of a request; ``vectors`` [n, 64] are None of a model that has none.

    ``queued`` and ``computed`` are seconds: until the last row's turn came, and the longest that a batch took.
    """

    name: str
    ref: str
    number: int | None
    variant: str
    predictions: list[dict[str, Any]]
    vectors: npt.NDArray[np.float32] | None
    queued: float
    computed: float


class Service:
    """Serves one or several models from worker processes, follows their aliases, and outlives what goes wrong.

    Args:
        workspace: whose registry names the models.
        models: ``name``, ``name@alias``, ``name:3`` or model folders; each is served under its bare name.
        workers: processes that answer; as many as there are cores by default, of one thread each.
        limits: what is taken on.
        variant: what versions run as; ``auto`` is chosen for the machine.
        poll: seconds between two looks at the aliases.
        tell: is called with every `Event`, on the loop's thread; it must not take long.
    """

    def __init__(
        self,
        workspace: Workspace,
        models: Sequence[str],
        *,
        workers: int | None = None,
        limits: Limits | None = None,
        variant: str = "auto",
        poll: float = 1.0,
        tell: Callable[[Event], None] | None = None,
    ) -> None:
        self.poll, self.limits = poll, limits or Limits()
        self.targets: list[Target] = targets_of(models)
        self._say = tell or (lambda event: None)
        self._changes = Changes()
        self._versions = Versions(
            *(workspace, self.targets, variant), changes=self._changes, tell=self._tell, dispatch=self._dispatch
        )
        from joblib import cpu_count

        # The cores this process may use: of a container's limit or a pinned set, not of the machine. With two threads
        # on one core the other's waiting costs half of every answer's time.
        cores = cpu_count()
        count = workers or cores
        threads = max(1, cores // count)
        self._crew = Crew(count, self._versions.prepare, self._versions.gone, self._tell, threads=threads)
        self._versions.crew = self._crew
        patience = 2 * self.limits.timeout + 10
        self._scheduler = Scheduler(self.limits, self._versions, self._crew, patience=patience, tell=self._tell)
        self.waiting = self._scheduler.waiting
        self.trials = Trials(
            *(workspace, self._versions, variant),
            threads=threads,
            patience=patience,
            spare=self._scheduler.spare,
            tell=self._tell,
        )
        self._scheduler.idle = self.trials.wake
        self._watching: asyncio.Task[None] | None = None
        self._draining = False

    async def start(self) -> None:
        """Load everything in every worker and have the probes answered; raises `ServiceError` where one is not."""
        await self._versions.find()
        await self._crew.start()
        try:
            await self._versions.start()
        except BaseException:
            await self._crew.stop()
            raise
        self._watching = asyncio.create_task(self._watch())

    @property
    def ready(self) -> bool:
        """Whether requests are answered: everything is loaded in some worker, and the service is not about to end."""
        refs = {served.ref for served in self._versions.current.values()}
        return bool(refs) and not self._draining and bool(self._versions.holding(refs))

    def served(self) -> list[Served]:
        """The versions that answer now, in the order they were named."""
        current = self._versions.current
        return [current[target.name] for target in self.targets if target.name in current]

    async def predict(
        self, name: str, rows: Sequence[Row], *, timeout: float | None = None, asker: Asker = NOBODY
    ) -> Answered:
        """Answer the rows of one request by the version that the name stands for at this moment.

        While a share of the requests is a candidate's, those that fall to it are answered by it; where it fails, by the
        champion in the time that is left.

        Raises a `ServiceError`: `UnknownModel`, `BadRow`, `Busy`, `TimedOut`, `WorkerDied`, `Draining`, `NotReady`.
        """
        served = self._named(name)
        given = checked(rows, served, self.limits)
        seconds, start = self._seconds(timeout), time.monotonic()
        tried = self.trials.falls(served, given, asker)
        if tried is not None:
            try:
                return await self._asked(tried, given, seconds, asker)
            except (BadRow, WorkerDied) as error:
                seconds -= time.monotonic() - start
                if seconds <= 0 or self._draining:
                    raise
                self._tell("fell_back", model=name, version=tried.ref, reason=type(error).__name__)
                return await self._asked(self._named(name), given, seconds, asker, counts=False)
        return await self._asked(served, given, seconds, asker)

    def chosen(self, name: str, rows: Sequence[Row], asker: Asker = NOBODY) -> Served:
        """The version that would answer a request at this moment; raises as `predict` does."""
        served = self._named(name)
        return self.trials.falls(served, checked(rows, served, self.limits), asker) or served

    async def _asked(
        self, served: Served, given: Sequence[Row], seconds: float, asker: Asker, *, counts: bool = True
    ) -> Answered:
        """Have one version answer, and count what comes of it; a candidate in the shadow gets a copy after."""
        side = self.trials.side(served) if counts else None
        start = time.monotonic()
        try:
            answered, alone = await self._answered(served, given, seconds)
        except (BadRow, WorkerDied, TimedOut):
            self.trials.count(served, side, None)
            self.trials.copy(served, given, None, None, asker)
            raise
        self.trials.count(served, side, time.monotonic() - start)
        self.trials.copy(served, given, answered, answered.computed if alone else None, asker)
        return answered

    async def _answered(self, served: Served, given: Sequence[Row], seconds: float) -> tuple[Answered, bool]:
        """One version's answer, and whether it was computed as one batch with nothing else in it."""
        self._admit(served.name, given, seconds)
        start = time.monotonic()
        self._versions.enter(served.ref)
        try:
            told = await self._scheduler.answered(served.ref, given, seconds)
        finally:
            self._versions.leave(served.ref)
        queued = max(one.began for one in told) - start
        took = max(one.seconds for one in told)
        alone = len({one.began for one in told}) == 1 and told[0].size == len(given)
        answers = [one.answer for one in told]
        answered = Answered(
            *(served.name, served.ref, served.number, served.variant, [one["prediction"] for one in answers]),
            *(vectors_of(answers), max(0.0, queued), took),
        )
        return answered, alone

    async def stream(
        self, name: str, row: Row, *, timeout: float | None = None, asker: Asker = NOBODY
    ) -> AsyncGenerator[str, None]:
        """The answer of a model that writes, piece by piece; ``timeout`` is that of the first one.

        Raises what `predict` raises, `BadRow` for a model that does not write. A worker that dies is followed by
        another as long as nothing was given.
        """
        served = self._named(name)
        (given,) = checked([row], served, self.limits)
        if not served.writes:
            raise BadRow(0, f"{name} answers all at once; ask for a prediction")
        served = self.trials.falls(served, [given], asker) or served
        seconds, side = self._seconds(timeout), self.trials.side(served)
        self._admit(name, [given], seconds)
        generation = Generation(self._scheduler, served.ref, given, seconds)
        self._versions.enter(served.ref)
        try:
            async with aclosing(generation.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
        except (BadRow, WorkerDied, TimedOut):
            self.trials.count(served, side, None)
            raise
        else:
            self.trials.count(served, side, generation.first or 0.0)
        finally:
            self._versions.leave(served.ref)

    async def refresh(self) -> None:
        """Look at the aliases now, and let versions that took others' places take over; write what was counted."""
        await self._versions.refresh()
        await self.trials.follow()

    async def stop(self, drain: float = 30.0) -> None:
        """Take no more requests, finish what is under way for ``drain`` seconds at most, and end the workers.

        What is not finished by then is answered with `Draining`.
        """
        self._draining = True
        if not self._versions.current:
            self._versions.failure = Draining("the service was told to end while it was loading")
            self._changes.happened()
        with suppress(TimeoutError):
            async with asyncio.timeout(drain):
                await self._changes.until(lambda: not self._versions.asking)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._scheduler.stop()
        await self._versions.stop()
        await self.trials.stop()
        await self._crew.stop()

    async def _watch(self) -> None:
        """Follow aliases and rollouts for as long as the service runs, whatever befalls the database."""
        while True:
            await asyncio.sleep(self.poll)
            try:
                await self.refresh()
            except Exception as error:
                self._tell("registry_away", reason=str(error) or type(error).__name__)

    # Small change

    def _named(self, name: str) -> Served:
        if self._draining:
            raise Draining("the service is about to end")
        current = self._versions.current
        if name in current:
            return current[name]
        if not current:
            raise NotReady("the service is still loading")
        from tunewheel.registry.names import suggest

        raise UnknownModel(f"no model {name!r} is served; {suggest(name, current, 'models')}")

    def _admit(self, name: str, rows: Sequence[Row], seconds: float) -> None:
        """Raise `Busy`, and tell it, where so much waits that these would not be answered in time."""
        try:
            self._scheduler.check(rows, seconds)
        except ServiceError:
            self._tell("shed", model=name)
            raise

    def _dispatch(self) -> None:
        self._scheduler.dispatch()

    def _seconds(self, timeout: float | None) -> float:
        return self.limits.timeout if timeout is None else min(timeout, self.limits.timeout)

    def _tell(self, kind: str, **fields: Any) -> None:
        """Tell metrics and logs, which are never in the way of an answer."""
        try:
            self._say(Event(kind, fields | {"waiting": len(self.waiting)}))
        except Exception:
            logging.getLogger(__name__).exception("what was told of %s was not heard", kind)
