from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tunewheel
from tunewheel.registry import Registry, Version
from tunewheel.store import Workspace

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh workspace, made once: migrating takes longer than most tests."""
    home = tmp_path_factory.mktemp("template") / "home"
    Workspace.open(home).close()
    return home


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    shutil.copytree(template, tmp_path / "home")
    with Workspace.open(tmp_path / "home") as opened:
        yield opened


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


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python on a script; what still runs at the end of the test is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(Path(tunewheel.__file__).parents[1])}
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()
