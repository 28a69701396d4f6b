from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunewheel.registry import Registry
from tunewheel.registry.exports import find_export, record_export
from tunewheel.store import ArtifactError, Workspace


def folder(place: Path, content: str) -> Path:
    place.mkdir()
    (place / "model.onnx").write_text(content)
    return place


def test_the_newest_export_of_a_version_is_found_whole(workspace: Workspace, add: Any, tmp_path: Path) -> None:
    version, other = add(), add()
    assert find_export(workspace, version) is None
    record_export(workspace, version, folder(tmp_path / "one", "1"), {"fastest": "torch-fp32"})
    second = record_export(workspace, version, folder(tmp_path / "two", "2"), {"fastest": "onnx-fp32"})
    found = find_export(workspace, version)
    assert found == second and found.summary == {"fastest": "onnx-fp32"}
    assert (found.path / "model.onnx").read_text() == "2" and not (tmp_path / "two").exists()
    assert find_export(workspace, other) is None
    assert Registry(workspace).resolve(version.ref) == version


def test_an_altered_export_is_not_handed_out(workspace: Workspace, add: Any, tmp_path: Path) -> None:
    version = add()
    path = record_export(workspace, version, folder(tmp_path / "one", "1"), {}).path / "model.onnx"
    path.chmod(0o644)
    path.write_text("2")
    with pytest.raises(ArtifactError, match=r"model\.onnx is changed"):
        find_export(workspace, version)
