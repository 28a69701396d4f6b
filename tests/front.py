"""A service that answers at once, and the application around it, asked without a socket or over one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import numpy as np

from tunewheel.serving.app import create_app
from tunewheel.serving.errors import UnknownModel
from tunewheel.serving.fleet import Served
from tunewheel.serving.guard import Guard
from tunewheel.serving.logs import Logs
from tunewheel.serving.metrics import Metrics
from tunewheel.serving.service import Answered
from tunewheel.serving.trials import NOBODY, Asker, Trials

NAMES = {"tickets": "classification", "people": "ner", "same": "matching", "answers": "generation"}

TARGETS = {"people": "entities", "answers": "answer"}


def served(name: str, number: int = 3) -> Served:
    labels = ("lost", "charged twice", "余额") if name == "tickets" else ()
    since = datetime(2026, 1, 2, tzinfo=UTC)
    return Served(
        *(name, f"{name}:{number}", number, "champion", NAMES.get(name, "classification"), labels),
        *("torch-fp32", ("text",), NAMES.get(name) == "generation", Path("none")),
        since=since,
        target=TARGETS.get(name, "label"),
    )


class FakeVersions:
    """What is being rolled out, as it was put there."""

    def __init__(self) -> None:
        self.rollouts: dict[str, Any] = {}

    def rollout(self, name: str) -> Any:
        return self.rollouts.get(name)


class FakeService:
    """Answers by rule; ``fail`` is raised instead, ``gate`` holds answers back until it is set."""

    def __init__(self, names: tuple[str, ...] = tuple(NAMES)) -> None:
        self.versions = {name: served(name) for name in names}
        self.ready = True
        self.fail: BaseException | None = None
        self.asked: list[tuple[str, list[Any], float | None]] = []
        self.gate: asyncio.Event | None = None
        self.pieces = ["Please ", "block\nit: ", "现在\r\n"]
        self.endless = False
        self.written = 0
        self.streams_open = 0
        self.trials = Trials(None, FakeVersions(), "auto", threads=1, patience=1, spare=bool, tell=print)

    def served(self) -> list[Served]:
        return list(self.versions.values())

    def chosen(self, name: str, rows: list[Any], asker: Asker) -> Served:
        if name not in self.versions:
            raise UnknownModel(f"no model {name!r} is served")
        return self.versions[name]

    async def predict(
        self, name: str, rows: list[Any], *, timeout: float | None = None, asker: Asker = NOBODY
    ) -> Answered:
        self.asker = asker
        self.asked.append((name, list(rows), timeout))
        if name not in self.versions:
            raise UnknownModel(f"no model {name!r} is served")
        if self.gate:
            await self.gate.wait()
        if self.fail:
            raise self.fail
        made = self.versions[name]
        vectors = np.zeros((len(rows), 64), np.float32)
        told = [_answer(made.task, str(row.get("text", ""))) for row in rows]
        return Answered(name, made.ref, made.number, made.variant, told, vectors, 0.001, 0.002)

    async def stream(
        self, name: str, row: Any, *, timeout: float | None = None, asker: Asker = NOBODY
    ) -> AsyncIterator[str]:
        if name not in self.versions:
            raise UnknownModel(f"no model {name!r} is served")
        if self.fail and not self.written:
            raise self.fail
        self.streams_open += 1
        try:
            while True:
                for piece in self.pieces:
                    self.written += 1
                    yield piece
                    await asyncio.sleep(0.01 if self.endless else 0)
                    if self.fail:
                        raise self.fail
                if not self.endless:
                    return
        finally:
            self.streams_open -= 1


def _answer(task: str, text: str) -> dict[str, Any]:
    if task == "ner":
        start = text.find("王芳")
        found = [{"start": start, "end": start + 2, "label": "person", "confidence": 0.97}] if start >= 0 else []
        return {"entities": found}
    if task == "generation":
        return {"text": "Please block it."}
    if task == "matching":
        return {"label": "same", "confidence": 0.8, "score": 0.8, "similarity": 0.91}
    return {"label": "lost", "confidence": 0.7, "probabilities": {"lost": 0.7, "charged twice": 0.2, "余额": 0.1}}


class Recorded(list[Any]):
    """A recorder that keeps everything in memory."""

    counts: ClassVar[dict[str, int]] = {"recorded": 5, "spooled": 2, "dropped": 1, "waiting": 3}

    def record(self, exchanges: Any) -> None:
        self.extend(exchanges)


@dataclass
class Desk:
    """An application with all that stands around it."""

    service: FakeService = field(default_factory=FakeService)
    guard: Guard = field(default_factory=lambda: Guard(local=False))
    recorder: Recorded | None = None
    body: int = 64 << 10
    give: Any = None
    review: Any = None

    def __post_init__(self) -> None:
        self.lines = StringIO()
        self.logs = Logs(self.lines)
        self.metrics = Metrics()
        bounds = {"give": self.give, "review": self.review, "body": self.body}
        self.app = create_app(self.service, self.guard, self.recorder, self.logs, self.metrics, **bounds)

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request, without a socket."""

        async def asked() -> httpx2.Response:
            transport = httpx2.ASGITransport(self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://desk") as client:
                return await client.request(method, path, **options)

        return asyncio.run(asked())

    def predict(self, name: str = "tickets", **options: Any) -> httpx2.Response:
        return self.ask("POST", f"/v1/models/{name}/predict", **{"json": {"text": "卡丢了"}, **options})

    def logged(self) -> list[dict[str, Any]]:
        """Everything that was logged; the logs end with this."""
        self.logs.close()
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The application on a real socket, served by uvicorn as `tunewheel serve` does."""
    import uvicorn

    from tunewheel.serving.run import _config, _listening, _url

    with _listening("127.0.0.1", 0) as listener:
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),), daemon=True)
        thread.start()
        try:
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join(10)


def error(reply: httpx2.Response) -> tuple[int, str]:
    """The status and the code of a refusal, which has the form that all have."""
    told = reply.json()["error"]
    assert set(told) == {"code", "message", "request"} and told["request"] == reply.headers["x-request-id"]
    return reply.status_code, told["code"]
