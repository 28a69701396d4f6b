"""Opening a database: an engine whose transactions wait for each other, and the schema brought up to date."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tunewheel.store.errors import SchemaError, StoreError
from tunewheel.store.files import sync
from tunewheel.store.schema import REVISIONS

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT = 60.0
"""How long a transaction waits for another process's, in seconds."""

_TURN = 0x74756E65  # the advisory lock PostgreSQL's writers take turns by: any number nobody else locks
_PAUSE = 0.05  # seconds until a log that could not be emptied is tried again
_PATIENCE = 10  # seconds to wait for a server that does not answer


def open_database(database: str | URL, lock: Callable[[], AbstractContextManager[None]]) -> Engine:
    """An engine for the database at this URL, created or migrated under `lock` where it has to be.

    Raises:
        SchemaError: the database was written by a newer Tunewheel.
        StoreError: it is no database, or its driver is not installed.
    """
    url = _parse(database)
    file = Path(url.database) if url.database and _is_sqlite(url) else None
    if file and not file.exists():
        with lock():
            if not file.exists():
                _create_file(file, url)
    engine = _engine(url)
    try:
        if not _is_current(engine):
            with lock():
                if not _is_current(engine):  # unless another process was first
                    _upgrade(engine)
    except DatabaseError as error:
        engine.dispose()
        raise StoreError(f"{shown(url)} cannot be opened: {error.orig}") from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def read_only(connection: Connection) -> Connection:
    """The connection, with transactions that never wait for a writer (and must not write)."""
    connection = connection.execution_options(tunewheel_read_only=True)
    if connection.dialect.name == "sqlite":
        return connection
    return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


@contextmanager
def told(engine: Engine) -> Iterator[None]:
    """What befalls a database in use (its server went away, the turn to write never came), as a `StoreError`.

    What a statement itself did wrong stays what it is.
    """
    try:
        yield
    except PoolTimeout as error:
        why = "every connection is in use"
        raise StoreError(f"{shown(engine.url)} failed: {why}; the same command again goes on") from error
    except DBAPIError as error:
        if not _befell(error):
            raise
        raise StoreError(f"{shown(engine.url)} failed: {error.orig}; the same command again goes on") from error


def _befell(error: DBAPIError) -> bool:
    """Whether an error tells of the database, and not of what was asked of it."""
    plain = type(error) is DatabaseError  # SQLite's for a damaged file; what statements do wrong has classes of its own
    return plain or error.connection_invalidated or isinstance(error, OperationalError | InterfaceError | InternalError)


def empty_log(engine: Engine) -> None:
    """Fold SQLite's log into its file and leave nothing in it; elsewhere nothing is to be done.

    Raises:
        StoreError: for a minute somebody has been reading what stands in it.
    """
    if engine.dialect.name != "sqlite":
        return
    end = time.monotonic() + WAIT
    with engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        # SQLite itself waits for readers and writers, but not for another process that does the same.
        while raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > end:
                raise StoreError(
                    f"{shown(engine.url)}: another process is reading it, so its log still shows what was erased; "
                    "the same command again finishes"
                )
            time.sleep(_PAUSE)


def shown(url: URL) -> str:
    """The URL as people may read it: without its password, and without options, which may hold one too."""
    return url.set(query={}).render_as_string()


def _parse(database: str | URL) -> URL:
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):  # it is not repeated: it may hold a password
        raise StoreError("this is no database's URL: write postgresql://user@host/base or sqlite:///file.db") from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if not _is_sqlite(url):
        raise StoreError(f"{url.drivername!r} is no known database: use sqlite or postgresql")
    if url.database in {None, "", ":memory:"}:
        raise StoreError("a workspace needs a database that stays: give SQLite a file")
    return url.set(database=str(Path(str(url.database)).absolute()))


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _engine(url: URL) -> Engine:
    to_json = partial(json.dumps, ensure_ascii=False, allow_nan=False)
    if _is_sqlite(url):
        engine = create_engine(url, json_serializer=to_json, connect_args={"timeout": WAIT})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    waits = {} if "connect_timeout" in url.query else {"connect_timeout": _PATIENCE}
    try:
        engine = create_engine(url, json_serializer=to_json, connect_args=waits, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs a driver: pip install 'tunewheel[postgres]'") from error
    event.listen(engine, "begin", _begin_postgres)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, see _begin_sqlite
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a committed transaction survives a power cut


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later cannot wait for another writer (SQLite fails it at
    # once), so writers take their turn at the start.
    connection.exec_driver_sql("BEGIN" if _reads(connection) else "BEGIN IMMEDIATE")


def _begin_postgres(connection: Connection) -> None:
    # Writers take turns here as they do in SQLite, on whichever machine they run: what a transaction read
    # is still so when it writes, and nobody's work has to be repeated.
    if not _reads(connection):
        take = f"SELECT set_config('lock_timeout', '{WAIT * 1000:.0f}', true), pg_advisory_xact_lock({_TURN})"
        connection.exec_driver_sql(take)


def _reads(connection: Connection) -> bool:
    reads: bool = connection.get_execution_options().get("tunewheel_read_only", False)
    return reads


def _upgrade(engine: Engine) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode = WAL")
        with connection.begin():
            _migrate(connection)


def _create_file(file: Path, url: URL) -> None:
    """Make a database beside `file` and rename it, so that no process ever sees half of one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.new")
    for leftover in file.parent.glob(f"{temporary.name}*"):
        leftover.unlink()
    engine = _engine(url.set(database=str(temporary)))
    _upgrade(engine)
    engine.dispose()  # the last connection to close folds the log into the file
    sync(temporary)
    temporary.rename(file)
    sync(file.parent)


def _is_current(engine: Engine) -> bool:
    with read_only(engine.connect()) as connection:
        revision = _revision(connection)
    if revision is not None and revision not in REVISIONS:
        raise SchemaError(
            f"{shown(engine.url)} was written by a newer Tunewheel (schema {revision}; "
            f"this one knows {REVISIONS[-1]}): upgrade with pip install --upgrade tunewheel"
        )
    return revision == REVISIONS[-1]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
