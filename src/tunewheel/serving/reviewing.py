"""The queue over HTTP: what waits for a person, what they decide, and the page that they do it on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from fastapi.responses import Response

from tunewheel.serving import openapi, shapes
from tunewheel.serving.bodies import Verdict, count_of, verdict
from tunewheel.serving.errors import UnknownModel
from tunewheel.serving.gate import NOTE, Note
from tunewheel.serving.problems import Refused, dumped

if TYPE_CHECKING:
    from tunewheel.feedback.review import Decided, Queue
    from tunewheel.serving.bodies import Bodies
    from tunewheel.serving.fleet import Served

SCOPES = ("feedback", "admin")
"""What a key has to be for, one of them."""

ANYONE = "reviewer"
"""Who decides where no key is asked for."""

T = TypeVar("T")


class Reviews:
    """The paths of review.

    Args:
        admitted: lets a request in (route, request, scopes, rated), or raises `Refused`.
        served: the version that answers under a name.
        bodies: reads bodies.
        queue: the queue of a model, given its name and what its answers are called.
    """

    def __init__(
        self,
        admitted: Callable[..., Mapping[bytes, bytes]],
        served: Callable[[str], Served | None],
        bodies: Bodies,
        queue: Callable[[str, str], Queue],
    ) -> None:
        self.admitted, self.served, self.bodies, self.queue = admitted, served, bodies, queue

    def add_to(self, add: Callable[..., None]) -> None:
        """Add the paths to an application."""
        refused = openapi.errors(401, 403, 404, 422, 429, 500, 503)
        listed = {200: {"model": shapes.Queue, "description": "What waits, in its order."}, **refused}
        add("GET", "/v1/review/{name}", self.review, listed, keyed=True, parameters=[openapi.NAME, openapi.COUNT])
        taken = {200: {"model": shapes.Decision, "description": "It is on record."}, **refused}
        body = {"requestBody": openapi.REVIEW_BODY, "parameters": [openapi.NAME]}
        add("POST", "/v1/review/{name}", self.decide, taken | openapi.errors(408, 409, 413, 415), keyed=True, **body)
        html = {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The page."}
        add("GET", "/review", self.review_page, {200: html, **openapi.errors(500)})

    async def review(self, request: Request) -> Response:
        """What waits for a person: words that people left, then answers worth a look."""
        note, served, queue = self._queue("review", request)
        n = count_of(request.query_params.get("n"))
        by = note.key or ANYONE
        items, waiting = await _off_the_loop(lambda: (queue.items(n, by=by), queue.waiting()))
        note.texts = len(items)
        told: dict[str, Any] = {"model": served.name, "task": served.task, "target": served.target}
        told |= {"labels": list(served.labels), "waiting": waiting, "items": [asdict(item) for item in items]}
        return Response(dumped(told), media_type="application/json")

    async def decide(self, request: Request) -> Response:
        """Accept an answer, another in its place, or none; pass over it; or take a decision back. The first counts."""
        note, _, queue = self._queue("decide", request)
        body = await self.bodies.read(request.scope, request.receive)
        note.size = len(body)
        said, by = verdict(body), note.key or ANYONE
        decided = await _off_the_loop(lambda: _decided(queue, said, by))
        return Response(dumped({**asdict(decided), "at": decided.at.isoformat()}), media_type="application/json")

    async def review_page(self, request: Request) -> Response:
        """A page to review on, with the keyboard; it loads nothing from elsewhere."""
        from tunewheel.serving.page import chosen
        from tunewheel.serving.review_page import page, policy

        request.scope[NOTE].route = "review_page"
        lang = chosen(request.headers.get("accept-language", ""))
        headers = {"content-security-policy": policy(), "vary": "accept-language"}
        return Response(page(lang), headers=headers, media_type="text/html")

    def _queue(self, route: str, request: Request) -> tuple[Note, Served, Queue]:
        self.admitted(route, request, SCOPES, rated=True)
        note: Note = request.scope[NOTE]
        served = self.served(request.path_params["name"])
        if served is None:
            raise UnknownModel("no model is served under this name")
        note.model, note.version = served.name, served.ref
        return note, served, self.queue(served.name, served.target)


def _decided(queue: Queue, said: Verdict, by: str) -> Decided:
    if said.undo is not None:
        return queue.withdraw(said.undo, by=by)
    return queue.decide(said.item, said.decision, said.value, by=by)


async def _off_the_loop(work: Callable[[], T]) -> T:
    """What the work returns, done in a thread; what it raises, as it is told over HTTP."""
    from tunewheel.feedback.answers import FeedbackError
    from tunewheel.feedback.review import Conflict, NoItem
    from tunewheel.store import StoreError

    try:
        return await asyncio.to_thread(work)
    except StoreError:
        raise Refused(503, "store", "the database is away; send it again", {"retry-after": "5"}) from None
    except NoItem as error:
        raise Refused(404, "no_item", str(error)) from None
    except Conflict as error:
        raise Refused(409, "decided", str(error)) from None
    except FeedbackError as error:
        raise Refused(422, "bad_value", str(error)) from None
