"""Answers kept for requests that come again: how many bytes, and for how long."""

from __future__ import annotations

import asyncio
import tracemalloc

from front import Desk
from tunewheel.serving.repeats import KEPT, Repeats, Reply


async def answer(repeats: Repeats, key: str, size: int) -> bool:
    """Whether the answer was given before."""

    async def work() -> Reply:
        await asyncio.sleep(0)
        return Reply(b"x" * size, "tickets:1")

    return (await repeats.answered(None, key, "tickets", b"{}", work))[1]


def test_the_oldest_make_room_and_an_answer_counts_with_all_that_is_kept_of_it():
    repeats = Repeats(size=20_000)

    async def work():
        for number in range(50):
            await answer(repeats, f"k{number}", 1000)
            assert repeats.held <= 20_000
        return [await answer(repeats, f"k{number}", 1000) for number in (49, 40, 20)]

    assert asyncio.run(work()) == [True, True, False]


def test_empty_answers_are_kept_within_the_bytes_too():
    async def work(repeats):
        for number in range(4000):
            await answer(repeats, f"{number:036d}", 0)

    asyncio.run(work(Repeats(size=1 << 20)))  # what asyncio keeps itself
    tracemalloc.start()
    try:
        repeats = Repeats(size=1 << 20)
        asyncio.run(work(repeats))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.5 * repeats.held < held < 1.25 * (1 << 20)


def test_nothing_is_held_of_what_has_made_room_while_it_was_answered_or_is_too_old():
    now = [0.0]
    repeats = Repeats(most=2, clock=lambda: now[0])

    async def work():
        await asyncio.gather(*(answer(repeats, f"k{number}", 1000) for number in range(9)))
        held = repeats.held
        now[0] = KEPT + 1
        await answer(repeats, "later", 0)
        return held, repeats.held

    held, later = asyncio.run(work())
    assert held == 2 * (1000 + later)


def test_metrics_say_how_many_bytes_are_held():
    desk = Desk()

    def held() -> float:
        lines = desk.ask("GET", "/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("tunewheel_repeats_bytes"))

    assert held() == 0
    reply = desk.predict(headers={"idempotency-key": "a"})
    assert len(reply.content) < held() < len(reply.content) + 1000
