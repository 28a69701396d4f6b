"""`serve`: registered versions, or model folders, answering over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.feedback.recorder import Recorder
    from tunewheel.serving.service import Event, Service
    from tunewheel.store import Workspace


def serve(
    models: Sequence[str],
    *,
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int | None = None,
    variant: str = "auto",
    keys: bool = True,
    rate: int | None = None,
    record: float = 1.0,
    body: int = 2 << 20,
    batch_tokens: int = 2048,
    batch_seconds: float = 0.025,
    waiting: int = 1024,
    delay: float = 0.0,
    timeout: float = 10.0,
    characters: int = 100_000,
    texts: int = 256,
    poll: float = 1.0,
    drain: float = 30.0,
    say: Say = lambda heading, line: None,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve models over HTTP until SIGTERM or SIGINT; see `tunewheel.settings.ServeSettings` for the settings.

    ``started`` is told the URL as soon as the models answer. Log lines go to standard error.

    Raises:
        LoopError: others than this machine could ask, and there is no key; or the extra is not installed.
        ServiceError: the address cannot be listened on, or a model cannot be served.
    """
    try:
        from tunewheel.serving.run import run
    except ModuleNotFoundError as error:
        raise LoopError(f"serving needs {error.name}: pip install 'tunewheel[serve]'") from error
    from tunewheel.feedback.given import give
    from tunewheel.feedback.review import Queue
    from tunewheel.serving.guard import Guard, is_local
    from tunewheel.serving.keys import list_keys
    from tunewheel.serving.logs import Logs
    from tunewheel.serving.waiting import Limits

    guard = Guard(partial(list_keys, workspace), ask=keys, rate=rate, local=is_local(host))
    guard.load()
    if not guard.asks:
        say("keys", _open(host, keys, local=is_local(host)))
    limits = Limits(
        batch_tokens=batch_tokens,
        batch_seconds=batch_seconds,
        waiting=waiting,
        delay=delay,
        timeout=timeout,
        characters=characters,
        texts=texts,
    )

    def build(tell: Callable[[Event], None]) -> Service:
        from tunewheel.serving.service import Service

        settings: dict[str, Any] = {"workers": workers, "limits": limits, "variant": variant, "poll": poll}
        return Service(workspace, models, **settings, tell=tell)

    logs = Logs()
    recorder = _recorder(workspace, record)
    try:
        way: dict[str, Any] = {"recorder": recorder, "logs": logs, "body": body, "drain": drain, "started": started}
        way |= {"give": partial(give, workspace), "review": partial(Queue, workspace)}
        run(build, guard, host=host, port=port, **way)
    finally:
        if recorder is not None:
            recorder.close()
        logs.close()


def _open(host: str, keys: bool, *, local: bool) -> str:
    """What is to be said of a service that asks for no key; raises `LoopError` where that is not as was asked."""
    if local:
        return "none: anyone on this machine may ask (tunewheel keys add NAME makes one)"
    if keys:
        raise LoopError(
            f"{host}: others than this machine could ask, and there is no key yet\n"
            "make one with `tunewheel keys add NAME`, or say --no-keys to let anyone ask"
        )
    return f"none asked for: anyone who can reach {host} may ask"


def _recorder(workspace: Workspace, share: float) -> Recorder | None:
    """What takes the exchanges; None where none shall be recorded."""
    from tunewheel.feedback.recorder import Recorder

    return Recorder(workspace, share=share) if share else None
