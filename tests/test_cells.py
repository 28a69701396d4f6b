"""Finished cells of the benches outlive the run that measured them, and a quick run leaves none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common import FIGURES, ROOT, Cells, arguments


def never() -> dict[str, float]:
    raise AssertionError("measured again")


def test_a_finished_cell_is_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cells.jsonl"
    first = Cells(path).get(["Resume", 13], lambda: {"value": 0.9})
    assert Cells(path).get(["Resume", 13], never) == first
    assert first["value"] == 0.9 and first["machine"] and first["date"]
    with pytest.raises(AssertionError, match="measured again"):
        Cells(path).get(["Resume", 14], never)


def test_a_line_left_unfinished_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    Cells(path).get(["a"], lambda: {"value": 1})
    Cells(path).get(["b"], lambda: {"value": 2})
    path.write_text(path.read_text()[:-5])
    cells = Cells(path)
    assert cells.get(["a"], never)["value"] == 1
    assert cells.get(["b"], lambda: {"value": 3})["value"] == 3
    assert [json.loads(line)["value"] for line in path.read_text().splitlines()] == [1, 3]


def test_a_quick_run_leaves_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cells.jsonl"
    for flags, kept in ((["--quick"], False), ([], True)):
        monkeypatch.setattr("sys.argv", ["bench", "--cells", str(path), *flags])
        Cells.of(arguments("", FIGURES / "any.jsonl").parse_args()).get(["a"], lambda: {"value": 1})
        assert path.exists() is kept


@pytest.mark.parametrize("path", sorted((ROOT / "bench" / "cells").glob("*.jsonl")), ids=lambda path: path.stem)
def test_cells_that_go_with_the_project_are_whole(path: Path) -> None:
    cells = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    keys = [json.dumps(cell["key"]) for cell in cells]
    assert keys and len(keys) == len(set(keys)), "two figures for one cell"
    assert all(cell["date"] and cell["machine"] for cell in cells)
