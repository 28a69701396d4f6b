from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.registry import Registry, Version
from tunewheel.store import Workspace


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    return Registry(workspace)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def add(registry: Registry, model: Path) -> Callable[..., Version]:
    """Registers the next version of a name, with content of its own."""

    def add(name: str = "tickets", **options: Any) -> Version:
        (model / "config.json").write_text(f"{name} {len(registry.versions())}")
        return registry.register(
            model, **{"name": name, "task": "classification", "method": "full", "by": "li"} | options
        )

    return add
