"""Servers that tests run against."""

from __future__ import annotations

import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from sqlalchemy import create_engine, make_url, text

from tunewheel.store import Workspace


class Postgres:
    """Hands out databases of its own on a PostgreSQL server, and drops them all at the end."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        self.made: list[str] = []
        self.migrated: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(self.made):
            self._run(f"DROP DATABASE {name} WITH (FORCE)")
        self.engine.dispose()

    def create(self, *, migrated: bool = False) -> str:
        """The URL of a new database: empty, or with the tables in it."""
        name = f"tunewheel_{secrets.token_hex(6)}"
        self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {self._template()}" if migrated else ""))
        self.made.append(name)
        return self._url(name)

    def _template(self) -> str:
        if self.migrated is None:  # migrating takes longer than most tests
            url = self.create()
            with TemporaryDirectory() as home:
                Workspace.open(Path(home), url).close()
            self.migrated = make_url(url).database
        return str(self.migrated)

    def _url(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        with self.engine.connect() as connection:
            connection.execute(text(statement))
