"""The file that rows are collected into: it only grows, by whole lines, and knows every row it holds."""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data.collect.documents import Mark, failure
from tunewheel.data.gather import hash64
from tunewheel.data.problems import show
from tunewheel.data.rejected import json_line
from tunewheel.store.errors import LockedError, StoreError
from tunewheel.store.files import sync, write_whole

_ROWS = 1000
_SECONDS = 2.0
_HEAD = b'{"id": "'
"""What every line begins with that is written here."""


class Keys:
    """The keys of all rows, eight bytes each; those of new rows in a set until there are many."""

    def __init__(self) -> None:
        self._old: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._new: set[int] = set()

    def load(self, keys: array[int]) -> None:
        """Take in the keys of the rows that are there."""
        self._old = np.unique(np.concatenate([self._old, np.asarray(keys, np.uint64)]))

    def add(self, key: int) -> bool:
        """Take in a key; False where it is known."""
        place = int(np.searchsorted(self._old, np.uint64(key)))
        if key in self._new or (place < len(self._old) and int(self._old[place]) == key):
            return False
        self._new.add(key)
        if len(self._new) > 1 << 20:
            self.load(array("Q", self._new))
            self._new.clear()
        return True


class Output:
    """Rows in a file of JSON Lines, what is remembered of their sources in a hidden file beside it.

    Rows are appended and synced; only then is it remembered that their source has been read. So a run that ends at any
    moment has lost nothing: what is not remembered is read again, and a row whose text is there is not added twice.
    ``cut`` is how documents become rows: an output that was begun otherwise is refused. ``erased`` says of a text
    whether it was erased: it is not added again.
    """

    def __init__(self, path: Path, cut: Mapping[str, Any], erased: Callable[[str], bool] = lambda text: False) -> None:
        self.path = path / "texts.jsonl" if path.is_dir() or not path.suffix else path
        self.state = self.path.with_name(f".{self.path.name}.collected.json")
        self.cut, self._erased = dict(cut), erased
        self.marks: dict[str, Any] = {}
        self._keys = Keys()
        self._pending: dict[str, Any] = {}
        self._rows = 0
        self._synced = time.monotonic()

    def __enter__(self) -> Self:
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise LockedError(f"{self.path}: another run collects into it; wait for its end") from None
        try:
            self._recall()
            self._keys.load(self._mend())
            self._file = self.path.open("ab")
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.commit()
        finally:
            with suppress(OSError):  # what could not be written has been told
                self._file.close()
            self._lock.release()

    @property
    def own(self) -> frozenset[Path]:
        """The files that are no source."""
        return frozenset(path.resolve() for path in (self.path, self.state))

    def add(self, text: str, **columns: Any) -> bool:
        """Append a row; False where its text is there already, or was erased."""
        key = hash64(text)
        own = f"{key:016x}"
        if not self._keys.add(key) or self._erased(text):
            return False
        with self._writing():
            self._file.write(json_line({"id": own, "text": text, **columns}).encode())
        self._rows += 1
        if self._rows >= _ROWS or time.monotonic() - self._synced > _SECONDS:
            self.commit()
        return True

    def mark(self, mark: Mark) -> None:
        """Remember a source once all rows that were added before are safe."""
        self._pending[mark.key] = mark.stamp
        if time.monotonic() - self._synced > _SECONDS:
            self.commit()

    def commit(self) -> None:
        """Bring the rows to the disk, and then what is remembered of their sources."""
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            if self._pending:
                self.marks.update(self._pending)
                self._pending.clear()
                self._remember()
        self._rows, self._synced = 0, time.monotonic()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(f"{self.path}: {reason}; make room, and the same command goes on where it stood") from None

    def _remember(self) -> None:
        write_whole(self.state, json.dumps({"cut": self.cut, "marks": self.marks}))

    def _recall(self) -> None:
        """Read what earlier runs remembered; without their rows it is worth nothing."""
        if not self.path.exists():
            self._remember()
            self.path.touch()
            sync(self.path.parent)
            return
        try:
            known = json.loads(self.state.read_text(encoding="utf-8"))
            begun, marks = known["cut"], known["marks"]
        except (OSError, ValueError, KeyError, TypeError):
            begun, marks = self.cut, {}  # all is read again, and nothing added twice
        if begun != self.cut:
            fix = "give the same options again, or another output"
            raise failure(str(self.path), f"an output begun with {_told(self.cut)}", _told(begun), fix)
        self.marks = marks

    def _mend(self) -> array[int]:
        """The keys of the rows that are there; a last line that a killed run left half written is cut off."""
        keys, place = array("Q"), 0
        with self.path.open("r+b") as file:
            for number, line in enumerate(_lines(file), 1):
                row = _row(line)
                whole = line.endswith(b"\n")
                if row is None and not whole and (line.startswith(_HEAD) or _HEAD.startswith(line.rstrip(b"\0"))):
                    file.truncate(place)
                    break
                if row is None and line.strip():
                    fix = "name another output with -o, or mend the line"
                    found = show(line[:60].decode("utf-8", "replace"))
                    raise failure(f"{self.path}:{number}", "a row that was collected", found, fix)
                if row is not None:
                    keys.append(hash64(row["text"]))
                    keys.append(_key(row["id"]))
                place += len(line)
                if not whole:
                    file.seek(0, os.SEEK_END)
                    file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())
        return keys


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline():
        yield line


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    sound = isinstance(row, dict) and row.keys() >= {"id", "text", "source", "collected"}
    return row if sound and isinstance(row["text"], str) and isinstance(row["id"], str) else None


def _key(own: str) -> int:
    """The key a row was added under, also where its text was changed since."""
    try:
        return int(own, 16) & (1 << 64) - 1
    except ValueError:
        return hash64(own)


def _told(cut: Mapping[str, Any]) -> str:
    named = [f"{name} {value}" for name, value in cut.items() if value]
    return ", ".join(named) or "whole documents"
