"""The client against a server that misbehaves on purpose; each test with `Client` and with `AsyncClient`."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

import tunewheel as tw
from tunewheel.client import ClientError
from unruly import Unruly, events, hung_up, raw, refused, serving, slow

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def running() -> Iterator[Unruly]:
    unruly = Unruly()
    with serving(unruly) as url:
        unruly.url = url
        yield unruly


@pytest.fixture
def server(running: Unruly) -> Unruly:
    running.ways.clear()
    running.asked.clear()
    return running


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, server: Unruly) -> Call:
    """Calls a method of a client of its own; of a stream it gives the pieces and the stream."""

    def sync(verb: str, *arguments: Any, url: str | None = None, settings: Any = None, **options: Any) -> Any:
        with tw.Client(url or server.url, **(settings or {})) as client:
            found = getattr(client, verb)(*arguments, **options)
            return (list(found), found) if verb == "stream" else found

    def not_sync(verb: str, *arguments: Any, url: str | None = None, settings: Any = None, **options: Any) -> Any:
        async def called() -> Any:
            async with tw.AsyncClient(url or server.url, **(settings or {})) as client:
                found = await getattr(client, verb)(*arguments, **options)
                return ([piece async for piece in found], found) if verb == "stream" else found

        return asyncio.run(called())

    return sync if request.param == "sync" else not_sync


def failed(call: Call, *arguments: Any, **options: Any) -> tuple[ClientError, float]:
    """The error of a call, and the seconds until it came."""
    start = time.monotonic()
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    return caught.value, time.monotonic() - start


def keys(server: Unruly) -> list[str | None]:
    return [asked.headers.get("idempotency-key") for asked in server.asked]


def test_texts_are_answered_in_order_with_the_version_that_answered(call, server):
    answers = call("predict", "tickets", ["卡丢了", "thanks"])
    assert [one["label"] for one in answers] == ["L卡丢了", "Lthanks"]
    assert (answers.model, answers.version, answers.variant, answers.request) == (
        *("tickets", "tickets:3", "torch-fp32", "r1"),
    )
    assert json.loads(server.asked[0].body) == {"texts": ["卡丢了", "thanks"], "timeout": 10.0}


def test_one_text_and_rows_of_columns_are_asked_as_the_service_takes_them(call, server):
    assert [one["label"] for one in call("predict", "tickets", "thanks")] == ["Lthanks"]
    assert len(call("predict", "tickets", [{"text": "a", "other": "b"}, "c"], timeout=2)) == 2
    bodies = [json.loads(asked.body) for asked in server.asked]
    assert bodies[0]["texts"] == ["thanks"]
    assert bodies[1] == {"rows": [{"text": "a", "other": "b"}, {"text": "c"}], "timeout": 2}


def test_a_name_cannot_lead_to_another_path(call, server):
    call("predict", "卡/../x?y", "a")
    assert server.asked[0].path == "/v1/models/%E5%8D%A1%2F..%2Fx%3Fy/predict"


def test_models_and_readiness(call, server):
    assert call("models") == [{"name": "tickets", "version": "tickets:3"}]
    assert call("ready") is True
    server.ways[:] = [refused(503, "not_ready", retry_after="5")]
    assert call("ready") is False
    assert [asked.path for asked in server.asked] == ["/v1/models", "/health/ready", "/health/ready"]


def test_where_nothing_listens_it_is_not_ready_and_calls_say_so(call):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert call("ready", url=url) is False
    error, _ = failed(call, "predict", "tickets", "a", url=url, settings={"retries": 1})
    assert (error.status, error.code) == (None, "connection") and url in str(error)


def test_something_else_at_the_address_is_not_taken_for_a_service(call, server):
    for way in (raw(200, b"<html>", "text/html"), raw(200, b'{"ready":"yes"}')):
        server.ways[:] = [way]
        error, _ = failed(call, "ready")
        assert error.code == "bad_answer"


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_obeyed_and_the_call_tried_again(call, server, status):
    server.ways[:] = [refused(status, retry_after="1")]
    start = time.monotonic()
    assert len(call("predict", "tickets", "a")) == 1
    assert 1.0 <= time.monotonic() - start < 3.0 and len(server.asked) == 2


def test_retry_after_may_be_a_date(call, server):
    server.ways[:] = [refused(503, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True))]
    start = time.monotonic()
    call("predict", "tickets", "a")
    assert 1.5 < time.monotonic() - start < 5.0


@pytest.mark.parametrize(
    "way",
    [
        *(refused(429), refused(503, "worker_died"), hung_up(0), hung_up(20)),
        raw(200, b'{"model": "tickets", "predi'),
    ],
    ids=["429", "503", "reset before", "reset within", "truncated"],
)
def test_what_may_be_sent_again_is_sent_again_the_same_under_the_same_key(call, server, way):
    server.ways[:] = [way, way]
    assert [one["label"] for one in call("predict", "tickets", "a")] == ["La"]
    assert len(server.asked) == 3
    assert len(set(keys(server))) == 1 and keys(server)[0]
    assert len({asked.body for asked in server.asked}) == 1


def test_every_call_has_a_key_of_its_own(call, server):
    call("predict", "tickets", "a")
    call("predict", "tickets", "a")
    assert len(set(keys(server))) == 2


def test_tries_come_to_an_end_and_the_last_word_is_told(call, server):
    server.ways[:] = [refused(503, "draining")] * 9
    error, _ = failed(call, "predict", "tickets", "a", settings={"retries": 2})
    assert (error.status, error.code, error.request) == (503, "draining", "r9") and len(server.asked) == 3
    assert str(error) == "too much waits (HTTP 503, request r9)"
    server.asked.clear()
    server.ways[:] = [hung_up(0)] * 9
    error, _ = failed(call, "predict", "tickets", "a", settings={"retries": 0})
    assert (error.status, error.code) == (None, "cut") and len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 404, 413, 422, 500, 504])
def test_what_another_try_would_not_change_is_not_tried_again(call, server, status):
    server.ways[:] = [refused(status, "so")]
    error, _ = failed(call, "predict", "tickets", "a")
    assert (error.status, error.code) == (status, "so") and len(server.asked) == 1


@pytest.mark.parametrize(
    "way",
    [
        *(raw(200, b"<html>hello</html>", "text/html"), raw(302, b"", "text/plain"), raw(502, b"bad", "text/html")),
        *(raw(404, b"[]"), raw(404, b'{"error": "no"}'), raw(200, b'{"predictions": []}')),
        raw(200, b'{"model":"m","version":"v","variant":"x","request":"r","predictions":[{},{}]}'),
    ],
    ids=["html", "redirect", "proxy", "list", "other error", "too few", "too many"],
)
def test_what_is_no_answer_of_a_service_is_said_and_not_tried_again(call, server, way):
    server.ways[:] = [way]
    error, _ = failed(call, "predict", "tickets", "a")
    assert error.code == "bad_answer" and server.url in str(error) and len(server.asked) == 1


def test_all_tries_and_pauses_of_a_call_share_one_deadline(call, server):
    server.ways[:] = [refused(429, retry_after="1"), hung_up(0), slow(9)]
    error, took = failed(call, "predict", "tickets", "a", settings={"timeout": 2.0, "retries": 9})
    assert error.code == "timeout" and 1.9 < took < 2.7 and len(server.asked) == 3


def test_nobody_waits_for_a_try_that_would_come_too_late(call, server):
    server.ways[:] = [refused(429, retry_after="30")]
    error, took = failed(call, "predict", "tickets", "a", timeout=5)
    assert error.status == 429 and took < 2


def test_an_answer_that_drips_is_given_up_at_the_deadline(call, server):
    server.ways[:] = [slow(0.2, pieces=40)]
    error, took = failed(call, "predict", "tickets", "a", timeout=0.7)
    assert error.code == "timeout" and took < 1.5


def test_an_answer_that_is_slow_but_in_time_is_taken(call, server):
    server.ways[:] = [slow(0.5)]
    assert len(call("predict", "tickets", "a", timeout=5)) == 1


def test_a_stream_gives_its_pieces_the_version_and_the_exchange(call, server):
    pieces, stream = call("stream", "answers", "卡丢了")
    assert pieces == ["卡已", "锁\n定"] and (stream.version, stream.exchange) == ("卡:2", "01KB")
    assert json.loads(server.asked[0].body) == {"texts": ["卡丢了"], "timeout": 10.0}
    assert keys(server) == [None]


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_stream_that_breaks_off_is_no_whole_answer_and_not_begun_again(call, server, end):
    server.ways[:] = [events("half", end=end)]
    error, _ = failed(call, "stream", "answers", "a")
    assert error.code == "cut" and len(server.asked) == 1


def test_what_a_stream_says_went_wrong_is_raised(call, server):
    server.ways[:] = [events("half", end="error")]
    error, _ = failed(call, "stream", "answers", "a")
    assert (error.code, error.request) == ("worker_died", "r7")


def test_a_stream_is_begun_again_only_where_nothing_was_done(call, server):
    server.ways[:] = [refused(503, "draining"), refused(429)]
    assert call("stream", "answers", "a")[0] == ["卡已", "锁\n定"] and len(server.asked) == 3
    server.asked.clear()
    server.ways[:] = [hung_up(0)]  # it may have been writing already
    error, _ = failed(call, "stream", "answers", "a")
    assert error.code == "cut" and len(server.asked) == 1


def test_an_answer_in_one_piece_is_no_stream(call, server):
    server.ways[:] = [raw(200, b"{}")]
    error, _ = failed(call, "stream", "answers", "a")
    assert error.code == "bad_answer"


def test_a_stream_has_its_time_for_each_piece(call, server):
    server.ways[:] = [events(*"abcde", pause=0.3)]
    assert call("stream", "answers", "a", timeout=1.0)[0] == list("abcde")  # 1.5 s together
    server.ways[:] = [events(*"abcde", pause=2.0)]
    error, took = failed(call, "stream", "answers", "a", timeout=0.5)
    assert error.code == "timeout" and took < 1.5


def test_a_stream_that_is_closed_early_reads_no_more(server):
    server.ways[:] = [events(*"abcde", pause=0.05)]
    with tw.Client(server.url) as client:
        with client.stream("answers", "a") as stream:
            assert next(stream) == "a"
        assert list(stream) == [] and len(client.predict("tickets", "a")) == 1

    async def closed() -> list[str]:
        server.ways[:] = [events(*"abcde", pause=0.05)]
        async with tw.AsyncClient(server.url) as client:
            async with await client.stream("answers", "a") as stream:
                assert await anext(stream) == "a"
            return [piece async for piece in stream]

    assert asyncio.run(closed()) == []


def test_a_key_is_sent_and_never_shown(call, server, monkeypatch):
    call("predict", "tickets", "a", settings={"key": "tw_a.b"})
    monkeypatch.setenv("TUNEWHEEL_KEY", "tw_c.d")
    call("predict", "tickets", "a")
    call("predict", "tickets", "a", settings={"key": ""})
    assert [asked.headers.get("authorization") for asked in server.asked] == ["Bearer tw_a.b", "Bearer tw_c.d", None]
    server.ways[:] = [refused(401, "key")]
    error, _ = failed(call, "predict", "tickets", "a")
    assert "tw_c" not in str(error) + repr(tw.Client(server.url)) + str(vars(error))


@pytest.mark.parametrize(
    "arguments",
    [{"url": "127.0.0.1:8000"}, {"url": "ftp://x"}, {"url": "http://"}, {"key": "a\nb"}, {"key": "钥"}, {"timeout": 0}],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_at_once(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        tw.Client(**arguments)


def test_many_threads_and_tasks_share_a_client(server):
    from concurrent.futures import ThreadPoolExecutor

    with tw.Client(server.url) as client, ThreadPoolExecutor(8) as pool:
        told = pool.map(lambda i: client.predict("tickets", str(i))[0]["label"], range(40))
        assert list(told) == [f"L{i}" for i in range(40)]

    async def together() -> list[str]:
        async with tw.AsyncClient(server.url) as client:
            told = await asyncio.gather(*(client.predict("tickets", str(i)) for i in range(40)))
            return [one[0]["label"] for one in told]

    assert asyncio.run(together()) == [f"L{i}" for i in range(40)]
    assert len(set(keys(server))) == 80


def in_a_fresh_process(script: str) -> str:
    environment = {"PYTHONPATH": str(Path(tw.__file__).parents[1]), "PATH": ""}
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_client_loads_nothing_else_of_tunewheel_and_no_torch():
    script = (
        "import sys, tunewheel\ntunewheel.Client(), tunewheel.AsyncClient()\n"
        "print(*sorted(m for m in sys.modules if m.startswith('tunewheel.') or m.partition('.')[0] in "
        "('torch', 'transformers', 'fastapi', 'numpy', 'pydantic', 'sqlalchemy')))"
    )
    assert in_a_fresh_process(script).split() == [
        *("tunewheel.client", "tunewheel.client.calls", "tunewheel.client.streams"),
    ]


def test_without_httpx2_the_extra_is_named():
    script = (
        "import sys\nsys.modules['httpx2'] = None\nimport tunewheel\n"
        "try: tunewheel.Client()\nexcept Exception as error: print(error)"
    )
    assert "pip install 'tunewheel[client]'" in in_a_fresh_process(script)
