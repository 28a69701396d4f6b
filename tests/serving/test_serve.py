"""`tunewheel serve`, the whole of it: a process that loads, answers, swaps, drains and ends with 0."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import httpx2
import pytest

import tunewheel as tw
from front import FakeService
from tunewheel import loop
from tunewheel.loop import LoopError
from tunewheel.registry import RegistryError
from tunewheel.serving.errors import ServiceError
from tunewheel.serving.guard import Guard
from tunewheel.serving.keys import add_key
from tunewheel.serving.run import _listening, _serve
from tunewheel.settings import SettingsError, serve_settings


class Started:
    """A service in a process of its own."""

    def __init__(self, *args):
        command = [sys.executable, "-m", "tunewheel", "serve", *args, "--port", "0", "--workers", "1", "--json"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.said = []
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.reader.start()
        line = self.process.stdout.readline()
        assert line, "".join(self.said)
        self.url = json.loads(line)["url"]

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        status = self.process.wait(30)
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@pytest.mark.slow
def test_a_service_answers_follows_its_alias_and_ends_with_0(shop, tmp_path):
    running = Started("tickets", "--home", str(tmp_path / "home"), "--no-record", "--set", "poll=0.1")
    with httpx2.Client(base_url=running.url) as client:
        assert client.get("/health/ready").json() == {"ready": True}
        told = client.post("/v1/models/tickets/predict", json={"texts": ["card number 1", "贷款"]}).json()
        assert told["version"] == "tickets:1" and all(p["label"].startswith("a-") for p in told["predictions"])
        shop.promote("tickets:2", why="test")
        for _ in range(300):
            told = client.post("/v1/models/tickets/predict", json={"text": "card"}).json()
            assert told["predictions"][0]["label"][0] == {"tickets:1": "a", "tickets:2": "b"}[told["version"]]
            if told["version"] == "tickets:2":
                break
        assert told["version"] == "tickets:2"
        assert 'tunewheel_swaps_total{model="tickets"} 1.0' in client.get("/metrics").text
        assert client.get("/v1/models").json()["models"][0]["version"] == "tickets:2"
        add_key(shop.workspace, "desk")
    assert running.end() == 0
    lines = [json.loads(line) for line in running.said if line.startswith("{")]
    assert {"swap", "request", "stopped"} <= {line["event"] for line in lines}
    assert "anyone on this machine may ask" in "".join(running.said)
    assert "Traceback" not in "".join(running.said) and "card number" not in "".join(running.said)


@pytest.mark.slow
def test_ctrl_c_ends_it_as_well(shop, tmp_path):
    assert Started("tickets:1", "--home", str(tmp_path / "home"), "--no-record").end(signal.SIGINT) == 0


def test_others_than_this_machine_are_let_in_by_a_key_or_by_name_only(tmp_path):
    with tw.Workspace.open(tmp_path / "home") as workspace, pytest.raises(LoopError, match=r"keys add NAME.*--no-keys"):
        loop.serve(["tickets"], workspace=workspace, host="0.0.0.0")


def test_an_address_in_use_and_a_model_that_is_none_are_said(tmp_path):
    with tw.Workspace.open(tmp_path / "home") as workspace:
        with _listening("127.0.0.1", 0) as taken, pytest.raises(ServiceError, match="cannot listen on"):
            loop.serve(["tickets"], workspace=workspace, port=taken.getsockname()[1])
        with pytest.raises(RegistryError, match="tickets"):
            loop.serve(["tickets"], workspace=workspace, port=0)


def test_settings_come_from_file_flags_and_set_and_a_mistake_is_named(tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("models: [tickets, people@live]\nport: 9000\ntimeout: 2\n")
    chosen = serve_settings({"port": 9001}, file=file, changes=["timeout=3"])
    assert (chosen.models, chosen.port, chosen.timeout) == (("tickets", "people@live"), 9001, 3)
    with pytest.raises(SettingsError, match="waitin: no such setting; did you mean 'waiting'"):
        serve_settings({"models": ["a"]}, changes=["waitin=3"])
    with pytest.raises(SettingsError, match="record"):
        serve_settings({"models": ["a"], "record": 2})
    with pytest.raises(SettingsError, match="models"):
        serve_settings({})


def test_what_is_under_way_is_finished_while_readiness_is_gone():
    service = FakeService()
    service.endless = True
    seen = {}

    async def start():
        return None

    async def stop(drain):
        service.ready = False
        async with httpx2.AsyncClient(base_url=seen["url"]) as client:
            seen["ready"] = (await client.get("/health/ready")).status_code
            seen["live"] = (await client.get("/health/live")).status_code
        service.endless = False  # the stream comes to its end by itself
        while service.streams_open:
            await asyncio.sleep(0.01)

    service.start, service.stop = start, stop

    async def whole():
        started = asyncio.Event()

        def told(url):
            seen["url"] = url
            started.set()

        with _listening("127.0.0.1", 0) as listener:
            serving = asyncio.create_task(
                _serve(lambda tell: service, Guard(), listener, None, None, None, None, 1 << 20, 30.0, told)
            )
            await started.wait()
            path = "/v1/models/answers/stream"
            async with (
                httpx2.AsyncClient(base_url=seen["url"]) as client,
                client.stream("POST", path, json={"text": "hi"}) as reply,
            ):
                lines = reply.aiter_lines()
                await anext(lines)
                os.kill(os.getpid(), signal.SIGTERM)
                seen["rest"] = [line async for line in lines]
            await asyncio.wait_for(serving, 20)

    asyncio.run(whole())
    assert seen["ready"] == 503 and seen["live"] == 200 and "event: done" in seen["rest"]
