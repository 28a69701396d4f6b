"""Generation: an answer that is written piece by piece, by a worker that does nothing else meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from tunewheel.serving.crew import Hand, WorkerLost
from tunewheel.serving.errors import BadRow, Draining, TimedOut, WorkerDied

if TYPE_CHECKING:
    from tunewheel.serving.scheduler import Scheduler

_TOLD = 32  # pieces after which the worker is told what was read; it writes no more than 256 ahead of that


class Generation:
    """One answer while it is written; the first piece is there within ``seconds``, or never.

    A worker that dies is followed by another as long as nothing was given.
    """

    def __init__(self, scheduler: Scheduler, ref: str, row: Mapping[str, Any], seconds: float) -> None:
        self._scheduler, self._ref, self._row = scheduler, ref, row
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self.first: float | None = None
        """Seconds that the first piece took; None before it, and of an answer that has none."""

    async def pieces(self) -> AsyncGenerator[str, None]:
        """The pieces; raises `BadRow`, `TimedOut`, `WorkerDied` or `Draining`."""
        for last in (False, True):
            hand = await self._scheduler.held(self._ref, self._row, self._deadline)
            try:
                async with aclosing(self._written(hand)) as pieces:
                    async for piece in pieces:
                        if self.first is None:
                            self.first = time.monotonic() - self._start
                        yield piece
                return
            except WorkerLost:
                if self._scheduler.ended:
                    raise Draining("the service ended before the answer") from None
                if self.first is not None or last:
                    raise WorkerDied("the process that was writing the answer died") from None

    async def _written(self, hand: Hand) -> AsyncGenerator[str, None]:
        """What one worker writes; it is told what was read, and goes on writing a bounded way ahead of it."""
        free = partial(self._scheduler.free, hand, self._ref)
        asked, patience = hand.begin("stream", free, ref=self._ref, row=self._row), self._scheduler.patience
        read = 0
        try:
            while True:
                async with asyncio.timeout(patience if read else self._deadline - time.monotonic()):
                    reply = await hand.next(asked)
                if "error" in reply:
                    raise BadRow(0, reply["error"])
                if "piece" not in reply:
                    return
                yield reply["piece"]
                read += 1
                if read % _TOLD == 0:
                    hand.taken(asked, read)
        except TimeoutError:
            if not read:
                raise TimedOut("not a word was written in time") from None
            raise WorkerLost("it writes no more") from None
        finally:
            hand.stop(asked, patience)
