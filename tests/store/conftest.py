from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder to keep, with a folder in it and names in two languages."""
    folder = tmp_path / "model"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "config.json").write_text('{"labels": 2}')
    (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 10)
    (folder / "tokenizer" / "词表.txt").write_text("你好\n", "utf-8")
    return folder
