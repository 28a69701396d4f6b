"""The service without its web: requests in, answers of exactly one version out, whatever dies or moves meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tunewheel.serving.crew import Changes, Crew, Hand, WorkerLost
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
from tunewheel.serving.recording import vectors_of
from tunewheel.serving.requests import checked
from tunewheel.serving.trials import NOBODY, Asker, Trials
from tunewheel.serving.versions import Versions
from tunewheel.serving.waiting import Item, Limits, Waiting, estimated

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
        self.waiting = Waiting(self.limits)
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
        # A worker that says nothing for so long is stuck in something.
        self._patience = 2 * self.limits.timeout + 10
        self.trials = Trials(
            *(workspace, self._versions, variant),
            threads=threads,
            patience=self._patience,
            spare=lambda: not len(self.waiting) and any(not hand.busy for hand in self._crew.living),
            tell=self._tell,
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining = self._ended = False

    async def start(self) -> None:
        """Load everything in every worker and have the probes answered; raises `ServiceError` where one is not."""
        await self._versions.find()
        await self._crew.start()
        try:
            await self._versions.start()
        except BaseException:
            await self._crew.stop()
            raise
        self._background(self._watch())

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
        self._admit(served.name, len(given), seconds)
        loop, start = asyncio.get_running_loop(), time.monotonic()
        items = [
            Item(served.ref, row, place, start + seconds, loop.create_future(), estimated(row))
            for place, row in enumerate(given)
        ]
        self._versions.enter(served.ref)
        try:
            for item in items:
                self.waiting.add(item)
            self._dispatch()
            async with asyncio.timeout(seconds):
                answers = await asyncio.gather(*(item.answer for item in items))
        except TimeoutError:
            raise TimedOut(f"no answer within {seconds:g} s") from None
        finally:
            for item in items:
                item.answer.cancel()
                self.waiting.leave(item)
            self._versions.leave(served.ref)
        queued = max(one.began for one in answers) - start
        took = max(one.seconds for one in answers)
        told = [one.answer for one in answers]
        alone = len({one.began for one in answers}) == 1 and answers[0].size == len(items)
        answered = Answered(
            *(served.name, served.ref, served.number, served.variant, [one["prediction"] for one in told]),
            *(vectors_of(told), max(0.0, queued), took),
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
        self._admit(name, 1, seconds)
        start = time.monotonic()
        deadline = start + seconds
        self._versions.enter(served.ref)
        first = 0.0
        try:
            for last in (False, True):
                begun = False
                hand = await self._held(served, given, deadline)
                try:
                    async with aclosing(self._pieces(hand, served, given, deadline)) as pieces:
                        async for piece in pieces:
                            first = first if begun else time.monotonic() - start
                            begun = True
                            yield piece
                    self.trials.count(served, side, first)
                    return
                except WorkerLost:
                    if self._ended:
                        raise Draining("the service ended before the answer") from None
                    if begun or last:
                        raise WorkerDied("the process that was writing the answer died") from None
        except (BadRow, WorkerDied, TimedOut):
            self.trials.count(served, side, None)
            raise
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
            await asyncio.wait_for(self._changes.until(lambda: not self._versions.asking), drain)
        self._ended = True
        for item in self.waiting.give_up():
            _fail(item, Draining("the service ended before the answer"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._versions.stop()
        await self.trials.stop()
        await self._crew.stop()

    # Work

    def _dispatch(self) -> None:
        """Give what waits to workers that have nothing to do."""
        while (first := self.waiting.first) is not None:
            free = [hand for hand in self._crew.living if not hand.busy]
            if not free or self._ended:
                return
            left = self._company(first)
            if left > 0:
                asyncio.get_running_loop().call_later(left, self._dispatch)
                return
            given = 0
            for position, hand in enumerate(free):
                # Streams leave one worker to everything else, where there are several.
                streams = sum(other.held for other in self._crew.living)
                room = streams < max(1, len(self._crew.living) - 1)
                batch = self.waiting.batch(hand.loaded, len(free) - position, holding=room)
                if batch:
                    given += 1
                    hand.busy, hand.held = True, batch[0].holds
                    self._versions.begin(batch[0].ref)
                    if batch[0].holds:
                        batch[0].answer.set_result(hand)
                    else:
                        self._background(self._work(hand, batch))
            if not given:
                return

    def _company(self, first: Item) -> float:
        """Seconds that the first item may yet wait for company."""
        if not self.limits.delay or self.waiting.tokens >= self.limits.batch_tokens:
            return 0.0
        return first.since + self.limits.delay - time.monotonic()

    def _idle(self, hand: Hand, ref: str) -> Callable[[], None]:
        """What is to be done once a worker has finished what it did for a version."""

        def idle() -> None:
            hand.busy = hand.held = False
            self._versions.end(ref)
            self._dispatch()
            self.trials.wake()

        return idle

    async def _work(self, hand: Hand, batch: list[Item]) -> None:
        """Have one batch answered."""
        ref, began = batch[0].ref, time.monotonic()
        try:
            asked = hand.ask("predict", ref=ref, rows=[item.row for item in batch])
            reply = await asyncio.wait_for(asked, self._patience)
        except (WorkerLost, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                hand.kill()
            self._retry(batch)
        except asyncio.CancelledError:
            for item in batch:
                _fail(item, Draining("the service ended before the answer"))
            raise
        else:
            self._settle(batch, reply, began)
        finally:
            self._idle(hand, ref)()

    def _settle(self, batch: list[Item], reply: Mapping[str, Any], began: float) -> None:
        """Give each item of a batch its answer."""
        seconds, tokens = reply["seconds"], sum(item.tokens for item in batch)
        for item, answer in zip(batch, reply["answers"], strict=True):
            if "error" in answer:
                _fail(item, BadRow(item.place, answer["error"]))
            elif item.wanted:
                item.answer.set_result(_Told(began, seconds, len(batch), answer))
        self.waiting.took(tokens, time.monotonic() - began)
        ref = batch[0].ref
        self._tell("batch", model=ref.partition(":")[0], version=ref, size=len(batch), tokens=tokens, seconds=seconds)

    def _retry(self, batch: list[Item]) -> None:
        """Ask once more for what a dead worker was asked, each row alone: one of them may have killed it."""
        for item in batch:
            if item.tried:
                _fail(item, WorkerDied("the process that was to answer died, and so did the next"))
        self.waiting.again([item for item in batch if not item.tried and item.wanted])

    async def _held(self, served: Served, row: Mapping[str, Any], deadline: float) -> Hand:
        """A worker of one's own, as soon as one is free."""
        item = Item(
            served.ref, row, 0, deadline, asyncio.get_running_loop().create_future(), estimated(row), holds=True
        )
        self.waiting.add(item)
        self._dispatch()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                hand: Hand = await asyncio.shield(item.answer)
        except BaseException as error:
            if item.answer.done() and not item.answer.cancelled() and item.answer.exception() is None:
                self._idle(item.answer.result(), served.ref)()
            item.answer.cancel()
            self.waiting.leave(item)
            if isinstance(error, TimeoutError):
                raise TimedOut("no worker was free in time") from None
            raise
        return hand

    async def _pieces(
        self, hand: Hand, served: Served, row: Mapping[str, Any], deadline: float
    ) -> AsyncGenerator[str, None]:
        """What a worker writes; it is told what was read, and goes on writing a bounded way ahead of it."""
        asked = hand.begin("stream", self._idle(hand, served.ref), ref=served.ref, row=row)
        read = 0
        try:
            while True:
                patience = self._patience if read else deadline - time.monotonic()
                reply = await asyncio.wait_for(hand.next(asked), patience)
                if "error" in reply:
                    raise BadRow(0, reply["error"])
                if "piece" not in reply:
                    return
                yield reply["piece"]
                read += 1
                if read % 32 == 0:
                    hand.taken(asked, read)
        except TimeoutError:
            if not read:
                raise TimedOut("not a word was written in time") from None
            raise WorkerLost("it writes no more") from None
        finally:
            hand.stop(asked, self._patience)

    async def _watch(self) -> None:
        """Follow the aliases for as long as the service runs, whatever befalls the database."""
        while True:
            await asyncio.sleep(self.poll)
            try:
                await self._versions.refresh()
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

    def _admit(self, name: str, rows: int, seconds: float) -> None:
        """Raise `Busy`, and tell it, where so much waits that these would not be answered in time."""
        try:
            self.waiting.check(rows, seconds, sum(bool(hand.loaded) for hand in self._crew.living))
        except ServiceError:
            self._tell("shed", model=name)
            raise

    def _seconds(self, timeout: float | None) -> float:
        return self.limits.timeout if timeout is None else min(timeout, self.limits.timeout)

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, kind: str, **fields: Any) -> None:
        """Tell metrics and logs, which are never in the way of an answer."""
        try:
            self._say(Event(kind, fields | {"waiting": len(self.waiting)}))
        except Exception:
            logging.getLogger(__name__).exception("what was told of %s was not heard", kind)


class _Told(NamedTuple):
    """One row's answer, and the batch it came of: when that began, how long it took and how many rows it had."""

    began: float
    seconds: float
    size: int
    answer: Mapping[str, Any]


def _fail(item: Item, error: ServiceError) -> None:
    if item.wanted:
        item.answer.set_exception(error)
