from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tunewheel.store import write_whole
from tunewheel.store.files import alive, sweep, temporary_folder, temporary_name


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    assert write_whole(path, "好") == path
    assert path.read_bytes() == "好".encode()
    write_whole(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_whole(tmp_path / "b.txt", "old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, steps = tmp_path / "b.txt", []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        steps.append("sync")

    def replaced(source: Path, target: Path) -> Any:
        steps.append("name")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_whole(path, "new")
    assert steps == ["sync", "name", "sync"]


def test_a_killed_write_leaves_the_old_file_and_the_next_sweeps(tmp_path: Path, start: Any) -> None:
    path = write_whole(tmp_path / "b.txt", "old")
    killed = start(
        "import os, sys; from tunewheel.store import write_whole\n"
        "os.fsync = lambda descriptor: os._exit(9)\n"
        "write_whole(sys.argv[1], 'new')",
        path,
    )
    assert killed.wait() == 9
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    write_whole(path, "newer")
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_takes_only_what_nobody_works_on(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine = tmp_path / temporary_name(".tmp-")
    left = tmp_path / f".tmp-{socket.gethostname()}-{dead.pid}-abcd"
    elsewhere = tmp_path / f".tmp-other-host-{dead.pid}-abcd"
    old = tmp_path / ".tmp-other-host-1-abcd"
    other = tmp_path / "model"
    for folder in (mine, left, elsewhere, old, other):
        folder.mkdir()
        (folder / "file").touch()
    yesterday = time.time() - 25 * 60 * 60
    os.utime(old, (yesterday, yesterday))
    assert sorted(sweep(tmp_path, ".tmp-")) == sorted([left, old])
    assert sorted(tmp_path.iterdir()) == sorted([mine, elsewhere, other])


def test_alive() -> None:
    assert alive(os.getpid())
    assert alive(1)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    assert not alive(dead.pid)


def test_a_temporary_folder_is_its_owners_and_clears_away_what_died(tmp_path: Path, start: Any) -> None:
    make = "import sys; from pathlib import Path; from tunewheel.store.files import temporary_folder\n"
    died = start(make + "temporary_folder(Path(sys.argv[1]), '.工.tmp-')", tmp_path / "cache")
    assert died.wait() == 0
    [left] = (tmp_path / "cache").iterdir()
    folder = temporary_folder(tmp_path / "cache", ".工.tmp-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "cache").iterdir()) == [folder] != [left]
