"""The queue: what waits, how much may, and which batch comes next."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunewheel.serving.errors import Busy

_REMEMBERED = 0.9  # share of what was measured that is kept at each batch: an average over about ten
_FIRST_SPEED = 2_000.0  # tokens a second, until there is a measurement


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service takes on.

    ``batch_tokens``: tokens of a batch, estimated; ``batch_seconds``: how long a batch may take to answer, by the speed
    of the last ones, since all of it is answered when its last text is; ``waiting``: texts that may wait; ``delay``:
    seconds that a text waits for company while a worker is free; ``timeout``: seconds until an unanswered request is
    given up; ``characters``: of one text; ``texts``: of one request.
    """

    batch_tokens: int = 2048
    batch_seconds: float = 0.025
    waiting: int = 1024
    delay: float = 0.0
    timeout: float = 10.0
    characters: int = 100_000
    texts: int = 256


@dataclass(eq=False)
class Item:
    """One row that waits, for one version, until ``deadline`` (`time.monotonic`)."""

    ref: str
    row: Mapping[str, Any]
    place: int
    deadline: float
    answer: asyncio.Future[Any]
    tokens: int
    since: float = field(default_factory=time.monotonic)
    tried: int = 0
    holds: bool = False
    """It wants the worker for itself, until it gives it back."""
    queued: bool = False
    """It waits, and counts."""

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return not self.answer.done()


def estimated(row: Mapping[str, Any]) -> int:
    """About how many tokens a row's texts are: a third of their bytes, which is one for a Chinese character.

    >>> estimated({"text": "银行卡丢了"}), estimated({"text": "my card is lost"})
    (7, 7)
    """
    return 2 + len(row["text"].encode("utf-8", "surrogatepass")) // 3


class Waiting:
    """Items in the order they came.

    A batch holds one version's items, and where several workers are free, each gets its share of what waits. An item
    counts until it is taken or given up. One whose time is over is never taken, nor is one that cannot be answered in
    time while others wait; and none joins a batch that would make another one late.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tokens = 0
        self._items: deque[Item] = deque()
        self._count = 0
        self._measured = (_FIRST_SPEED / 10, 0.1)

    def __len__(self) -> int:
        return self._count

    @property
    def first(self) -> Item | None:
        """The one that has waited longest."""
        while self._items and not self._items[0].queued:
            self._items.popleft()
        return self._items[0] if self._items else None

    @property
    def speed(self) -> float:
        """Tokens a second of one worker, over its last ten batches or so."""
        return self._measured[0] / self._measured[1]

    def check(self, tokens: Sequence[int], timeout: float, workers: int, *, at_work: float = 0.0) -> None:
        """Raise `Busy` where rows of so many ``tokens`` are too many, or would not be answered within ``timeout``.

        Args:
            tokens: of each row, `estimated`.
            timeout: seconds.
            workers: how many answer.
            at_work: seconds that they have yet to do of what they were given, together.
        """
        at_once = self.speed * max(1, workers)
        waits = self.tokens / at_once
        ahead = waits + at_work / max(1, workers)
        if self._count and self._count + len(tokens) > self.limits.waiting:
            raise Busy(max(0.1, waits / 2))  # by then half the queue is free, so not all come back to a full one
        # It is answered when its batch is, and where others wait there will be some behind it to fill that.
        own = max(sum(tokens) / at_once, self._longest if self._count else 0.0)
        if ahead and ahead + own > timeout:
            raise Busy(max(0.1, ahead + own - timeout))

    @property
    def _longest(self) -> float:
        """Seconds that a full batch takes."""
        return min(self.limits.batch_seconds, self.limits.batch_tokens / self.speed)

    def add(self, item: Item) -> None:
        """Let an item wait at the end."""
        self._items.append(item)
        self._enter(item)

    def again(self, items: list[Item]) -> None:
        """Let items whose worker died wait at the front, each to be answered alone."""
        for item in reversed(items):
            item.tried += 1
            self._items.appendleft(item)
            self._enter(item)

    def leave(self, item: Item) -> None:
        """Count an item no more: it was taken, or given up."""
        if not item.queued:
            return
        item.queued = False
        self.tokens -= item.tokens
        self._count -= 1
        if len(self._items) > 2 * self._count + 64:
            self._items = deque(each for each in self._items if each.queued)

    def batch(self, loaded: set[str], free: int, *, holding: bool = True) -> list[Item]:
        """Take the next batch for a worker with these versions, of ``free`` workers that have nothing to do.

        Without ``holding`` what wants a worker for itself goes on waiting, and lets others past.
        """
        within = int(self.speed * self.limits.batch_seconds)
        budget = min(self.limits.batch_tokens, within, -(-self.tokens // max(1, free)))
        taken: list[Item] = []
        kept: list[Item] = []
        size, now, soonest = 0, time.monotonic(), math.inf
        while self._items:
            item = self._items.popleft()
            if not item.queued:
                continue
            if item.holds and not holding:
                kept.append(item)
                continue
            alone = item.tried or item.holds
            done = now + (size + item.tokens) / self.speed
            fits = not taken or (
                item.ref == taken[0].ref
                and size + item.tokens <= budget
                and done <= min(soonest, item.deadline)
                and not alone
            )
            if item.ref not in loaded or not fits:
                kept.append(item)
                if taken and item.ref == taken[0].ref:
                    break  # order among one version's items stays
                continue
            self.leave(item)
            late = not taken and not item.holds and done > item.deadline and self._count > 0
            if not item.wanted or item.deadline <= now or late:
                continue
            taken.append(item)
            size, soonest = size + item.tokens, min(soonest, item.deadline)
            if alone:
                break
        self._items.extendleft(reversed(kept))
        return taken

    def give_up(self) -> list[Item]:
        """Everything that waits, which then waits no more."""
        items = [item for item in self._items if item.queued]
        for item in items:
            self.leave(item)
        return items

    def took(self, tokens: int, seconds: float) -> None:
        """Learn how fast one worker answered."""
        had, in_ = self._measured
        self._measured = (_REMEMBERED * had + tokens, _REMEMBERED * in_ + max(seconds, 1e-6))

    def _enter(self, item: Item) -> None:
        item.queued = True
        self.tokens += item.tokens
        self._count += 1
