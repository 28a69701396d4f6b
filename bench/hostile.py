"""Requests that no client should send."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException


def thrown(port: int, number: int) -> int:
    """Send one hostile request; its status, 0 where the connection was closed instead."""
    draw = random.Random(number)
    method, path, headers, body = hostile_request(draw)
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body)
        if draw.random() < 0.02 or headers["content-length"] == str(len(body) + 5):
            return 0  # gone before the answer, or before the end of the body
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def hostile_request(draw: random.Random) -> tuple[str, str, dict[str, str], bytes]:
    """Method, path, headers and body of one request that is wrong in one way or several."""
    good = json.dumps({"texts": ["my card was swallowed", "昨天被扣了两次款"]}, ensure_ascii=False).encode()
    deep = draw.choice([20, 1000, 100_000])
    bodies: list[Callable[[], bytes]] = [
        lambda: draw.randbytes(draw.randrange(2000)),
        lambda: good[: draw.randrange(len(good))],
        lambda: _flipped(good, draw),
        lambda: b"[" * deep + b"]" * deep,
        lambda: b'{"rows": [{"text": ' + b'{"a":' * deep + b"1" + b"}" * deep + b"}]}",
        lambda: json.dumps(
            {"texts": [draw.choice([None, 1, [], {}, True, 1e308, "\ud800", "\x00", "a" * 200_000])]}
        ).encode(),
        lambda: json.dumps({"texts": ["a"] * draw.choice([0, 257, 5000])}).encode(),
        lambda: json.dumps(
            {"text": draw.choice(["", " ", "\u202e" * 50, "e\u0301" * 3000, "𠮷" * 500, "\n" * 999])}
        ).encode(),
        lambda: b'{"text": "a", "timeout": ' + draw.choice([b"-1", b"0", b"1e999", b"NaN", b'"x"', b"[]"]) + b"}",
        lambda: b'{"text": "a", "text": "b", "texts": []}',
        lambda: b'{"text": ' + b"9" * draw.choice([10, 5000, 100_000]) + b"}",
        lambda: json.dumps(
            {"rows": [{draw.choice(["", "text", "\x00", "__class__"]): draw.choice(["a", 1, None])}]}
        ).encode(),
        lambda: b"\xef\xbb\xbf" + good,
        lambda: good.decode().encode("utf-16"),
        lambda: b'{"text": "' + b"\\u0000" * 100 + b'"}',
        lambda: b"",
    ]
    body = draw.choice(bodies)()
    paths = ["/v1/models/banking/predict"] * 8 + [
        "/v1/models/banking/stream",
        "/v1/models/%00/predict",
        "/v1/models/a%2fb/predict",
    ]
    kinds = ["application/json"] * 8 + ["text/plain", "application/json; charset=utf-16", "multipart/form-data"]
    headers = {"content-type": draw.choice(kinds), "content-length": str(len(body))}
    if draw.random() < 0.1:
        headers["content-length"] = draw.choice(["-1", "x", str(len(body) + 5), "9" * 30])
    if draw.random() < 0.1:
        headers["idempotency-key"] = draw.choice(["", "k", "k" * 300, "\xff"])
    if draw.random() < 0.05:
        headers["authorization"] = draw.choice(["Bearer", "Bearer " + "x" * 5000, "Basic YTpi"])
    return draw.choice(["POST"] * 12 + ["PUT", "GET"]), draw.choice(paths), headers, body


def _flipped(body: bytes, draw: random.Random) -> bytes:
    made = bytearray(body)
    for _ in range(draw.randrange(1, 6)):
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)
