"""Requests that are sent again under one idempotency key: answered once, and told the same again."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tunewheel.serving.problems import Refused, visible

KEPT = 600.0
"""Seconds an answer is kept."""


_BESIDE = 640  # bytes that a kept answer takes beside its body, as tracemalloc has it


@dataclass(frozen=True)
class Reply:
    """An answer as it was sent, and the version that gave it."""

    body: bytes
    version: str


@dataclass(eq=False)
class _Slot:
    digest: bytes
    until: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    reply: Reply | None = None


class Repeats:
    """Answers of the last ten minutes, ``most`` of them and ``size`` bytes at most; the oldest make room.

    Ten minutes under load are that many bytes more than at the beginning; ``held`` says how many there are now.

    One that is repeated while the first is still being answered waits for it. A request that was refused is not kept:
    asked again, it is tried again.
    """

    def __init__(self, most: int = 10_000, size: int = 64 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        self.most, self.size, self._clock = most, size, clock
        self._slots: OrderedDict[tuple[str | None, str], _Slot] = OrderedDict()
        self.held = 0

    async def answered(
        self, caller: str | None, key: str, model: str, body: bytes, work: Callable[[], Awaitable[Reply]]
    ) -> tuple[Reply, bool]:
        """The answer of ``work``, or the one given before; and whether it was given before.

        Raises `Refused` (422) for a key that is none, or that came with another request; and what ``work`` raises.
        """
        visible("Idempotency-Key", key, "idempotency")
        digest = hashlib.sha256(model.encode("utf-8", "replace") + b"\0" + body).digest()
        slot = self._slot((caller, key), digest)
        async with slot.lock:
            if slot.reply is not None:
                return slot.reply, True
            slot.reply = await work()
        self.held += len(slot.reply.body)
        if self._slots.get((caller, key)) is not slot:  # it had to make room while it was being answered
            self.held -= len(slot.reply.body)
        self._make_room()
        return slot.reply, False

    def _slot(self, place: tuple[str | None, str], digest: bytes) -> _Slot:
        now = self._clock()
        while self._slots and next(iter(self._slots.values())).until <= now:
            self._drop()
        slot = self._slots.get(place)
        if slot is None:
            slot = self._slots[place] = _Slot(digest, now + KEPT)
            self.held += _BESIDE
            self._make_room()
        elif slot.digest != digest:
            raise Refused(422, "idempotency", "this Idempotency-Key came with another request before")
        return slot

    def _make_room(self) -> None:
        while len(self._slots) > self.most or self.held > self.size:
            self._drop()

    def _drop(self) -> None:
        _, slot = self._slots.popitem(last=False)
        self.held -= _BESIDE + (len(slot.reply.body) if slot.reply else 0)
