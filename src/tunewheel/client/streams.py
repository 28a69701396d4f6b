"""The answer of a model that writes, as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from tunewheel.client.calls import ClientError, an_object, httpx

if TYPE_CHECKING:
    import httpx2

    from tunewheel.client.calls import Call


class Stream(Iterator[str]):
    """The pieces of one answer as they come; raises `ClientError` where it breaks off.

    Attributes:
        version: what answers.
        exchange: what feedback refers to, once the answer is whole; None where nothing is recorded.
    """

    def __init__(self, response: httpx2.Response, call: Call) -> None:
        self._response, self._call = response, call
        self._pieces = self._read()
        self.version = unquote(response.headers.get("x-tunewheel-version", ""))
        self.exchange: str | None = None

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        """Stop the writing, whether it is done or not."""
        self._pieces.close()
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Generator[str]:
        with closing(self._response), self._call.told(begun=True):
            for event in httpx().EventSource(self._response):
                if event.event == "done":
                    self.exchange = an_object(event.data).get("exchange")
                    return
                yield piece_of(event.event, event.data)
            raise ClientError("the answer broke off", code="cut")


class AsyncStream(AsyncIterator[str]):
    """`Stream` for asyncio: ``async for`` reads it, ``async with`` closes it."""

    def __init__(self, response: httpx2.Response, call: Call) -> None:
        self._response, self._call = response, call
        self._pieces = self._read()
        self.version = unquote(response.headers.get("x-tunewheel-version", ""))
        self.exchange: str | None = None

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    async def close(self) -> None:
        """Stop the writing, whether it is done or not."""
        await self._pieces.aclose()
        await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self) -> AsyncGenerator[str]:
        try:
            with self._call.told(begun=True):
                async for event in httpx().EventSource(self._response):
                    if event.event == "done":
                        self.exchange = an_object(event.data).get("exchange")
                        return
                    yield piece_of(event.event, event.data)
                raise ClientError("the answer broke off", code="cut")
        finally:
            await self._response.aclose()


def piece_of(event: str, data: str) -> str:
    """The text of a stream's event; raises `ClientError` for one that says what went wrong."""
    said = an_object(data)
    if event == "piece" and isinstance(said.get("text"), str):
        return str(said["text"])
    found = said.get("error")
    if event == "error" and isinstance(found, dict):
        raise ClientError(
            str(found.get("message")), status=200, code=str(found.get("code")), request=found.get("request")
        )
    raise ClientError(f"an event that is none of a stream's: {event}", status=200, code="bad_answer")
