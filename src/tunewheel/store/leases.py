"""Leases: work that may be done by one process at a time, on whichever machine, and outlives no dead one.

A lease is a row with a time to live by the database's own clock, which its holder puts off while it works, and a token
that grows at every taking. A holder that was cut off (a machine asleep, a network away) knows of no successor,
so what it writes must stand in one transaction with `Lease.fence`, which refuses an older token (Kleppmann, *Designing
Data-Intensive Applications*, 2017, "Fencing tokens").
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tunewheel.store.errors import LockedError, StoreError
from tunewheel.store.files import alive

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.store.workspace import Workspace

SECONDS = 60.0
"""How long a lease lives without a sign of its holder."""


@dataclass
class Lease:
    """What a process holds while it alone may work on ``name``."""

    name: str
    token: int
    _lost: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def lost(self) -> bool:
        """Whether another process is known to have taken it, or it could not be put off in time."""
        return self._lost.is_set()

    def fence(self, connection: Connection) -> None:
        """Let a transaction that may write go on only while this lease stands.

        Raises:
            LockedError: another process has taken it; the transaction is to be given up.
        """
        from sqlalchemy import select

        from tunewheel.store.schema import leases

        token = connection.scalar(select(leases.c.token).where(leases.c.name == self.name))
        if token != self.token:
            self._lost.set()
            raise LockedError(f"{self.name!r} was taken over by another process while this one was cut off")


@contextmanager
def lease(workspace: Workspace, name: str, *, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold the lease ``name`` among all processes that share the workspace's database.

    A holder that was killed on this machine is noticed at once, one elsewhere after ``seconds``.

    Args:
        workspace: whose database keeps it.
        name: what is worked on.
        seconds: how long it lives without a sign of its holder; a third of that lies between two signs.

    Raises:
        LockedError: another process holds it; the message says which, and until when.

    >>> import tempfile
    >>> from tunewheel.store import Workspace
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     with lease(workspace, "update tickets") as held:
    ...         held.token, held.lost
    (1, False)
    """
    held = _take(workspace, name, seconds)
    ended = threading.Event()
    beats = threading.Thread(target=_beat, args=(workspace, held, seconds, ended), name=f"lease {name}", daemon=True)
    beats.start()
    try:
        yield held
    finally:
        ended.set()
        beats.join()
        with suppress(StoreError):  # it ends by itself where the database is away
            _put(workspace, held, 0.0)


def _take(workspace: Workspace, name: str, seconds: float) -> Lease:
    from sqlalchemy import delete, insert, select

    from tunewheel.store.schema import leases

    with workspace.begin() as connection:
        now = database_now(connection)
        held = connection.execute(select(leases).where(leases.c.name == name)).first()
        if held is not None and held.until > now and not _gone(held.holder):
            raise LockedError(
                f"{name!r} is being worked on by {_shown(held.holder)}, which holds it until {held.until:%H:%M:%S} UTC "
                "unless it asks for more: wait for it, or stop it and try again"
            )
        token = 1 if held is None else held.token + 1
        connection.execute(delete(leases).where(leases.c.name == name))
        until = now + timedelta(seconds=seconds)
        connection.execute(insert(leases).values(name=name, token=token, holder=_self(), until=until))
    return Lease(name, token)


def _beat(workspace: Workspace, held: Lease, seconds: float, ended: threading.Event) -> None:
    """Put the end off until the work has ended; a database away is asked again while the lease still lives."""
    import time

    good = time.monotonic()
    while not ended.wait(seconds / 3):
        try:
            if not _put(workspace, held, seconds):
                held._lost.set()
                return
            good = time.monotonic()
        except StoreError:
            if time.monotonic() - good > seconds:
                held._lost.set()


def _put(workspace: Workspace, held: Lease, seconds: float) -> bool:
    """Let the lease end ``seconds`` from now, if it stands yet."""
    from sqlalchemy import update

    from tunewheel.store.schema import leases

    with workspace.begin() as connection:
        until = database_now(connection) + timedelta(seconds=seconds)
        mine = (leases.c.name == held.name) & (leases.c.token == held.token)
        return bool(connection.execute(update(leases).where(mine).values(until=until)).rowcount)


def database_now(connection: Connection) -> datetime:
    """The time by the clock that all who share the database share."""
    from sqlalchemy import text

    if connection.dialect.name == "sqlite":
        told = connection.scalar(text("SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"))
        return datetime.fromisoformat(str(told))
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def _self() -> str:
    return f"{socket.gethostname()}|{_place()}|{os.getpid()}|{_born(os.getpid())}"


def _gone(holder: str) -> bool:
    """Whether a holder is known to be dead: it ran in this very kernel and this space of process ids."""
    _, place, process, born = holder.split("|")
    if not place or place != _place():
        return False
    return not alive(int(process)) or _born(int(process)) != born


def _shown(holder: str) -> str:
    host, _, process, _ = holder.split("|")
    return f"process {process} on {host}"


def _place() -> str:
    """Names the kernel since its start and the space of process ids; empty where that cannot be told."""
    try:
        booted = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{booted} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _born(process: int) -> str:
    """When a process started, in the kernel's ticks: an id may be given anew."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return told.rpartition(")")[2].split()[19]
