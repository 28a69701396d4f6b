"""Answers that are written piece by piece, as server-sent events; whoever hangs up frees the worker at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi.sse import format_sse_event
from starlette.responses import Response

from tunewheel.serving.errors import ServiceError
from tunewheel.serving.gate import NOTE
from tunewheel.serving.problems import Gone, Refused, dumped, refusal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tunewheel.serving.fleet import Served
    from tunewheel.serving.logs import Logs

_STALLED = 30.0  # seconds until a reader that takes nothing any more is given up: its worker is wanted elsewhere


class Pieces:
    """The pieces of one answer, for as long as somebody is there to read them."""

    def __init__(self, pieces: AsyncIterator[str], receive: Receive) -> None:
        self._pieces = pieces
        self._gone = asyncio.ensure_future(_gone(receive))

    async def first(self, version: Callable[[], Served]) -> tuple[Served, str | None]:
        """The version that answers and its first piece; looked up in the very step in which the service does so."""

        async def begun() -> tuple[Served, str | None]:
            return version(), await anext(self._pieces, None)

        found: tuple[Served, str | None] = await self._unless_gone(begun())
        return found

    async def following(self) -> str | None:
        """The next piece; None at the end. Raises `Gone`, and what the service raises."""
        piece: str | None = await self._unless_gone(anext(self._pieces, None))
        return piece

    async def close(self) -> None:
        """Stop the writing, whether it is done or not."""
        self._gone.cancel()
        if hasattr(self._pieces, "aclose"):
            await self._pieces.aclose()

    async def _unless_gone(self, step: Any) -> Any:
        task = asyncio.ensure_future(step)
        try:
            await asyncio.wait({task, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if task.cancelled():
            raise Gone
        return task.result()


class Events(Response):
    """The response: an event a piece, then ``done`` with what the answer was given by, or ``error``."""

    media_type = "text/event-stream"

    def __init__(
        self,
        pieces: Pieces,
        first: str | None,
        done: dict[str, Any],
        headers: dict[str, str],
        *,
        logs: Logs | None,
        whole: Callable[[str], None],
    ) -> None:
        """``whole`` is called with the whole answer at its end."""
        self.status_code, self.background = 200, None
        self._pieces, self._first, self._done, self._logs, self._whole = pieces, first, done, logs, whole
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as it is written."""
        note = scope[NOTE]

        async def say(event: str, value: Any) -> None:
            body = format_sse_event(event=event, data_str=dumped(value).decode())
            async with asyncio.timeout(_STALLED):
                await send({"type": "http.response.body", "body": body, "more_body": True})

        written: list[str] = []
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            piece = self._first
            while piece is not None:
                written.append(piece)
                await say("piece", {"text": piece})
                piece = await self._pieces.following()
            await say("done", self._done)
            self._whole("".join(written))
        except (Gone, TimeoutError):
            note.status, note.code = 499, "gone"
            return
        except Exception as error:
            refused = refusal(error) if isinstance(error, ServiceError) else Refused(500, "internal", "unexpected")
            if not isinstance(error, ServiceError) and self._logs:
                self._logs.failed("unexpected", error, request=note.request, route=note.route, model=note.model)
            note.code = refused.code
            told = {"code": refused.code, "message": refused.message, "request": note.request}
            await say("error", {"error": told})
        finally:
            await self._pieces.close()
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
