"""Every answer is of one version, in full, whatever dies, moves or is asked meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tunewheel as tw
from serving.conftest import Running, rows_for, serve
from tunewheel.serving.errors import BadRow, Busy, Draining, NotReady, ServiceError, TimedOut, UnknownModel, WorkerDied
from tunewheel.serving.service import Service
from tunewheel.serving.waiting import Limits

TEXTS = [{"text": f"card number {i}"} for i in range(3)]


def marks(answered) -> set[str]:
    """Which models the answers come from."""
    return {one["label"].partition("-")[0] for one in answered.predictions}


def test_answers_are_those_of_the_model_and_name_their_version(shop, versions):
    from tunewheel.models import Model

    async def work(running: Running):
        return await running.service.predict("tickets", TEXTS), running.service.served(), running.service.ready

    answered, (served,), ready = serve(work, shop.workspace, "tickets", workers=1)
    assert answered.predictions == Model.load(versions / "a").predict([row["text"] for row in TEXTS])
    assert (answered.ref, answered.number, served.ref, served.alias) == ("tickets:1", 1, "tickets:1", "champion")
    assert served.labels == ("a-0", "a-1") and ready


def test_a_folder_and_a_fixed_version_are_served_side_by_side(shop, versions):
    async def work(running: Running):
        return [marks(await running.service.predict(name, TEXTS)) for name in ("a", "tickets")]

    assert serve(work, shop.workspace, str(versions / "a"), "tickets:2", workers=1) == [{"a"}, {"b"}]


def test_a_moved_alias_is_followed_and_taken_back(shop):
    async def work(running: Running):
        seen = []
        for ref in ("tickets:2", "tickets:1", "tickets:2"):
            shop.promote(ref, why="to show")
            await running.service.refresh()
            answered = await running.service.predict("tickets", TEXTS)
            seen.append((answered.ref, marks(answered)))
        loaded = [hand.loaded for hand in running.service._crew.hands.values()]
        return seen, loaded, running.told("swap")

    seen, loaded, swaps = serve(work, shop.workspace, "tickets", workers=2)
    assert seen == [("tickets:2", {"b"}), ("tickets:1", {"a"}), ("tickets:2", {"b"})]
    assert loaded == [{"tickets:2"}] * 2
    assert [swap["replaced"] for swap in swaps] == ["tickets:1", "tickets:2", "tickets:1"]


@pytest.mark.parametrize("swaps", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_under_load_no_swap_fails_or_mixes_an_answer(shop, swaps):
    of = {"tickets:1": "a", "tickets:2": "b"}

    async def work(running: Running):
        service, ended, wrong, count = running.service, asyncio.Event(), [], 0

        async def ask():
            nonlocal count
            while not ended.is_set():
                answered = await service.predict("tickets", TEXTS)
                count += 1
                if marks(answered) != {of[answered.ref]}:
                    wrong.append(answered)

        askers = [asyncio.ensure_future(ask()) for _ in range(8)]
        for i in range(swaps):
            shop.promote(f"tickets:{2 - i % 2}", why="to show")
            await service.refresh()
        ended.set()
        await asyncio.gather(*askers)
        return wrong, count, len(running.told("swap"))

    wrong, count, swapped = serve(work, shop.workspace, "tickets", workers=2)
    assert wrong == [] and swapped == swaps and count > swaps


def test_a_version_that_does_not_load_never_takes_over(shop, tmp_path):
    damaged = shop.resolve("tickets:2").path / "tunewheel.json"
    damaged.chmod(0o644)
    damaged.write_text(damaged.read_text(encoding="utf-8").replace("b-0", "c-0"), encoding="utf-8")

    async def work(running: Running):
        shop.promote("tickets:2", why="to show")
        await running.service.refresh()
        await running.service.refresh()
        return await running.service.predict("tickets", TEXTS), running.told("swap_refused")

    answered, refused = serve(work, shop.workspace, "tickets", workers=1)
    assert answered.ref == "tickets:1" and len(refused) == 1
    assert "damaged" in refused[0]["reason"]


def test_a_version_that_fails_its_probes_never_takes_over(shop, monkeypatch):
    import tunewheel.serving.probes as module

    real = module.wrong_with
    monkeypatch.setattr(module, "wrong_with", lambda found, *more: "b!" if "b-" in str(found) else real(found, *more))

    async def work(running: Running):
        shop.promote("tickets:2", why="to show")
        await running.service.refresh()
        loaded = [hand.loaded for hand in running.service._crew.hands.values()]
        return await running.service.predict("tickets", TEXTS), running.told("swap_refused"), loaded

    answered, refused, loaded = serve(work, shop.workspace, "tickets", workers=1)
    assert answered.ref == "tickets:1" and refused[0]["reason"] == "b!"
    assert loaded == [{"tickets:1"}]


def test_a_service_whose_model_does_not_load_does_not_start(shop):
    weights = next(shop.resolve("tickets:1").path.glob("*.safetensors"))
    weights.chmod(0o644)
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    with pytest.raises(Exception, match="damaged"):
        serve(lambda running: None, shop.workspace, "tickets", workers=1)


def test_a_killed_worker_is_replaced_and_its_requests_are_answered(shop):
    async def work(running: Running):
        service, wrong, ended = running.service, [], asyncio.Event()
        first = {hand.process.pid for hand in service._crew.hands.values()}

        async def ask():
            while not ended.is_set():
                answered = await service.predict("tickets", TEXTS)
                if marks(answered) != {"a"}:
                    wrong.append(answered)

        askers = [asyncio.ensure_future(ask()) for _ in range(6)]
        for number in (0, 1):
            await asyncio.sleep(0.05)
            os.kill(service._crew.hands[number].process.pid, signal.SIGKILL)
            await service._changes.until(lambda: len(service._crew.hands) < 2)
            await asyncio.wait_for(
                service._changes.until(lambda: len(service._versions.holding({"tickets:1"})) == 2), 60
            )
        ended.set()
        await asyncio.gather(*askers)
        return wrong, first & {hand.process.pid for hand in service._crew.hands.values()}, running.told("worker_died")

    wrong, same, died = serve(work, shop.workspace, "tickets", workers=2)
    assert wrong == [] and not same and len(died) == 2


def test_a_worker_that_comes_up_during_a_swap_has_the_new_version(shop):
    async def work(running: Running):
        service = running.service
        shop.promote("tickets:2", why="to show")
        os.kill(next(iter(service._crew.hands.values())).process.pid, signal.SIGKILL)
        await service.refresh()
        answered = [await service.predict("tickets", TEXTS) for _ in range(20)]
        await asyncio.wait_for(service._changes.until(lambda: len(service._versions.holding({"tickets:2"})) == 2), 60)
        return answered, [hand.loaded for hand in service._crew.hands.values()]

    answered, loaded = serve(work, shop.workspace, "tickets", workers=2)
    assert {one.ref for one in answered} == {"tickets:2"} and all(marks(one) == {"b"} for one in answered)
    assert loaded == [{"tickets:2"}] * 2


POISON = """
import os, sys
from tunewheel.serving import answers, worker

class Poisoned(answers.Opened):
    def __call__(self, rows):
        for row in rows:
            if row["text"] == "raise":
                raise KeyError(row["text"])
            if row["text"] == "die":
                os._exit(9)
            if row["text"] == "nan":
                return [{"label": "a-0", "confidence": float("nan")} for _ in rows], None
        return super().__call__(rows)

answers.Opened = Poisoned
worker.main()
"""


@pytest.fixture
def poisoned(monkeypatch, tmp_path):
    """Workers that some texts do harm to."""
    from tunewheel.serving import crew

    script = tmp_path / "poisoned.py"
    script.write_text(POISON, encoding="utf-8")
    monkeypatch.setattr(crew, "COMMAND", (sys.executable, str(script)))


@pytest.mark.parametrize(("text", "error"), [("raise", "KeyError"), ("nan", "not a finite number")])
def test_a_row_that_raises_hurts_itself_alone(shop, poisoned, text, error):
    async def work(running: Running):
        good = [running.service.predict("tickets", TEXTS) for _ in range(10)]
        bad = running.service.predict("tickets", [TEXTS[0], {"text": text}])
        return await asyncio.gather(*good[:5], bad, *good[5:], return_exceptions=True)

    *first, bad = serve(work, shop.workspace, "tickets", workers=1)[:6]
    assert isinstance(bad, BadRow) and bad.place == 1 and error in bad.reason and text not in bad.reason.split()
    assert all(marks(one) == {"a"} for one in first)


def test_a_row_that_kills_its_worker_hurts_itself_alone(shop, poisoned):
    async def work(running: Running):
        every = [running.service.predict("tickets", [row], timeout=60) for row in TEXTS * 3]
        every.insert(4, running.service.predict("tickets", [{"text": "die"}], timeout=60))
        return await asyncio.gather(*every, return_exceptions=True)

    answers = serve(work, shop.workspace, "tickets", workers=2, limits=Limits(timeout=60))
    assert isinstance(answers.pop(4), WorkerDied)
    assert all(marks(one) == {"a"} for one in answers)


def test_more_than_may_wait_is_refused_at_once_with_a_time(shop):
    async def work(running: Running):
        every = [running.service.predict("tickets", TEXTS) for _ in range(40)]
        return await asyncio.gather(*every, return_exceptions=True), running.told("shed")

    answers, shed = serve(work, shop.workspace, "tickets", workers=1, limits=Limits(waiting=12, batch_tokens=32))
    busy = [one for one in answers if isinstance(one, Busy)]
    assert 0 < len(busy) < 40 and len(shed) == len(busy)
    assert all(one.retry_after > 0 for one in busy)
    assert all(marks(one) == {"a"} for one in answers if not isinstance(one, Exception))


def test_what_could_not_be_answered_in_time_is_refused_at_once(shop):
    async def work(running: Running):
        running.service.waiting._measured = (1.0, 1.0)
        first = asyncio.ensure_future(running.service.predict("tickets", TEXTS * 4))
        await asyncio.sleep(0)
        running.service.waiting.tokens += 100
        with pytest.raises(Busy):
            await running.service.predict("tickets", TEXTS, timeout=0.5)
        running.service.waiting.tokens -= 100
        return await first

    assert marks(serve(work, shop.workspace, "tickets", workers=1)) == {"a"}


def test_a_request_whose_time_is_over_is_given_up_and_not_computed(shop):
    async def work(running: Running):
        service = running.service
        (hand,) = service._crew.hands.values()
        hand.busy = True
        with pytest.raises(TimedOut):
            await service.predict("tickets", TEXTS, timeout=0.05)
        hand.busy = False
        before = len(running.told("batch"))
        await service.predict("tickets", TEXTS[:1])
        return [batch["size"] for batch in running.told("batch")[before:]], len(service.waiting)

    assert serve(work, shop.workspace, "tickets", workers=1) == ([1], 0)


def test_draining_finishes_what_is_under_way_and_takes_nothing_more(shop):
    async def work(running: Running):
        service = running.service
        under_way = [asyncio.ensure_future(service.predict("tickets", TEXTS)) for _ in range(20)]
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(service.stop(drain=10))
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await service.predict("tickets", TEXTS)
        assert not service.ready
        answers = await asyncio.gather(*under_way)
        await stopping
        return answers

    assert all(marks(one) == {"a"} for one in serve(work, shop.workspace, "tickets", workers=1))


REFUSED = [
    ([], "holds no text"),
    ([{"text": "a"}, {"text": None}], "row 2: text: expected a text, found none"),
    ([{"text": 5}], "found int"),
    (["a"], "expected an object"),
    ([{"text": "\ud800"}], "lone surrogate"),
    ([{"text": "x" * 101}], "101 characters, where 100 are the most"),
    ([{"text": "a"}] * 6, "at most 5 texts"),
]


def test_what_nobody_could_answer_is_refused_by_its_place(shop):
    async def work(running: Running):
        for rows, reason in REFUSED:
            with pytest.raises(BadRow, match=reason):
                await running.service.predict("tickets", rows)
        return await running.service.predict("tickets", [{"text": ""}, {"text": "\x00 银行卡 🙂"}])

    limits = Limits(characters=100, texts=5)
    assert marks(serve(work, shop.workspace, "tickets", workers=1, limits=limits)) == {"a"}


@pytest.mark.slow
def test_a_network_answers_the_longest_text_and_none_at_all(tiny_base, tmp_path):
    from tiny import entity_rows
    from tunewheel.models import Model, Recipe, prepare
    from tunewheel.store import Workspace
    from tunewheel.tasks.ner import Ner

    ready = prepare(Ner(["person"], context=64), str(tiny_base), entity_rows(8), Recipe(epochs=1))
    ready.train(entity_rows(8), [], tmp_path / "run")[0].save(tmp_path / "people")
    texts = ["", "\x00", "王芳 paid. " * 11_111 + "1", "a", "\u202e\ufeff", "x" * 100_000]
    assert len(texts[2]) == 100_000
    alone = [Model.load(tmp_path / "people").predict([text])[0] for text in texts]

    async def work(running: Running):
        rows = [{"text": text, "document": "one"} for text in texts]
        return (await running.service.predict("people", rows, timeout=100)).predictions

    with Workspace.open(tmp_path / "home") as workspace:
        answered = serve(work, workspace, str(tmp_path / "people"), workers=1, limits=Limits(timeout=100))
    assert [_spans(one) for one in answered] == [_spans(one) for one in alone]


def _spans(prediction):
    return [(entity["start"], entity["end"], entity["label"]) for entity in prediction["entities"]]


def test_names_that_are_not_served_are_told_the_nearest(shop):
    async def work(running: Running):
        with pytest.raises(UnknownModel, match="did you mean tickets"):
            await running.service.predict("ticket", TEXTS)
        with pytest.raises(BadRow, match="answers all at once"):
            await anext(running.service.stream("tickets", TEXTS[0]))

    serve(work, shop.workspace, "tickets", workers=1)

    async def early():
        await Service(shop.workspace, ["tickets"]).predict("tickets", TEXTS)

    with pytest.raises(NotReady):
        asyncio.run(early())
    with pytest.raises(ServiceError, match="would both be served as 'tickets'"):
        Service(shop.workspace, ["tickets", "tickets:2"])


def test_the_front_process_loads_neither_torch_nor_a_model(shop):
    script = """
import asyncio, sys
from tunewheel.serving.service import Service
from tunewheel.store import Workspace
async def main():
    service = Service(Workspace.open(sys.argv[1]), ["tickets"], workers=1)
    await service.start()
    await service.predict("tickets", [{"text": "card"}])
    await service.stop()
asyncio.run(main())
print([name for name in ("torch", "transformers", "sklearn") if name in sys.modules])
"""
    command = [sys.executable, "-c", script, str(shop.workspace.home)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_workers_end_with_the_service_even_when_it_is_killed(shop, start):
    script = """
import asyncio, sys
from tunewheel.serving.service import Service
from tunewheel.store import Workspace
async def main():
    service = Service(Workspace.open(sys.argv[1], sys.argv[2] or None), ["tickets"], workers=1)
    await service.start()
    print(next(iter(service._crew.hands.values())).process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = start(script, shop.workspace)
    worker = int(process.stdout.readline())
    process.kill()
    deadline = time.monotonic() + 10
    while _alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(process: int) -> bool:
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


def test_a_model_that_writes_streams_and_a_client_that_leaves_frees_the_worker(tmp_path):
    from tunewheel.models.generator import Generator
    from tunewheel.models.model import Model, Origin
    from tunewheel.store import Workspace
    from tunewheel.tasks.generation import Generation
    from writers import tiny_llama

    body = Generator.of_base(str(tiny_llama(tmp_path / "llama")))
    model = Model(body, Generation(max_new_tokens=40), Origin("full", "llama", ""))
    model.save(tmp_path / "writer")

    async def work(running: Running):
        row = {"text": "Where is my card?"}
        pieces = [piece async for piece in running.service.stream("writer", row)]
        left = running.service.stream("writer", row)
        await anext(left)
        await left.aclose()
        return pieces, await running.service.predict("writer", [row])

    with Workspace.open(tmp_path / "home") as workspace:
        pieces, answered = serve(work, workspace, str(tmp_path / "writer"), workers=1)
    assert "".join(pieces) == answered.predictions[0]["text"] == model.predict(["Where is my card?"])[0]["text"]


def test_rows_made_for_these_tests_name_their_version():
    assert {row["label"] for row in rows_for("a")} == {"a-0", "a-1"}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_exported_version_is_served_as_its_fastest_variant_by_every_worker(tiny_base, tmp_path, elsewhere):
    from tiny import intent_rows
    from tunewheel.models import Recipe, prepare
    from tunewheel.models.exporting.export import export
    from tunewheel.registry.exports import record_export
    from tunewheel.store import Workspace
    from tunewheel.tasks.classification import Classification

    rows = intent_rows(16)
    ready = prepare(Classification(sorted({row["label"] for row in rows})), str(tiny_base), rows, Recipe(epochs=1))
    model, _ = ready.train(rows, [], tmp_path / "run")
    model.save(tmp_path / "model")
    with Workspace.open(tmp_path / "home") as workspace:
        registry = tw.Registry(workspace)
        version = registry.register(tmp_path / "model", name="tiny", task="classification", method="full")
        made = export(model, dev_rows=rows, folder=tmp_path / "export", variants=["onnx-fp32"])
        told = made.summary | {"seconds": {"torch-fp32": 2.0, "torch-bf16": 0.1, "onnx-fp32": 1.0}}
        record_export(workspace, version, made.folder, told | ({"machine": "another"} if elsewhere else {}))

        async def work(running: Running):
            answered = [await running.service.predict("tiny", [{"text": row["text"]}]) for row in rows]
            return answered, running.service.served()[0].variant

        answered, variant = serve(work, workspace, "tiny", workers=2)
    assert {one.variant for one in answered} == {variant}
    assert variant in (("torch-fp32", "onnx-fp32") if elsewhere else ("onnx-fp32",))
    plain = model.predict([row["text"] for row in rows])
    for one, expected in zip(answered, plain, strict=True):
        assert one.predictions[0]["label"] == expected["label"]
        assert one.predictions[0]["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
        assert one.vectors.shape == (1, 64)
