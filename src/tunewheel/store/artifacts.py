"""Artifacts: immutable folders named by the hash of what is in them.

An artifact's manifest is the list of its files as ``sha256sum`` prints it, sorted by name; the artifact's
name is the sha256 of that manifest. Both stand side by side, so an artifact can also be checked by hand::

    artifacts/ab/abcdef….sha256
    artifacts/ab/abcdef…/          $ cd artifacts/ab/abcdef… && sha256sum --check ../abcdef….sha256
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

from tunewheel.store.errors import ArtifactError
from tunewheel.store.files import sweep, sync, temporary_name, write_whole

_TEMPORARY = ".tmp-"
_CHUNK = 1 << 20  # bytes


class Artifacts:
    """A folder of artifacts on a local disk.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     model = Path(place, "model")
    ...     model.mkdir()
    ...     _ = (model / "config.json").write_text("{}")
    ...     artifacts = Artifacts(Path(place, "artifacts"))
    ...     key = artifacts.put(model)
    ...     (artifacts.path(key) / "config.json").read_text()
    '{}'
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Artifacts({str(self.root)!r})"

    def path(self, key: str) -> Path:
        """Where the artifact `key` stands, or would."""
        return self.root / key[:2] / key

    def __contains__(self, key: str) -> bool:
        return self.path(key).is_dir()

    def put(self, source: str | os.PathLike[str], *, move: bool = False) -> str:
        """Keep a folder (or one file, as a folder of it) and return its hash.

        The folder becomes visible whole or not at all, and only after all of it is on the disk. Content
        already kept is not kept twice; a damaged copy of it is replaced. Empty folders and file modes are
        not content.

        Args:
            source: what to keep; it must hold at least one file and no symbolic link.
            move: give the source away; on the same disk it is renamed instead of copied.

        Raises:
            ArtifactError: the source is empty or missing, holds a link or a special file, or changed
                meanwhile.
        """
        source = Path(source)
        hashes = _hash_files(source)
        manifest = _manifest(hashes)
        key = hashlib.sha256(manifest).hexdigest()
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.sweep()
        if not self._intact(key):
            write_whole(self._manifest_path(key), manifest)
            if not (move and self._rename(source, target, hashes)):
                self._copy(source, target, hashes)
        if move and not (source.exists() and target.samefile(source)):
            _remove(source)
        return key

    def verify(self, key: str) -> Path:
        """Read the whole artifact again and return its path.

        Raises:
            ArtifactError: it is missing, or a file in it is missing, changed or added; the message names it.
        """
        folder = self.path(key)
        if not folder.is_dir():
            raise ArtifactError(f"artifact {key} is missing from {self.root}: restore it, or make it again")
        found = _hash_files(folder)
        if hashlib.sha256(_manifest(found)).hexdigest() == key:
            return folder
        expected = self._read_manifest(key)
        if expected is None:
            raise ArtifactError(f"artifact {key} is damaged: {folder} and its manifest have changed")
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name):
                what = "missing" if name not in found else "changed" if name in expected else "not part of it"
                raise ArtifactError(f"artifact {key} is damaged: {folder / name} is {what}; restore it")
        raise ArtifactError(f"{key} does not name the content of {folder}")

    def remove(self, key: str) -> None:
        """Take an artifact away for good; from its first moment on nobody sees it. One that is not there is no error.

        Nothing here knows who still names it: that is the caller's to settle before.
        """
        self.sweep()
        if key in self:
            going = self.root / temporary_name(_TEMPORARY)
            self.path(key).rename(going)
            _remove(going)
        self._manifest_path(key).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes left half stored or half removed."""
        if self.root.is_dir():
            sweep(self.root, _TEMPORARY)

    def kept(self) -> list[str]:
        """The hashes of all artifacts that are kept, recorded anywhere or not."""
        return sorted(path.name for path in self.root.glob("??/*") if path.is_dir())

    def _manifest_path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.sha256"

    def _read_manifest(self, key: str) -> dict[str, str] | None:
        try:
            manifest = self._manifest_path(key).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(manifest).hexdigest() != key:
            return None
        return {os.fsdecode(line[66:]): line[:64].decode() for line in manifest.split(b"\n")[:-1]}

    def _intact(self, key: str) -> bool:
        if key not in self:
            return False
        try:
            self.verify(key)
        except ArtifactError:
            damaged = self.root / temporary_name(_TEMPORARY)
            self.path(key).rename(damaged)
            _remove(damaged)
            return False
        return True

    def _rename(self, source: Path, target: Path, hashes: dict[str, str]) -> bool:
        """Turn the source itself into the artifact; False where only a copy can (a file, another disk)."""
        if not source.is_dir():
            return False
        for name in hashes:
            path = source / name
            path.chmod(path.stat().st_mode & ~0o222)
        _sync_folder(source, hashes)
        try:
            _publish(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def _copy(self, source: Path, target: Path, hashes: dict[str, str]) -> None:
        temporary = self.root / temporary_name(_TEMPORARY)
        try:
            temporary.mkdir()
            for name, expected in hashes.items():
                copy = temporary / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                origin = source if source.is_file() else source / name
                if _copy_file(origin, copy) != expected:
                    raise ArtifactError(f"{origin} changed while it was stored: try again when it is finished")
                copy.chmod(copy.stat().st_mode & ~0o222)
            _sync_folder(temporary, hashes)
            _publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _publish(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
            raise
        return  # another process has just kept the same content
    sync(target.parent)
    sync(target.parent.parent)


def _sync_folder(folder: Path, names: dict[str, str]) -> None:
    folders = {folder}
    for name in names:
        path = folder / name
        sync(path)
        folders.update(parent for parent in path.parents if parent.is_relative_to(folder))
    for parent in folders:
        sync(parent)


def _copy_file(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()


def _hash_files(source: Path) -> dict[str, str]:
    """The sha256 of every file under `source` by its name relative to it, with ``/`` between folders."""
    hashes = {}
    for path in _files(source):
        name = path.name if path == source else path.relative_to(source).as_posix()
        if "\n" in name or "\\" in name:
            raise ArtifactError(f"{str(path)!r}: a name with a line break or backslash cannot be stored")
        with path.open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    if not hashes:
        raise ArtifactError(f"{source} holds no file: there is nothing to store")
    return hashes


def _files(path: Path) -> list[Path]:
    if path.is_symlink():
        raise ArtifactError(f"{path} is a symbolic link: put the file itself there")
    if path.is_dir():
        return [file for child in path.iterdir() for file in _files(child)]
    if path.is_file():
        return [path]
    raise ArtifactError(f"{path} is not a file" if path.exists() else f"{path} does not exist")


def _manifest(hashes: dict[str, str]) -> bytes:
    lines = sorted((os.fsencode(name), value.encode()) for name, value in hashes.items())
    return b"".join(value + b"  " + name + b"\n" for name, value in lines)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
