"""What versions were exported to: artifacts beside the model's own, which never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from tunewheel.registry.version import Version
from tunewheel.store.kinds import plain
from tunewheel.store.schema import exports
from tunewheel.store.workspace import Workspace


@dataclass(frozen=True)
class ExportRecord:
    """An export of a version: its files' hash and place, and what it said of itself when it was made."""

    name: str
    number: int
    artifact: str
    path: Path
    summary: Mapping[str, Any] = field(hash=False)
    created: datetime


def record_export(workspace: Workspace, version: Version, folder: Path, summary: Mapping[str, Any]) -> ExportRecord:
    """Keep an export's folder, which is given away, and record it; of several, the newest counts.

    The files are kept first, then one transaction makes them the version's: killed in between, nothing is recorded.

    Raises:
        ArtifactError: the folder cannot be kept.
    """
    artifact, created = workspace.artifacts.put(folder, move=True), datetime.now(UTC)
    row = {"name": version.name, "number": version.number, "artifact": artifact, "summary": plain(summary)}
    with workspace.begin() as connection:
        connection.execute(insert(exports).values(row | {"created": created}))
    return ExportRecord(**row, path=workspace.artifacts.path(artifact), created=created)


def find_export(workspace: Workspace, version: Version) -> ExportRecord | None:
    """The newest export of a version, every byte of it read again; None where it has none.

    Raises:
        ArtifactError: a file of it is missing, changed or added; the message names it.
    """
    query = select(exports).where(exports.c.name == version.name, exports.c.number == version.number)
    with workspace.read() as connection:
        row = connection.execute(query.order_by(exports.c.id.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    path = workspace.artifacts.verify(row["artifact"])
    return ExportRecord(path=path, **{name: value for name, value in row.items() if name != "id"})
