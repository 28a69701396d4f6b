"""Taking erased rows out of a workspace for good: every place that holds their text, in an order a kill cannot break.

Whatever needs the text to be found goes before the datasets that tell it, so the same command again finds what is left.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, update

from tunewheel.data.erased import Erased
from tunewheel.data.manifest import NAME
from tunewheel.evaluation.erase import erase_from_report
from tunewheel.models.prompted import FILE as PROMPT
from tunewheel.models.prompted import erase_from_prompt
from tunewheel.store.erasures import Erasure, erase_records, hashed, run_messages, runs_on
from tunewheel.store.files import open_whole, sweep, temporary_folder
from tunewheel.store.schema import versions
from tunewheel.store.workspace import Workspace

_BINARY = frozenset({".arrow", ".npy", ".npz", ".safetensors", ".db", ".db-wal", ".db-shm", ".lock"})


@dataclass(frozen=True)
class Purge:
    """One purge; ``folders`` are all datasets that hold the rows, artifacts and cached ones."""

    workspace: Workspace
    erasure: Erasure
    gone: Erased
    folders: tuple[Path, ...]

    def run(self) -> list[Path]:
        """Do it, or what is left of it; return the files and folders that went or were written anew.

        Raises:
            LockedError: a run is learning from the rows; the message has its process.
        """
        with ExitStack() as stack:
            keys = runs_on(self.workspace, self.erasure.datasets)
            for key in keys:
                stack.enter_context(self.workspace.lock(key))
            done = [*self._runs(keys), *self._kept(), *self._shown(), *self._cached(), *self._files()]
            said = {
                key: "(erased)" for key, message in run_messages(self.workspace).items() if self._stands_in(message)
            }
            erase_records(self.workspace, self.erasure, said)
            return [*done, *self._artifacts()]

    def _stands_in(self, content: str) -> bool:
        return self.gone.stands_in(content)

    def _from_report(self, folder: Path) -> bool:
        return erase_from_report(folder, self.gone, hashed, self.erasure.datasets)

    def _runs(self, keys: Iterable[str]) -> Iterator[Path]:
        """What runs on these datasets had begun."""
        for key in keys:
            yield from _removed(self.workspace.runs_dir / key)

    def _kept(self) -> Iterator[Path]:
        """Reports and prompts with examples among the artifacts: a version gets what is left, then the old one goes."""
        artifacts = self.workspace.artifacts
        for key in artifacts.kept():
            for name, column, erase in (
                ("report.json", versions.c.report, self._from_report),
                (PROMPT, versions.c.artifact, lambda folder: erase_from_prompt(folder, self.gone)),
            ):
                if (artifacts.path(key) / name).is_file():
                    yield from self._anew(key, column, erase)

    def _anew(self, key: str, column: Column[str], erase: Callable[[Path], bool]) -> Iterator[Path]:
        artifacts = self.workspace.artifacts
        beside = temporary_folder(self.workspace.cache_dir, ".tmp-")
        try:
            copy = Path(shutil.copytree(artifacts.path(key), beside / "copy"))
            _writable(copy)
            if erase(copy):
                left = artifacts.put(copy, move=True)
                with self.workspace.begin() as connection:
                    connection.execute(update(versions).where(column == key).values({column: left}))
                artifacts.remove(key)
                yield artifacts.path(key)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _shown(self) -> Iterator[Path]:
        """The copies of reports that people look at."""
        for path in sorted(self.workspace.reports_dir.glob("**/report.json")):
            _writable(path.parent)
            if self._from_report(path.parent):
                yield path.parent

    def _cached(self) -> Iterator[Path]:
        """Arrow files and vectors in the cache, and what killed processes left there."""
        cache = self.workspace.cache_dir
        for path in list(cache.iterdir()):
            if ".tmp-" in path.name:
                sweep(cache, path.name[: path.name.index(".tmp-") + 5])
        for folder in self.folders:
            if folder.is_relative_to(cache):
                yield from _removed(folder)
        for fingerprint in self.erasure.datasets:
            for path in cache.glob(f"vectors/*-{fingerprint[:16]}.npy"):
                yield from _removed(path)

    def _files(self) -> Iterator[Path]:
        """Any other file, whoever wrote it: lines of JSON lose the rows, a page or a list that shows them goes."""
        for path in sorted(self._others()):
            content = path.read_text(encoding="utf-8", errors="replace")
            if path.suffix == ".jsonl":
                lines = content.split("\n")  # a text may hold what `splitlines` takes for an end
                # A rejected row is shown as its file has it, broken lines and all.
                whole = self._stands_in if path.name.endswith(".rejected.jsonl") else self._in_line
                kept = [line for line in lines if not (whole(line) or self._in_line(line))]
                if len(kept) < len(lines):
                    with open_whole(path) as file:
                        file.write("\n".join(kept))
                    yield path
            elif self._stands_in(content):
                yield from _removed(path)

    def _in_line(self, line: str) -> bool:
        try:
            return self._in_value(json.loads(line))
        except ValueError:
            return self._stands_in(line)

    def _in_value(self, value: object) -> bool:
        if isinstance(value, dict):
            return any(map(self._in_value, value.values()))
        if isinstance(value, list):
            words = [word for word in value if isinstance(word, str)]
            whole = self.gone.is_text("".join(words)) or self.gone.is_text(" ".join(words))
            return whole or any(map(self._in_value, value))
        return isinstance(value, str) and self.gone.is_text(value)

    def _others(self) -> Iterator[Path]:
        home = self.workspace.home
        known = {home / name for name in ("artifacts", "locks", "runs")}
        for path in home.rglob("*"):
            done = known.intersection(path.parents) or (path.parent / "report.json").is_file()
            if path.is_file() and path.suffix not in _BINARY and not done:
                yield path

    def _artifacts(self) -> Iterator[Path]:
        """The old datasets, last of all: they tell what to look for."""
        for folder in self.folders:
            if not folder.is_relative_to(self.workspace.cache_dir):
                self.workspace.artifacts.remove(folder.name)
                yield folder


def dataset_folders(workspace: Workspace) -> list[Path]:
    """Every stored dataset on this workspace's disk, whether a record names it or not."""
    kept = [workspace.artifacts.path(key) for key in workspace.artifacts.kept()]
    cached = sorted(workspace.cache_dir.iterdir()) if workspace.cache_dir.is_dir() else []
    return [folder for folder in [*kept, *cached] if (folder / NAME).is_file() and not folder.name.startswith(".")]


def _removed(path: Path) -> Iterator[Path]:
    if path.is_dir():
        _writable(path)
        shutil.rmtree(path)
        yield path
    elif path.is_file():
        path.unlink()
        yield path


def _writable(folder: Path) -> None:
    """Artifacts and copies of them are read-only; what is to be written anew must not be."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
