"""The queue: what waits, how much may, and which batch comes next."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunewheel.serving.errors import Busy

_REMEMBERED = 0.9  # share of the speed that is kept at each batch: an average over about ten
_FIRST_SPEED = 2_000.0  # tokens a second, until there is a measurement


@dataclass(frozen=True)
class Limits:
    """What a service takes on.

    ``batch_tokens``: tokens of a batch, estimated; ``waiting``: texts that may wait; ``delay``: seconds that a text
    waits for company while a worker is free; ``timeout``: seconds until an unanswered request is given up;
    ``characters``: of one text; ``texts``: of one request.
    """

    batch_tokens: int = 2048
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

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for the answer."""
        return not self.answer.done()


def estimated(row: Mapping[str, Any]) -> int:
    """About how many tokens a row's texts are: a third of their bytes, which is one for a Chinese character.

    >>> estimated({"text": "银行卡丢了"}), estimated({"text": "my card is lost"})
    (7, 7)
    """
    told = sum(len(value.encode("utf-8", "surrogatepass")) for value in row.values() if isinstance(value, str))
    return 2 + told // 3


class Waiting:
    """Items in the order they came.

    A batch holds one version's items, and where several workers are free, each gets its share of what waits. An item
    that nobody waits for any more, or whose time is over, is dropped when its turn comes.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.items: deque[Item] = deque()
        self.tokens = 0
        self.speed = _FIRST_SPEED

    def __len__(self) -> int:
        return len(self.items)

    def check(self, rows: int, timeout: float, workers: int) -> None:
        """Raise `Busy` where ``rows`` more are too many, or could not be answered within ``timeout`` anyway."""
        speed = self.speed * max(1, workers)
        ahead = self.tokens / speed
        if self.items and len(self.items) + rows > self.limits.waiting:
            self._forget()
        if self.items and len(self.items) + rows > self.limits.waiting:
            raise Busy(max(0.1, ahead / 2))
        if ahead > timeout:
            raise Busy(max(0.1, ahead - timeout))

    def add(self, item: Item) -> None:
        """Let an item wait at the end."""
        self.items.append(item)
        self.tokens += item.tokens

    def again(self, items: list[Item]) -> None:
        """Let items whose worker died wait at the front, each to be answered alone."""
        for item in reversed(items):
            item.tried += 1
            self.items.appendleft(item)
            self.tokens += item.tokens

    def batch(self, loaded: set[str], free: int) -> list[Item]:
        """Take the next batch for a worker with these versions, of ``free`` workers that have nothing to do."""
        budget = min(self.limits.batch_tokens, -(-self.tokens // max(1, free)))
        taken: list[Item] = []
        kept: deque[Item] = deque()
        size = 0
        while self.items:
            item = self.items.popleft()
            if not item.wanted or item.deadline <= time.monotonic():
                self.tokens -= item.tokens
                continue
            alone = item.tried or item.holds
            fits = not taken or (item.ref == taken[0].ref and size + item.tokens <= budget and not alone)
            if item.ref not in loaded or not fits:
                kept.append(item)
                if taken and item.ref == taken[0].ref:
                    break  # order among one version's items stays
                continue
            taken.append(item)
            size += item.tokens
            self.tokens -= item.tokens
            if alone:
                break
        self.items.extendleft(reversed(kept))
        return taken

    def took(self, tokens: int, seconds: float) -> None:
        """Learn how fast one worker answered."""
        if seconds > 0:
            self.speed = _REMEMBERED * self.speed + (1 - _REMEMBERED) * tokens / seconds

    def _forget(self) -> None:
        """Drop what nobody waits for any more."""
        self.items = deque(item for item in self.items if item.wanted)
        self.tokens = sum(item.tokens for item in self.items)
