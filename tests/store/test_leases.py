"""One at a time, on whichever machine, and nobody waits for the dead."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import update

from tunewheel.store import LockedError, StoreError, Workspace, leases
from tunewheel.store.leases import lease
from tunewheel.store.schema import leases as table

HOLD = """
import sys, time
from tunewheel.store import Workspace
from tunewheel.store.leases import lease
with lease(Workspace(sys.argv[1], sys.argv[2] or None), "turn"):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(workspace: Workspace) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(workspace.home), workspace.database or ""]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_is_at_work(workspace: Workspace) -> None:
    with holding(workspace) as process:
        try:
            with pytest.raises(LockedError, match=f"'turn' is being worked on by process {process.pid} on "):
                lease(workspace, "turn").__enter__()
            with lease(workspace, "another turn"):
                pass
        finally:
            process.kill()


def test_a_killed_holder_is_followed_at_once_and_the_token_grows(workspace: Workspace) -> None:
    with holding(workspace) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with lease(workspace, "turn") as held:
            assert held.token == 2


def test_a_holder_elsewhere_is_followed_when_its_time_is_over(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = leases._take(workspace, "turn", 0.4)
    monkeypatch.setattr(leases, "_place", lambda: "another machine")
    with pytest.raises(LockedError):
        leases._take(workspace, "turn", 0.4)
    time.sleep(0.5)
    assert leases._take(workspace, "turn", 0.4).token == taken.token + 1


def test_an_id_given_to_another_process_does_not_keep_a_lease(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases._take(workspace, "turn", 60)
    monkeypatch.setattr(leases, "_born", lambda process: "later")
    assert leases._take(workspace, "turn", 60).token == 2


def test_while_it_works_a_holder_keeps_it_beyond_its_time(workspace: Workspace) -> None:
    with lease(workspace, "turn", seconds=0.3) as held:
        time.sleep(0.8)
        with pytest.raises(LockedError):
            leases._take(workspace, "turn", 0.3)
        assert not held.lost
    with lease(workspace, "turn"):  # and lets go at the end
        pass


def test_one_that_was_taken_over_may_write_nothing(workspace: Workspace) -> None:
    with lease(workspace, "turn", seconds=0.3) as held:
        with workspace.begin() as connection:
            held.fence(connection)
            connection.execute(update(table).values(token=table.c.token + 1))
        with pytest.raises(LockedError, match="taken over"), workspace.begin() as connection:
            held.fence(connection)
        deadline = time.monotonic() + 5
        while not held.lost and time.monotonic() < deadline:
            time.sleep(0.02)
        assert held.lost


def test_one_that_cannot_be_put_off_in_time_counts_as_lost(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise StoreError("the server went away")

    with lease(workspace, "turn", seconds=0.3) as held:
        monkeypatch.setattr(leases, "_put", away)
        time.sleep(0.2)
        assert not held.lost
        time.sleep(0.6)
        assert held.lost


def test_of_many_at_once_one_holds_it(workspace: Workspace) -> None:
    begin, got, refused = threading.Barrier(8), [], []

    def contend() -> None:
        begin.wait()
        try:
            got.append(leases._take(workspace, "turn", 60))
        except LockedError:
            refused.append(1)

    workspace.engine  # noqa: B018  (made before, so that they meet at the lease)
    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
