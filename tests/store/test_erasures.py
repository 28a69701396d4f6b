"""What was erased stands neither in the records nor in the database's log once the erasure is recorded as purged."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tunewheel.store import Erasure, StoreError, Workspace, fail_run, list_erasures, start_run
from tunewheel.store import database as database_module
from tunewheel.store.erasures import erase_records, record_erasure

# SQLite's lock on emptying the log; where another process holds it, SQLite does not wait but says so at once.
EMPTYING = """
import fcntl, sys, time
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 121)
    print("locked", flush=True)
    time.sleep(0.5)
"""


def erased(workspace: Workspace, text: str) -> tuple[Erasure, str]:
    """An erasure, and the key of a run whose message shows the text."""
    key = start_run(workspace, "cut", command="train", settings={}).key
    fail_run(workspace, key, text * 900)
    return record_erasure(workspace, ["1"], [7], {"old": None}, why="asked", by="us"), key


def shows(workspace: Workspace, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in workspace.home.glob("tunewheel.db*"))


def purged(workspace: Workspace) -> bool:
    [erasure] = list_erasures(workspace)
    return erasure.purged is not None


@contextmanager
def reading(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """Another process's reader, in the midst of it."""
    path = workspace.home / "tunewheel.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM runs").fetchall()
        yield reader


@pytest.mark.parametrize("text", ["Mr Brown's card", "布朗先生的卡"])
def test_a_reader_keeps_an_erasure_from_counting_as_purged(
    sqlite_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(database_module, "WAIT", 0.2)
    with Workspace.open(sqlite_workspace.home) as workspace:
        erasure, key = erased(workspace, text)
        with reading(workspace), pytest.raises(StoreError, match=r"is reading it, .*same command again finishes"):
            erase_records(workspace, erasure, {key: "(erased)"})
        assert shows(workspace, text) and not purged(workspace)
        erase_records(workspace, erasure, {key: "(erased)"})
        assert not shows(workspace, text) and purged(workspace)


def test_a_reader_that_ends_is_waited_for(sqlite_workspace: Workspace) -> None:
    erasure, key = erased(sqlite_workspace, "Mr Brown's card")
    with reading(sqlite_workspace) as reader:
        threading.Timer(0.3, reader.execute, ["COMMIT"]).start()
        erase_records(sqlite_workspace, erasure, {key: "(erased)"})
    assert not shows(sqlite_workspace, "Mr Brown's card") and purged(sqlite_workspace)


def test_another_that_empties_the_log_is_waited_for(sqlite_workspace: Workspace, start: Any) -> None:
    erasure, key = erased(sqlite_workspace, "Mr Brown's card")
    process = start(EMPTYING, sqlite_workspace.home / "tunewheel.db-shm")
    assert process.stdout.readline() == "locked\n"
    erase_records(sqlite_workspace, erasure, {key: "(erased)"})
    assert not shows(sqlite_workspace, "Mr Brown's card") and purged(sqlite_workspace)


def test_elsewhere_there_is_no_log_to_empty(workspace: Workspace) -> None:
    erasure, key = erased(workspace, "Mr Brown's card")
    erase_records(workspace, erasure, {key: "(erased)"})
    assert purged(workspace)
