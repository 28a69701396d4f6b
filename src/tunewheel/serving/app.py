"""The application: paths, and what each does with the service, the guard and the recorder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.routing import Match

from tunewheel.serving import openapi, shapes
from tunewheel.serving.bodies import Ask, Bodies, asked, one_row, remarks
from tunewheel.serving.errors import UnknownModel
from tunewheel.serving.gate import NOTE, Gate, Note
from tunewheel.serving.guard import Guard
from tunewheel.serving.metrics import Metrics
from tunewheel.serving.problems import Refused, dumped, visible
from tunewheel.serving.recording import exchanges, new_ids, shadow_exchanges
from tunewheel.serving.repeats import Repeats, Reply
from tunewheel.serving.reviewing import Reviews
from tunewheel.serving.streams import Events, Pieces
from tunewheel.serving.trials import Asker

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.feedback.given import Received
    from tunewheel.feedback.review import Queue
    from tunewheel.serving.fleet import Served
    from tunewheel.serving.logs import Logs
    from tunewheel.serving.recording import Recording
    from tunewheel.serving.service import Answered, Service

BODY = 2 << 20
"""Bytes of a request's body, at most."""

_JSON = "application/json"


def create_app(
    service: Service,
    guard: Guard,
    recorder: Recording | None = None,
    logs: Logs | None = None,
    metrics: Metrics | None = None,
    *,
    give: Callable[..., Received] | None = None,
    review: Callable[[str, str], Queue] | None = None,
    body: int = BODY,
) -> FastAPI:
    """The service over HTTP. Who starts and stops the service is `tunewheel.serving.run`.

    Args:
        service: what answers.
        guard: who may ask.
        recorder: takes every exchange; None records nothing.
        logs: takes a line a request; None logs nothing.
        metrics: what `/metrics` shows; new ones by default.
        give: takes feedback, as `tunewheel.feedback.given.give` does for a workspace; None takes none.
        review: the queue of a model by its name and what its answers are called, as `tunewheel.feedback.review.Queue`
            is for a workspace; None leaves review out.
        body: bytes of a request's body, at most.
    """
    metrics = metrics or Metrics()
    if recorder is not None:
        service.trials.heard = lambda shadowed: recorder.record(shadow_exchanges(shadowed))
    app = FastAPI(
        title="Tunewheel",
        version="1",  # the paths'; which Tunewheel answers is nobody's business
        summary="Models that read and write text, each answered for by one version.",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat whatever host the request named
    )
    app.add_middleware(Gate, logs=logs, metrics=metrics)
    app.add_exception_handler(HTTPException, _unrouted)
    paths = _Paths(service, guard, recorder, logs, metrics, Bodies(body), give)
    metrics.watch(service, paths.repeats, recorder)
    paths.add_to(app)
    if review is not None:
        Reviews(paths.admitted, paths.served, paths.bodies, review).add_to(partial(_add, app))
    _document(app)
    return app


class _Paths:
    """The paths of one application."""

    def __init__(
        self,
        service: Service,
        guard: Guard,
        recorder: Recording | None,
        logs: Logs | None,
        metrics: Metrics,
        bodies: Bodies,
        give: Callable[..., Received] | None,
    ) -> None:
        self.service, self.guard, self.recorder = service, guard, recorder
        self.logs, self.metrics, self.bodies, self.repeats = logs, metrics, bodies, Repeats()
        self.give = give

    def add_to(self, app: FastAPI) -> None:
        refused = openapi.errors(401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)
        answers = {"model": shapes.Predictions, "description": "Answers.", "headers": openapi.ANSWER_HEADERS}
        events = {"text/event-stream": {"schema": openapi.EVENT, "example": openapi.EVENTS}}
        pieces = {"content": events, "description": "Pieces of the answer.", "headers": openapi.ANSWER_HEADERS}
        body: dict[str, Any] = {
            "requestBody": openapi.PREDICT_BODY,
            "parameters": [openapi.NAME, openapi.REPEAT, openapi.STICKY],
        }
        one: dict[str, Any] = {"requestBody": openapi.STREAM_BODY, "parameters": [openapi.NAME, openapi.STICKY]}
        keyed = openapi.errors(401, 403, 500)
        _add(app, "POST", "/v1/models/{name}/predict", self.predict, {200: answers, **refused}, keyed=True, **body)
        _add(app, "POST", "/v1/models/{name}/stream", self.stream, {200: pieces, **refused}, keyed=True, **one)
        if self.give is not None:
            told: dict[str, Any] = {"requestBody": openapi.FEEDBACK_BODY}
            taken = {200: {"model": shapes.Received, "description": "What became of it."}, **refused}
            _add(app, "POST", "/v1/feedback", self.feedback, taken, keyed=True, **told)
        _add(app, "GET", "/v1/models", self.models, {200: {"model": shapes.Models}, **keyed}, keyed=True)
        _add(app, "GET", "/metrics", self.shown, {200: _text("text/plain"), **keyed}, keyed=True)
        _add(app, "GET", "/health/live", self.live, {200: {"model": shapes.Live}, **openapi.errors(500)})
        _add(app, "GET", "/health/ready", self.ready, {200: {"model": shapes.Ready}, **openapi.errors(500, 503)})
        _add(app, "GET", "/", self.page, {200: _text("text/html"), **openapi.errors(500)})

    async def predict(self, request: Request) -> Response:
        """One version answers all texts of a request; which, stands in the answer and in `X-Tunewheel-Version`."""
        name = request.path_params["name"]
        note, headers, ask, body = await self._asked("predict", name, request)
        ids = new_ids(len(ask.rows)) if self.recorder is not None else None
        asker = _asker(note, headers, ids)
        given: list[Answered] = []

        async def work() -> Reply:
            given.append(await self.service.predict(name, ask.rows, timeout=ask.timeout, asker=asker))
            return _reply(given[0], ids, note)

        repeat = headers.get(b"idempotency-key")
        if repeat is None:
            reply, again = await work(), False
        else:
            key = repeat.decode("latin-1")
            reply, again = await self.repeats.answered(note.key, key, name, body, work)
        note.version = reply.version
        told = {"x-tunewheel-version": reply.version, **({"x-tunewheel-repeated": "true"} if again else {})}
        after = BackgroundTask(self._recorded, given[0], ids, ask, note) if given and ids else None
        return Response(reply.body, headers=_ascii(told), media_type=_JSON, background=after)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: `piece` with a piece of the text, then `done`, or `error` where it broke off."""
        name = request.path_params["name"]
        note, headers, ask, _ = await self._asked("stream", name, request)
        row, asker = one_row(ask), _asker(note, headers, None)
        pieces = Pieces(self.service.stream(name, row, timeout=ask.timeout, asker=asker), request.receive)
        try:
            served, first = await pieces.first(lambda: self.service.chosen(name, [row], asker))
        except BaseException:
            await pieces.close()
            raise
        ids = new_ids(1) if self.recorder is not None else None
        note.version = served.ref
        done = {"model": name, "version": served.ref, "variant": served.variant, "exchange": ids[0] if ids else None}
        done["request"] = note.request

        def whole(text: str) -> None:
            if ids:
                self._record(served, ids, ask, [{"text": text}], note)

        told = _ascii({"x-tunewheel-version": served.ref})
        return Events(pieces, first, done, told, logs=self.logs, whole=whole)

    async def feedback(self, request: Request) -> Response:
        """Take what people say of answers: corrections, ratings, outcomes, or labelled rows; each key once."""
        from tunewheel.store import StoreError

        assert self.give is not None
        self.admitted("feedback", request, "feedback", rated=True)
        note: Note = request.scope[NOTE]
        body = await self.bodies.read(request.scope, request.receive)
        name, items = remarks(body)
        if not self.served(name):
            raise UnknownModel("no model is served under this name")
        note.model, note.size, note.texts = name, len(body), len(items)
        try:
            received = await asyncio.to_thread(self.give, name, items, source=note.key or "anyone")
        except StoreError:
            raise Refused(
                503, "store", "the database is away; send it again, with its key", {"retry-after": "5"}
            ) from None
        refused = [{"place": place, "reason": reason} for place, reason in received.refused]
        return Response(dumped({**asdict(received), "refused": refused}), media_type=_JSON)

    async def models(self, request: Request) -> Response:
        """Every model with the version that answers for it now, its task and its labels."""
        self.admitted("models", request, None)
        listed = [
            {
                "name": served.name,
                "version": served.ref,
                "number": served.number,
                "alias": served.alias,
                "task": served.task,
                "labels": list(served.labels),
                "variant": served.variant,
                "columns": list(served.columns),
                "writes": served.writes,
                "since": served.since.isoformat(),
                "rollout": self._rollout(served.name),
            }
            for served in self.service.served()
        ]
        return Response(dumped({"models": listed}), media_type=_JSON)

    async def shown(self, request: Request) -> Response:
        """Latency, batches, the queue, versions, swaps, workers and records, as Prometheus reads them."""
        self.admitted("metrics", request, None)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def live(self, request: Request) -> Response:
        """Answered as long as the process runs, while models load and while it drains too."""
        request.scope[NOTE].route = "live"
        return Response(b'{"live":true}', media_type=_JSON)

    async def ready(self, request: Request) -> Response:
        """Answered with 503 while models load, and as soon as the service is about to end."""
        request.scope[NOTE].route = "ready"
        if not self.service.ready:
            raise Refused(503, "not_ready", "the service is loading, or about to end", {"retry-after": "1"})
        return Response(b'{"ready":true}', media_type=_JSON)

    async def page(self, request: Request) -> Response:
        """A page to try the models on; it loads nothing from elsewhere."""
        from tunewheel.serving.page import chosen, page, policy

        request.scope[NOTE].route = "page"
        lang = chosen(request.headers.get("accept-language", ""))
        headers = {"content-security-policy": policy(), "vary": "accept-language"}
        return Response(page(lang), headers=headers, media_type="text/html")

    async def _asked(self, route: str, name: str, request: Request) -> tuple[Note, Mapping[bytes, bytes], Ask, bytes]:
        """Who asks what; raises `Refused` or `Gone`."""
        headers = self.admitted(route, request, "predict", rated=True)
        note: Note = request.scope[NOTE]
        if self.served(name):  # any other name is whatever somebody wrote, and is not logged
            note.model = name
        body = await self.bodies.read(request.scope, request.receive)
        note.size = len(body)
        ask = asked(body)
        note.texts = len(ask.rows)
        return note, headers, ask, body

    def admitted(
        self, route: str, request: Request, scope: str | tuple[str, ...] | None, *, rated: bool = False
    ) -> Mapping[bytes, bytes]:
        """The headers of a request that may be made; raises `Refused`."""
        note: Note = request.scope[NOTE]
        note.route = route
        headers = dict(request.scope["headers"])
        note.key = self.guard.admit(headers, scope, rated=rated).key
        return headers

    def _rollout(self, name: str) -> dict[str, Any] | None:
        """What is being rolled out of a model, and how far it has come."""
        found = self.service.trials.get(name)
        if found is None:
            return None
        share = {"shadow": 0.0, "share": found.plan.share}.get(found.stage, 1.0)
        told = {"candidate": f"{name}:{found.candidate}", "champion": f"{name}:{found.champion}"}
        return {**told, "stage": found.stage, "share": share, "since": found.since.isoformat()}

    def served(self, name: str) -> Served | None:
        """The version that answers under a name."""
        return next((served for served in self.service.served() if served.name == name), None)

    async def _recorded(self, answered: Answered, ids: list[str], ask: Ask, note: Note) -> None:
        """What a response does once it is sent."""
        self._record(answered, ids, ask, answered.predictions, note, answered.vectors)

    def _record(
        self,
        by: Answered | Served,
        ids: list[str],
        ask: Ask,
        predictions: Sequence[Mapping[str, Any]],
        note: Note,
        vectors: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """Hand over what was asked and answered."""
        assert self.recorder is not None
        common: dict[str, Any] = {"name": by.name, "number": by.number, "variant": by.variant, "key": note.key}
        took = time.perf_counter() - note.began
        self.recorder.record(exchanges(ids, ask.rows, predictions, vectors=vectors, seconds=took, **common))


def _asker(note: Note, headers: Mapping[bytes, bytes], ids: Sequence[str] | None) -> Asker:
    """Who asks; of one `X-Tunewheel-Sticky`, all requests are answered by one version while a share is tried."""
    told = headers.get(b"x-tunewheel-sticky")
    sticky = None
    if told is not None:
        sticky = f"{note.key}\0{visible('X-Tunewheel-Sticky', told.decode('latin-1'), 'sticky')}"
    return Asker(note.key, sticky, ids)


def _reply(answered: Answered, ids: list[str] | None, note: Note) -> Reply:
    known: list[str] | list[None] = ids or [None] * len(answered.predictions)
    value = {
        "model": answered.name,
        "version": answered.ref,
        "variant": answered.variant,
        "exchange": known[0],
        "predictions": [{**p, "exchange": id} for p, id in zip(answered.predictions, known, strict=True)],
        "request": note.request,
    }
    return Reply(dumped(value), answered.ref)


def _add(
    app: FastAPI,
    method: str,
    path: str,
    call: Callable[..., Any],
    responses: dict[int | str, dict[str, Any]],
    *,
    keyed: bool = False,
    **extra: Any,
) -> None:
    """Add a path. Its function reads and checks the request itself, and makes the response itself, once."""
    app.add_api_route(
        path,
        call,
        methods=[method],
        operation_id=call.__name__,
        responses=responses,
        response_class=Response,
        response_model=None,
        openapi_extra={**extra, **({"security": openapi.SECURITY} if keyed else {})},
    )


def _text(kind: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": {"type": "string"}}}, "description": "Text."}


async def _unrouted(request: Request, error: Exception) -> Response:
    """A path that is none, or that takes another method, in the form of all errors."""
    assert isinstance(error, HTTPException)
    code, message = "no_path", "there is nothing here; /openapi.json lists the paths"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        matching = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
        # The router names the methods of the first route alone, and a path may have several.
        headers["Allow"] = ", ".join(sorted({method for route in matching for method in route.methods}))
        code, message = "method", f"this path takes {headers['Allow']}"
    note: Note = request.scope[NOTE]
    note.code = code
    refused = Refused(error.status_code, code, message)
    return Response(refused.body(note.request), error.status_code, headers, media_type=_JSON)


def _document(app: FastAPI) -> None:
    """Say in the OpenAPI document how a key is sent, and leave out a validation by FastAPI that never takes place."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            components = made().setdefault("components", {})
            components["securitySchemes"] = openapi.SCHEMES
            for unused in ("HTTPValidationError", "ValidationError"):
                components.get("schemas", {}).pop(unused, None)
        return made()

    app.openapi = document  # type: ignore[method-assign]


def _ascii(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of ASCII alone; the name of a model may be Chinese."""
    return {name: quote(value, safe=":.-_") for name, value in headers.items()}
