"""The workers of a service, seen from the service: started, asked, and replaced when they die."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tunewheel.serving.errors import ServiceError
from tunewheel.serving.frames import pack, receive

Tell = Callable[..., None]

COMMAND = (sys.executable, "-m", "tunewheel.serving.worker")


class WorkerLost(ServiceError):
    """The process that was asked is no more."""


class LoadFailed(ServiceError):
    """A worker could not load a version; the message says why."""


@dataclass(eq=False)
class Hand:
    """One worker process: what it has loaded and answers for, and whether it is at work."""

    number: int
    process: Process
    loaded: set[str] = field(default_factory=set)
    busy: bool = False
    lost: bool = False
    started: float = field(default_factory=time.monotonic)
    _waiting: dict[int, asyncio.Queue[dict[str, Any] | None]] = field(default_factory=dict)
    _last: int = 0

    async def ask(self, do: str, **message: Any) -> dict[str, Any]:
        """Send a message and wait for its one reply. Raises `WorkerLost` when the process ends before."""
        replies = self._send(do, message)
        try:
            return await self._next(replies[1])
        finally:
            self._waiting.pop(replies[0], None)

    async def stream(self, do: str, **message: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Send a message and give its replies up to the one that says ``end``; leaving early stops the worker's."""
        number, replies = self._send(do, message)
        ended = False
        try:
            while not ended:
                reply = await self._next(replies)
                ended = bool(reply.get("end"))
                yield reply
        finally:
            if not ended and not self.lost:
                self._write(pack({"do": "stop", "id": number}))
                with suppress(WorkerLost):
                    while not (await self._next(replies)).get("end"):
                        pass
            self._waiting.pop(number, None)

    async def load(self, ref: str, folder: str, **how: Any) -> str:
        """Load a version beside the others, and say as which variant. Raises `LoadFailed`, or `WorkerLost`."""
        reply = await self.ask("load", ref=ref, folder=folder, **how)
        if "error" in reply:
            raise LoadFailed(reply["error"])
        return str(reply["variant"])

    async def drop(self, ref: str) -> None:
        """Unload a version that is no longer in ``loaded``."""
        with suppress(WorkerLost):
            await self.ask("drop", ref=ref)

    async def listen(self) -> None:
        """Hand replies to whoever waits for them, until the process ends."""
        assert self.process.stdout is not None
        while (message := await receive(self.process.stdout)) is not None:
            if (waiting := self._waiting.get(message["id"])) is not None:
                waiting.put_nowait(message)
        self.lost = True
        for waiting in self._waiting.values():
            waiting.put_nowait(None)
        await self.process.wait()

    def kill(self) -> None:
        """End a worker that is stuck."""
        self.lost = True
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Close its input, which ends it; kill it where that does not."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 5)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    def _send(self, do: str, message: dict[str, Any]) -> tuple[int, asyncio.Queue[dict[str, Any] | None]]:
        if self.lost:
            raise WorkerLost(f"worker {self.number} is no more")
        self._last += 1
        replies: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        frame = pack({"do": do, "id": self._last, **message})
        self._waiting[self._last] = replies
        self._write(frame)
        return self._last, replies

    def _write(self, frame: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(ConnectionError):  # its end is told by `listen`
            self.process.stdin.write(frame)

    async def _next(self, replies: asyncio.Queue[dict[str, Any] | None]) -> dict[str, Any]:
        reply = await replies.get()
        if reply is None:
            raise WorkerLost(f"worker {self.number} is no more")
        return reply


class Crew:
    """A fixed number of workers; one that dies is followed by another.

    ``ready`` is told of each new worker and loads what it needs; ``gone`` of each that died. A worker that dies within
    ten seconds of its start is followed after a pause, twice as long each time, half a minute at most.
    """

    def __init__(
        self, count: int, ready: Callable[[Hand], Any], gone: Callable[[Hand], None], tell: Tell, *, threads: int
    ) -> None:
        self.count, self.threads = count, threads
        self._ready, self._gone, self._tell = ready, gone, tell
        self.hands: dict[int, Hand] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._ending = False

    async def start(self) -> None:
        """Start all workers; each is kept alive from here on."""
        self._keepers = [asyncio.create_task(self._keep(number)) for number in range(self.count)]

    async def stop(self) -> None:
        """End all workers."""
        self._ending = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(hand.end() for hand in self.hands.values()), return_exceptions=True)
        self.hands.clear()

    async def _keep(self, number: int) -> None:
        pause = 0.0
        while not self._ending:
            await asyncio.sleep(pause)
            hand = Hand(number, await self._spawn())
            self.hands[number] = hand
            loading = asyncio.ensure_future(self._ready(hand))
            try:
                await hand.listen()
            finally:
                loading.cancel()
                await asyncio.gather(loading, return_exceptions=True)
            del self.hands[number]
            self._gone(hand)
            self._tell("worker_died", worker=number, code=hand.process.returncode)
            lived = time.monotonic() - hand.started
            pause = min(30.0, max(0.5, 2 * pause)) if lived < 10 else 0.0

    async def _spawn(self) -> Process:
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
        # A group of its own: an interrupt at the terminal is the service's to handle.
        return await asyncio.create_subprocess_exec(
            *COMMAND, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True
        )
