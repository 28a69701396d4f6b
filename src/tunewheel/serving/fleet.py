"""Which versions are served: found in the registry or a folder, described without loading them, watched for moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tunewheel.serving.errors import ServiceError

if TYPE_CHECKING:
    from tunewheel.feedback.rollout.record import Rollout
    from tunewheel.registry import Version
    from tunewheel.store import Workspace


@dataclass(frozen=True)
class Served:
    """A version that answers, as whoever asks may know it."""

    name: str
    ref: str
    number: int | None
    alias: str | None
    task: str
    labels: tuple[str, ...]
    variant: str
    columns: tuple[str, ...]
    writes: bool
    folder: Path
    export: Path | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    target: str = "label"
    """What a person's answer is called: label, labels, entities, answer, or score where pairs are graded."""


@dataclass(frozen=True)
class Target:
    """What was asked to be served: a reference that may move, or a folder."""

    name: str
    reference: str
    folder: Path | None = None

    @property
    def alias(self) -> str | None:
        """The alias it follows; None where it is one version for good."""
        if self.folder is not None or ":" in self.reference:
            return None
        return self.reference.partition("@")[2] or "champion"

    def version(self, number: int) -> Target:
        """One version of it, for good."""
        return Target(self.name, f"{self.name}:{number}")


def targets_of(models: Sequence[str]) -> list[Target]:
    """What the names on a command line mean; raises `ServiceError` where two would be served under one name."""
    from tunewheel.registry.names import parse

    found: dict[str, Target] = {}
    for model in models:
        folder = Path(model)
        if (folder / "tunewheel.json").is_file():
            target = Target(folder.resolve().name, str(folder), folder)
            if ":" in target.name:  # it would be taken for a version of another model
                raise ServiceError(f"a folder called {target.name!r} cannot be served: name it without ':'")
        else:
            target = Target(parse(model).name, model)
        if target.name in found:
            raise ServiceError(f"{found[target.name].reference} and {model} would both be served as {target.name!r}")
        found[target.name] = target
    if not found:
        raise ServiceError("name at least one model to serve")
    return list(found.values())


def settled(target: Target, workspace: Workspace, variant: str) -> Served:
    """The version that a target means now, every byte of it checked against its hash.

    Raises `tunewheel.registry.RegistryError`, `tunewheel.store.ArtifactError` or `tunewheel.models.ModelError`.
    """
    from tunewheel.models.exporting.folder import beside
    from tunewheel.registry import Registry
    from tunewheel.registry.exports import find_export

    if target.folder is not None:
        place = beside(target.folder)
        return _served(target, target.folder, variant, None, place if place.is_dir() else None)
    version = Registry(workspace).verify(target.reference)
    record = find_export(workspace, version)
    if record is None:
        return _served(target, version.path, variant, version, None)
    if variant == "auto":
        variant = _measured(record.summary)
    return _served(target, version.path, variant, version, record.path)


class Standing(NamedTuple):
    """What the database says of names at one moment: where each alias points, and what is being rolled out."""

    pointers: Mapping[tuple[str, str], int]
    rollouts: Mapping[str, Rollout]


def standing(workspace: Workspace, names: Iterable[str]) -> Standing:
    """Where every alias of these names points and which rollouts are under way, by a query each."""
    from sqlalchemy import select

    from tunewheel.feedback.rollout.record import find_active
    from tunewheel.store.schema import aliases

    names = list(names)
    with workspace.read() as connection:
        rows = connection.execute(select(aliases).where(aliases.c.name.in_(names)))
        return Standing({(row.name, row.alias): row.number for row in rows}, find_active(connection, names))


def _measured(summary: Mapping[str, Any]) -> str:
    """The variant that was fastest at the export, bf16 aside; ``auto`` where that was another machine."""
    from tunewheel.models.machine import machine_name

    if summary.get("machine") != machine_name():
        return "auto"
    seconds = {name: each for name, each in summary["seconds"].items() if name != "torch-bf16"}
    return str(min(seconds, key=seconds.__getitem__))


def _served(target: Target, folder: Path, variant: str, version: Version | None, export: Path | None) -> Served:
    from tunewheel.data.names import PAIRS
    from tunewheel.models.model import read_declaration
    from tunewheel.tasks import load_task

    declared: dict[str, Any] = read_declaration(folder)
    task = load_task(declared["task"])
    return Served(
        name=target.name,
        ref=version.ref if version else target.name,
        number=version.number if version else None,
        alias=target.alias,
        task=task.name,
        labels=tuple(getattr(task, "labels", ())),
        variant="torch-fp32" if variant == "auto" and export is None else variant,
        columns=PAIRS[0] if task.name == "matching" else ("text",),
        writes=task.writes,
        folder=folder,
        target="score" if getattr(task, "graded", False) else task.target,
        export=export,
    )
