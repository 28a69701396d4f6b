"""The workspace: the one place on disk where runs, models, reports and the database live."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote
from weakref import finalize

from tunewheel.store.artifacts import Artifacts
from tunewheel.store.errors import LockedError
from tunewheel.store.files import write_whole

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")


class Workspace:
    """A folder with a database, artifacts, reports, run folders and a cache.

    Nothing is read or written before the first use; `Workspace.open` opens at once. Any number of processes
    may create and use the same workspace together. It closes its connections when nobody holds it any more.

    Args:
        home: the folder; by default what ``TUNEWHEEL_HOME`` names, else ``.tunewheel``.
        database: an SQLAlchemy URL; by default what ``TUNEWHEEL_DATABASE`` names, else SQLite in ``home/tunewheel.db``.

    >>> import tempfile
    >>> from sqlalchemy import select
    >>> from tunewheel.store.schema import versions
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     with workspace.read() as connection:
    ...         connection.execute(select(versions)).all()
    []
    """

    def __init__(self, home: str | os.PathLike[str] | None = None, database: str | None = None) -> None:
        self.home = Path(home or os.environ.get("TUNEWHEEL_HOME") or ".tunewheel").expanduser().absolute()
        self.database = database or os.environ.get("TUNEWHEEL_DATABASE") or None
        self._process = os.getpid()

    @classmethod
    def open(cls, home: str | os.PathLike[str] | None = None, database: str | None = None) -> Self:
        """The workspace, created or brought up to date where needed.

        Raises:
            SchemaError: a newer Tunewheel wrote the database.
        """
        workspace = cls(home, database)
        workspace._connect()
        return workspace

    def __repr__(self) -> str:
        return f"Workspace({str(self.home)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections; the next use opens them again."""
        if "engine" in self.__dict__:
            self._connect().dispose()

    @property
    def exists(self) -> bool:
        """Whether there is a workspace in `home` already."""
        return (self.home / "artifacts").is_dir()

    @property
    def runs_dir(self) -> Path:
        """Where a run keeps its checkpoints, by run key."""
        return self.home / "runs"

    @property
    def cache_dir(self) -> Path:
        """What can be made again: encoded datasets and the like."""
        return self.home / "cache"

    @property
    def reports_dir(self) -> Path:
        """Reports for people, under readable names."""
        return self.home / "reports"

    @cached_property
    def artifacts(self) -> Artifacts:
        """The artifact folder."""
        return Artifacts(self.home / "artifacts")

    @cached_property
    def engine(self) -> Engine:
        """The database, created or migrated on first use."""
        from sqlalchemy import URL

        from tunewheel.store.database import open_database

        for folder in (self.artifacts.root, self.runs_dir, self.cache_dir, self.reports_dir):
            folder.mkdir(parents=True, exist_ok=True)
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            write_whole(ignore, "# other people's text: keep it out of version control\n*\n")
        url = self.database or URL.create("sqlite", database=str(self.home / "tunewheel.db"))
        engine = open_database(url, partial(self.lock, "schema", timeout=600))
        finalize(self, _dispose, engine, os.getpid())
        return engine

    def _connect(self) -> Engine:
        if self._process != os.getpid():  # a connection must not cross a fork
            self._process = os.getpid()
            if "engine" in self.__dict__:
                self.engine.dispose(close=False)
        return self.engine

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction that may write: committed at the end, undone by any exception.

        Writers take turns: the block starts when no other transaction writes, so keep it short.

        Raises:
            StoreError: the turn did not come within a minute, or the database's server went away.
        """
        from tunewheel.store.database import told

        engine = self._connect()
        with told(engine), engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One transaction that only reads; it waits for no writer and sees one state throughout."""
        from tunewheel.store.database import read_only, told

        engine = self._connect()
        with told(engine), read_only(engine.connect()) as connection, connection.begin():
            yield connection

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that may write (see `begin`) and return what it returns."""
        with self.begin() as connection:
            return work(connection)

    @contextmanager
    def lock(self, name: str, timeout: float = 0.0) -> Iterator[None]:
        """Hold the lock `name` among all processes of this machine; a process that dies lets go of it.

        Args:
            name: what is locked, such as a run key.
            timeout: how long to wait for it, in seconds.

        Raises:
            LockedError: another process holds it; the message names its id.
        """
        from filelock import FileLock, Timeout

        path = self.home / "locks" / f"{quote(name, safe='')}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=timeout, on_acquired=_sign)
        try:
            lock.acquire()
        except Timeout:
            holder = path.read_text().strip()
            who = f"process {holder}" if holder else "another process"
            raise LockedError(f"{name!r} is being worked on by {who}: wait for it, or stop it and try again") from None
        try:
            yield
        finally:
            lock.release()


def _dispose(engine: Engine, process: int) -> None:
    if process == os.getpid():  # a forked child leaves its parent's connections alone
        engine.dispose()


def _sign(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
