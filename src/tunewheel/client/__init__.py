"""A client of the service: `Client`, and `AsyncClient` for asyncio. It needs httpx2 and nothing else of Tunewheel.

What may be sent again is sent again: a request that was refused since the service was busy, loading or about to end,
one that never got there, and one whose answer was lost on the way, since all tries of one call carry one idempotency
key, under which the service answers once. A stream has no such key, so it is begun again only where nothing of it was
done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Self

from tunewheel.client.calls import URL, Again, Call, ClientError, Predictions, Settings, Texts, httpx, unready
from tunewheel.client.streams import AsyncStream, Stream

__all__ = ["AsyncClient", "AsyncStream", "Client", "ClientError", "Predictions", "Stream"]


class Client:
    """Asks a service. Threads may share one; it keeps its connections open until it is closed.

    >>> with Client() as client:  # doctest: +SKIP
    ...     answers = client.predict("tickets", ["my card was swallowed", "昨天被扣了两次款"])
    ...     answers.version, answers[0]["label"]
    ('tickets:3', 'card_lost')

    Args:
        url: the service's address.
        key: one of `tunewheel keys add`; by default what ``TUNEWHEEL_KEY`` in the environment says, if anything.
        timeout: seconds for one call, all its tries and the pauses between them included.
        retries: tries after the first one.
    """

    def __init__(
        self, url: str = URL, *, key: str | None = None, timeout: float = 10.0, retries: int = 3, **options: Any
    ) -> None:
        """``options`` go to `httpx2.Client` (``verify``, ``proxy``, ``limits`` …)."""
        self._settings = Settings(url, key, timeout, retries)
        self._http = httpx().Client(headers=self._settings.headers, **options)

    def predict(self, model: str, texts: Texts, *, timeout: float | None = None) -> Predictions:
        """Predictions for one text or many; raises `ClientError`."""
        call = self._settings.predict(model, texts, timeout)
        return call.predictions(self._answer(call))

    def stream(self, model: str, text: str | Mapping[str, Any], *, timeout: float | None = None) -> Stream:
        """The answer of a model that writes, piece by piece; raises `ClientError`, here or while it is read.

        ``timeout`` is that of the beginning, and of each piece after it. Whoever stops reading early closes the stream
        (``with client.stream(…) as pieces``), so that the service stops writing.
        """
        call = self._settings.stream(model, text, timeout)
        while True:
            try:
                with call.told():
                    response = self._http.send(call.request(self._http), stream=True)
                    if call.begun(response):
                        return Stream(response, call)
                    with closing(response):
                        call.refuse(response, response.read())
            except Again as again:
                time.sleep(call.pause(again))

    def models(self) -> list[dict[str, Any]]:
        """The models that are served, the versions that answer for them, their tasks and labels."""
        call = self._settings.get("/v1/models")
        return call.models(self._answer(call))

    def ready(self) -> bool:
        """Whether the service answers, asked once; raises `ClientError` where something else answers in its place."""
        call = self._settings.get("/health/ready", retries=0)
        try:
            return call.ready(self._answer(call))
        except ClientError as error:
            return unready(error)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, call: Call) -> Any:
        while True:
            try:
                with call.told():
                    response = self._http.send(call.request(self._http), stream=True)
                    with closing(response):
                        # The timeout of a read begins anew with every piece that comes.
                        body = b"".join(call.in_time(piece) for piece in response.iter_bytes())
                    return call.answer(response, body)
            except Again as again:
                time.sleep(call.pause(again))


class AsyncClient:
    """`Client` for asyncio: the same calls, awaited; ``async with`` closes it.

    >>> async def label(text: str) -> str:
    ...     async with AsyncClient() as client:
    ...         return (await client.predict("tickets", text))[0]["label"]
    """

    def __init__(
        self, url: str = URL, *, key: str | None = None, timeout: float = 10.0, retries: int = 3, **options: Any
    ) -> None:
        """As `Client` has them; ``options`` go to `httpx2.AsyncClient`."""
        self._settings = Settings(url, key, timeout, retries)
        self._http = httpx().AsyncClient(headers=self._settings.headers, **options)

    async def predict(self, model: str, texts: Texts, *, timeout: float | None = None) -> Predictions:
        """Predictions for one text or many; raises `ClientError`."""
        call = self._settings.predict(model, texts, timeout)
        return call.predictions(await self._answer(call))

    async def stream(self, model: str, text: str | Mapping[str, Any], *, timeout: float | None = None) -> AsyncStream:
        """As `Client.stream`: ``async for piece in await client.stream(…)``."""
        call = self._settings.stream(model, text, timeout)
        while True:
            try:
                with call.told():
                    response = await self._http.send(call.request(self._http), stream=True)
                    if call.begun(response):
                        return AsyncStream(response, call)
                    try:
                        call.refuse(response, await response.aread())
                    finally:
                        await response.aclose()
            except Again as again:
                await asyncio.sleep(call.pause(again))

    async def models(self) -> list[dict[str, Any]]:
        """The models that are served, the versions that answer for them, their tasks and labels."""
        call = self._settings.get("/v1/models")
        return call.models(await self._answer(call))

    async def ready(self) -> bool:
        """Whether the service answers, asked once; raises `ClientError` where something else answers in its place."""
        call = self._settings.get("/health/ready", retries=0)
        try:
            return call.ready(await self._answer(call))
        except ClientError as error:
            return unready(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, call: Call) -> Any:
        while True:
            try:
                with call.told():
                    async with asyncio.timeout(call.left):
                        response = await self._http.send(call.request(self._http))
                    body = response.content
                    return call.answer(response, body)
            except Again as again:
                await asyncio.sleep(call.pause(again))
