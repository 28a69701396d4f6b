"""What every request passes: an id, the headers that keep browsers honest, one form of error, a log line, a count."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import getrandbits
from typing import TYPE_CHECKING

from tunewheel.serving.errors import ServiceError
from tunewheel.serving.problems import Gone, Refused, refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tunewheel.serving.logs import Logs
    from tunewheel.serving.metrics import Metrics

NOTE = "tunewheel.note"
"""Where a request's `Note` stands in its scope."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_QUIET = ("live", "ready")  # asked every few seconds by whoever watches


@dataclass(slots=True)
class Note:
    """What is known of a request while it is answered; nothing of what it says."""

    route: str = "other"
    request: str = field(default_factory=lambda: f"{getrandbits(64):016x}")
    began: float = field(default_factory=time.perf_counter)
    key: str | None = None
    model: str | None = None
    version: str | None = None
    texts: int = 0
    size: int = 0
    status: int = 0
    code: str | None = None
    ended: float | None = None


class Gate:
    """The outermost of the application: whatever happens inside, one well-formed answer leaves."""

    def __init__(self, app: ASGIApp, *, logs: Logs | None, metrics: Metrics) -> None:
        self._app, self._logs, self._metrics = app, logs, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = scope[NOTE] = Note()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                note.status = message["status"]
                message["headers"] = _completed(message.get("headers", ()), note)
            elif not message.get("more_body"):
                note.ended = time.perf_counter()
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Gone:
            note.status, note.code = 499, "gone"
        except Refused as error:
            await _refuse(error, note, sent)
        except ServiceError as error:
            await _refuse(refusal(error), note, sent)
        except Exception as error:
            if self._logs:
                self._logs.failed("unexpected", error, request=note.request, route=note.route, model=note.model)
            if not note.status:
                message = "something unexpected happened here; the service's log says what, under this request's id"
                await _refuse(Refused(500, "internal", message), note, sent)
        finally:
            self._tell(note)

    def _tell(self, note: Note) -> None:
        seconds = (note.ended or time.perf_counter()) - note.began
        answered = note.texts if note.status == 200 else 0
        self._metrics.request(note.route, note.model or "", note.status, seconds, answered)
        if self._logs is None or (note.route in _QUIET and note.status == 200):
            return
        self._logs.write(
            "request",
            request=note.request,
            route=note.route,
            status=note.status,
            seconds=round(seconds, 6),
            key=note.key,
            model=note.model,
            version=note.version,
            texts=note.texts or None,
            bytes=note.size or None,
            code=note.code,
        )


async def _refuse(error: Refused, note: Note, send: Send) -> None:
    if note.status:  # too late: an answer is under way
        return
    note.code = error.code
    body = error.body(note.request)
    headers = [(name.encode(), value.encode()) for name, value in error.headers.items()]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _completed(headers: object, note: Note) -> list[tuple[bytes, bytes]]:
    own = list(headers)  # type: ignore[call-overload]
    policy = () if any(name == b"content-security-policy" for name, _ in own) else (_POLICY,)
    return [*own, (b"x-request-id", note.request.encode()), *_HEADERS, *policy]
