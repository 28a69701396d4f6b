"""What the tests of `tunewheel.data` share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text, bytes or JSON Lines into a file of the test's folder."""

    def put(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
        return path

    return put


@pytest.fixture
def bench() -> Callable[[str], Path]:
    """Find a benchmark's folder beside the repository, or skip."""

    def find(name: str) -> Path:
        beside = Path(__file__).resolve().parents[3] / "shared" / "data"
        path = Path(os.environ.get("TUNEWHEEL_BENCH_DATA", beside)) / name
        if not path.is_dir():
            pytest.skip(f"benchmark data {name} is not on this machine (TUNEWHEEL_BENCH_DATA)")
        return path

    return find
