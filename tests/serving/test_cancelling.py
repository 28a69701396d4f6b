"""Who is cancelled is cancelled, also in the moment in which what was waited for comes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from tunewheel.serving.crew import Asked, Hand
from tunewheel.serving.errors import Draining
from tunewheel.serving.generation import Generation
from tunewheel.serving.scheduler import Scheduler
from tunewheel.serving.waiting import Limits

# Steps of the loop between an answer and the cancellation: some of those who wait for it in a chain have heard of it by
# then, and the last has not.
MOMENTS = range(10)
ROW = {"text": "card"}
ANSWER = {"prediction": {"label": "a-0"}}


def nothing(*_, **__) -> None:
    return None


class Ending:
    """A process that reads everything, says nothing, and ends when told to."""

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self.stdin = SimpleNamespace(write=nothing, close=nothing)

    async def wait(self) -> None:
        await self.ended


def desk() -> tuple[Scheduler, Hand]:
    """A scheduler with one worker, which is asked and never answers by itself."""
    hand = Hand(1, Ending(), loaded={"w:1"})
    versions, crew = SimpleNamespace(begin=nothing, end=nothing), SimpleNamespace(living=[hand])
    return Scheduler(Limits(), versions, crew, patience=60, tell=nothing), hand


async def steps(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def begun(work) -> asyncio.Task:
    task = asyncio.ensure_future(work)
    await steps()
    return task


async def asked_of(hand: Hand) -> Asked:
    await steps()
    (asked,) = hand._open.values()
    return asked


def forgotten(answer) -> list[int]:
    """The moments at which a cancellation is forgotten; ``answer`` has one come, and says who waits for it."""

    async def is_forgotten(moment: int) -> bool:
        task = await answer()
        await steps(moment)
        if not task.cancel():
            return False
        await asyncio.wait({task}, timeout=1)
        await steps()
        return not task.cancelled()

    async def all_moments() -> list[int]:
        return [moment for moment in MOMENTS if await is_forgotten(moment)]

    return asyncio.run(all_moments())


def test_who_reads_a_stream_is_cancelled_as_a_piece_comes():
    async def piece_comes() -> asyncio.Task:
        scheduler, hand = desk()
        pieces = Generation(scheduler, "w:1", ROW, 60).pieces()
        reading = await begun(anext(pieces))
        asked = await asked_of(hand)
        asked.replies.put_nowait({"id": asked.number, "piece": "a "})
        return reading

    assert forgotten(piece_comes) == []


def test_who_waits_for_a_batch_is_cancelled_as_its_answer_comes():
    async def answer_comes() -> asyncio.Task:
        scheduler, hand = desk()
        asking = await begun(scheduler.answered("w:1", [ROW, ROW], 60))
        asked = await asked_of(hand)
        asked.replies.put_nowait({"id": asked.number, "answers": [ANSWER, ANSWER], "seconds": 0.1})
        return asking

    assert forgotten(answer_comes) == []


def test_a_batch_is_cancelled_as_its_answer_comes_and_whoever_waits_for_it_is_told():
    told = []

    async def answer_comes() -> asyncio.Task:
        scheduler, hand = desk()
        asking = await begun(scheduler.answered("w:1", [ROW], 60))
        asking.add_done_callback(lambda task: told.append(task.exception()))
        (working,) = scheduler._tasks
        asked = await asked_of(hand)
        asked.replies.put_nowait({"id": asked.number, "answers": [ANSWER], "seconds": 0.1})
        return working

    assert forgotten(answer_comes) == []
    assert len(told) == len(MOMENTS) and any(isinstance(one, Draining) for one in told)
    assert all(one is None or isinstance(one, Draining) for one in told)


def test_who_waits_for_a_batch_that_has_not_begun_is_told_when_the_service_ends():
    async def ended() -> BaseException | None:
        scheduler, hand = desk()
        asking = asyncio.ensure_future(scheduler.answered("w:1", [ROW], 60))
        await asyncio.sleep(0)
        assert hand.busy and not hand._open  # given to a worker, which was not told yet
        await scheduler.stop()
        await asyncio.wait({asking}, timeout=1)
        return asking.exception() if asking.done() else None

    assert isinstance(asyncio.run(ended()), Draining)


def test_who_keeps_a_worker_is_cancelled_as_its_process_ends():
    """Whoever forgets it starts another worker while the service stops, which then waits for good."""

    async def process_ends() -> asyncio.Task:
        process = Ending()
        ending = await begun(Hand(1, process).end())
        process.ended.set_result(None)
        return ending

    assert forgotten(process_ends) == []
