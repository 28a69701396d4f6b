"""Who waits, how much may, and which batch is next: no processes, no time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tunewheel.serving.errors import Busy
from tunewheel.serving.waiting import Item, Limits, Waiting


def item(ref: str = "a:1", tokens: int = 10, **options) -> Item:
    answer = asyncio.get_running_loop().create_future()
    deadline = options.pop("deadline", time.monotonic() + options.pop("seconds", 60))
    return Item(ref, {"text": ""}, 0, deadline, answer, tokens, **options)


def within(work):
    """Run a function with a loop, which futures want."""

    async def run():
        return work()

    return asyncio.run(run())


def filled(*items: Item, **limits) -> Waiting:
    waiting = Waiting(Limits(**limits))
    for each in items:
        waiting.add(each)
    return waiting


def test_a_batch_is_of_one_version_in_the_order_of_arrival_up_to_its_budget():
    def work():
        items = [item("a:1"), item("b:1"), item("a:1"), item("a:1"), item("b:1")]
        waiting = filled(*items, batch_tokens=25)
        batches = [waiting.batch({"a:1", "b:1"}, 1) for _ in range(4)]
        assert batches == [[items[0], items[2]], [items[1], items[4]], [items[3]], []]
        assert (len(waiting), waiting.tokens) == (0, 0)

    within(work)


def test_a_text_above_the_budget_is_answered_alone_and_small_ones_do_not_overtake_it():
    def work():
        items = [item(tokens=10), item(tokens=500), item(tokens=10)]
        waiting = filled(*items, batch_tokens=100)
        assert [waiting.batch({"a:1"}, 1) for _ in range(3)] == [[one] for one in items]

    within(work)


def test_what_a_worker_has_not_loaded_waits_for_another_and_keeps_its_place():
    def work():
        items = [item("b:1"), item("a:1"), item("b:1")]
        waiting = filled(*items)
        assert waiting.batch({"a:1"}, 1) == [items[1]]
        assert waiting.batch({"b:1"}, 1) == [items[0], items[2]]

    within(work)


def test_free_workers_share_what_waits():
    def work():
        waiting = filled(*(item() for _ in range(8)))
        assert [len(waiting.batch({"a:1"}, free)) for free in (2, 1)] == [4, 4]

    within(work)


def test_what_is_given_up_or_late_is_never_taken_and_counts_no_more():
    def work():
        gone, late, good = item(), item(deadline=time.monotonic() - 1), item()
        waiting = filled(gone, late, good)
        gone.answer.cancel()
        waiting.leave(gone)
        waiting.leave(gone)
        assert (len(waiting), waiting.tokens, waiting.first) == (2, 20, late)
        assert waiting.batch({"a:1"}, 1) == [good]
        assert (len(waiting), waiting.tokens) == (0, 0)

    within(work)


def test_a_thousand_that_gave_up_leave_room_and_no_wait_behind():
    def work():
        waiting = filled(*(every := [item(tokens=1000) for _ in range(1000)]), waiting=1000)
        with pytest.raises(Busy):
            waiting.check([7], 10.0, 1)
        for each in every:
            waiting.leave(each)
        waiting.check([7], 0.01, 1)
        assert len(waiting._items) <= 64

    within(work)


def test_what_is_tried_again_comes_first_and_alone():
    def work():
        items = [item(), item(), item()]
        waiting = filled(*items)
        taken = waiting.batch({"a:1"}, 1)
        waiting.add(new := item())
        waiting.again(taken)
        assert [waiting.batch({"a:1"}, 1) for _ in range(4)] == [*([one] for one in items), [new]]

    within(work)


def test_retry_after_follows_what_was_measured_of_late():
    def work():
        waiting = filled(item(tokens=5000), item(tokens=5000), waiting=2)
        for _ in range(60):
            waiting.took(10, 0.1)  # small batches are slow by the token,
            waiting.took(1990, 0.1)  # and most of what waits will not be computed in them
        assert waiting.speed == pytest.approx(10_000, rel=0.12)
        with pytest.raises(Busy) as full:
            waiting.check([7], 10.0, 2)
        assert full.value.retry_after == pytest.approx(0.25, rel=0.12)  # when half of the 10,000 are done by two
        with pytest.raises(Busy) as late:
            filled_with = filled(item(tokens=20_000))
            filled_with._measured = (1000.0, 1.0)
            filled_with.check([1000], 5.0, 1)
        assert late.value.retry_after == pytest.approx(16)

    within(work)


def test_an_empty_queue_takes_any_request_that_is_allowed():
    Waiting(Limits(waiting=4)).check([10_000] * 200, 1.0, 1)


def paced(*items, **limits):
    """Ten tokens a second."""
    waiting = filled(*items, **limits)
    waiting._measured = (10.0, 1.0)
    return waiting


def test_what_workers_are_at_and_the_request_itself_count_as_time_until_its_answer():
    def work():
        waiting = paced()
        waiting.check([60], 10, 1, at_work=3)
        for tokens, at_work in ((60, 5), (80, 3)):
            with pytest.raises(Busy) as busy:
                waiting.check([tokens], 10, 1, at_work=at_work)
            assert busy.value.retry_after == pytest.approx(1)
        waiting.check([60] * 2, 10, 2, at_work=6)  # two share it
        behind = paced(item(tokens=50), batch_seconds=2.5)
        behind.check([1], 8, 1)  # its batch takes 2.5 s: others will fill it
        with pytest.raises(Busy):
            behind.check([1], 7, 1)

    within(work)


def test_none_joins_a_batch_that_would_make_another_one_late_or_itself():
    def work():
        soon, long = item(tokens=50, seconds=8), item(tokens=40, seconds=60)
        waiting = paced(soon, long, item(tokens=1), batch_seconds=100)
        assert waiting.batch({"a:1"}, 1) == [soon]
        assert len(waiting.batch({"a:1"}, 1)) == 2
        first, never = item(tokens=50), item(tokens=50, seconds=9)
        waiting = paced(first, never, item(tokens=1), batch_seconds=100)
        assert waiting.batch({"a:1"}, 1) == [first]

    within(work)


def test_what_cannot_be_answered_in_time_gives_way_while_others_wait():
    def work():
        hopeless, other = item(tokens=200, seconds=10), item(tokens=10, seconds=10)
        waiting = paced(hopeless, other)
        assert waiting.batch({"a:1"}, 1) == [other]
        assert len(waiting) == 0
        alone = item(tokens=200, seconds=10)
        assert paced(alone).batch({"a:1"}, 1) == [alone]  # or a speed that is wrong would never be mended

    within(work)
