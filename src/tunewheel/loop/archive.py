"""`pack` and `unpack`: a version as one file, carried from one workspace to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunewheel.registry import Version
    from tunewheel.registry.archive import Packed


def pack(
    version: str, *, output: str | Path | None = None, home: str | Path | None = None, database: str | None = None
) -> Packed:
    """Write a version and its export to one file, ``NAME-NUMBER.zip`` by default (`tunewheel.registry.archive`)."""
    from tunewheel.registry import Registry, archive
    from tunewheel.store import Workspace

    workspace = Workspace.open(home, database)
    found = Registry(workspace).resolve(version)
    return archive.pack(workspace, found.ref, output or f"{found.name}-{found.number}.zip")


def unpack(
    file: str | Path,
    *,
    name: str | None = None,
    alias: str | None = None,
    sha256: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
) -> Version:
    """Register the version in an archive, once all of it was checked; see `tunewheel.registry.archive.unpack`."""
    from tunewheel.registry import archive
    from tunewheel.store import Workspace

    return archive.unpack(Workspace.open(home, database), file, name=name, alias=alias, expected=sha256)
