"""The work in progress of a pretraining: who is at it, what it began with, and how far it has got."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunewheel.store.files import write_whole

_SETTINGS, _LOCK = "pretrain.json", "lock"
_FREE = ("tokens", "warmup", "decay", "checkpoint_seconds", "eval_steps", "precision", "compile")
"""What may change when a run is taken up again: how far it goes, not what it learns."""


@contextmanager
def held(work: Path) -> Iterator[None]:
    """Keep other processes from the same work; raises ValueError where one is at it.

    A call that is refused takes the folder away that it made.
    """
    from filelock import FileLock, Timeout

    made = not work.exists()
    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(work / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"{work}: another process is at this run; wait for its end, or name another folder") from None
    try:
        yield
    except ValueError:
        if made and not updates(work):
            shutil.rmtree(work)
        raise
    finally:
        lock.release()


def agree(work: Path, settings: Mapping[str, Any]) -> None:
    """Take up the run in ``work`` only with the settings it began with; one that has learned nothing begins anew.

    Raises ValueError where settings differ that the weights so far depend on.
    """
    fixed = json.loads(json.dumps({name: value for name, value in settings.items() if name not in _FREE}))
    path = work / _SETTINGS
    begun = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    # What an older version did not write down cannot differ.
    other = [name for name in fixed if name in begun and begun[name] != fixed[name]]
    if other and updates(work):
        told = ", ".join(f"{name} {begun[name]!r}, now {fixed[name]!r}" for name in other)
        raise ValueError(f"{work} holds a run with other settings ({told}); remove it, or name another folder")
    if other:
        _clear(work)
    if other or not begun:
        write_whole(path, json.dumps(fixed, ensure_ascii=False, indent=1))


def checkpoints(work: Path) -> Path:
    """Where the run's checkpoints lie."""
    return work / "checkpoints"


def updates(work: Path) -> int:
    """Updates up to the newest whole checkpoint, 0 where there is none."""
    from tunewheel.models.checkpoints import last_checkpoint

    found = last_checkpoint(checkpoints(work))
    return int(found.name.split("-")[1]) if found else 0


def size(work: Path) -> int:
    """Bytes that the work takes on the disk."""
    return sum(path.stat().st_size for path in work.rglob("*") if path.is_file())


def _clear(work: Path) -> None:
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()
