"""Several processes at once, and processes that die."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tunewheel.registry import Registry
from tunewheel.store import Workspace, get_run, start_run

REGISTER = """
import os, sys
from sqlalchemy import insert
from tunewheel.registry import Registry
from tunewheel.registry import registry as module
from tunewheel.store import Workspace, artifacts
registry = Registry(Workspace(sys.argv[1], sys.argv[2] or None))
def register(**options):
    options = {"name": "tickets", "task": "ner", "method": "full", "alias": "champion"} | options
    return registry.register(sys.argv[3], **options)
"""


def test_processes_registering_at_once_get_consecutive_numbers(
    registry: Registry, workspace: Workspace, model: Path, start: Any
) -> None:
    script = REGISTER + "print('ready', flush=True); input()\nfor _ in range(5): print(register().number)"
    processes = [start(script, workspace, model) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    numbers = []
    for process in processes:
        output, errors = process.communicate()
        assert errors == ""
        numbers += [int(line) for line in output.split()]
    assert sorted(numbers) == list(range(1, 21))
    assert [version.number for version in registry.versions("tickets")] == list(range(1, 21))
    moves = registry.history("tickets")
    assert [move.number for move in moves] == list(range(1, 21))
    assert [move.replaced for move in moves] == [None, *range(1, 20)]
    assert registry.aliases("tickets") == {"champion": 20}


def test_processes_promoting_at_once_leave_one_unbroken_history(
    registry: Registry, workspace: Workspace, add: Any, start: Any
) -> None:
    for _ in range(3):
        add()
    script = REGISTER + (
        "print('ready', flush=True); input()\n"
        "for turn in range(8):\n"
        "    registry.promote(f'tickets:{1 + (turn + int(sys.argv[3])) % 3}', why='x')\n"
    )
    processes = [start(script, workspace, number) for number in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate() == ("", "")
    moves = registry.history("tickets")
    assert [move.replaced for move in moves] == [None, *(move.number for move in moves[:-1])]
    assert registry.aliases("tickets") == {"champion": moves[-1].number}


@pytest.mark.parametrize(
    "fault",
    [
        "artifacts._publish = lambda *arguments: os._exit(9)",
        "module.Workspace.transact = lambda *arguments: os._exit(9)",
        "module.moves.insert = lambda t: insert(t) if t.name == 'aliases' else os._exit(9)",
        "module.Registry._one = lambda *arguments: os._exit(9)",
    ],
    ids=["files", "transaction", "history", "commit"],
)
def test_killed_before_the_transaction_ends_there_is_no_version_and_repeating_finishes(
    registry: Registry, workspace: Workspace, model: Path, start: Any, fault: str
) -> None:
    start_run(workspace, "k", command="train", settings={})
    killed = start(REGISTER + fault + "\nregister(run='k')", workspace, model)
    assert killed.wait() == 9, killed.stderr.read()
    assert registry.versions() == []
    assert get_run(workspace, "k").version is None  # type: ignore[union-attr]
    version = registry.register(model, name="tickets", task="ner", method="full", alias="champion", run="k")
    assert (version.ref, version.aliases) == ("tickets:1", ("champion",))
    assert registry.verify("tickets") == version
    assert len(registry.history("tickets")) == 1


def test_killed_at_any_moment_every_visible_version_is_whole(
    registry: Registry, workspace: Workspace, model: Path, start: Any
) -> None:
    script = REGISTER + (
        "from pathlib import Path\n"
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    Path(sys.argv[3], 'config.json').write_text(f'{os.getpid()} {number}')\n"
        "    print(register().ref, flush=True)\n"
    )
    said = 0
    for wait in range(2):
        process = start(script, workspace, model)
        for _ in range(3 + wait):
            assert process.stdout.readline().startswith("tickets:")
        process.send_signal(signal.SIGKILL)
        said += 3 + wait + len(process.stdout.read().splitlines())
        process.wait()
    versions = registry.versions("tickets")
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert len(versions) in {said, said + 1, said + 2}  # committed, but killed before it could say so
    for version in versions:
        registry.verify(version.ref)
    moves = registry.history("tickets")
    assert [move.number for move in moves] == [version.number for version in versions]
    assert registry.aliases("tickets") == {"champion": versions[-1].number}
