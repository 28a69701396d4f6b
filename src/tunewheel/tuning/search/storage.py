"""Where studies are kept: Optuna's tables, in a file beside the workspace's database or in the same PostgreSQL."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from tunewheel.store import Workspace

INTERVAL = 10
"""Seconds between two signs of life of a trial."""

GRACE = 60
"""Seconds without a sign after which a trial on another machine counts as dead."""

_FILE = "study.db"
_SCHEMA = "tunewheel_studies"  # its tables have names of their own, but for alembic's, which the workspace's have too
_WAIT = 60.0


class MissingOptuna(ImportError):
    """The extra `tune` is not installed."""


def check_optuna() -> None:
    """Raise `MissingOptuna` with the command that installs it."""
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise MissingOptuna("tune needs a package: pip install 'tunewheel[tune]'")


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna's log lines, and its remarks on what it calls experimental, off the console."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage")  # `alive` gives the signs that `ask` leaves out
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)


@contextmanager
def opened(workspace: Workspace, on_death: Callable[[Any, Any], None]) -> Iterator[RDBStorage]:
    """The storage of the workspace's studies, made where there is none yet; ``on_death`` takes study and dead trial."""
    from optuna.storages import RDBStorage

    url, options = _place(workspace)
    # One at a time: two that make the same tables would stand in each other's way.
    with workspace.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
    with workspace.begin():
        storage = RDBStorage(
            url,
            {"connect_args": options},
            heartbeat_interval=INTERVAL,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=on_death,
        )
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _place(workspace: Workspace) -> tuple[str, dict[str, Any]]:
    url = workspace.engine.url
    if url.get_backend_name() == "postgresql":
        return url.render_as_string(hide_password=False), {"options": f"-csearch_path={_SCHEMA}"}
    return f"sqlite:///{workspace.home / _FILE}", {"timeout": _WAIT}


@contextmanager
def alive(storage: RDBStorage, trial: int) -> Iterator[None]:
    """Give signs of life for a trial (by its id in the storage) as long as the block lasts."""
    from optuna.exceptions import StorageInternalError

    over = threading.Event()

    def beat() -> None:
        while not over.is_set():
            with suppress(StorageInternalError):  # a database that is busy for once: the next sign is soon enough
                storage.record_heartbeat(trial)
            over.wait(INTERVAL)
        storage.remove_session()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
