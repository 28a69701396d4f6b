"""What a service does for rollouts: who falls to a candidate's share, what is counted, and copies for the shadow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tunewheel.feedback.rollout.record import Side
from tunewheel.serving.shadow import Copy, Shadow, Shadowed
from tunewheel.serving.tally import Tally
from tunewheel.store.errors import StoreError

if TYPE_CHECKING:
    from tunewheel.feedback.rollout.record import Rollout
    from tunewheel.serving.crew import Tell
    from tunewheel.serving.fleet import Served
    from tunewheel.serving.service import Answered
    from tunewheel.serving.versions import Versions
    from tunewheel.store import Workspace


@dataclass(frozen=True)
class Asker:
    """Who asks: the public id of a key, what requests shall stick together by, and the ids that answers are given."""

    key: str | None = None
    sticky: str | None = None
    exchanges: Sequence[str] | None = None


NOBODY = Asker()


class Trials:
    """The rollouts of one service, as the database last told of them.

    Args:
        workspace: where counts are written.
        versions: what is loaded; it brings the candidate of a share into the workers.
        variant: what a candidate in the shadow runs as.
        threads, patience: of the process of a candidate in the shadow.
        spare: whether there is time for copies.
        tell: is told what begins and what is refused.
    """

    def __init__(
        self,
        workspace: Workspace,
        versions: Versions,
        variant: str,
        *,
        threads: int,
        patience: float,
        spare: Callable[[], bool],
        tell: Tell,
    ) -> None:
        self.tally = Tally()
        self.heard: Callable[[Shadowed], None] = lambda shadowed: None
        """Is told what candidates answer to copies; nobody else is."""
        self._workspace, self._versions, self._variant = workspace, versions, variant
        self._how: dict[str, Any] = {"threads": threads, "patience": patience, "spare": spare, "tell": tell}
        self._shadows: dict[str, Shadow] = {}
        self._following = asyncio.Lock()

    def get(self, name: str) -> Rollout | None:
        """What is being rolled out of a model."""
        return self._versions.rollout(name)

    def falls(self, served: Served, rows: Sequence[Mapping[str, Any]], asker: Asker) -> Served | None:
        """The candidate, where a request falls to its share: always the same ones, by who asks or else by the texts."""
        rollout, beside = self.get(served.name), self._versions.beside.get(served.name)
        if rollout is None or rollout.stage != "share" or beside is None or beside.number != rollout.candidate:
            return None
        if not self._versions.holding({beside.ref}):
            return None
        told = asker.sticky if asker.sticky is not None else "\0".join(str(row["text"]) for row in rows)
        digest = blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8, key=f"rollout {rollout.id}".encode())
        return beside if int.from_bytes(digest.digest()) < rollout.plan.share * 2**64 else None

    def side(self, served: Served) -> Side | None:
        """Where a request to a version counts; None outside of a rollout, and while its candidate is not loaded."""
        rollout = self.get(served.name)
        if rollout is None or served.number is None or rollout.stage == "shadow":
            return None  # of the shadow stage, pairs count
        if rollout.stage == "share" and served.name not in self._versions.beside:
            return None
        return Side(rollout.id, rollout.stage, served.number)

    def count(self, served: Served, side: Side | None, seconds: float | None) -> None:
        """Count an answer, or a failure where ``seconds`` is None."""
        self.tally.versions[served.ref, "failed" if seconds is None else "answered"] += 1
        if side is not None:
            self.tally.asked(side, seconds, failed=seconds is None)

    def copy(
        self,
        served: Served,
        rows: Sequence[Mapping[str, Any]],
        answered: Answered | None,
        seconds: float | None,
        asker: Asker,
    ) -> None:
        """Give a copy of a request to the candidate in the shadow, if there is one."""
        shadow = self._shadows.get(served.name)
        if shadow is not None and served.number == shadow.rollout.champion and not served.writes:
            predictions = None if answered is None else answered.predictions
            shadow.take(Copy(rows, predictions, seconds, asker.exchanges, asker.key))

    def wake(self) -> None:
        """Look again whether there is time for copies."""
        for shadow in self._shadows.values():
            shadow.wake()

    async def follow(self) -> None:
        """Have a shadow for each rollout in its shadow stage, and no other; write what was counted."""
        async with self._following:
            await self._follow()

    async def _follow(self) -> None:
        live = [one for name in self._versions.rollouts if (one := self.get(name)) is not None]
        for rollout in live:
            if rollout.stage == "share" and (reason := self._versions.unable.get(rollout.id)):
                self.tally.refuse(Side(rollout.id, "share", rollout.candidate), reason)
        wanted = {rollout.name: rollout for rollout in live if rollout.stage == "shadow" and not self._refused(rollout)}
        for name, shadow in list(self._shadows.items()):
            if name not in wanted or wanted[name].id != shadow.rollout.id:
                await self._end(name)
        for name, rollout in wanted.items():
            if name not in self._shadows:
                self._shadows[name] = self._shadow(rollout)
                await self._shadows[name].start()
        await self.tally.write(self._workspace)

    async def stop(self) -> None:
        """End all shadows, and write what was counted; where the database is away, that is lost."""
        for name in list(self._shadows):
            await self._end(name)
        with suppress(StoreError):
            await self.tally.write(self._workspace)

    async def _end(self, name: str) -> None:
        await self._shadows[name].stop()
        del self._shadows[name]

    def _refused(self, rollout: Rollout) -> bool:
        return Side(rollout.id, "shadow", rollout.candidate) in self.tally.refused

    def _shadow(self, rollout: Rollout) -> Shadow:
        target = next(target for target in self._versions.targets if target.name == rollout.name)
        how = {**self._how, "tally": self.tally, "hear": self._hear}
        return Shadow(self._workspace, target, rollout, self._variant, **how)

    def _hear(self, shadowed: Shadowed) -> None:
        self.heard(shadowed)
