"""The registry's nouns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Version:
    """A registered model: what it is, where its files are, and what it was made from."""

    name: str
    number: int
    artifact: str
    """Hash of the model folder."""
    path: Path
    """The model folder. Read it; never write to it."""
    task: str
    method: str
    base: str | None
    dataset: str | None
    """Fingerprint of what it learned from."""
    run: str | None
    """Key of the run that made it."""
    metrics: Mapping[str, Any] = field(hash=False)
    report: Path | None
    """The folder of its report."""
    created: datetime
    aliases: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """How to ask for exactly this one: ``name:number``."""
        return f"{self.name}:{self.number}"

    def __str__(self) -> str:
        return self.ref


@dataclass(frozen=True)
class Promotion:
    """What `Registry.promote` did."""

    version: Version
    alias: str
    replaced: int | None
    """The number the alias pointed at before, if at any."""
    moved: bool
    """False when the alias already pointed at this version and nothing was done."""

    def __str__(self) -> str:
        if not self.moved:
            return f"{self.version} already is {self.alias}"
        instead = f", instead of {self.version.name}:{self.replaced}" if self.replaced else ""
        return f"{self.version} is {self.alias} now{instead}"


@dataclass(frozen=True)
class Move:
    """One entry of an alias's history."""

    name: str
    alias: str
    action: Literal["promote", "rollback"]
    number: int
    """The version the alias points at from here on."""
    replaced: int | None
    why: str
    by: str
    at: datetime
