from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, inspect, select
from sqlalchemy.exc import StatementError

from tunewheel.store import Workspace
from tunewheel.store.database import MIGRATIONS
from tunewheel.store.kinds import plain
from tunewheel.store.schema import REVISIONS, datasets, metadata


def config(connection: Any = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def test_the_revisions_are_alembics() -> None:
    script = ScriptDirectory.from_config(config())
    assert [revision.revision for revision in script.walk_revisions()] == list(reversed(REVISIONS))
    assert script.get_current_head() == REVISIONS[-1]


def test_the_migrations_lead_to_the_tables_declared(workspace: Workspace, request: pytest.FixtureRequest) -> None:
    with workspace.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        migrated = inspect(connection)
        other = create_engine(request.getfixturevalue("postgres").create() if workspace.database else "sqlite://")
        metadata.create_all(other)
        declared = inspect(other)
        for table in metadata.tables:
            for what in (
                "get_check_constraints",
                "get_foreign_keys",
                "get_unique_constraints",
                "get_pk_constraint",
            ):
                expected, found = getattr(declared, what)(table), getattr(migrated, what)(table)
                assert sorted(map(str, found)) == sorted(map(str, expected))
        other.dispose()


def test_the_way_back(workspace: Workspace) -> None:
    with workspace.begin() as connection:
        command.downgrade(config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    workspace.close()
    with Workspace.open(workspace.home, workspace.database) as again, again.read() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version", *metadata.tables}


def test_moments_are_aware_and_utc(workspace: Workspace) -> None:
    beijing = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    row = {"fingerprint": "a", "name": "a", "summary": {}, "created": beijing}
    with workspace.begin() as connection:
        connection.execute(insert(datasets).values(row))
        stored = connection.scalar(select(datasets.c.created))
        assert stored == beijing
        assert stored.tzinfo is UTC
        with pytest.raises(StatementError, match="no time zone"):
            connection.execute(insert(datasets).values(row | {"created": datetime(2026, 1, 1)}))


def test_documents_come_back_as_json_says_them(workspace: Workspace) -> None:
    summary = {"f1": np.float32(0.5), "n": np.int64(3), "lost": float("nan"), "行": (1, 2), 1: np.arange(2)}
    row = {"fingerprint": "a", "name": "a", "summary": summary, "created": datetime.now(UTC)}
    with workspace.begin() as connection:
        connection.execute(insert(datasets).values(row))
        stored = connection.scalar(select(datasets.c.summary))
        assert stored == {"f1": 0.5, "n": 3, "lost": None, "行": [1, 2], "1": [0, 1]} == plain(summary)
        raw = connection.exec_driver_sql("SELECT summary FROM datasets").scalar_one()
        assert "行" in raw
