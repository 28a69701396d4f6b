"""A server that does what it is told to, and what no server should."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
Way = Callable[["Asked", Send], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Unruly:
    """Answers each request by the next of its ``ways``, and well when there is none left."""

    ways: list[Way] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["raw_path"].decode(), headers, body)
        self.asked.append(asked)
        await (self.ways.pop(0) if self.ways else well)(asked, send)


def answer(asked: Asked) -> bytes:
    """What a service answers to a prediction, a list of models and a look at its readiness."""
    if asked.path.endswith("/health/ready"):
        return b'{"ready":true}'
    if asked.path.endswith("/v1/models"):
        return b'{"models":[{"name":"tickets","version":"tickets:3"}]}'
    body = json.loads(asked.body)
    texts = body.get("texts") or [row["text"] for row in body["rows"]]
    told = {"model": "tickets", "version": "tickets:3", "variant": "torch-fp32", "exchange": None, "request": "r1"}
    told["predictions"] = [{"label": f"L{text}", "exchange": None} for text in texts]  # type: ignore[assignment]
    return json.dumps(told, ensure_ascii=False).encode()


async def well(asked: Asked, send: Send) -> None:
    """As a service does."""
    if asked.path.endswith("/stream"):
        await events("卡已", "锁\n定")(asked, send)
    else:
        await _respond(send, 200, answer(asked))


def refused(status: int, code: str = "busy", **headers: str) -> Way:
    """A refusal in the form of all."""

    async def way(asked: Asked, send: Send) -> None:
        body = {"error": {"code": code, "message": "too much waits", "request": "r9"}}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await _respond(send, status, json.dumps(body).encode(), **named)

    return way


def raw(status: int, body: bytes, kind: str = "application/json") -> Way:
    """Any bytes at all."""

    async def way(asked: Asked, send: Send) -> None:
        await _respond(send, status, body, kind)

    return way


def slow(seconds: float, pieces: int = 1) -> Way:
    """A good answer after a while, or piece by piece with a while before each."""

    async def way(asked: Asked, send: Send) -> None:
        body = answer(asked)
        if pieces == 1:
            await asyncio.sleep(seconds)
        await _begin(send, 200, "application/json", len(body))
        step = -(-len(body) // pieces)
        for at in range(0, len(body), step):
            await asyncio.sleep(seconds if pieces > 1 else 0)
            more = at + step < len(body)
            await send({"type": "http.response.body", "body": body[at : at + step], "more_body": more})

    return way


def hung_up(after: int) -> Way:
    """The connection reset after so many bytes of a good answer; before its first with 0."""

    async def way(asked: Asked, send: Send) -> None:
        body = answer(asked)
        if after:
            await _begin(send, 200, "application/json", len(body))
            await send({"type": "http.response.body", "body": body[:after], "more_body": True})
            await asyncio.sleep(0.05)
        send.__self__.transport.abort()  # type: ignore[attr-defined]

    return way


def events(*pieces: str, end: str = "done", pause: float = 0.0) -> Way:
    """A stream that ends with ``done``, with ``error``, without a word (``cut``) or with a reset (``reset``)."""

    async def way(asked: Asked, send: Send) -> None:
        await _begin(send, 200, "text/event-stream", None, x_tunewheel_version="%E5%8D%A1:2")
        said = [("piece", {"text": piece}) for piece in pieces]
        if end == "done":
            said.append(("done", {"version": "卡:2", "exchange": "01KB", "request": "r1"}))
        elif end == "error":
            said.append(("error", {"error": {"code": "worker_died", "message": "it died", "request": "r7"}}))
        for event, value in said:
            body = f"event: {event}\ndata: {json.dumps(value)}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(pause)
        if end == "reset":
            await asyncio.sleep(0.05)
            send.__self__.transport.abort()  # type: ignore[attr-defined]
        else:
            await send({"type": "http.response.body", "body": b""})

    return way


async def _respond(send: Send, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
    await _begin(send, status, kind, len(body), **headers)
    await send({"type": "http.response.body", "body": body})


async def _begin(send: Send, status: int, kind: str, length: int | None, **headers: str) -> None:
    told = {"content-type": kind, "x-request-id": "r9", **headers}
    if length is not None:
        told["content-length"] = str(length)
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """An application on a free port, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)
