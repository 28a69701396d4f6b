"""The running of a service: a socket, signals, and an end that loses nobody's answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from tunewheel.serving.app import BODY, create_app
from tunewheel.serving.errors import ServiceError
from tunewheel.serving.guard import Guard
from tunewheel.serving.logs import Forwarded, Logs
from tunewheel.serving.metrics import Metrics

if TYPE_CHECKING:
    from tunewheel.feedback.given import Received
    from tunewheel.feedback.review import Queue
    from tunewheel.serving.recording import Recording
    from tunewheel.serving.service import Event, Service

_CONNECTIONS = 4096  # at once; each costs memory before it has asked anything
_TOLD = (
    *("swap", "swap_refused", "worker_died", "load_failed", "registry_away"),
    *("beside", "beside_refused", "shadow", "shadow_refused", "fell_back"),
)


def run(
    build: Callable[[Callable[[Event], None]], Service],
    guard: Guard,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    recorder: Recording | None = None,
    logs: Logs | None = None,
    give: Callable[..., Received] | None = None,
    review: Callable[[str, str], Queue] | None = None,
    body: int = BODY,
    drain: float = 30.0,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way; a second one ends at once.

    Args:
        build: makes the service, given what it shall tell its events.
        guard: who may ask; its keys are read here first.
        host: the address to listen on.
        port: 0 takes any that is free.
        recorder: takes every exchange.
        logs: takes a line a request.
        give: takes feedback.
        review: the queue of a model's answers that wait for a person.
        body: bytes of a request's body, at most.
        drain: seconds for answers under way at the end.
        started: is told the URL as soon as models answer.

    Raises:
        ServiceError: the address cannot be listened on, or a model cannot be served.
    """
    loop_factory = uvicorn.Config("", loop="auto").get_loop_factory()
    with _listening(host, port) as listener, asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(build, guard, listener, recorder, logs, give, review, body, drain, started))


async def _serve(
    build: Callable[[Callable[[Event], None]], Service],
    guard: Guard,
    listener: socket.socket,
    recorder: Recording | None,
    logs: Logs | None,
    give: Callable[..., Received] | None,
    review: Callable[[str, str], Queue] | None,
    body: int,
    drain: float,
    started: Callable[[str], None],
) -> None:
    metrics = Metrics()

    def tell(event: Event) -> None:
        metrics.event(event.kind, event.fields)
        if logs and event.kind in _TOLD:
            logs.write(event.kind, **event.fields)

    service = build(tell)
    app = create_app(service, guard, recorder, logs, metrics, give=give, review=review, body=body)
    with _forwarded(logs):
        server = _Server(_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        watching = asyncio.create_task(guard.watch(logs)) if logs else None
        try:
            await _until_told_to_end(service, server, serving, drain, lambda: started(_url(listener)))
        finally:
            if watching:
                watching.cancel()
            server.should_exit = True
            await serving
    if logs:
        logs.write("stopped")


async def _until_told_to_end(
    service: Service, server: _Server, serving: asyncio.Task[None], drain: float, started: Callable[[], None]
) -> None:
    """Load the models, answer, and drain; while they load, and while it drains, requests are refused with 503."""
    ending = asyncio.create_task(server.asked_to_end.wait())
    loading = asyncio.create_task(service.start())
    await asyncio.wait({loading, ending, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():  # told to end while still loading
        loading.cancel()
        await asyncio.gather(loading, return_exceptions=True)
        await service.stop(0)
        return
    loading.result()
    started()
    await asyncio.wait({ending, serving}, return_when=asyncio.FIRST_COMPLETED)
    # The listener stays open meanwhile: whoever balances load has to see that this one is not ready any more.
    await service.stop(drain)
    ending.cancel()


class _Server(uvicorn.Server):
    """uvicorn's server, but a first signal drains, and the process ends with 0."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.asked_to_end = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.asked_to_end.is_set() or self.should_exit:
            self.should_exit = self.force_exit = True
        # A signal arrives between any two steps of the program, so the loop has to be woken.
        self._loop.call_soon_threadsafe(self.asked_to_end.set)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here goes by the client's address
        ws="none",
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio turns Nagle's algorithm off where a socket says that it is TCP's, which create_server's does not: a
        # client that acknowledges late then waits 40 ms for each answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, OverflowError) as error:
        raise _unheard(host, port, error) from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            raise _unheard(host, port, error) from None
        yield listener


def _unheard(host: str, port: int, error: Exception) -> ServiceError:
    return ServiceError(f"cannot listen on {host}:{port} ({error}): name another with --host and --port")


def _url(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _forwarded(logs: Logs | None) -> Iterator[None]:
    """Have what uvicorn and asyncio say written as our logs are, and not to standard error as it is."""
    if logs is None:
        yield
        return
    handler = Forwarded(logs)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True
