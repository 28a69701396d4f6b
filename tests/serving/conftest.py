"""Models that answer with their own names, so that every answer tells who gave it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tunewheel as tw
from tunewheel.serving.service import Event, Service
from tunewheel.store import Workspace

WORDS = ("card", "loan", "卡", "贷款")


def rows_for(mark: str, n: int = 24) -> list[dict[str, str]]:
    """Rows whose labels name the version that learns from them."""
    return [{"id": f"{mark}{i}", "text": f"{WORDS[i % 4]} number {i}", "label": f"{mark}-{i % 2}"} for i in range(n)]


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of two linear models, ``a`` and ``b``, which load without torch."""
    from tunewheel.models import Recipe, prepare
    from tunewheel.tasks.classification import Classification

    folder = tmp_path_factory.mktemp("versions")
    for mark in ("a", "b"):
        ready = prepare(Classification([f"{mark}-0", f"{mark}-1"]), "none", rows_for(mark), Recipe(), method="tfidf")
        model, _ = ready.train(rows_for(mark), [], folder / f"run-{mark}")
        model.save(folder / mark)
    return folder


@pytest.fixture
def shop(versions: Path, tmp_path: Path) -> Iterator[tw.Registry]:
    """A registry with ``tickets:1`` (a, the champion) and ``tickets:2`` (b)."""
    with Workspace.open(tmp_path / "home") as workspace:
        registry = tw.Registry(workspace)
        for mark in ("a", "b"):
            registry.register(
                versions / mark,
                name="tickets",
                task="classification",
                method="tfidf",
                alias="champion" if mark == "a" else None,
                why="made for a test",
            )
        yield registry


class Running:
    """A service on a loop, with everything it told."""

    def __init__(self, service: Service, events: list[Event]) -> None:
        self.service, self.events = service, events

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [dict(event.fields) for event in self.events if event.kind == kind]


def serve(work: Callable[[Running], Any], workspace: Workspace, *models: str, **options: Any) -> Any:
    """Run ``work`` against a service with these models, and end it."""
    events: list[Event] = []

    async def run() -> Any:
        service = Service(workspace, models, **{"poll": 0.05, "tell": events.append, **options})
        await service.start()
        try:
            return await work(Running(service, events))
        finally:
            await service.stop(drain=5)

    return asyncio.run(run())


PUPPET = Path(__file__).with_name("puppet.py")


@pytest.fixture
def puppets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Workers that load nothing and do as the texts say (`puppet`); call it with what befalls them as they load."""
    from tunewheel.serving import crew

    monkeypatch.setattr(crew, "COMMAND", (sys.executable, str(PUPPET)))
    monkeypatch.setenv("PUPPET_HOME", str(tmp_path))

    def troubled(**at_loading: str) -> None:
        for mark, what in at_loading.items():
            monkeypatch.setenv(f"PUPPET_{mark.upper()}", what)

    return troubled


@pytest.fixture
def writer(tmp_path: Path) -> str:
    """The folder of a model that writes, for puppets: nothing but what it declares."""
    import json

    from tunewheel.models.model import SCHEMA

    folder = tmp_path / "writer"
    folder.mkdir()
    declared = {"schema": SCHEMA, "task": {"name": "generation", "config": {}}}
    (folder / "tunewheel.json").write_text(json.dumps(declared), encoding="utf-8")
    return str(folder)
