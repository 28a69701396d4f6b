"""Rows that a query of a database gives, streamed in a transaction that cannot write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewheel.data.problems import DataError, Problem
from tunewheel.data.readers.base import Reader, Record, plain

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

FORM = "sqlite:///shop.db::SELECT text, label FROM tickets"
_SCHEME = re.compile(r"\w+(\+\w+)?://.")
_QUERY = re.compile(r"(?P<url>.+?)::\s*(?P<query>(?:select|with|values|table)\b.*)", re.IGNORECASE | re.DOTALL)
_KINDS = ("sqlite", "postgresql")
_BATCH = 1000


@dataclass
class SqlReader(Reader):
    """Yields the rows of a query, numbered from 1, a batch at a time from a cursor of the server.

    Every pass is one read-only transaction (SQLite, PostgreSQL) that sees the database as it was when it began.
    The password is in none of its messages. Raises `DataError` for a URL that cannot be used.
    """

    url: str
    query: str

    def __post_init__(self) -> None:
        parsed = _parsed(self.url)
        if parsed.get_backend_name() not in _KINDS:
            expected = "a database of " + " or ".join(_KINDS)
            raise _unusable(self.name, expected, parsed.get_backend_name(), "export the rows as CSV or Parquet")
        file = parsed.database
        if parsed.get_backend_name() == "sqlite" and (not file or not Path(file).is_file()):
            # SQLite would make a new, empty database.
            raise _unusable(self.name, "a database file", f"nothing at {file!r}", f"check the path: {FORM}")

    @property
    def name(self) -> str:
        """The database and the query, without a password."""
        return described(self.url, self.query)

    def __iter__(self) -> Iterator[Record]:
        import sqlalchemy as sa

        number = 0
        try:
            with _connected(_parsed(self.url)) as connection:
                result = connection.execution_options(stream_results=True, yield_per=_BATCH).execute(
                    sa.text(_without_parameters(self.query))
                )
                columns = list(result.keys())
                for row in result:
                    number += 1
                    yield Record(number, dict(zip(columns, map(plain, row), strict=True)))
        except sa.exc.SQLAlchemyError as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> DataError:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        password = _parsed(self.url).password
        reason = lines[0].replace(str(password), "***") if password else lines[0]
        fix = f"check the database and the query; the form is {FORM}"
        return _unusable(self.name, "rows of a query", reason, fix)


def parse(data: str) -> tuple[str, str] | None:
    """Cut ``URL::QUERY`` in two, None where it is no URL of a database.

    A query begins with SELECT, WITH, VALUES or TABLE. Raises `DataError` for a URL without a query.

    >>> parse("sqlite:///shop.db::SELECT text, label::text FROM tickets")
    ('sqlite:///shop.db', 'SELECT text, label::text FROM tickets')
    >>> parse("folder/file.csv")
    """
    if not _SCHEME.match(data) or ("\n" not in data and "::" not in data and Path(data).exists()):
        return None
    found = _QUERY.fullmatch(data)
    if found is None:
        place = described(data, "")
        kinds = " or ".join(f"{kind}://…" for kind in _KINDS)
        raise _unusable(place, f"a path, or {kinds} and a query", "a URL without a query", f"write {FORM}")
    return found["url"], found["query"].strip().rstrip(";")


def described(url: str, query: str) -> str:
    """Name a database and a query without the password and without options of the URL, which may hold one."""
    from sqlalchemy import URL

    parsed = _parsed(url)
    plain = URL.create(parsed.drivername, parsed.username, None, parsed.host, parsed.port, parsed.database)
    return plain.render_as_string() + (f"::{query}" if query else "")


def database(url: str) -> str:
    """The name of the database that a URL leads to."""
    return _parsed(url).database or "model"


def _parsed(url: str) -> URL:
    import sqlalchemy as sa

    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError:
        # The URL itself is not told: there may be a password in it.
        raise _unusable("the database's URL", "dialect://user@host/database", "none that can be read", FORM) from None


def _engine(url: URL) -> Engine:
    import sqlalchemy as sa

    try:
        return sa.create_engine(url, poolclass=sa.pool.NullPool)
    except ModuleNotFoundError as error:
        fix = f"pip install {error.name}"
        raise _unusable(described(str(url), ""), "the database's driver", f"no package {error.name}", fix) from None


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    """A connection in a transaction that reads one state of the database and is rolled back at the end."""
    options: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            if url.get_backend_name() == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection.execution_options(**options)
    finally:
        engine.dispose()


def _without_parameters(query: str) -> str:
    """Escape colons that SQLAlchemy would take for the beginning of a parameter's name."""
    return re.sub(r"(?<!:):(?=\w)", r"\\:", query)


def _unusable(place: str, expected: str, found: str, fix: str) -> DataError:
    return DataError([Problem(place, None, "", expected, found, fix)])
