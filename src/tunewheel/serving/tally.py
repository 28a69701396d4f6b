"""What each version did, counted in memory and written beside: an answer never waits for it."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from tunewheel.feedback.rollout.evidence import bucket
from tunewheel.feedback.rollout.plan import Counts
from tunewheel.feedback.rollout.record import Side

if TYPE_CHECKING:
    from tunewheel.store import Workspace

Outcome = Literal["answered", "failed", "shadow_answered", "shadow_failed", "shadow_dropped"]


class Tally:
    """Counts of one service since it began.

    They are written whole each time, in place of what was written before: a database that was away loses nothing, and a
    killed service no more than what came since the last time.
    """

    def __init__(self) -> None:
        self.service = secrets.token_hex(8)
        self.sides: defaultdict[Side, Counts] = defaultdict(Counts)
        self.refused: dict[Side, str] = {}
        self.versions: Counter[tuple[str, Outcome]] = Counter()
        """Requests by version and what became of them, for `/metrics`."""
        self._changed: set[Side] = set()
        self._writing = asyncio.Lock()  # what was counted later is written later

    def asked(self, side: Side, seconds: float | None, *, failed: bool = False) -> None:
        """Count a request; ``seconds`` None: it took a time that is comparable to no other."""
        counts = self.sides[side]
        if failed:
            counts.errors += 1
        else:
            counts.answered += 1
            if seconds is not None:
                counts.seconds[bucket(seconds)] += 1
        self._changed.add(side)

    def agreed(self, side: Side, rows: int, agreed: int) -> None:
        """Count rows that both versions answered, and how many alike."""
        self.sides[side].rows += rows
        self.sides[side].agreed += agreed
        self._changed.add(side)

    def dropped(self, side: Side) -> None:
        """Count a copy that nobody answered."""
        self.sides[side].dropped += 1
        self._changed.add(side)

    def refuse(self, side: Side, reason: str) -> None:
        """Note that the candidate cannot answer here."""
        self.refused[side] = reason
        self._changed.add(side)

    async def write(self, workspace: Workspace) -> None:
        """Write what has changed; raises `tunewheel.store.StoreError` where the database is away."""
        async with self._writing:
            if not self._changed:
                return
            changed, self._changed = self._changed, set()
            counted = {side: self.sides[side] + Counts() for side in changed}  # as they are at this moment
            told = {side: self.refused[side] for side in changed if side in self.refused}
            try:
                await asyncio.to_thread(self._written, workspace, counted, told)
            except BaseException:
                self._changed |= changed
                raise

    def _written(self, workspace: Workspace, counted: Mapping[Side, Counts], told: Mapping[Side, str]) -> None:
        from tunewheel.feedback.rollout.record import write_counts

        workspace.transact(lambda connection: write_counts(connection, counted, told, self.service))
