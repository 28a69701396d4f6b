"""The service without its web: requests in, answers of exactly one version out, whatever dies or moves meanwhile."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tunewheel.serving.crew import Crew, Hand, LoadFailed, WorkerLost
from tunewheel.serving.errors import (
    BadRow,
    Draining,
    NotReady,
    ServiceError,
    TimedOut,
    UnknownModel,
    WorkerDied,
)
from tunewheel.serving.fleet import Served, Target, pointers, settled, targets_of
from tunewheel.serving.frames import pack
from tunewheel.serving.probes import probe_rows, wrong_with
from tunewheel.serving.requests import checked
from tunewheel.serving.waiting import Item, Limits, Waiting, estimated

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.store import Workspace
    from tunewheel.tasks import Row


@dataclass(frozen=True)
class Event:
    """Something that metrics and logs should know: ``batch``, ``shed``, ``swap``, ``swap_refused``, ``worker_died``."""

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
        self.workspace, self.variant, self.poll = workspace, variant, poll
        self.limits = limits or Limits()
        self.targets: list[Target] = targets_of(models)
        self.waiting = Waiting(self.limits)
        self._say = tell or (lambda event: None)
        count = workers or os.cpu_count() or 1
        threads = max(1, (os.cpu_count() or 1) // count)
        self._crew = Crew(count, self._prepare, self._gone, self._tell, threads=threads)
        self._current: dict[str, Served] = {}
        self._wanted: dict[str, Served] = {}
        self._in_use: Counter[str] = Counter()
        self._probed: dict[str, list[dict[str, Any]]] = {}
        self._refused: dict[str, str] = {}
        self._pointers: Mapping[tuple[str, str], int] = {}
        self._failure: ServiceError | None = None
        self._swapping = asyncio.Lock()
        self._choosing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._draining = False

    async def start(self) -> None:
        """Load everything in every worker and have the probes answered; raises `ServiceError` where one is not."""
        names = [target.name for target in self.targets]
        self._pointers = await asyncio.to_thread(pointers, self.workspace, names)
        for target in self.targets:
            served = await asyncio.to_thread(settled, target, self.workspace, self.variant)
            self._wanted[served.ref] = served
        await self._crew.start()
        try:
            await self._until(
                lambda: self._failure is not None or self._everywhere(set(self._wanted), self._crew.count)
            )
            if self._failure is not None:
                raise self._failure
        except BaseException:
            await self._crew.stop()
            raise
        self._current = {served.name: served for served in self._wanted.values()}
        self._background(self._watch())

    @property
    def ready(self) -> bool:
        """Whether requests are answered: everything is loaded in some worker, and the service is not about to end."""
        refs = {served.ref for served in self._current.values()}
        return bool(refs) and not self._draining and any(refs <= h.loaded for h in self._crew.hands.values())

    def served(self) -> list[Served]:
        """The versions that answer now, in the order they were named."""
        return [self._current[target.name] for target in self.targets if target.name in self._current]

    async def predict(self, name: str, rows: Sequence[Row], *, timeout: float | None = None) -> Answered:
        """Answer the rows of one request by the version that the name stands for at this moment.

        Raises a `ServiceError`: `UnknownModel`, `BadRow`, `Busy`, `TimedOut`, `WorkerDied`, `Draining`, `NotReady`.
        """
        served = self._named(name)
        given = checked(rows, served, self.limits)
        seconds = self._seconds(timeout)
        tokens = [estimated(row) for row in given]
        self._admit(name, len(given), seconds)
        loop, start = asyncio.get_running_loop(), time.monotonic()
        items = [
            Item(served.ref, row, place, start + seconds, loop.create_future(), size)
            for place, (row, size) in enumerate(zip(given, tokens, strict=True))
        ]
        self._in_use[served.ref] += 1
        try:
            for item in items:
                self.waiting.add(item)
            self._dispatch()
            async with asyncio.timeout_at(loop.time() + seconds):
                answers = await asyncio.gather(*(item.answer for item in items))
        except TimeoutError:
            raise TimedOut(f"no answer within {seconds:g} s") from None
        finally:
            for item in items:
                item.answer.cancel()
            self._leave(served.ref)
        whole = max(began for began, _, _ in answers) - start
        took = max(seconds for _, seconds, _ in answers)
        told = [answer for _, _, answer in answers]
        return Answered(
            *(name, served.ref, served.number, served.variant, [one["prediction"] for one in told]),
            *(_vectors(told), max(0.0, whole), took),
        )

    async def stream(self, name: str, row: Row, *, timeout: float | None = None) -> AsyncGenerator[str, None]:
        """The answer of a model that writes, piece by piece; ``timeout`` is that of the first one.

        Raises what `predict` raises, `BadRow` for a model that does not write.
        """
        served = self._named(name)
        (given,) = checked([row], served, self.limits)
        if not served.writes:
            raise BadRow(0, f"{name} answers all at once; ask for a prediction")
        seconds = self._seconds(timeout)
        self._admit(name, 1, seconds)
        self._in_use[served.ref] += 1
        try:
            hand = await self._held(served, given, seconds)
            try:
                async with aclosing(hand.stream("stream", ref=served.ref, row=given)) as replies:
                    async for reply in replies:
                        if "error" in reply:
                            raise BadRow(0, reply["error"])
                        if "piece" in reply:
                            yield reply["piece"]
            except WorkerLost:
                raise WorkerDied("the process that was writing the answer died") from None
            finally:
                hand.busy = False
                self._dispatch()
        finally:
            self._leave(served.ref)

    async def refresh(self) -> None:
        """Look at the aliases now, and let versions that took others' places take over."""
        async with self._swapping:
            names = [target.name for target in self.targets]
            seen = await asyncio.to_thread(pointers, self.workspace, names)
            if seen == self._pointers:
                return
            for target in self.targets:
                if target.alias is not None:
                    await self._follow(target)
            self._pointers = seen

    async def stop(self, drain: float = 30.0) -> None:
        """Take no more requests, finish what is under way for ``drain`` seconds at most, and end the workers."""
        self._draining = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until(lambda: not self._in_use), drain)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._crew.stop()
        for item in self.waiting.items:
            _fail(item, Draining("the service ended before the answer"))

    # Work

    def _dispatch(self) -> None:
        """Give what waits to workers that have nothing to do."""
        while self.waiting.items:
            free = [hand for hand in self._crew.hands.values() if not hand.busy and not hand.lost]
            if not free:
                return
            left = self._company(self.waiting.items[0])
            if left > 0:
                asyncio.get_running_loop().call_later(left, self._dispatch)
                return
            given = 0
            for position, hand in enumerate(free):
                batch = self.waiting.batch(hand.loaded, len(free) - position)
                if batch:
                    given += 1
                    hand.busy = True
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

    async def _work(self, hand: Hand, batch: list[Item]) -> None:
        """Have one batch answered."""
        ref, began = batch[0].ref, time.monotonic()
        try:
            asked = hand.ask("predict", ref=ref, rows=[item.row for item in batch])
            # A worker that says nothing for so long is stuck in something.
            reply = await asyncio.wait_for(asked, 2 * self.limits.timeout + 10)
        except (WorkerLost, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                hand.kill()
            self._retry(batch)
        except (TypeError, ValueError):
            self._part(batch)
        else:
            seconds, tokens = reply["seconds"], sum(item.tokens for item in batch)
            self.waiting.took(tokens, time.monotonic() - began)
            self._tell("batch", version=ref, size=len(batch), tokens=tokens, seconds=seconds)
            for item, answer in zip(batch, reply["answers"], strict=True):
                if "error" in answer:
                    _fail(item, BadRow(item.place, answer["error"]))
                elif item.wanted:
                    item.answer.set_result((began, seconds, answer))
        finally:
            hand.busy = False
            self._dispatch()

    def _retry(self, batch: list[Item]) -> None:
        """Ask once more for what a dead worker was asked, each row alone: one of them may have killed it."""
        for item in batch:
            if item.tried:
                _fail(item, WorkerDied("the process that was to answer died, and so did the next"))
        self.waiting.again([item for item in batch if not item.tried and item.wanted])

    def _part(self, batch: list[Item]) -> None:
        """Refuse the rows of a batch that cannot travel, and let the others wait again."""
        for item in batch:
            try:
                pack({"row": item.row})
            except (TypeError, ValueError):
                _fail(item, BadRow(item.place, "it holds what JSON cannot say"))
        for item in batch:
            if item.wanted:
                self.waiting.add(item)

    async def _held(self, served: Served, row: Mapping[str, Any], seconds: float) -> Hand:
        """A worker of one's own, as soon as one is free."""
        loop = asyncio.get_running_loop()
        item = Item(served.ref, row, 0, time.monotonic() + seconds, loop.create_future(), estimated(row), holds=True)
        self.waiting.add(item)
        self._dispatch()
        try:
            async with asyncio.timeout_at(loop.time() + seconds):
                hand: Hand = await asyncio.shield(item.answer)
        except BaseException as error:
            if item.answer.done() and not item.answer.cancelled() and item.answer.exception() is None:
                item.answer.result().busy = False
                self._dispatch()
            item.answer.cancel()
            if isinstance(error, TimeoutError):
                raise TimedOut(f"no worker was free within {seconds:g} s") from None
            raise
        return hand

    # Versions

    async def _prepare(self, hand: Hand) -> None:
        """Load all that is wanted in a new worker; a version that it cannot load is tried again after a while."""
        pause = 1.0
        while missing := [served for ref, served in self._wanted.items() if ref not in hand.loaded]:
            for served in missing:
                try:
                    await self._load(hand, served)
                except WorkerLost:
                    return
                except LoadFailed as error:
                    self._failure = ServiceError(f"{served.ref} cannot be served: {error}")
                    self._tell("load_failed", version=served.ref, reason=str(error))
                    self._changed.set()
                    await asyncio.sleep(pause)
                    pause = min(30.0, 2 * pause)
            self._dispatch()

    async def _load(self, hand: Hand, served: Served) -> None:
        """Load a version in one worker and have it answer the probes, twice; raises `LoadFailed` where it does not."""
        rows = probe_rows(served.task, writes=served.writes)
        # All workers answer as the variant that the first one finds fastest.
        async with self._choosing if served.variant == "auto" else nullcontext():
            asked = self._wanted.get(served.ref, served)
            export = None if asked.export is None else str(asked.export)
            how: dict[str, Any] = {"variant": asked.variant, "export": export, "rows": rows}
            variant = await hand.load(served.ref, str(served.folder), **how)
            if asked.variant == "auto":
                self._wanted[served.ref] = replace(asked, variant=variant)
        try:
            before = self._probed.get(served.ref)
            for _ in range(2):
                answers = (await hand.ask("predict", ref=served.ref, rows=rows))["answers"]
                wrong = wrong_with(answers, before)
                if wrong:
                    raise LoadFailed(wrong)
                before = answers
        except LoadFailed:
            await hand.drop(served.ref)
            raise
        hand.loaded.add(served.ref)
        self._probed.setdefault(served.ref, answers)
        self._changed.set()

    async def _follow(self, target: Target) -> None:
        """Let the version that an alias points at by now take over, if it can."""
        from tunewheel.models import ModelError
        from tunewheel.registry import RegistryError
        from tunewheel.store import StoreError

        old = self._current[target.name]
        try:
            new = await asyncio.to_thread(settled, target, self.workspace, self.variant)
        except (RegistryError, StoreError, ModelError) as error:
            self._tell("swap_refused", model=target.name, version=target.reference, reason=str(error))
            return
        if new.ref == old.ref:
            return
        self._wanted[new.ref] = new
        try:
            for hand in list(self._crew.hands.values()):
                if new.ref not in hand.loaded:
                    with suppress(WorkerLost):
                        await self._load(hand, new)
            await self._until(lambda: self._everywhere({new.ref}))
        except LoadFailed as error:
            self._tell("swap_refused", model=target.name, version=new.ref, reason=str(error))
            self._let_go(new.ref)
            return
        self._current[target.name] = self._wanted[new.ref]
        self._tell("swap", model=target.name, version=new.ref, replaced=old.ref)
        self._let_go(old.ref)

    def _everywhere(self, refs: set[str], least: int = 1) -> bool:
        """Whether every worker that lives has loaded these and answered the probes, and so many live."""
        hands = [hand for hand in self._crew.hands.values() if not hand.lost]
        return len(hands) >= least and all(refs <= hand.loaded for hand in hands)

    def _let_go(self, ref: str) -> None:
        """Unload a version that nobody asks any more."""
        standing = {served.ref for served in self._current.values()}
        if ref in standing or self._in_use[ref]:
            return
        self._wanted.pop(ref, None)
        self._probed.pop(ref, None)
        del self._in_use[ref]
        for hand in self._crew.hands.values():
            if ref in hand.loaded:
                hand.loaded.discard(ref)  # before anything else can ask it for that version
                self._background(hand.drop(ref))

    def _leave(self, ref: str) -> None:
        """One request of a version less."""
        self._in_use[ref] -= 1
        if self._in_use[ref] <= 0:
            del self._in_use[ref]
            if self._current:
                self._let_go(ref)
        self._changed.set()

    def _gone(self, hand: Hand) -> None:
        """A worker died; what it was asked is asked again by `_work`."""
        hand.loaded.clear()
        self._changed.set()

    async def _watch(self) -> None:
        """Follow the aliases for as long as the service runs."""
        from tunewheel.store import StoreError

        while True:
            await asyncio.sleep(self.poll)
            try:
                await self.refresh()
            except StoreError as error:
                self._tell("registry_away", reason=str(error))

    # Small change

    def _named(self, name: str) -> Served:
        if self._draining:
            raise Draining("the service is about to end")
        if name in self._current:
            return self._current[name]
        if not self._current:
            raise NotReady("the service is still loading")
        from tunewheel.registry.names import suggest

        raise UnknownModel(f"no model {name!r} is served; {suggest(name, self._current, 'models')}")

    def _admit(self, name: str, rows: int, seconds: float) -> None:
        """Raise `Busy`, and tell it, where so much waits that these would not be answered in time."""
        try:
            self.waiting.check(rows, seconds, len(self._crew.hands))
        except ServiceError:
            self._tell("shed", model=name)
            raise

    def _seconds(self, timeout: float | None) -> float:
        return self.limits.timeout if timeout is None else min(timeout, self.limits.timeout)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, kind: str, **fields: Any) -> None:
        self._say(Event(kind, fields | {"waiting": len(self.waiting)}))


def _fail(item: Item, error: ServiceError) -> None:
    if item.wanted:
        item.answer.set_exception(error)


def _vectors(answers: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32] | None:
    import numpy as np

    if any("vector" not in answer for answer in answers):
        return None
    told = [np.frombuffer(base64.b64decode(answer["vector"]), dtype=np.float16) for answer in answers]
    return np.stack(told).astype(np.float32)
