"""Which versions answer, and how one takes another's place without a request noticing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tunewheel.registry.names import CHAMPION
from tunewheel.serving.crew import Changes, Crew, Hand, LoadFailed, Tell, WorkerLost
from tunewheel.serving.errors import ServiceError
from tunewheel.serving.fleet import Served, Standing, Target, settled, standing
from tunewheel.serving.probes import opened, probed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunewheel.feedback.rollout.record import Rollout
    from tunewheel.store import Workspace

LOADING = 600.0
"""Seconds in which a version must have loaded in a worker and answered its probes."""

_DEATHS = 3
"""Workers that may die while they load; one or two may have been killed by something else."""


class Versions:
    """What is loaded where: ``current`` answers new requests, ``wanted`` is what every worker holds.

    A version that shall take over is the ``candidate``. It is brought to one worker after the other, and only to such
    as hold all that answers now, so that one that kills workers never has more than one of them. When all have it and
    answered its probes, it becomes current in one step. What stands no more is unloaded once nobody asks it any more
    and no worker is at work for it.

    While a rollout is under way, the version ``beside`` the current one is loaded in the same way, in a task of its own
    that makes way for any alias that moves: the candidate of a share, or a former champion that may be wanted back.
    """

    def __init__(
        self,
        workspace: Workspace,
        targets: Sequence[Target],
        variant: str,
        *,
        changes: Changes,
        tell: Tell,
        dispatch: Callable[[], None],
    ) -> None:
        self.workspace, self.targets, self.variant = workspace, targets, variant
        self.current: dict[str, Served] = {}
        self.wanted: dict[str, Served] = {}
        self.candidate: str | None = None
        self.failure: ServiceError | None = None
        self.asking: Counter[str] = Counter()
        """Requests of each version that somebody waits for."""
        self.crew: Crew
        self._working: Counter[str] = Counter()
        self._changes, self._tell, self._dispatch = changes, tell, dispatch
        self._probed: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._pointers: Mapping[tuple[str, str], int] = {}
        self.rollouts: Mapping[str, Rollout] = {}
        """What is being rolled out of the models that follow their champions."""
        self.beside: dict[str, Served] = {}
        self.unable: dict[int, str] = {}
        """Why the version beside could not be loaded, by rollout."""
        self._bringing: tuple[str, asyncio.Task[None]] | None = None
        self._deaths = 0
        self._swapping = asyncio.Lock()
        self._choosing = asyncio.Lock()

    async def find(self) -> None:
        """Look up what is to be served; raises what `settled` does."""
        self._pointers, _ = await self._seen()
        for target in self.targets:
            served = await asyncio.to_thread(settled, target, self.workspace, self.variant)
            self.wanted[served.ref] = served

    async def start(self) -> None:
        """Wait until every worker holds everything; raises `ServiceError` naming what failed."""
        refs = set(self.wanted)
        await self._changes.until(lambda: self.failure is not None or self._whole(refs))
        if self.failure is not None:
            raise self.failure
        self.current = {served.name: served for served in self.wanted.values()}

    # Requests

    def enter(self, ref: str) -> None:
        """One more asks this version."""
        self.asking[ref] += 1

    def leave(self, ref: str) -> None:
        """One asks no more."""
        self.asking -= Counter([ref])
        self._let_go(ref)
        self._changes.happened()

    def begin(self, ref: str) -> None:
        """A worker is at work for this version."""
        self._working[ref] += 1

    def end(self, ref: str) -> None:
        """It is done."""
        self._working -= Counter([ref])
        self._let_go(ref)

    # Workers

    async def prepare(self, hand: Hand) -> None:
        """Load all that is wanted in a new worker; a version that it cannot load is tried again after a while."""
        pause = 1.0
        while missing := [served for ref, served in self.wanted.items() if ref not in hand.loaded | {self.candidate}]:
            try:
                await self._load(hand, missing[0])
            except WorkerLost:
                return
            except Exception as error:  # whatever it is, this worker is of use for the others
                self.failure = ServiceError(f"{missing[0].ref} cannot be served: {error}")
                self._tell("load_failed", version=missing[0].ref, reason=str(error))
                self._changes.happened()
                await asyncio.sleep(pause)
                pause = min(30.0, 2 * pause)

    def gone(self, reason: str) -> None:
        """A worker died. While the service starts, that may happen a few times, and then it has failed."""
        self._deaths += 1
        if not self.current and self._deaths >= _DEATHS:
            self.failure = ServiceError(
                f"workers die while they load {', '.join(self.wanted)} (the last: {reason}); "
                "where memory is short, serve with fewer workers"
            )
        self._changes.happened()

    async def _load(self, hand: Hand, served: Served) -> None:
        """Load a version in one worker and have it answer the probes, twice.

        Raises `LoadFailed` where it does not, and `WorkerLost`.
        """
        ref = served.ref
        try:
            async with asyncio.timeout(LOADING):
                await self._opened(hand, served)
                answers = await probed(hand, served, self._probed.get(ref))
        except asyncio.CancelledError:  # it is wanted no more; what is being loaded is unloaded after
            hand.drop(ref)
            raise
        except TimeoutError:
            hand.kill()  # it is stuck in something
            raise LoadFailed(f"it did not load and answer its probes within {LOADING:g} s") from None
        except LoadFailed:
            hand.drop(ref)
            raise
        if ref not in self.wanted:  # let go meanwhile
            hand.drop(ref)
            return
        hand.loaded.add(ref)
        self._probed.setdefault(ref, answers)
        self._changes.happened()
        self._dispatch()

    async def _opened(self, hand: Hand, served: Served) -> None:
        """Load a version; all workers answer as the variant that the first one finds fastest."""
        async with self._choosing if served.variant == "auto" else nullcontext():
            asked = self.wanted.get(served.ref, served)
            variant = await opened(hand, asked)
            if asked.variant == "auto" and served.ref in self.wanted:  # unless it was let go meanwhile
                self.wanted[served.ref] = replace(asked, variant=variant)

    def holding(self, refs: set[str]) -> list[Hand]:
        """The workers that live and hold these versions."""
        return [hand for hand in self.crew.living if refs <= hand.loaded]

    def _whole(self, refs: set[str]) -> bool:
        return len(self.holding(refs)) == self.crew.count

    # Swaps

    async def refresh(self) -> None:
        """Look at the aliases now, and let versions that they point at by now take over, one after the other.

        Raises `tunewheel.store.StoreError` where the database cannot be asked; it is asked again next time.
        """
        async with self._swapping:
            seen, rollouts = await self._seen()
            self.rollouts = rollouts
            for target in self.targets:
                key = (target.name, target.alias or "")
                if target.alias is not None and seen.get(key) != self._pointers.get(key):
                    await self._make_way()
                    await self._follow(target)
            self._pointers = seen
            await self._accompany()

    async def _seen(self) -> Standing:
        seen = await asyncio.to_thread(standing, self.workspace, [target.name for target in self.targets])
        following = {target.name for target in self.targets if target.alias == CHAMPION}
        return Standing(seen.pointers, {name: one for name, one in seen.rollouts.items() if name in following})

    async def _follow(self, target: Target) -> None:
        """Let the version that an alias points at by now take over, if it can."""
        from tunewheel.store import ArtifactError, StoreError

        old, ref = self.current[target.name], target.reference
        try:
            new = await asyncio.to_thread(settled, target, self.workspace, self.variant)
            ref = new.ref
            if ref == old.ref:
                return
            self.candidate = ref
            new = self.wanted.setdefault(ref, new)  # it may have stood before, and not be unloaded yet
            await self._spread(new)
        except Exception as error:  # whatever is wrong with it, the old one goes on answering
            self._abandon()
            if isinstance(error, StoreError) and not isinstance(error, ArtifactError):
                raise
            self._tell("swap_refused", model=target.name, version=ref, reason=str(error) or type(error).__name__)
            return
        self.current[target.name] = replace(self.wanted[ref], alias=target.alias, since=datetime.now(UTC))
        self.candidate = None
        self._tell("swap", model=target.name, version=ref, replaced=old.ref)
        self._let_go(old.ref)

    # Beside

    def rollout(self, name: str) -> Rollout | None:
        """The rollout of a model that is as the aliases say: nobody has moved the champion since."""
        found, current = self.rollouts.get(name), self.current.get(name)
        if found is None or current is None:
            return None
        return found if current.number == (found.candidate if found.stage == "watch" else found.champion) else None

    async def stop(self) -> None:
        """Load nothing more beside."""
        await self._make_way()

    async def _accompany(self) -> None:
        """Have what stands beside the current versions loaded, and let go what does no more."""
        wanted = self._companions()
        if self._bringing is not None and (self._bringing[1].done() or self._bringing[0] not in wanted.values()):
            await self._make_way()
        for name, served in list(self.beside.items()):
            if wanted.get(name) != served.ref:
                del self.beside[name]
                self._let_go(served.ref)
        for name, ref in wanted.items():
            if name not in self.beside and self._bringing is None:
                self._bringing = ref, asyncio.ensure_future(self._bring(name))

    def _companions(self) -> dict[str, str]:
        """The versions that shall stand beside others, by name."""
        found = {name: self.rollout(name) for name in self.current}
        live = {name: one for name, one in found.items() if one is not None and one.id not in self.unable}
        return {name: f"{name}:{one.beside}" for name, one in live.items() if one.beside}

    async def _bring(self, name: str) -> None:
        """Load the version that shall stand beside the current one."""
        from tunewheel.store import ArtifactError, StoreError

        rollout = self.rollouts[name]
        target = next(target for target in self.targets if target.name == name)
        try:
            asked = target.version(rollout.beside or 0)
            new = replace(await asyncio.to_thread(settled, asked, self.workspace, self.variant), alias=target.alias)
            self.candidate = new.ref
            new = self.wanted.setdefault(new.ref, new)
            await self._spread(new)
        except asyncio.CancelledError:
            self._abandon()
            raise
        except Exception as error:  # whatever is wrong with it, the champion goes on answering
            away = isinstance(error, StoreError) and not isinstance(error, ArtifactError)
            reason = str(error) or type(error).__name__
            if not away:
                self.unable[rollout.id] = reason
            self._abandon()
            if away:  # the database: it is asked again at the next look
                return
            self._tell("beside_refused", model=name, version=f"{name}:{rollout.beside}", reason=reason)
            return
        self.beside[name] = self.wanted[new.ref]
        self.candidate = None
        self._tell("beside", model=name, version=new.ref)

    async def _make_way(self) -> None:
        """Give up what is being loaded beside: the worker that is at it answers as it did."""
        if self._bringing is not None:
            _, task = self._bringing
            self._bringing = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _spread(self, new: Served) -> None:
        """Bring the candidate to every worker that answers; raises `LoadFailed` where it does not load or answer."""
        deaths = 0
        while True:
            await self._changes.until(lambda: bool(self._ready()))
            lacking = next((hand for hand in self._ready() if new.ref not in hand.loaded), None)
            if lacking is None:
                return
            try:
                await self._load(lacking, new)
            except WorkerLost:
                deaths += 1
                if deaths == _DEATHS:
                    raise LoadFailed(f"{deaths} workers died while they loaded it") from None
                await self._changes.until(lambda: self._whole(self._standing()))

    def _ready(self) -> list[Hand]:
        return self.holding(self._standing())

    def _standing(self) -> set[str]:
        return {served.ref for served in self.current.values()}

    def _abandon(self) -> None:
        ref, self.candidate = self.candidate, None
        if ref is not None:
            self._let_go(ref)

    def _let_go(self, ref: str) -> None:
        """Unload a version that stands no more, once nothing asks it and no worker is at work for it."""
        kept = self._standing() | {self.candidate} | set(self._companions().values())
        if not self.current or ref in kept or self.asking[ref] or self._working[ref]:
            return
        self.wanted.pop(ref, None)
        self._probed.pop(ref, None)
        for hand in self.crew.living:
            if ref in hand.loaded:
                hand.drop(ref)
