"""Whatever is sent, nothing of it ends in a 500, and nothing of ours is shown."""

import asyncio
import gc
import json
import random
import resource
from collections import deque
from pathlib import Path

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as bounded
from schemathesis.specs.openapi.checks import positive_data_acceptance

from front import Desk, FakeService

document = schemathesis.openapi.from_asgi("/openapi.json", Desk().app)


@document.parametrize()
@bounded(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_the_openapi_document_says_what_is_answered(case):
    # Of models nobody serves and of keys sent again with another body the document cannot tell.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


SEEDS = (
    {"text": "卡丢了"},
    {"texts": ["a", "b" * 500], "timeout": 1},
    {"rows": [{"sentence1": "a", "sentence2": "b", "n": [1, {"x": None}]}]},
)
PIECES = (
    b"\x00",
    b"\xff\xfe",
    b"\\ud83d",
    b"[" * 400,
    b'{"a":' * 300,
    b"1" * 6000,
    b"NaN",
    b"1e999",
    b"<img onerror=x>",
)
TEXTS = ("\u202e", "\U0001f9e0" * 50, "\ud800", "' OR 1=1 --", "../../etc/passwd", "{{7*7}}", "%00%n", "\x1b[31m", "")


def hostile(draw):
    """A body that nobody should send."""
    body = json.loads(json.dumps(draw.choice(SEEDS)))
    kind = draw.randrange(5)
    if kind == 0:
        return draw.randbytes(draw.randrange(200))
    if kind == 1:
        body[draw.choice(["text", "texts", "rows", "timeout", "x", draw.choice(TEXTS)])] = draw.choice(
            [
                None,
                0,
                -1,
                1e308,
                True,
                {},
                [],
                [[]],
                [None],
                draw.choice(TEXTS),
                {draw.choice(TEXTS): draw.choice(TEXTS)},
            ]
        )
        return json.dumps(body).encode()
    whole = bytearray(json.dumps(body, ensure_ascii=draw.random() < 0.5).encode())
    for _ in range(draw.randrange(1, 5)):
        place = draw.randrange(len(whole))
        if kind == 2:
            whole[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        else:
            whole[place:place] = draw.choice(PIECES)
        whole = whole or bytearray(b" ")
    return bytes(whole) * (40 if kind == 4 and draw.random() < 0.2 else 1)


def held():
    """KiB that the process holds; where the system does not say, the most that it ever held."""
    gc.collect()
    now = Path("/proc/self/statm")
    if now.exists():
        return int(now.read_text().split()[1]) * resource.getpagesize() // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def assault(count):
    desk, draw = Desk(FakeService(), body=8192), random.Random(7)
    desk.service.asked = deque(maxlen=1)  # a list of all that was asked grows by itself
    seen = {}

    async def all_of_them():
        transport = httpx2.ASGITransport(desk.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://desk") as client:
            for number in range(count):
                if number == count // 2:
                    seen["memory"] = held()
                name = draw.choice(["tickets", "answers", "x", "%00", "..%2f..", "%F0%9F%A7%A0", "%ff"])
                headers = {
                    "content-type": draw.choice(["application/json", "application/json; charset=x", "text/html"])
                }
                if draw.random() < 0.3:
                    headers["idempotency-key"] = draw.choice(["a", "b" * 300, "c d", "\x7f"])
                path = f"/v1/models/{name}/{draw.choice(['predict', 'stream'])}"
                reply = await client.post(path, content=hostile(draw), headers=headers)
                assert reply.status_code < 500, reply.text
                assert "Traceback" not in reply.text and ".py" not in reply.text
                if reply.status_code != 200:
                    assert set(reply.json()["error"]) == {"code", "message", "request"}
                seen[reply.status_code] = seen.get(reply.status_code, 0) + 1

    asyncio.run(all_of_them())
    assert not [line for line in desk.logged() if line["level"] == "error"]
    return seen, held()


def test_hundreds_of_hostile_bodies_end_in_no_500():
    seen, _ = assault(400)
    assert {200, 404, 413, 415, 422} <= set(seen)


@pytest.mark.slow
def test_ten_thousand_hostile_bodies_end_in_no_500_and_leave_memory_flat():
    seen, after = assault(10_000)
    assert after - seen["memory"] < 16 << 10  # KiB, over the last five thousand
