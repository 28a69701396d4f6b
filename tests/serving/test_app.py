"""The paths: what is answered, with which headers, and how every failure is told."""

import asyncio
import json
import socket
import time

import httpx2
import pytest

from front import Desk, FakeService, Recorded, error, listening
from tunewheel.serving import errors, streams
from tunewheel.serving.run import _listening


def test_an_answer_names_the_version_that_gave_it():
    desk = Desk()
    reply = desk.predict(json={"texts": ["卡丢了", "thanks"], "timeout": 2})
    told = reply.json()
    assert reply.status_code == 200 and reply.headers["x-tunewheel-version"] == told["version"] == "tickets:3"
    assert [p["label"] for p in told["predictions"]] == ["lost", "lost"] and told["exchange"] is None
    assert "余额" in reply.text  # as it is, not escaped
    assert desk.service.asked == [("tickets", [{"text": "卡丢了"}, {"text": "thanks"}], 2.0)]
    rows = [{"sentence1": "a", "sentence2": "b"}]
    assert desk.predict("same", json={"rows": rows}).json()["predictions"][0]["similarity"] == 0.91
    assert desk.service.asked[-1] == ("same", rows, None)


def test_a_chinese_name_is_a_name_and_stands_escaped_in_the_header():
    reply = Desk(FakeService(("工单",))).predict("%E5%B7%A5%E5%8D%95")
    assert reply.json()["version"] == "工单:3" and reply.headers["x-tunewheel-version"] == "%E5%B7%A5%E5%8D%95:3"


@pytest.mark.parametrize(
    ("raised", "status", "code", "wait"),
    [
        (errors.BadRow(1, "no text"), 422, "bad_row", None),
        (errors.Busy(2.2), 429, "busy", "3"),
        (errors.TimedOut("late"), 504, "timeout", None),
        (errors.WorkerDied("dead"), 503, "worker_died", "1"),
        (errors.Draining("ends"), 503, "draining", "1"),
        (errors.NotReady("loads"), 503, "not_ready", "1"),
        (errors.UnknownModel("none"), 404, "unknown_model", None),
    ],
)
def test_what_the_service_raises_is_a_status_and_a_code(raised, status, code, wait):
    desk = Desk()
    desk.service.fail = raised
    reply = desk.predict()
    assert error(reply) == (status, code) and reply.headers.get("retry-after") == wait
    streamed = desk.ask("POST", "/v1/models/answers/stream", json={"text": "hi"})
    assert error(streamed) == (status, code)


def test_the_unexpected_is_a_500_with_an_id_and_without_a_traceback_and_the_log_masks_what_it_says():
    desk = Desk()
    key = "tw_0123456789ab_" + "x" * 20 + "Y7-" + "z" * 20
    desk.service.fail = ValueError(f"cannot read 'mail li@example.com or 138 1234 5678, key {key}'")
    reply = desk.predict()
    assert error(reply) == (500, "internal")
    for hidden in ("Traceback", "ValueError", "li@example", "front.py", "cannot read"):
        assert hidden not in reply.text
    told = next(line for line in desk.logged() if line["event"] == "unexpected")
    assert told["request"] == reply.headers["x-request-id"] and told["kind"] == "ValueError"
    assert "[EMAIL]" in told["message"] and "[PHONE]" in told["message"]
    assert "li@example" not in desk.lines.getvalue() and "1234 5678" not in desk.lines.getvalue()
    assert key not in desk.lines.getvalue()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "not valid JSON"),
        (b"{", "line 1, column 2"),
        (b"\xff", "UTF-8"),
        (b"[]", "a list"),
        (b"{}", "one of text, texts and rows"),
        (b'{"text": "a", "texts": ["b"]}', "text and texts"),
        (b'{"txt": "a"}', "did you mean 'text'"),
        (b'{"text": 7}', "a number"),
        (b'{"texts": []}', "empty"),
        (b'{"texts": ["a", null]}', "texts[1]"),
        (b'{"text": "\\ud800"}', "surrogate"),
        (b'{"rows": [{}]}', "rows[0]"),
        (b'{"rows": [{"text": NaN}]}', "NaN"),
        (b'{"rows": [{"text": 1e999}]}', "too large"),
        (b'{"text": "a", "timeout": 0}', "timeout"),
        (b'{"text": "a", "timeout": true}', "timeout"),
        (b'{"text": "a", "timeout": 1' + b"0" * 5000 + b"}", ""),
        (b'{"rows": [{"a": ' + b"[" * 30 + b"]" * 30 + b"}]}", "16 deep"),
        (b'{"rows": ' + b"[" * 30_000, "16 deep"),
    ],
)
def test_a_body_that_is_not_as_it_should_be_is_told_where(body, word):
    desk = Desk()
    reply = desk.predict(json=None, content=body, headers={"content-type": "application/json"})
    assert error(reply)[0] == 422 and word in reply.json()["error"]["message"]
    assert not desk.service.asked


def test_headers_keep_browsers_honest_on_every_kind_of_answer():
    desk = Desk()
    desk.service.fail = None
    for reply in (desk.predict(), desk.ask("GET", "/none"), desk.ask("GET", "/"), desk.ask("PUT", "/metrics")):
        headers = reply.headers
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"] and "server" not in headers
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in desk.ask("GET", "/").headers["content-security-policy"]
    slash = desk.ask("GET", "/v1/models/", headers={"host": "evil.example"})  # no way on to whatever host was named
    assert error(slash) == (404, "no_path") and "location" not in slash.headers
    assert error(desk.ask("PUT", "/metrics")) == (405, "method") and error(desk.ask("GET", "/none")) == (404, "no_path")


def test_no_other_site_is_let_in():
    desk = Desk()
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert not any(
        name.startswith("access-control") for name in desk.ask("OPTIONS", "/v1/models", headers=asked).headers
    )
    assert not any(name.startswith("access-control") for name in desk.predict(headers=asked).headers)
    # What a form on another site can send without asking is no JSON by its own account.
    sent = {"content": b'{"text": "a"}', "json": None, "headers": {"content-type": "text/plain"}}
    assert error(desk.predict(**sent)) == (415, "not_json") and len(desk.service.asked) == 1


def test_a_repeated_request_is_answered_once_and_another_under_its_key_is_refused():
    desk = Desk(recorder=Recorded())
    same = {"headers": {"idempotency-key": "a-1"}}
    first, again = desk.predict(**same), desk.predict(**same)
    assert first.content == again.content and len(desk.service.asked) == 1 and len(desk.recorder) == 1
    assert again.headers["x-tunewheel-repeated"] == "true" and "x-tunewheel-repeated" not in first.headers
    assert error(desk.predict(json={"text": "other"}, **same)) == (422, "idempotency")
    assert error(desk.predict("people", **same)) == (422, "idempotency")
    assert error(desk.predict(headers={"idempotency-key": "a b"})) == (422, "idempotency")
    desk.service.fail = errors.Busy(1)
    assert error(desk.predict(headers={"idempotency-key": "a-2"})) == (429, "busy")
    desk.service.fail = None
    assert desk.predict(headers={"idempotency-key": "a-2"}).status_code == 200  # a refusal is not kept


def test_every_answer_is_handed_to_the_recorder_under_the_id_that_the_answer_names():
    desk = Desk(recorder=Recorded())
    told = desk.predict(json={"texts": ["卡丢了", "thanks"]}).json()
    assert [made.id for made in desk.recorder] == [p["exchange"] for p in told["predictions"]]
    assert told["exchange"] == desk.recorder[0].id and desk.recorder[0].row == {"text": "卡丢了"}
    assert (desk.recorder[1].name, desk.recorder[1].number, desk.recorder[1].label) == ("tickets", 3, "lost")
    events = desk.ask("POST", "/v1/models/answers/stream", json={"text": "hi"}).text
    assert desk.recorder[2].id in events and desk.recorder[2].prediction == {"text": "Please block\nit: 现在\r\n"}


def test_a_recorder_that_fails_costs_no_answer():
    class Broken(Recorded):
        def record(self, exchanges):
            raise OSError("disk full")

    desk = Desk(recorder=Broken())
    assert desk.predict().status_code == 200
    assert any(line["event"] == "unexpected" for line in desk.logged())


def test_a_stream_is_framed_whatever_stands_in_it():
    events = Desk().ask("POST", "/v1/models/answers/stream", json={"text": "hi"})
    assert events.headers["content-type"].startswith("text/event-stream")
    told = [dict(line.split(": ", 1) for line in event.split("\n")) for event in events.text.strip().split("\n\n")]
    assert [event["event"] for event in told] == ["piece", "piece", "piece", "done"]
    assert "".join(json.loads(event["data"])["text"] for event in told[:-1]) == "Please block\nit: 现在\r\n"
    assert json.loads(told[-1]["data"])["version"] == events.headers["x-tunewheel-version"] == "answers:3"


@pytest.mark.parametrize(("raised", "code"), [(errors.WorkerDied("dead"), "worker_died"), (OSError("x"), "internal")])
def test_a_stream_that_breaks_off_says_so(raised, code):
    desk = Desk()
    desk.service.fail, desk.service.written = raised, 1
    events = desk.ask("POST", "/v1/models/answers/stream", json={"text": "hi"}).text
    assert "event: error" in events and f'"code":"{code}"' in events and "event: done" not in events


def test_who_hangs_up_frees_the_worker_at_once():
    desk = Desk()
    desk.service.endless = True
    with listening(desk.app) as url:
        client = httpx2.Client()
        with client.stream("POST", f"{url}/v1/models/answers/stream", json={"text": "hi"}) as reply:
            lines = reply.iter_lines()  # held: dropping it hangs up
            next(lines)
            assert desk.service.streams_open == 1
        client.close()
        until = time.monotonic() + 5
        while desk.service.streams_open and time.monotonic() < until:
            time.sleep(0.02)
    assert desk.service.streams_open == 0
    assert [line["status"] for line in desk.logged() if line["event"] == "request"] == [499]


def test_a_body_is_counted_as_it_comes_whatever_its_length_is_said_to_be():
    desk = Desk(body=1000)

    async def pieces():
        for _ in range(400):
            yield b'{"text": "' + b"a" * 10

    sent = {"json": None, "headers": {"content-type": "application/json"}}
    assert error(desk.predict(content=pieces(), **sent)) == (413, "too_large")
    reply = desk.predict(json={"text": "a" * 2000})
    assert error(reply) == (413, "too_large") and reply.headers["connection"] == "close"
    assert not desk.service.asked


def test_bodies_under_way_hold_so_much_together_and_have_to_come_in_time():
    from tunewheel.serving.bodies import Bodies
    from tunewheel.serving.problems import Refused

    scope = {"headers": [(b"content-type", b"application/json")]}

    async def endless():
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"a" * 10, "more_body": True}

    async def both():
        bodies = Bodies(1000, held=1000, slow=0.2)
        done = await asyncio.gather(*(bodies.read(scope, endless) for _ in range(20)), return_exceptions=True)
        assert bodies.holding == 0
        return {(e.status, e.code) for e in done if isinstance(e, Refused)}

    assert asyncio.run(both()) >= {(503, "busy"), (408, "slow_body")}


def test_no_answer_waits_for_an_acknowledgement():
    async def undelayed():
        found = asyncio.get_running_loop().create_future()

        def came(reader, writer):
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with _listening("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(came, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                writer.close()
                return await found

    assert asyncio.run(undelayed()) == 1  # else each answer on a kept connection takes 40 ms


def test_who_reads_nothing_for_long_is_given_up_and_frees_the_worker(monkeypatch):
    monkeypatch.setattr(streams, "_STALLED", 0.1)
    desk = Desk()
    desk.service.endless = True
    scope = {"type": "http", "method": "POST", "path": "/v1/models/answers/stream", "query_string": b""}
    scope |= {"headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http"}
    came = [{"type": "http.request", "body": b'{"text": "hi"}', "more_body": False}]

    async def receive():
        return came.pop() if came else await asyncio.Event().wait()

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def asked():
        await desk.app(scope, receive, send)
        return desk.service.streams_open

    assert asyncio.run(asyncio.wait_for(asked(), 10)) == 0
    assert desk.logged()[-1]["code"] == "gone"


def test_the_server_names_neither_itself_nor_what_it_is_made_of(capfd):
    desk = Desk()
    with listening(desk.app) as url, httpx2.Client() as client:
        reply = client.get(f"{url}/v1/models?secret=4412")
        assert "server" not in reply.headers and "x-powered-by" not in reply.headers
    assert "4412" not in "".join(capfd.readouterr())  # no access log but ours


def test_metrics_count_what_happens_and_name_the_versions():
    desk = Desk(recorder=Recorded())
    desk.predict()
    desk.predict("who knows")
    for kind, fields in (
        ("batch", {"size": 3, "tokens": 9, "seconds": 0.01, "waiting": 7}),
        *((kind, {"model": "tickets"}) for kind in ("shed", "swap", "swap_refused")),
        ("worker_died", {}),
    ):
        desk.metrics.event(kind, fields)
    told = desk.ask("GET", "/metrics").text
    for line in (
        'tunewheel_requests_total{model="tickets",route="predict",status="200"} 1.0',
        'tunewheel_requests_total{model="",route="predict",status="404"} 1.0',
        'tunewheel_request_seconds_count{model="tickets",route="predict"} 1.0',
        "tunewheel_batch_texts_sum 3.0",
        "tunewheel_queue_depth 7.0",
        'tunewheel_shed_total{model="tickets"} 1.0',
        'tunewheel_swaps_total{model="tickets"} 1.0',
        'tunewheel_swaps_refused_total{model="tickets"} 1.0',
        "tunewheel_worker_deaths_total 1.0",
        'tunewheel_version_info{model="tickets",task="classification",variant="torch-fp32",version="tickets:3"} 1.0',
        'tunewheel_records_total{state="dropped"} 1.0',
        "tunewheel_records_waiting 3.0",
        "tunewheel_ready 1.0",
    ):
        assert line in told, line
    assert "who knows" not in told  # names that somebody made up are not kept


def test_health_says_whether_it_lives_and_whether_it_answers():
    desk = Desk()
    assert desk.ask("GET", "/health/live").json() == {"live": True}
    assert desk.ask("GET", "/health/ready").json() == {"ready": True}
    desk.service.ready = False
    assert error(desk.ask("GET", "/health/ready")) == (503, "not_ready")
    assert desk.ask("GET", "/health/live").status_code == 200


def test_logs_hold_counts_and_names_and_nothing_of_what_was_said():
    desk = Desk()
    desk.predict(json={"text": "my pin is 4412"}, headers={"idempotency-key": "k-4412", "x-secret": "s3cret"})
    desk.ask("POST", "/v1/models/my-pin-4412/predict?q=pin4412", json={"text": "x"})
    desk.ask("GET", "/pin/4412")
    lines = desk.logged()
    assert [line["status"] for line in lines] == [200, 404, 404]
    assert {"time", "request", "route", "model", "version", "texts", "bytes", "seconds"} <= set(lines[0])
    assert "4412" not in desk.lines.getvalue() and "s3cret" not in desk.lines.getvalue()


def test_the_openapi_document_has_an_example_an_id_and_an_error_model_for_everything():
    document = Desk().ask("GET", "/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {o["operationId"] for o in operations} == {"predict", "stream", "models", "shown", "live", "ready", "page"}
    for operation in operations:
        for status, told in operation["responses"].items():
            assert told["description"]
            if int(status) >= 400:
                schema = told["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}
    assert document["components"]["schemas"]["Error"]["example"]
    assert operations[0]["requestBody"]["content"]["application/json"]["examples"]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
