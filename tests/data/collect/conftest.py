"""What the tests of `tunewheel.data.collect` share: a web site on this machine, and collecting into one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sites import Site, serving
from tunewheel.data.collect import Collection, collect


@pytest.fixture
def site() -> Iterator[Site]:
    """A web site at 127.0.0.1."""
    with serving("127.0.0.1") as found:
        yield found


@pytest.fixture
def gather(tmp_path: Path) -> Callable[..., Collection]:
    """Collect into raw.jsonl of the test's folder, from this machine and without pauses."""

    def run(*sources: object, **options: Any) -> Collection:
        given = {"delay": 0.0, "allow_private": True, **options}
        output = given.pop("output", tmp_path / "raw.jsonl")
        return collect(map(str, sources), output, **given)

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """The rows of raw.jsonl."""
    return lambda: [json.loads(line) for line in (tmp_path / "raw.jsonl").read_text("utf-8").splitlines()]
