"""Whatever befalls a worker, a version or the database, who asks gets an answer of one version or is told why not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from serving.conftest import Running, serve
from tunewheel.serving import fleet, versions
from tunewheel.serving.crew import surroundings
from tunewheel.serving.errors import Busy, Draining, ServiceError, TimedOut, WorkerDied
from tunewheel.serving.service import Service
from tunewheel.serving.waiting import estimated
from tunewheel.serving.worker import AHEAD
from tunewheel.store import ArtifactError, StoreError

CARD = [{"text": "card"}]


def label(answered) -> str:
    return str(answered.predictions[0]["label"])


async def asking(service: Service, ended: asyncio.Event) -> list[str]:
    """Ask without a pause until told to end; the versions that answered."""
    refs = []
    while not ended.is_set():
        answered = await service.predict("tickets", CARD)
        assert label(answered) == {"tickets:1": "a-0", "tickets:2": "b-0"}[answered.ref]
        refs.append(answered.ref)
    return refs


def hands(running: Running) -> list:
    return list(running.service._crew.hands.values())


# Versions


@pytest.mark.parametrize(
    ("trouble", "reason", "deaths"),
    [
        ("die", "3 workers died while they loaded it", 3),
        ("hang", "did not load and answer its probes within 1 s", 1),
        ("raise", "ValueError", 0),
        ("wrong label", "answered with 'c-0', which is none of its labels", 0),
    ],
)
def test_a_version_that_harms_its_workers_never_takes_over_and_never_has_all_of_them(
    shop, puppets, monkeypatch, tmp_path, trouble, reason, deaths
):
    puppets(b=trouble)

    async def work(running: Running):
        monkeypatch.setattr(versions, "LOADING", 1.0)
        service, ended, fewest = running.service, asyncio.Event(), []
        service._say = lambda event: (
            running.events.append(event),
            fewest.append(len(service._versions.holding({"tickets:1"}))),
        )
        askers = [asyncio.ensure_future(asking(service, ended)) for _ in range(4)]
        shop.promote("tickets:2", why="to show")
        await service.refresh()
        monkeypatch.setattr(versions, "LOADING", 60.0)
        await service._changes.until(lambda: len(service._versions.holding({"tickets:1"})) == 2)
        ended.set()
        loaded = [hand.loaded for hand in hands(running)]
        if trouble == "wrong label":  # it was loaded, and is not kept
            while not (tmp_path / "unloaded").exists():
                await asyncio.sleep(0.02)
        died = len(running.told("worker_died"))
        return await asyncio.gather(*askers), min(fewest), loaded, died, running.told("swap_refused")

    answered, fewest, loaded, died, (refused,) = serve(work, shop.workspace, "tickets", workers=2)
    assert all(set(refs) == {"tickets:1"} for refs in answered) and fewest >= 1
    assert loaded == [{"tickets:1"}] * 2 and died == deaths
    assert refused["version"] == "tickets:2" and reason in refused["reason"]


def test_one_death_by_chance_does_not_keep_a_version_from_taking_over(shop, puppets):
    puppets(b="die once")

    async def work(running: Running):
        shop.promote("tickets:2", why="to show")
        await running.service.refresh()
        return await running.service.predict("tickets", CARD), len(running.told("worker_died"))

    answered, died = serve(work, shop.workspace, "tickets", workers=2)
    assert (answered.ref, label(answered), died) == ("tickets:2", "b-0", 1)


def test_a_version_taken_back_while_its_last_requests_run_out_is_kept(shop, puppets):
    """The old version is asked no more just while it is being brought back."""
    puppets()

    async def work(running: Running):
        service, loading = running.service, running.service._versions._load
        shop.promote("tickets:2", why="to show")
        service._versions.enter("tickets:1")
        await service.refresh()
        hands(running)[1].drop("tickets:1")  # as a worker that came up since

        async def load(hand, served):
            service._versions.leave("tickets:1")
            await loading(hand, served)

        service._versions._load = load
        shop.promote("tickets:1", why="to show")
        await asyncio.wait_for(service.refresh(), 20)
        return [hand.loaded for hand in hands(running)], label(await service.predict("tickets", CARD))

    assert serve(work, shop.workspace, "tickets", workers=2) == ([{"tickets:1"}] * 2, "a-0")


def test_a_version_is_unloaded_only_when_no_worker_is_at_work_for_it(shop, puppets):
    puppets()

    async def work(running: Running):
        (hand,) = hands(running)
        shop.promote("tickets:2", why="to show")
        running.service._versions.begin("tickets:1")
        await running.service.refresh()
        during = set(hand.loaded)
        running.service._versions.end("tickets:1")
        return during, hand.loaded

    assert serve(work, shop.workspace, "tickets", workers=1) == ({"tickets:1", "tickets:2"}, {"tickets:2"})


def test_who_came_before_a_swap_is_answered_by_the_version_that_stood_then(shop, puppets):
    puppets()

    async def work(running: Running):
        (hand,) = hands(running)
        hand.busy = True
        before = asyncio.ensure_future(running.service.predict("tickets", CARD))
        await asyncio.sleep(0)
        shop.promote("tickets:2", why="to show")
        await running.service.refresh()
        hand.busy = False
        after = await running.service.predict("tickets", CARD)
        return (await before).ref, label(await before), after.ref, label(after), hand.loaded

    told = ("tickets:1", "a-0", "tickets:2", "b-0", {"tickets:2"})
    assert serve(work, shop.workspace, "tickets", workers=1) == told


def test_what_a_version_loaded_too_late_is_not_kept(shop, puppets):
    puppets()

    async def work(running: Running):
        (hand,), wanted = hands(running), running.service._versions.wanted
        other = wanted["tickets:1"].__class__(**(vars(wanted["tickets:1"]) | {"ref": "tickets:9"}))
        await running.service._versions._load(hand, other)
        return hand.loaded

    assert serve(work, shop.workspace, "tickets", workers=1) == {"tickets:1"}


def test_only_the_model_whose_alias_moved_is_looked_at_again(shop, puppets, monkeypatch):
    puppets()
    shop.register(shop.resolve("tickets:1").path, name="news", task="classification", method="tfidf", alias="champion")
    looked, queries = [], []

    async def work(running: Running):
        monkeypatch.setattr(versions, "settled", lambda t, *more: looked.append(t.name) or fleet.settled(t, *more))
        monkeypatch.setattr(versions, "standing", lambda *all_: queries.append(1) or fleet.standing(*all_))
        shop.promote("tickets:2", why="to show")
        await running.service.refresh()
        before = len(queries)
        await running.service.refresh()
        return len(queries) - before, [served.ref for served in running.service.served()]

    assert serve(work, shop.workspace, "tickets", "news", workers=1, poll=60) == (1, ["tickets:2", "news:1"])
    assert looked == ["tickets"]


@pytest.mark.parametrize("error", [StoreError("away"), OSError("no such disk")])
def test_aliases_are_followed_again_when_the_database_is_back(shop, puppets, monkeypatch, error):
    puppets()

    def broken(*_):
        raise error

    async def work(running: Running):
        with monkeypatch.context() as away:
            away.setattr(versions, "standing", broken)
            while not running.told("registry_away"):
                await asyncio.sleep(0.02)
        shop.promote("tickets:2", why="to show")
        while not running.told("swap"):
            await asyncio.sleep(0.02)
        return (await running.service.predict("tickets", CARD)).ref

    assert serve(work, shop.workspace, "tickets", workers=1) == "tickets:2"


@pytest.mark.parametrize(("error", "ref"), [(StoreError("away"), "tickets:2"), (ArtifactError("damaged"), "tickets:1")])
def test_a_database_that_goes_amid_a_swap_is_asked_again_and_a_damaged_version_is_not(
    shop, puppets, monkeypatch, error, ref
):
    puppets()

    def broken(*_):
        raise error

    async def work(running: Running):
        shop.promote("tickets:2", why="to show")
        with monkeypatch.context() as away:
            away.setattr(versions, "settled", broken)
            with suppress(StoreError):
                await running.service.refresh()
        await running.service.refresh()
        return (await running.service.predict("tickets", CARD)).ref

    assert serve(work, shop.workspace, "tickets", workers=1, poll=60) == ref


# Starting and ending


@pytest.mark.parametrize(("trouble", "reason"), [("die", "workers die while they load"), ("chatter", "signal 9")])
def test_a_service_whose_workers_die_at_the_start_says_so(shop, puppets, trouble, reason):
    puppets(a=trouble)
    events = []
    start = time.monotonic()
    with pytest.raises(ServiceError, match=reason):
        asyncio.run(Service(shop.workspace, ["tickets"], workers=1, tell=events.append).start())
    assert time.monotonic() - start > 1.4  # half a second, then a whole one between three
    assert [event.kind for event in events] == ["worker_died"] * 3


def test_a_worker_that_cannot_be_started_is_told_and_tried_again(shop, puppets, monkeypatch):
    from tunewheel.serving import crew

    puppets()
    command = crew.COMMAND

    async def work(running: Running):
        monkeypatch.setattr(crew, "COMMAND", ("/no/such/program",))
        (hand,) = hands(running)
        os.kill(hand.process.pid, signal.SIGKILL)
        while len(running.told("worker_died")) < 2:
            await asyncio.sleep(0.02)
        monkeypatch.setattr(crew, "COMMAND", command)
        answered = await running.service.predict("tickets", CARD)
        return label(answered), [died["reason"] for died in running.told("worker_died")]

    answered, reasons = serve(work, shop.workspace, "tickets", workers=1)
    assert answered == "a-0" and reasons[0] == "signal 9" and "cannot be started" in reasons[1]


def test_a_worker_that_was_of_use_is_followed_at_once_however_often_it_dies(shop, puppets, monkeypatch):
    from tunewheel.serving import crew

    puppets()
    told = []
    monkeypatch.setattr(crew, "pause_after", lambda pause, useful: told.append(useful) or 0.0)

    async def work(running: Running):
        for _ in range(3):
            (hand,) = hands(running)
            os.kill(hand.process.pid, signal.SIGKILL)
            await running.service._changes.until(lambda gone=hand: gone not in hands(running))
            assert label(await running.service.predict("tickets", CARD)) == "a-0"

    serve(work, shop.workspace, "tickets", workers=1)
    assert told == [True] * 3


def test_a_service_that_is_told_to_end_while_it_loads_ends(shop, puppets):
    puppets(a="hang")

    async def run():
        service = Service(shop.workspace, ["tickets"], workers=1)
        starting = asyncio.ensure_future(service.start())
        await asyncio.sleep(0.3)
        await service.stop()
        with pytest.raises(Draining):
            await asyncio.wait_for(starting, 5)

    asyncio.run(run())


def test_what_is_not_finished_in_time_is_told_when_the_service_ends(shop, puppets, writer):
    puppets()

    async def work(running: Running):
        service = running.service
        stream = service.stream("writer", {"text": "1, hang"})
        assert await anext(stream) == "0 "
        rest = asyncio.ensure_future(anext(stream))
        asked = [asyncio.ensure_future(service.predict("tickets", [{"text": text}])) for text in ("sleep 60", "a", "b")]
        await asyncio.sleep(0.2)
        await service.stop(drain=0.1)
        return await asyncio.wait_for(asyncio.gather(rest, *asked, return_exceptions=True), 1)

    errors = serve(work, shop.workspace, "tickets", writer, workers=2)
    assert [type(error) for error in errors] == [Draining] * 4


def test_a_listener_that_fails_is_in_nobodys_way(shop, puppets, caplog):
    puppets()

    async def work(running: Running):
        def broken(event):
            raise RuntimeError("no room for metrics")

        running.service._say = broken
        answers = [await running.service.predict("tickets", CARD) for _ in range(3)]
        os.kill(hands(running)[0].process.pid, signal.SIGKILL)
        return [*answers, await running.service.predict("tickets", CARD)]

    assert [label(one) for one in serve(work, shop.workspace, "tickets", workers=1)] == ["a-0"] * 4
    assert "was not heard" in caplog.text


# Requests


def test_a_client_that_leaves_is_not_computed_for(shop, puppets, tmp_path):
    puppets()

    async def work(running: Running):
        service = running.service
        first = asyncio.ensure_future(service.predict("tickets", [{"text": "sleep 0.5"}]))
        await asyncio.sleep(0.1)
        left = [asyncio.ensure_future(service.predict("tickets", [{"text": f"left {i}"}])) for i in range(3)]
        with pytest.raises(TimedOut):
            await service.predict("tickets", [{"text": "late"}], timeout=0.1)
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        waiting = len(service.waiting)
        stayed = await service.predict("tickets", [{"text": "stayed"}])
        await first
        return waiting, label(stayed)

    assert serve(work, shop.workspace, "tickets", workers=1) == (0, "a-0")
    assert (tmp_path / "computed").read_text(encoding="utf-8").split("\n")[-3:] == ["sleep 0.5", "stayed", ""]


def test_a_worker_that_is_stuck_is_replaced(shop, puppets):
    puppets()

    async def work(running: Running):
        running.service._scheduler.patience = 0.5
        with pytest.raises(WorkerDied):  # it is tried again, alone, and sticks again
            await running.service.predict("tickets", [{"text": "hang"}])
        return label(await running.service.predict("tickets", CARD)), len(running.told("worker_died"))

    assert serve(work, shop.workspace, "tickets", workers=1) == ("a-0", 2)


def test_a_worker_that_still_loads_does_not_count_for_what_can_be_answered_in_time(shop, puppets):
    puppets()

    async def work(running: Running):
        running.service.waiting._measured = (10.0, 1.0)
        hands(running)[1].loaded.clear()
        for hand in hands(running):
            hand.busy = True
        ahead = asyncio.ensure_future(running.service.predict("tickets", [{"text": "x" * 84}]))
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            await running.service.predict("tickets", CARD, timeout=2)
        ahead.cancel()
        return busy.value.retry_after

    # Three seconds ahead of it and its own, of which it would wait two.
    assert serve(work, shop.workspace, "tickets", workers=2) == pytest.approx(1 + estimated(CARD[0]) / 10)


def test_a_worker_keeps_the_kernels_of_a_few_shapes_and_not_of_every_batch_there_ever_was():
    """Each is pinned between what batches give back, so a worker that kept them all would grow with every new shape."""
    code = (
        "import torch\n"
        "x = torch.ones(1, 200, 64)\n"
        "for length in [*range(1, 201), 200, 1]:\n"
        "    torch.nn.functional.gelu(x[:, :length])\n"
    )
    environment = surroundings(1) | {"ONEDNN_VERBOSE": "profile"}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    made = [line.split("create:")[1].split(",")[0] for line in told.splitlines() if "create:" in line]
    if not made:
        pytest.skip("torch computes this without oneDNN here")
    assert made == ["cache_miss"] * 200 + ["cache_hit", "cache_miss"]


# Streams


async def read(running: Running, text: str, **options) -> list[str]:
    return [piece async for piece in running.service.stream("writer", {"text": text}, **options)]


def test_who_reads_slowly_holds_the_worker_no_longer_than_it_writes(shop, puppets, writer):
    puppets()

    async def work(running: Running):
        stream = running.service.stream("writer", {"text": "100"})
        first = await anext(stream)
        told = await running.service.predict("writer", [{"text": "a"}])
        return [first, *[piece async for piece in stream]], told.predictions

    pieces, told = serve(work, shop.workspace, writer, workers=1)
    assert pieces == [f"{i} " for i in range(100)] and told == [{"text": "all of it"}]


def test_a_worker_writes_a_bounded_way_ahead_of_its_reader(shop, puppets, writer):
    puppets()

    async def work(running: Running):
        stream = running.service.stream("writer", {"text": "20000"})
        pieces = [await anext(stream)]
        await asyncio.sleep(0.5)
        (asked,) = hands(running)[0]._open.values()
        ahead = asked.replies.qsize()
        pieces += [piece async for piece in stream]
        return ahead, pieces

    ahead, pieces = serve(work, shop.workspace, writer, workers=1)
    assert 0 < ahead < AHEAD and pieces == [f"{i} " for i in range(20_000)]


def test_streams_leave_a_worker_to_everything_else(shop, puppets, writer):
    """Three endless streams, two workers: texts between them are answered; one that ends lets in the next."""
    puppets()

    async def work(running: Running):
        first = running.service.stream("writer", {"text": "1000000000"})
        await anext(first)
        others = [running.service.stream("writer", {"text": "1000000000"}) for _ in range(2)]
        waiting = [asyncio.ensure_future(anext(other)) for other in others]
        answers = [await running.service.predict("writer", [{"text": "a"}], timeout=5) for _ in range(20)]
        pending = sum(not one.done() for one in waiting)
        await first.aclose()
        await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        began = sum(one.done() for one in waiting)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for other in others:
            await other.aclose()
        return [answer.predictions for answer in answers], pending, began

    answers, pending, began = serve(work, shop.workspace, writer, workers=2)
    assert answers == [[{"text": "all of it"}]] * 20 and (pending, began) == (2, 1)


def test_who_leaves_a_long_stream_frees_the_worker_at_once(shop, puppets, writer):
    puppets()

    async def work(running: Running):
        stream = running.service.stream("writer", {"text": "1000000000"})
        await anext(stream)
        await stream.aclose()
        return (await running.service.predict("writer", [{"text": "a"}], timeout=5)).predictions

    assert serve(work, shop.workspace, writer, workers=1) == [{"text": "all of it"}]


def test_a_stream_whose_worker_dies_is_begun_again_only_where_nothing_was_given(shop, puppets, writer):
    puppets()

    async def work(running: Running):
        whole = await read(running, "0, die once")
        with pytest.raises(WorkerDied):
            await read(running, "2, die")
        with pytest.raises(WorkerDied):
            await read(running, "0, die")
        return whole, await read(running, "3"), len(running.told("worker_died"))

    assert serve(work, shop.workspace, writer, workers=1) == ([], ["0 ", "1 ", "2 "], 4)


@pytest.mark.parametrize(("text", "error"), [("0, hang", TimedOut), ("1, hang", WorkerDied)])
def test_a_stream_that_hangs_is_given_up_and_its_worker_replaced(shop, puppets, writer, text, error):
    puppets()

    async def work(running: Running):
        running.service._scheduler.patience = 0.5
        with pytest.raises(error):
            await read(running, text, timeout=0.5)
        return await read(running, "1"), len(running.told("worker_died"))

    assert serve(work, shop.workspace, writer, workers=1) == (["0 "], 1)
