"""The load benchmark's own instruments, against servers whose capacity is known."""

from __future__ import annotations

import asyncio
import json
import math
import random
import xml.etree.ElementTree as ET

import pytest

from load import Driver, highest, picture
from loadgen import Job, generate, quantile
from services import Running
from unruly import serving


class Queue:
    """One server for all, ``takes`` seconds a request; ``stall``: at which request it sleeps, and how long."""

    def __init__(self, takes: float, status: int = 200, stall: tuple[int, float] = (0, 0.0)) -> None:
        self.takes, self.status, self.stall = takes, status, stall
        self.free = 0.0
        self.count = 0

    async def __call__(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        now = asyncio.get_running_loop().time()
        self.count += 1
        slept = self.stall[1] if self.count == self.stall[0] else 0.0
        self.free = max(now, self.free) + self.takes + slept
        await asyncio.sleep(self.free - now)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


def job(url: str, rate: float, seconds: float, **more: object) -> Job:
    return Job("127.0.0.1", int(url.rpartition(":")[2]), "/predict", ["{}"], rate, seconds, **more)


def simulated(takes: float, seconds: float, rate: float, seed: int) -> float:
    """p99 of the same queue, reckoned."""
    draw, at, free, latencies = random.Random(seed), 0.0, 0.0, []
    while (at := at + draw.expovariate(rate)) < seconds:
        free = max(at, free) + takes
        latencies.append(free - at)
    return quantile(sorted(latencies), 0.99)


@pytest.mark.slow
def test_the_capacity_of_a_known_server_is_found_within_15_percent():
    takes, seconds = 0.005, 4.0
    drawn = [simulated(takes, seconds, 180.0, seed) for seed in range(200)]
    assert sum(p99 <= 0.1 for p99 in drawn) > 100  # this server holds 180 requests a second, mostly
    expected = highest(lambda rate: sum(simulated(takes, seconds, rate, seed) <= 0.1 for seed in range(40)) >= 20, 50.0)
    with serving(Queue(takes)) as url:
        running = Running(1, int(url.rpartition(":")[2]), None)
        driver = Driver(running, "/predict", ["{}"], seconds, 0)
        found = highest(driver.holds, 60.0, precision=0.08)
    assert found == pytest.approx(expected, rel=0.15)
    assert all(0 < probe["generator"] < 1 for probe in driver.probes)


@pytest.mark.parametrize("true", [0.7, 3.0, 99.0, 1234.0])
def test_the_search_comes_within_its_precision_from_any_start(true):
    for start in (1.0, 20.0, 700.0):
        tried: list[float] = []

        def probe(rate: float, tried: list[float] = tried) -> bool:
            tried.append(rate)
            return rate <= true

        found = highest(probe, start, precision=0.05)
        if true < start / 100:
            assert found in (0, pytest.approx(true, rel=0.5)) and len(tried) < 12
        else:
            assert true / 1.05 <= found <= true and len(tried) < 25


def test_a_stall_is_charged_to_all_who_came_meanwhile():
    with serving(Queue(0.0, stall=(40, 0.5))) as url:
        found = generate(job(url, 100.0, 2.0))
    # Half a second of two: about 50 of 200 waited, 25 of them longer than 250 ms. One request at a time would see one.
    late = found["sent"] - found["in_time"]
    assert found["answered"] == found["sent"] and 20 <= late <= 80 and found["p99"] > 0.3


def test_what_is_refused_or_never_answered_is_infinitely_late():
    with serving(Queue(0.0, status=429)) as url:
        found = generate(job(url, 100.0, 0.5))
    assert found["statuses"]["429"] == found["sent"] and found["answered"] == 0 and found["p99"] == math.inf
    with serving(Queue(30.0)) as url:
        found = generate(job(url, 50.0, 0.5, patience=0.2))
    assert found["statuses"] == {"none": found["sent"]} and found["goodput"] == 0


def test_requests_come_as_often_as_was_asked_and_not_in_step():
    with serving(Queue(0.0)) as url:
        found = generate(job(url, 200.0, 2.0))
    assert 320 < found["sent"] < 480 and found["answered"] == found["sent"]


def test_the_picture_is_one_whatever_never_came():
    point = {"p50_answered": 0.02, "p99_answered": 0.05, "goodput": 80.0}
    curve = [{"share": 0.5, **point}, {"share": 1.5, **point, "p99_answered": math.inf}]
    drawn = picture([{"task": "ner & more", "capacity": {"tunewheel": 100.0}, "curve": curve}])
    assert len(ET.fromstring(drawn).findall(".//{*}polyline")) == 3 and "inf" not in drawn


def test_a_result_can_be_written_down():
    from load import told

    keys = ("rate", "p50_answered", "p99_answered", "p99", "goodput", "statuses", "generator", "lag")
    point = dict.fromkeys(keys, math.inf) | {"share": 1.5}
    assert json.loads(json.dumps(told([point]), allow_nan=False))[0]["p99"] is None


def test_answers_are_compared_number_by_number_and_anything_else_exactly():
    from service import gap

    told = {"label": "lost", "confidence": 0.5, "probabilities": {"lost": 0.5, "余额": 0.25}, "exchange": "01KB"}
    assert gap(told, {"label": "lost", "confidence": 0.5, "probabilities": {"lost": 0.5, "余额": 0.251}}) == (
        pytest.approx(0.001)
    )
    assert gap(told, {"label": "余额", "confidence": 0.5, "probabilities": {"lost": 0.5, "余额": 0.25}}) == math.inf
    span = {"start": 0, "end": 4, "label": "person", "confidence": 0.9}
    assert gap({"entities": [span]}, {"entities": [{**span, "confidence": 0.8}]}) == pytest.approx(0.1)
    for other in ([], [{**span, "end": 5}], [span, span], [{"start": 0}]):
        assert gap({"entities": [span]}, {"entities": other}) == math.inf


def test_an_answer_of_another_version_is_wrong():
    from service import Crowd

    class Told(list):
        version = "banking:2"

    crowd = Crowd("", ["a"], {"banking:1": [{"label": "x"}], "banking:2": [{"label": "y"}]})
    crowd._heard([0], Told([{"label": "y", "exchange": None}]), 0.1)
    assert (crowd.answers, crowd.wrong) == (1, [])
    crowd._heard([0], Told([{"label": "x", "exchange": None}]), 0.1)
    Told.version = "banking:3"
    crowd._heard([0], Told([{"label": "x", "exchange": None}]), 0.1)
    assert len(crowd.wrong) == 2


def test_hostile_requests_are_the_same_every_time_and_of_many_kinds():
    from hostile import hostile_request

    made = [hostile_request(random.Random(number)) for number in range(300)]
    assert made == [hostile_request(random.Random(number)) for number in range(300)]
    assert len({body for *_, body in made}) > 100 and len({path for _, path, *_ in made}) > 2
