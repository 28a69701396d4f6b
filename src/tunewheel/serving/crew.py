"""The workers of a service, seen from the service: started, asked, and replaced when they die."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine
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


class Changes:
    """Who waits for a condition hears here that something changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def happened(self) -> None:
        """Have every condition looked at again."""
        self._event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this is so."""
        while not condition():
            self._event.clear()
            await self._event.wait()


@dataclass(eq=False)
class Asked:
    """One message that a worker has not answered in full yet; None among the replies: it is no more."""

    number: int
    ended: Callable[[], None]
    replies: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)


@dataclass(eq=False)
class Hand:
    """One worker process: what it has loaded and answers for, and whether it is at work."""

    number: int
    process: Process
    loaded: set[str] = field(default_factory=set)
    busy: bool = False
    held: bool = False
    """At work on a stream, which may take long."""
    lost: bool = False
    _open: dict[int, Asked] = field(default_factory=dict)
    _last: int = 0

    async def ask(self, do: str, **message: Any) -> dict[str, Any]:
        """Send a message and wait for its one reply. Raises `WorkerLost` when the process ends before."""
        return await self.next(self.begin(do, lambda: None, **message))

    def begin(self, do: str, ended: Callable[[], None], **message: Any) -> Asked:
        """Send a message; ``ended`` is called once, when its last reply is here or the process is no more."""
        if self.lost:
            ended()
            raise WorkerLost(f"worker {self.number} is no more")
        self._last += 1
        asked = self._open[self._last] = Asked(self._last, ended)
        self._write({"do": do, "id": self._last, **message})
        return asked

    async def next(self, asked: Asked) -> dict[str, Any]:
        """The next reply. Raises `WorkerLost` when the process ends before."""
        reply = await asked.replies.get()
        if reply is None:
            raise WorkerLost(f"worker {self.number} is no more")
        return reply

    def taken(self, asked: Asked, pieces: int) -> None:
        """Tell how many pieces of a stream were read, so that more may be written."""
        self._say_of(asked, {"do": "taken", "id": asked.number, "pieces": pieces})

    def stop(self, asked: Asked, patience: float) -> None:
        """Have a stream end early; the worker is at work until it says that it has, and killed where it does not."""
        if asked.number in self._open:
            self._say_of(asked, {"do": "stop", "id": asked.number})
            asyncio.get_running_loop().call_later(patience, self._kill_at, asked)

    async def load(self, ref: str, folder: str, **how: Any) -> str:
        """Load a version beside the others, and say as which variant. Raises `LoadFailed`, or `WorkerLost`."""
        reply = await self.ask("load", ref=ref, folder=folder, **how)
        if "error" in reply:
            raise LoadFailed(reply["error"])
        return str(reply["variant"])

    def drop(self, ref: str) -> None:
        """Unload a version; a load of the same one that is sent later happens later."""
        self.loaded.discard(ref)
        if not self.lost:
            self._write({"do": "drop", "id": 0, "ref": ref})

    async def listen(self) -> None:
        """Hand replies to whoever waits for them, until the process ends."""
        assert self.process.stdout is not None
        try:
            while (message := await receive(self.process.stdout)) is not None:
                if (asked := self._open.get(message["id"])) is not None:
                    asked.replies.put_nowait(message)
                    if "piece" not in message:
                        del self._open[asked.number]
                        asked.ended()
        finally:
            self.lost = True
            for asked in self._open.values():
                asked.replies.put_nowait(None)
                asked.ended()
            self._open.clear()
        await self._over(1)

    def kill(self) -> None:
        """End a worker at once."""
        self.lost = True
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Close its input, which ends it; kill it where that does not."""
        self.lost = True
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self._over(5)

    async def _over(self, patience: float) -> None:
        """Wait for the process to end; without its streams it should, and is killed where it does not."""
        try:
            async with asyncio.timeout(patience):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()

    def _kill_at(self, asked: Asked) -> None:
        if asked.number in self._open:
            self.kill()

    def _say_of(self, asked: Asked, message: dict[str, Any]) -> None:
        if asked.number in self._open and not self.lost:
            self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(ConnectionError):  # its end is told by `listen`
            self.process.stdin.write(pack(message))


def pause_after(before: float, *, useful: bool) -> float:
    """Seconds until a dead worker is followed by another; ``before`` is how long it was the last time.

    >>> pause_after(0.0, useful=False), pause_after(20.0, useful=False), pause_after(4.0, useful=True)
    (0.5, 30.0, 0.0)
    """
    return 0.0 if useful else min(30.0, max(0.5, 2 * before))


def surroundings(threads: int) -> dict[str, str]:
    """A worker's environment: its threads, and of what its libraries keep no more than is of use.

    oneDNN keeps a kernel for each of the last 1,024 shapes, and nearly each batch of texts has another. They come to
    lie between the blocks that batches take and give back, which then fit no other batch. A worker of MiniLM grew by 13
    MiB from its 200th batch to its 600th and went on; with 64, a few shapes' worth, by nothing, in the same time.
    """
    kept = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
    return kept | os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}


class Crew:
    """A fixed number of workers; one that dies is followed by another.

    ``ready`` is told of each new worker and loads what it needs; ``gone`` of each death, with its reason. A worker that
    dies before it holds a version is followed after a pause (`pause_after`), any other at once. ``nice`` workers have
    the processor only when no other process wants it.
    """

    def __init__(
        self,
        count: int,
        ready: Callable[[Hand], Coroutine[Any, Any, None]],
        gone: Callable[[str], None],
        tell: Tell,
        *,
        threads: int,
        nice: bool = False,
    ) -> None:
        self.count, self.threads, self.nice = count, threads, nice
        self._ready, self._gone, self._tell = ready, gone, tell
        self.hands: dict[int, Hand] = {}
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def living(self) -> list[Hand]:
        """The workers that can be asked."""
        return [hand for hand in self.hands.values() if not hand.lost]

    async def start(self) -> None:
        """Start all workers; each is kept alive from here on."""
        self._keepers = [asyncio.create_task(self._keep(number)) for number in range(self.count)]

    async def stop(self) -> None:
        """End all workers; whoever waits for one hears that it is no more."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(hand.end() for hand in self.hands.values()), return_exceptions=True)
        self.hands.clear()

    async def _keep(self, number: int) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            reason, useful = await self._live(number)
            self._gone(reason)
            self._tell("worker_died", worker=number, reason=reason)
            pause = pause_after(pause, useful=useful)

    async def _live(self, number: int) -> tuple[str, bool]:
        """One worker's life: how it ended, and whether it ever held a version."""
        try:
            hand = Hand(number, await self._spawn())
        except OSError as error:  # no memory or no process left, perhaps for a moment only
            return f"it cannot be started: {error}", False
        self.hands[number] = hand
        loading = asyncio.create_task(self._ready(hand))
        try:
            await hand.listen()
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
        del self.hands[number]
        code = hand.process.returncode or 0
        return f"signal {-code}" if code < 0 else f"it ended with {code}", bool(hand.loaded)

    async def _spawn(self) -> Process:
        environment = surroundings(self.threads)
        # A group of its own: an interrupt at the terminal is the service's to handle.
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True
        )
        if self.nice:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        return process
