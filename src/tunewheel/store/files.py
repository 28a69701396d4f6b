"""Files written whole or not at all: a temporary sibling, synced, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_DAY = 24 * 60 * 60.0  # seconds


def write_whole(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Write `data` (text as UTF-8) to `path` so that a reader, or a power cut, sees all of it or none.

    Parent folders are made as needed; an existing file is replaced.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "reports" / "tickets-1.html", "<p>好</p>").read_text("utf-8")
    '<p>好</p>'
    """
    with open_whole(path) as file:
        file.buffer.write(data.encode() if isinstance(data, str) else data)
    return Path(path)


@contextmanager
def open_whole(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Open `path` to be written as UTF-8: it has its name, or its new content, once the block is through.

    A block that raises leaves `path` as it was. Parent folders are made as needed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.tmp-"
    sweep(path.parent, prefix)
    temporary = path.parent / temporary_name(prefix)
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sha256(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows can neither open nor flush a folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_name(prefix: str) -> str:
    """A fresh name that tells `sweep` which process on which machine it belongs to."""
    return f"{prefix}{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def temporary_folder(parent: Path, prefix: str) -> Path:
    """A fresh folder for its owner alone under `temporary_name(prefix)`; what killed processes left goes first."""
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent, prefix)
    folder = parent / temporary_name(prefix)
    folder.mkdir(mode=0o700)
    return folder


def sweep(folder: Path, prefix: str) -> list[Path]:
    """Remove what killed processes left in `folder` under `temporary_name(prefix)`; returns what went.

    A leftover goes when its process is dead, or, where that cannot be known (another machine sharing
    the folder, a process id used again), when it is older than a day.
    """
    removed = []
    for path in folder.iterdir():
        if path.name.startswith(prefix) and _abandoned(path, prefix):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _abandoned(path: Path, prefix: str) -> bool:
    host, _, process = path.name.removeprefix(prefix).rpartition("-")[0].rpartition("-")
    if host == socket.gethostname() and process.isdecimal() and not alive(int(process)):
        return True
    try:
        return time.time() - path.stat().st_mtime > _DAY
    except FileNotFoundError:
        return False


def alive(process: int) -> bool:
    """Whether a process with this id runs on this machine (on Windows, where asking would end it: True)."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
