"""A version as one file: its model, its export and what it scored, carried from one workspace to another.

The file is a ZIP whose entries are stored and not compressed, so it can hold no more than it weighs, and that is
checked before a byte is written. The same version always makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewheel.registry.exports import find_export, record_export
from tunewheel.registry.names import check_name
from tunewheel.registry.registry import Registry
from tunewheel.registry.version import Version
from tunewheel.store.files import sha256, temporary_folder, temporary_name
from tunewheel.store.kinds import plain
from tunewheel.store.records import fail_run, finish_run, get_dataset, start_run
from tunewheel.store.workspace import Workspace

SCHEMA = 1
DECLARATION = "version.json"
PARTS = ("model", "export")
_ENTRIES = 100
_DECLARED = 4 << 20  # bytes of the declaration
_CHUNK = 1 << 20
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a ZIP can tell


class ArchiveError(ValueError):
    """A file is not the archive of a version, or not a safe one; the message names it and what is wrong."""


@dataclass(frozen=True)
class Packed:
    """An archive that was written."""

    path: Path
    sha256: str
    """Of the whole file; `unpack` can be told to take no other."""
    files: tuple[str, ...]


def pack(workspace: Workspace, reference: str, path: str | os.PathLike[str]) -> Packed:
    """Write a version and its newest export to one file, every byte of them read again and checked.

    Reports stay behind: they quote texts.

    Raises:
        RegistryError: there is no such version. ArtifactError: a file of it is damaged.
        ArchiveError: ``path`` is there already.
    """
    path = Path(path)
    if path.exists():
        raise ArchiveError(f"{path} is there already; name another file")
    version = Registry(workspace).verify(reference)
    export = find_export(workspace, version)
    folders = {"model": version.path} | ({"export": export.path} if export else {})
    files = {f"{part}/{file.name}": file for part, folder in folders.items() for file in sorted(folder.iterdir())}
    kept = ("name", "number", "task", "method", "base", "dataset", "metrics", "created")
    declaration = {
        "schema": SCHEMA,
        "version": plain({name: getattr(version, name) for name in kept}),
        "export": None if export is None else plain(export.summary),
        "files": {name: sha256(file) for name, file in files.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / temporary_name(f".{path.name}.tmp-")
    try:
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_STORED) as archive:
            archive.writestr(
                zipfile.ZipInfo(DECLARATION, _OLDEST), json.dumps(declaration, ensure_ascii=False, indent=1)
            )
            for name, file in files.items():
                with file.open("rb") as source, archive.open(zipfile.ZipInfo(name, _OLDEST), "w") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
        told = sha256(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return Packed(path, told, tuple(files))


def unpack(
    workspace: Workspace,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    alias: str | None = None,
    expected: str | None = None,
    by: str | None = None,
) -> Version:
    """Register the version in an archive as the next one of its name; the same archive again is the same version.

    Nothing of it is taken before all of it was checked: no links, no paths, no entry more or less than it declares,
    each with its sha256; then the model and its export are loaded as the service would load them. What an archive says
    is as good as whoever made it: ``expected``, its sha256 from a source that you trust, settles who that was.

    Args:
        name: what to call it here; as it was called by default.
        alias: an alias to point at it, moved in the same transaction.

    Raises:
        ArchiveError: it is no archive of a version, an unsafe one, or not the expected one.
        ModelError, ExportError: what is in it cannot be loaded.
    """
    path = Path(path)
    if name is not None:
        check_name(name)
    if not path.is_file():
        raise ArchiveError(f"{path}: no such file")
    told = sha256(path)
    if expected is not None and told != expected.strip().lower():
        raise ArchiveError(f"{path} is not the expected archive: its sha256 is {told}")
    place = temporary_folder(workspace.cache_dir, ".tmp-")
    try:
        with _opened(path) as archive:
            declared = _extracted(archive, path, place)
        return _registered(workspace, declared, place, path.name, told, name=name, alias=alias, by=by)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path} is no archive of a version, or a damaged one: {error}") from None


def _extracted(archive: zipfile.ZipFile, path: Path, place: Path) -> dict[str, Any]:
    """Check every entry, write the declared files to ``place``, and return the declaration."""
    entries = archive.infolist()
    if len(entries) > _ENTRIES:
        raise ArchiveError(f"{path} holds {len(entries):,} entries; the archive of a version holds a few")
    for entry in entries:
        if wrong := _wrong(entry):
            raise ArchiveError(f"{path}: {entry.filename[:100]!r} {wrong}")
    if len({unicodedata.normalize("NFC", entry.filename).casefold() for entry in entries}) < len(entries):
        raise ArchiveError(f"{path} holds two entries of one name")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise ArchiveError(f"{path} declares more than it weighs: its entries overlap")
    declared = _declaration(archive, path)
    files: dict[str, str] = declared["files"]
    if stray := {entry.filename for entry in entries} ^ {DECLARATION, *files}:
        raise ArchiveError(f"{path}: {min(stray)[:100]!r} is declared and missing, or there and not declared")
    for name, told in files.items():
        target = place / name
        target.parent.mkdir(exist_ok=True)
        if _written(archive, name, target) != told:
            raise ArchiveError(f"{path}: {name!r} was altered: its sha256 is not the one in {DECLARATION}")
    return declared


def _wrong(entry: zipfile.ZipInfo) -> str:
    """What is wrong with an entry, if anything is."""
    part, slash, name = entry.filename.partition("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        return "is compressed; the archive of a version is not, so that it holds no more than it weighs"
    if kind not in (0, stat.S_IFREG):
        return "is a link, or something else that is no file"
    if entry.filename == DECLARATION:
        return "is too long" if entry.file_size > _DECLARED else ""
    plain_name = name and not any(char in "/\\:" or ord(char) < 32 for char in name) and name not in (".", "..")
    return "" if slash and part in PARTS and plain_name else f"is no file of {' or '.join(PARTS)}"


def _declaration(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        declared = json.loads(archive.read(DECLARATION))
    except KeyError:
        raise ArchiveError(
            f"{path} has no {DECLARATION}; the archive of a version is what `tunewheel pack` writes"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{path}: {DECLARATION} is not valid JSON ({error})") from None
    if not isinstance(declared, dict) or declared.get("schema") != SCHEMA:
        found = declared.get("schema") if isinstance(declared, dict) else None
        raise ArchiveError(f"{path}: schema {found!r}, this Tunewheel reads schema {SCHEMA}; upgrade it")
    version, files, export = (declared.get(key) for key in ("version", "files", "export"))
    if (
        not isinstance(version, dict)
        or not isinstance(files, dict)
        or not all(isinstance(told, str) for told in files.values())
        or not isinstance(export, dict | None)
        or not isinstance(version.get("name"), str)
        or not isinstance(version.get("metrics"), dict)
        or any(not isinstance(version.get(key), str | None) for key in ("base", "dataset"))
    ):
        raise ArchiveError(f"{path}: {DECLARATION} does not say what a version is")
    return declared


def _written(archive: zipfile.ZipFile, name: str, target: Path) -> str:
    """Write one entry, and return its sha256."""
    digest = hashlib.sha256()
    with archive.open(name) as source, target.open("xb") as file:
        while block := source.read(_CHUNK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _registered(
    workspace: Workspace,
    declared: Mapping[str, Any],
    place: Path,
    file: str,
    told: str,
    *,
    name: str | None,
    alias: str | None,
    by: str | None,
) -> Version:
    """Load what was extracted, and register it under a run of its own."""
    from tunewheel.models import Model

    version = declared["version"]
    model = Model.load(place / "model")
    if (place / "export").is_dir():
        _check_export(place / "export", model)
    name = check_name(name or version["name"])
    key = f"unpack-{hashlib.sha256(f'{told} {name}'.encode()).hexdigest()[:32]}"
    dataset = version.get("dataset")
    settings = {"archive": file, "sha256": told, "version": {k: v for k, v in version.items() if k != "metrics"}}
    with workspace.lock(key):
        start_run(workspace, key, command="unpack", settings=settings)
        try:
            found = Registry(workspace).register(
                place / "model",
                name=name,
                task=model.task.name,
                method=model.origin.method,
                base=model.origin.base,
                dataset=dataset if dataset and get_dataset(workspace, dataset) else None,
                run=key,
                metrics=version["metrics"],
                alias=alias,
                why=f"unpacked from {file}",
                by=by,
            )
            if (place / "export").is_dir() and find_export(workspace, found) is None:
                record_export(workspace, found, place / "export", declared["export"] or {})
        except BaseException as error:
            fail_run(workspace, key, str(error) or type(error).__name__)
            raise
        finish_run(workspace, key)
    if alias is not None and alias not in found.aliases:  # it was registered before, to the end or not
        return Registry(workspace).promote(found.ref, alias=alias, why=f"unpacked from {file}", by=by).version
    return found


def _check_export(folder: Path, model: Any) -> None:
    from tunewheel.models.exporting.folder import check_graph, read_export

    for graph in read_export(folder, model)["files"]:
        check_graph(folder / graph)
