"""The scheduler: gives what waits to workers that have nothing to do, and brings back what they answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tunewheel.serving.crew import Crew, Hand, Tell, WorkerLost
from tunewheel.serving.errors import BadRow, Draining, ServiceError, TimedOut, WorkerDied
from tunewheel.serving.waiting import Item, Limits, Waiting, estimated

if TYPE_CHECKING:
    from tunewheel.serving.versions import Versions


class Told(NamedTuple):
    """One row's answer, and the batch it came of: when that began, how long it took and how many rows it had."""

    began: float
    seconds: float
    size: int
    answer: Mapping[str, Any]


class Scheduler:
    """Joins the queue and the workers: a free worker takes a batch, or one item that wants it for itself.

    A worker that dies has what it was asked asked once more, each row alone; one that is silent for ``patience``
    seconds is stuck in something, and killed.

    Args:
        limits: what is taken on.
        versions: is told which version workers are at work for.
        crew: the workers.
        patience: seconds of silence.
        tell: is told of each batch.
    """

    def __init__(self, limits: Limits, versions: Versions, crew: Crew, *, patience: float, tell: Tell) -> None:
        self.limits, self.patience = limits, patience
        self.waiting = Waiting(limits)
        self.ended = False
        """Nothing is given to workers any more."""
        self.idle: Callable[[], None] = lambda: None
        """Is called when a worker has finished something."""
        self._versions, self._crew, self._tell = versions, crew, tell
        self._tasks: set[asyncio.Task[None]] = set()

    def spare(self) -> bool:
        """Whether nothing waits and a worker has nothing to do."""
        return not len(self.waiting) and any(not hand.busy for hand in self._crew.living)

    def check(self, rows: int, seconds: float) -> None:
        """Raise `Busy` where so much waits that ``rows`` more would not be answered within ``seconds``."""
        self.waiting.check(rows, seconds, sum(bool(hand.loaded) for hand in self._crew.living))

    async def answered(self, ref: str, rows: Sequence[Mapping[str, Any]], seconds: float) -> list[Told]:
        """One version's answers to the rows of a request; raises `BadRow`, `TimedOut`, `WorkerDied` or `Draining`."""
        loop, deadline = asyncio.get_running_loop(), time.monotonic() + seconds
        items = [
            Item(ref, row, place, deadline, loop.create_future(), estimated(row)) for place, row in enumerate(rows)
        ]
        try:
            for item in items:
                self.waiting.add(item)
            self.dispatch()
            async with asyncio.timeout(seconds):
                told: list[Told] = await asyncio.gather(*(item.answer for item in items))
        except TimeoutError:
            raise TimedOut(f"no answer within {seconds:g} s") from None
        finally:
            for item in items:
                item.answer.cancel()
                self.waiting.leave(item)
        return told

    async def held(self, ref: str, row: Mapping[str, Any], deadline: float) -> Hand:
        """A worker of one's own, as soon as one is free; `free` gives it back. Raises `TimedOut` or `Draining`."""
        item = Item(ref, row, 0, deadline, asyncio.get_running_loop().create_future(), estimated(row), holds=True)
        self.waiting.add(item)
        self.dispatch()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                hand: Hand = await asyncio.shield(item.answer)
        except BaseException as error:
            if item.answer.done() and not item.answer.cancelled() and item.answer.exception() is None:
                self.free(item.answer.result(), ref)
            item.answer.cancel()
            self.waiting.leave(item)
            if isinstance(error, TimeoutError):
                raise TimedOut("no worker was free in time") from None
            raise
        return hand

    def free(self, hand: Hand, ref: str) -> None:
        """A worker has finished what it did for a version."""
        hand.busy = hand.held = False
        self._versions.end(ref)
        self.dispatch()
        self.idle()

    async def stop(self) -> None:
        """Answer what waits and what is being computed with `Draining`."""
        self.ended = True
        for item in self.waiting.give_up():
            _fail(item, Draining("the service ended before the answer"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def dispatch(self) -> None:
        """Give what waits to workers that have nothing to do."""
        while (first := self.waiting.first) is not None:
            free = [hand for hand in self._crew.living if not hand.busy]
            if not free or self.ended:
                return
            left = self._company(first)
            if left > 0:
                asyncio.get_running_loop().call_later(left, self.dispatch)
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
                        task = asyncio.ensure_future(self._work(hand, batch))
                        self._tasks.add(task)
                        task.add_done_callback(partial(self._worked, hand, batch))
            if not given:
                return

    def _company(self, first: Item) -> float:
        """Seconds that the first item may yet wait for company."""
        if not self.limits.delay or self.waiting.tokens >= self.limits.batch_tokens:
            return 0.0
        return first.since + self.limits.delay - time.monotonic()

    async def _work(self, hand: Hand, batch: list[Item]) -> None:
        """Have one batch answered."""
        ref, began = batch[0].ref, time.monotonic()
        try:
            async with asyncio.timeout(self.patience):
                reply = await hand.ask("predict", ref=ref, rows=[item.row for item in batch])
        except (WorkerLost, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                hand.kill()
            self._retry(batch)
        else:
            self._settle(batch, reply, began)

    def _worked(self, hand: Hand, batch: list[Item], task: asyncio.Task[None]) -> None:
        """A batch is over; where it was cancelled, perhaps before it began, whoever waits for it is told."""
        self._tasks.discard(task)
        if task.cancelled():
            for item in batch:
                _fail(item, Draining("the service ended before the answer"))
        self.free(hand, batch[0].ref)

    def _settle(self, batch: list[Item], reply: Mapping[str, Any], began: float) -> None:
        """Give each item of a batch its answer."""
        seconds, tokens = reply["seconds"], sum(item.tokens for item in batch)
        for item, answer in zip(batch, reply["answers"], strict=True):
            if "error" in answer:
                _fail(item, BadRow(item.place, answer["error"]))
            elif item.wanted:
                item.answer.set_result(Told(began, seconds, len(batch), answer))
        self.waiting.took(tokens, time.monotonic() - began)
        ref = batch[0].ref
        self._tell("batch", model=ref.partition(":")[0], version=ref, size=len(batch), tokens=tokens, seconds=seconds)

    def _retry(self, batch: list[Item]) -> None:
        """Ask once more for what a dead worker was asked, each row alone: one of them may have killed it."""
        for item in batch:
            if item.tried:
                _fail(item, WorkerDied("the process that was to answer died, and so did the next"))
        self.waiting.again([item for item in batch if not item.tried and item.wanted])


def _fail(item: Item, error: ServiceError) -> None:
    if item.wanted:
        item.answer.set_exception(error)
