from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, insert, make_url, select, text
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    ProgrammingError,
)

from tunewheel.store import LockedError, SchemaError, StoreError, Workspace
from tunewheel.store import database as database_module
from tunewheel.store.schema import REVISIONS, datasets, versions


def dataset(fingerprint: str) -> dict[str, Any]:
    return {"fingerprint": fingerprint, "name": "x", "summary": {}, "created": datetime.now(UTC)}


def count(workspace: Workspace) -> int:
    with workspace.read() as connection:
        return connection.scalar(select(func.count()).select_from(datasets)) or 0


def test_nothing_is_made_before_the_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNEWHEEL_HOME", raising=False)
    workspace = Workspace()
    assert workspace.home == tmp_path / ".tunewheel"
    assert not workspace.exists
    assert list(tmp_path.iterdir()) == []
    assert count(workspace) == 0
    assert workspace.exists
    workspace.close()


def test_the_environment_names_the_workspace_as_it_does_for_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEWHEEL_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("TUNEWHEEL_DATABASE", f"sqlite:///{tmp_path / 'base.db'}")
    assert Workspace().home == tmp_path / "ours"
    assert Workspace(tmp_path / "named").home == tmp_path / "named"
    with Workspace.open() as workspace:
        assert count(workspace) == 0
    assert (tmp_path / "base.db").is_file()
    assert not (tmp_path / "ours" / "tunewheel.db").exists()


def test_the_layout(sqlite_workspace: Workspace) -> None:
    workspace, home = sqlite_workspace, sqlite_workspace.home
    folders = [workspace.runs_dir, workspace.cache_dir, workspace.reports_dir, workspace.artifacts.root]
    assert folders == [home / "runs", home / "cache", home / "reports", home / "artifacts"]
    assert all(folder.is_dir() for folder in folders)
    assert (home / "tunewheel.db").is_file()
    assert (home / ".gitignore").read_text().endswith("\n*\n")
    assert repr(workspace) == f"Workspace({str(home)!r})"


@pytest.mark.parametrize("name", ["100% 工单?x=1#a", "a b/@c:d"])
def test_odd_paths(tmp_path: Path, name: str) -> None:
    with Workspace.open(tmp_path / name) as workspace:
        assert count(workspace) == 0
        assert (tmp_path / name / "tunewheel.db").is_file()


def test_an_open_workspace_outlives_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Workspace("home", database="sqlite:///own.db") as workspace:
        assert count(workspace) == 0
        workspace.close()
        monkeypatch.chdir("/")
        assert count(workspace) == 0
        assert (tmp_path / "own.db").is_file()
        assert not (tmp_path / "home" / "tunewheel.db").exists()


def test_sqlite_is_set_up_to_lose_nothing(sqlite_workspace: Workspace) -> None:
    for transaction in (sqlite_workspace.begin, sqlite_workspace.read):
        with transaction() as connection:
            pragma = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
            }
        assert pragma == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 60_000}


def test_a_transaction_is_all_or_nothing(workspace: Workspace) -> None:
    with workspace.begin() as connection:
        connection.execute(insert(datasets).values(dataset("a")))
    with pytest.raises(RuntimeError, match="stop"), workspace.begin() as connection:
        connection.execute(insert(datasets).values(dataset("b")))
        raise RuntimeError("stop")
    assert count(workspace) == 1


def test_a_reader_waits_for_no_writer_and_sees_one_state(workspace: Workspace) -> None:
    with workspace.begin() as writer:
        writer.execute(insert(datasets).values(dataset("a")))
        assert count(workspace) == 0
    with workspace.read() as reader:
        number = select(func.count()).select_from(datasets)
        assert reader.scalar(number) == 1
        with workspace.begin() as writer:
            writer.execute(insert(datasets).values(dataset("b")))
        assert reader.scalar(number) == 1
    assert count(workspace) == 2


def test_foreign_keys_hold(workspace: Workspace) -> None:
    version = {"name": "a", "number": 1, "artifact": "x", "task": "ner", "method": "full", "metrics": {}}
    version |= {"created": datetime.now(UTC), "dataset": "nowhere"}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), workspace.begin() as connection:
        connection.execute(insert(versions).values(version))


def test_writers_take_turns(workspace: Workspace) -> None:
    """What a transaction read is still so when it writes, although another wanted to write meanwhile."""
    began = threading.Event()

    def add() -> None:
        began.set()
        with workspace.begin() as other:
            other.execute(insert(datasets).values(dataset("late")))

    with workspace.begin() as writer:
        thread = threading.Thread(target=add)
        thread.start()
        began.wait()
        thread.join(0.2)
        assert writer.scalar(select(func.count()).select_from(datasets)) == 0
        writer.execute(insert(datasets).values(dataset("early")))
    thread.join()
    assert count(workspace) == 2


def test_a_writer_does_not_wait_for_ever(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "WAIT", 0.1)
    with (
        Workspace(workspace.home, workspace.database) as other,
        workspace.begin(),
        pytest.raises(StoreError, match=r"failed: (database is locked|.*lock timeout).*again goes on"),
        other.begin(),
    ):
        pass


def test_a_server_that_goes_away_is_told_and_the_next_command_goes_on(
    postgres: Any, postgres_workspace: Workspace
) -> None:
    base = make_url(str(postgres_workspace.database)).database
    end = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{base}'")
    with pytest.raises(StoreError, match=f"{base} failed: terminating connection"):  # noqa: SIM117
        with postgres_workspace.begin() as connection:
            connection.execute(insert(datasets).values(dataset("a")))
            with postgres.engine.connect() as admin:
                admin.execute(end)
            connection.execute(insert(datasets).values(dataset("b")))
    assert count(postgres_workspace) == 0


def test_connections_that_are_all_in_use_are_told(sqlite_workspace: Workspace) -> None:
    sqlite_workspace.engine.pool._timeout = 0.1
    told = pytest.raises(StoreError, match=r"tunewheel.db failed: every connection is in use; .*again goes on")
    with ExitStack() as stack, told:
        for _ in range(20):
            stack.enter_context(sqlite_workspace.read())
    assert count(sqlite_workspace) == 0


@pytest.mark.parametrize("kind", [InterfaceError, InternalError, DatabaseError])
def test_whatever_befalls_a_database_is_told(sqlite_workspace: Workspace, kind: type[DBAPIError]) -> None:
    with pytest.raises(StoreError, match="failed: it is gone"), sqlite_workspace.begin():
        raise kind("select", {}, Exception("it is gone"))


def test_a_connection_that_was_closed_is_told_and_a_wrong_statement_is_not(sqlite_workspace: Workspace) -> None:
    with pytest.raises(StoreError, match="closed database"), sqlite_workspace.read() as connection:
        connection.connection.driver_connection.close()
        connection.execute(select(datasets))
    with pytest.raises(ProgrammingError), sqlite_workspace.read():
        raise ProgrammingError("select", {}, Exception("no such column"))
    assert count(sqlite_workspace) == 0


def test_a_reader_cannot_write(postgres_workspace: Workspace) -> None:
    with pytest.raises(StoreError, match="read-only"), postgres_workspace.read() as connection:
        connection.execute(insert(datasets).values(dataset("a")))
    with postgres_workspace.begin() as connection:  # the connection was used before; now it may
        connection.execute(insert(datasets).values(dataset("a")))


def test_transact_returns_what_the_work_returns_and_reports_a_clash(workspace: Workspace) -> None:
    def work(connection: Any) -> str:
        connection.execute(insert(datasets).values(dataset("a")))
        return "done"

    assert workspace.transact(work) == "done"
    with pytest.raises(IntegrityError):
        workspace.transact(work)
    assert count(workspace) == 1


def test_a_newer_schema_is_refused(workspace: Workspace) -> None:
    with workspace.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=r"newer Tunewheel \(schema 9999; this one knows .*pip install --upgrade"):
        Workspace.open(workspace.home, workspace.database)


def test_an_empty_database_is_filled(tmp_path: Path, database: str | None) -> None:
    (tmp_path / "tunewheel.db").touch()
    with Workspace.open(tmp_path, database) as workspace, workspace.read() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == REVISIONS[-1]


def test_an_empty_file_becomes_a_database_with_a_log(tmp_path: Path) -> None:
    (tmp_path / "tunewheel.db").touch()
    with Workspace.open(tmp_path) as workspace, workspace.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tunewheel.db").write_text("not a database " * 100)
    with pytest.raises(StoreError, match=r"tunewheel.db cannot be opened: file is not a database"):
        Workspace.open(tmp_path)
    with pytest.raises(StoreError, match="give SQLite a file"):
        Workspace.open(tmp_path, database="sqlite://")
    with pytest.raises(StoreError, match=r"'nosuch' is no known database: use sqlite or postgresql"):
        Workspace.open(tmp_path, database="nosuch://host/base")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_is_reached_through_psycopg_3(postgres_workspace: Workspace, tmp_path: Path, scheme: str) -> None:
    url = make_url(str(postgres_workspace.database)).set(drivername=scheme).render_as_string(hide_password=False)
    with Workspace.open(tmp_path, url) as workspace:
        assert workspace.engine.driver == "psycopg"
        assert count(workspace) == 0
    assert not (tmp_path / "tunewheel.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://li:s3cret@127.0.0.1:1/base",
        "postgresql://127.0.0.1:1/base?user=li&password=s3cret",
        "postgresql:/li:s3cret",
        "postgresql://li:1@host:s3cret/base",
        "mysql://li:s3cret@host/base",
    ],
)
def test_a_password_is_never_told(tmp_path: Path, url: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Workspace.open(tmp_path, url)
    told = traceback.format_exception(caught.value)
    assert not any("s3cret" in line for line in told if "Workspace.open(" not in line)


def test_a_missing_driver_is_answered_by_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any, **options: Any) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(database_module, "create_engine", missing)
    with pytest.raises(StoreError, match=r"PostgreSQL needs a driver: pip install 'tunewheel\[postgres\]'"):
        Workspace.open(tmp_path, database="postgresql://host/base")


def test_opening_loads_no_alembic_and_importing_loads_nothing(workspace: Workspace, start: Any) -> None:
    heavy = "{'torch', 'transformers', 'datasets', 'fastapi', 'pandas', 'alembic'}"
    process = start(
        "import sys, tunewheel.store, tunewheel.registry\n"
        f"assert not ({heavy} | {{'sqlalchemy'}}) & sys.modules.keys()\n"
        "tunewheel.store.Workspace.open(sys.argv[1], sys.argv[2] or None)\n"
        "import tunewheel.registry.registry\n"
        f"assert 'sqlalchemy' in sys.modules and not {heavy} & sys.modules.keys()\n",
        workspace,
    )
    assert process.communicate() == ("", "")


def test_every_public_name_loads() -> None:
    import tunewheel.registry
    import tunewheel.store

    for package in (tunewheel.store, tunewheel.registry):
        assert set(dir(package)) == set(package.__all__) == set(package._HOMES)
        assert all(getattr(package, name) is not None for name in package.__all__)
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = package.nothing


def test_many_processes_create_one_workspace(tmp_path: Path, database: str | None, start: Any) -> None:
    workspace = Workspace(tmp_path / "home", database)
    script = (
        "import sys; from tunewheel.store import Workspace, record_dataset\n"
        "print('ready', flush=True); input()\n"
        "record_dataset(Workspace.open(sys.argv[1], sys.argv[2] or None), sys.argv[3], name='x')\n"
    )
    processes = [start(script, workspace, number) for number in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate() == ("", "")
    with workspace:
        assert count(workspace) == 3


def test_several_machines_migrate_one_database(postgres: Any, tmp_path: Path, start: Any) -> None:
    """Each has a home of its own, so that no file's lock keeps them apart: the database must."""
    database = postgres.create()
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    script = "import sys; from tunewheel.store import Workspace; Workspace.open(sys.argv[1], sys.argv[2])"
    holder = create_engine(database)
    with holder.begin() as turn:
        turn.execute(select(func.pg_advisory_xact_lock(database_module._TURN)))
        processes = [start(script, tmp_path / str(number), database) for number in range(3)]
        deadline = time.monotonic() + 30
        while turn.scalar(waiting) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert turn.scalar(waiting) == 3
    holder.dispose()
    for process in processes:
        assert process.communicate() == ("", "")


WRITER = """
import sys, json
from sqlalchemy import select, update
from tunewheel.store import Workspace
from tunewheel.store.schema import datasets
for _ in range(6):  # opening and closing is where SQLite is touchiest
    with Workspace.open(sys.argv[1], sys.argv[2] or None) as workspace:
        for _ in range(4):
            with workspace.begin() as connection:
                summary = connection.scalar(select(datasets.c.summary))
                connection.execute(update(datasets).values(summary={"n": summary["n"] + 1}))
"""


def test_processes_that_read_and_write_never_lose_an_update_or_their_patience(workspace: Workspace, start: Any) -> None:
    with workspace.begin() as connection:
        connection.execute(insert(datasets).values(dataset("a") | {"summary": {"n": 0}}))
    workspace.close()
    processes = [start(WRITER, workspace) for _ in range(3)]
    for process in processes:
        assert process.communicate() == ("", "")
    with workspace.read() as connection:
        assert connection.scalar(select(datasets.c.summary)) == {"n": 3 * 6 * 4}


def test_threads_share_a_workspace(workspace: Workspace) -> None:
    def write(number: int) -> None:
        for part in range(5):
            with workspace.begin() as connection:
                connection.execute(insert(datasets).values(dataset(f"{number}-{part}")))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(workspace) == 40


@pytest.mark.parametrize(
    "fault",
    [
        "database.sync = lambda path: os._exit(9)",
        "from alembic import op\nmade = op.create_table\n"
        "op.create_table = lambda name, *rest: os._exit(9) if name == 'aliases' else made(name, *rest)",
    ],
)
def test_killed_while_it_is_created_it_is_created_the_next_time(tmp_path: Path, start: Any, fault: str) -> None:
    script = f"import os, sys\nfrom tunewheel.store import Workspace, database\n{fault}\n"
    killed = start(script + "Workspace.open(sys.argv[1])", tmp_path)
    assert killed.wait() == 9
    assert not (tmp_path / "tunewheel.db").exists()
    with Workspace.open(tmp_path) as workspace:
        assert count(workspace) == 0
    assert not list(tmp_path.glob(".tunewheel.db*"))


def test_killed_while_it_is_migrated_it_is_migrated_the_next_time(
    tmp_path: Path, database: str | None, start: Any
) -> None:
    workspace = Workspace(tmp_path, database)
    (tmp_path / "tunewheel.db").touch()
    killed = start(
        "import os, sys\nfrom tunewheel.store import Workspace\n"
        "from alembic import op\nmade = op.create_table\n"
        "op.create_table = lambda name, *rest: os._exit(9) if name == 'aliases' else made(name, *rest)\n"
        "Workspace.open(sys.argv[1], sys.argv[2] or None)",
        workspace,
    )
    assert killed.wait() == 9
    with workspace:
        assert count(workspace) == 0


def test_a_forked_child_opens_its_own_connection(workspace: Workspace) -> None:
    with workspace.read() as connection:
        inherited = connection.connection.driver_connection
    child = os.fork()
    if child == 0:  # pragma: no cover
        with workspace.begin() as connection:
            connection.execute(insert(datasets).values(dataset("child")))
            own = connection.connection.driver_connection
        os._exit(1 if own is inherited else 0)
    assert os.waitpid(child, 0)[1] == 0
    assert count(workspace) == 1


HOLDER = """
import sys, time
from tunewheel.store import Workspace
with Workspace(sys.argv[1], sys.argv[2] or None).lock("run/键"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_by_one_process_and_names_it(workspace: Workspace, start: Any) -> None:
    holder = start(HOLDER, workspace)
    assert holder.stdout.readline() == "held\n"
    for _ in range(2):
        with pytest.raises(LockedError, match=rf"'run/键' is being worked on by process {holder.pid}:"):
            workspace.lock("run/键").__enter__()
    with workspace.lock("another"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with (
        workspace.lock("run/键"),
        pytest.raises(LockedError, match=f"process {os.getpid()}"),
        workspace.lock("run/键"),
    ):
        pass


def test_a_lock_can_be_waited_for_and_is_let_go_after_an_error(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="stop"), workspace.lock("k"):
        raise ValueError("stop")
    held = threading.Event()

    def hold() -> None:
        with workspace.lock("k"):
            held.set()
            threading.Event().wait(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with pytest.raises(LockedError), workspace.lock("k"):
        pass
    with workspace.lock("k", timeout=10):
        pass
    thread.join()
