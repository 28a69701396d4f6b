"""A candidate in a running service: in the shadow nobody hears it, with a share it is one version, and it goes."""

import asyncio
import math
import time

import pytest

import tunewheel as tw
from serving.conftest import Running, serve
from tunewheel.feedback.exchanges import list_exchanges
from tunewheel.feedback.recorder import Recorder
from tunewheel.feedback.rollout.figures import gather
from tunewheel.feedback.rollout.plan import Plan
from tunewheel.feedback.rollout.record import begin, find_active, move
from tunewheel.loop.rollout import rollback, rollout
from tunewheel.serving.recording import exchanges, new_ids, shadow_exchanges
from tunewheel.serving.trials import Asker
from tunewheel.serving.waiting import Limits
from tunewheel.store.leases import database_now

OF = {"a-0": "tickets:1", "b-0": "tickets:2"}


def started(shop: tw.Registry, **plan) -> None:
    with shop.workspace.begin() as connection:
        begin(connection, "tickets", 2, Plan(**plan), by="a test", reason="to show")


def active(shop: tw.Registry):
    with shop.workspace.read() as connection:
        return find_active(connection, ["tickets"]).get("tickets")


def figures(shop: tw.Registry):
    with shop.workspace.read() as connection:
        return gather(connection, active(shop), database_now(connection))


async def until(condition, patience=60.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.02)


async def shadowing(running: Running) -> None:
    await running.service.refresh()
    await until(lambda: running.told("shadow"))


async def sharing(running: Running) -> None:
    await running.service.refresh()
    await until(lambda: running.told("beside"))


async def ask(running: Running, text: str, asker: Asker | None = None):
    answered = await running.service.predict("tickets", [{"text": text}], asker=asker or Asker())
    assert {OF[one["label"]] for one in answered.predictions} == {answered.ref}
    return answered


def test_a_shadow_answers_copies_that_are_recorded_and_never_given(shop, puppets):
    puppets()
    started(shop)
    recorder = Recorder(shop.workspace, every=0.05)

    async def work(running: Running):
        service = running.service
        service.trials.heard = lambda shadowed: recorder.record(shadow_exchanges(shadowed))
        await shadowing(running)
        for i in range(12):
            ids = new_ids(1)
            answered = await ask(running, f"card {i}", Asker("key", None, ids))
            assert answered.ref == "tickets:1"
            common = {"name": "tickets", "number": 1, "variant": "torch-fp32", "key": "key", "seconds": 0.01}
            recorder.record(exchanges(ids, [{"text": f"card {i}"}], answered.predictions, **common))
            await until(lambda i=i: service.trials.tally.versions["tickets:2", "shadow_answered"] == i + 1)
        await service.refresh()
        loaded = [hand.loaded for hand in service._crew.hands.values()]
        return figures(shop), loaded, service.trials.get("tickets").stage

    found, loaded, stage = serve(work, shop.workspace, "tickets", workers=1)
    recorder.close()
    assert (stage, loaded) == ("shadow", [{"tickets:1"}])  # it never was in a worker that answers
    assert (found.champion.counts.answered, found.candidate.counts.answered) == (12, 12)
    assert (found.candidate.counts.rows, found.candidate.counts.agreed) == (12, 0)
    assert sum(found.candidate.counts.seconds.values()) == 12
    with shop.workspace.read() as connection:
        live, shadows = (list_exchanges(connection, "tickets", role=role) for role in ("live", "shadow"))
    assert [one.shadow_of for one in shadows] == [one.id for one in live] and len(live) == 12
    assert {one.label for one in live} == {"a-0"} and {one.label for one in shadows} == {"b-0"}


def test_a_running_service_takes_up_rollouts_and_writes_its_counts_by_itself(shop, puppets):
    """Nobody calls `refresh` in a service but its own watch."""
    puppets()

    async def work(running: Running):
        started(shop)
        await until(lambda: running.told("shadow"))
        await ask(running, "card")
        await until(lambda: figures(shop).candidate.counts.answered == 1)
        with shop.workspace.begin() as connection:
            move(connection, find_active(connection, ["tickets"])["tickets"], "rolled back", "to show")
        await until(lambda: not running.service.trials._shadows)

    serve(work, shop.workspace, "tickets", workers=1)


def test_shadows_wait_in_a_bounded_queue_and_take_nothing_from_the_champion(shop, puppets):
    puppets(b="slow")
    started(shop)

    async def work(running: Running):
        service, took = running.service, []
        await shadowing(running)

        async def one(i):
            start = time.monotonic()
            assert (await ask(running, f"card {i}")).ref == "tickets:1"
            took.append(time.monotonic() - start)

        for start in range(0, 300, 10):
            await asyncio.gather(*(one(i) for i in range(start, start + 10)))
        shadow = service.trials._shadows["tickets"]
        waiting = len(shadow.waiting)
        await service.refresh()
        return took, waiting, running.told("shed"), figures(shop)

    took, waiting, shed, found = serve(work, shop.workspace, "tickets", workers=1, limits=Limits(waiting=20))
    assert len(took) == 300 and shed == []
    assert waiting <= 64 and found.candidate.counts.dropped >= 200  # each copy takes it a second
    assert sum(took) / len(took) < 0.5


def test_a_shadow_begins_no_copy_while_anything_of_the_champion_waits_or_every_worker_is_at_work(shop, puppets):
    puppets()
    started(shop)

    async def work(running: Running):
        service = running.service
        await shadowing(running)
        answered = service.trials.tally.versions
        busy = asyncio.ensure_future(ask(running, "sleep 1.0"))
        await asyncio.sleep(0.1)
        shadow = service.trials._shadows["tickets"]
        shadow.take(_copy("card"))
        await asyncio.sleep(0.3)
        during = answered["tickets:2", "shadow_answered"]
        await busy
        await until(lambda: answered["tickets:2", "shadow_answered"] >= 1)
        return during

    assert serve(work, shop.workspace, "tickets", workers=1) == 0


def _copy(text):
    from tunewheel.serving.shadow import Copy

    return Copy([{"text": text}], [{"label": "a-0"}], None)


@pytest.mark.parametrize("trouble", ["die", "raise", "wrong label"])
def test_a_candidate_that_cannot_be_loaded_in_the_shadow_is_rolled_back_by_itself(shop, puppets, trouble):
    puppets(b=trouble)
    started(shop)

    async def work(running: Running):
        await running.service.refresh()
        await until(lambda: running.told("shadow_refused"))
        await running.service.refresh()
        rolled = await asyncio.to_thread(rollout, "tickets", home=shop.workspace.home)
        await running.service.refresh()
        return rolled, (await ask(running, "card")).ref, running.told("worker_died"), running.service.trials._shadows

    rolled, ref, died, shadows = serve(work, shop.workspace, "tickets", workers=1)
    assert (rolled.decided.verdict, rolled.rollout.stage) == ("roll back", "rolled back")
    assert "could not be served" in rolled.decided.reason
    assert (ref, died, shadows, active(shop)) == ("tickets:1", [], {}, None)


def test_a_share_is_sticky_by_who_asks_else_by_text_and_as_large_as_was_said(shop, puppets):
    puppets()
    started(shop, shadow=0, share=0.3)

    async def work(running: Running):
        await sharing(running)
        first = {i: (await ask(running, f"card {i}")).ref for i in range(400)}
        again = {i: (await ask(running, f"card {i}")).ref for i in range(0, 400, 7)}
        who = {}
        for user in range(20):
            asker = Asker("key", f"key\0user {user}")
            who[user] = {(await ask(running, f"text {user} {i}", asker)).ref for i in range(5)}
        chosen = {i: running.service.chosen("tickets", [{"text": f"card {i}"}]).ref for i in range(400)}
        await running.service.refresh()
        return first, again, who, chosen, figures(shop)

    first, again, who, chosen, found = serve(work, shop.workspace, "tickets", workers=2)
    mine = sum(ref == "tickets:2" for ref in first.values())
    assert abs(mine - 120) < 4 * math.sqrt(400 * 0.3 * 0.7)
    assert all(first[i] == ref for i, ref in again.items()) and chosen == first
    assert all(len(refs) == 1 for refs in who.values()) and len(set.union(*who.values())) == 2
    assert found.champion.counts.asked + found.candidate.counts.asked == 400 + len(again) + 100
    assert found.candidate.counts.asked == mine + sum(ref == "tickets:2" for ref in again.values()) + 5 * sum(
        refs == {"tickets:2"} for refs in who.values()
    )


def test_where_a_candidate_fails_the_champion_answers_and_the_failures_take_the_candidate_back(shop, puppets):
    puppets(b="raise in answers")
    started(shop, shadow=0, share=0.5)

    async def work(running: Running):
        await sharing(running)
        refs = {(await ask(running, f"card {i}")).ref for i in range(80)}
        await running.service.refresh()
        rolled = await asyncio.to_thread(rollout, "tickets", home=shop.workspace.home)
        await running.service.refresh()
        await until(lambda: all(hand.loaded == {"tickets:1"} for hand in running.service._crew.hands.values()))
        return refs, rolled, len(running.told("fell_back"))

    refs, rolled, fell = serve(work, shop.workspace, "tickets", workers=1)
    assert refs == {"tickets:1"} and fell > 20
    assert (rolled.decided.verdict, rolled.figures.candidate.counts.errors) == ("roll back", fell)
    assert shop.aliases("tickets") == {"champion": 1}


def test_a_slow_candidate_is_rolled_back_by_itself(shop, puppets):
    puppets(b="slow")
    started(shop, shadow=0, share=0.5)

    async def work(running: Running):
        await sharing(running)
        for start in range(0, 80, 4):
            await asyncio.gather(*(ask(running, f"card {i}") for i in range(start, start + 4)))
        await running.service.refresh()
        return await asyncio.to_thread(rollout, "tickets", home=shop.workspace.home)

    rolled = serve(work, shop.workspace, "tickets", workers=4, limits=Limits(batch_tokens=8))
    assert rolled.decided.verdict == "roll back" and "p50" in rolled.decided.reason


def test_one_as_good_is_promoted_watched_and_taken_back_within_a_look_under_load(shop, puppets):
    """The whole way under load: no request fails, each answer is of one version, and the way back needs no loading."""
    puppets()
    tiny = {"shadow": 1e-6, "share_for": 1e-6, "share": 0.5, "watch": 3600, "least": 40}
    loose = {"errors": 0.2, "latency": 50, "tail": 100, "agreement": 1e-9}
    started(shop, **tiny, **loose)

    async def work(running: Running):
        service, ended, seen = running.service, asyncio.Event(), []

        async def asking(worker):
            for i in range(100_000):
                if ended.is_set():
                    return
                seen.append((await ask(running, f"{worker} {i}")).ref)
                await asyncio.sleep(0.002)

        askers = [asyncio.ensure_future(asking(i)) for i in range(4)]
        stages, loads = [], None
        while "watch" not in stages:
            await asyncio.sleep(0.3)
            await service.refresh()
            rolled = await asyncio.to_thread(rollout, "tickets", home=shop.workspace.home)
            stages.append(rolled.rollout.stage)
            assert rolled.decided.verdict != "roll back", rolled.decided
        await service.refresh()
        new = (await ask(running, "card")).ref
        await until(lambda: set(service._versions.beside) == {"tickets"})
        seen.clear()
        loads = len(running.told("beside"))
        start = time.monotonic()
        await asyncio.to_thread(rollback, "tickets", why="to show", home=shop.workspace.home)
        await service.refresh()
        back, took = (await ask(running, "card")).ref, time.monotonic() - start
        assert len(running.told("beside")) == loads
        ended.set()
        await asyncio.gather(*askers)
        await service.refresh()
        return stages, new, back, took, [hand.loaded for hand in service._crew.hands.values()]

    stages, new, back, took, loaded = serve(work, shop.workspace, "tickets", workers=2)
    assert list(dict.fromkeys(stages))[-2:] == ["share", "watch"]
    assert (new, back) == ("tickets:2", "tickets:1") and took < 5
    assert loaded == [{"tickets:1"}] * 2
    assert shop.aliases("tickets") == {"champion": 1} and active(shop) is None


def test_a_rollout_is_taken_back_at_once_while_its_candidate_hangs_as_it_loads(shop, puppets):
    puppets(b="hang")
    started(shop, shadow=0)

    async def work(running: Running):
        service = running.service
        await service.refresh()
        await until(lambda: service._versions.candidate == "tickets:2")
        during = (await ask(running, "card")).ref
        await asyncio.to_thread(rollback, "tickets", why="to show", home=shop.workspace.home)
        await asyncio.wait_for(service.refresh(), 30)
        after = (await ask(running, "card")).ref
        return during, after, service.trials.get("tickets"), service._versions.wanted.keys()

    assert serve(work, shop.workspace, "tickets", workers=1) == ("tickets:1", "tickets:1", None, {"tickets:1"})
    assert shop.aliases("tickets") == {"champion": 1}


def test_models_and_metrics_tell_of_it():
    from datetime import UTC, datetime

    from front import Desk
    from tunewheel.feedback.rollout.record import Rollout

    desk, now = Desk(), datetime(2026, 1, 2, tzinfo=UTC)
    assert desk.ask("GET", "/v1/models").json()["models"][0]["rollout"] is None
    service = desk.service
    found = Rollout(1, "tickets", 4, 3, "share", {"share": now}, Plan(), "", None, "a", now, None)
    service.trials._versions.rollouts["tickets"] = found
    service.trials.tally.versions["tickets:4", "shadow_dropped"] += 2
    told = desk.ask("GET", "/v1/models").json()["models"][0]["rollout"]
    assert told == {
        **{"candidate": "tickets:4", "champion": "tickets:3", "stage": "share", "share": 0.1},
        "since": "2026-01-02T00:00:00+00:00",
    }
    shown = desk.ask("GET", "/metrics").text
    assert 'tunewheel_version_requests_total{outcome="shadow_dropped",version="tickets:4"} 2.0' in shown
    assert 'tunewheel_rollout_info{candidate="tickets:4",model="tickets",stage="share"} 1.0' in shown


def test_the_sticky_header_goes_with_the_key_and_repeats_are_not_asked_again():
    from front import Desk, error

    desk = Desk()
    desk.predict(headers={"x-tunewheel-sticky": "user-7"})
    assert desk.service.asker == Asker(None, "None\0user-7", None)
    desk.predict()
    assert desk.service.asker.sticky is None
    assert error(desk.predict(headers={"x-tunewheel-sticky": "two words"})) == (422, "sticky")


def test_the_application_records_what_a_shadow_said_under_its_own_id_and_role():
    from front import Desk, Recorded
    from tunewheel.serving.shadow import Copy, Shadowed

    desk = Desk(recorder=Recorded())
    copy = Copy([{"text": "card"}], [{"label": "lost"}], 0.01, ["01LIVE"], "key")
    desk.service.trials.heard(Shadowed("tickets", 4, "torch-fp32", copy, [{"prediction": {"label": "余额"}}], 0.02))
    (one,) = desk.recorder
    assert (one.role, one.shadow_of, one.number, one.label) == ("shadow", "01LIVE", 4, "余额")
    assert one.id != "01LIVE" and (one.key, one.seconds) == ("key", 0.02)


def test_a_share_that_was_taken_back_leaves_no_candidate_in_a_worker(shop, puppets):
    puppets()
    started(shop, shadow=0, share=0.5)

    async def work(running: Running):
        await sharing(running)
        with shop.workspace.begin() as connection:
            move(connection, active_in(connection), "rolled back", "to show")
        await running.service.refresh()
        loaded = [hand.loaded for hand in running.service._crew.hands.values()]
        return {(await ask(running, f"card {i}")).ref for i in range(20)}, loaded

    def active_in(connection):
        return find_active(connection, ["tickets"])["tickets"]

    assert serve(work, shop.workspace, "tickets", workers=1) == ({"tickets:1"}, [{"tickets:1"}])
