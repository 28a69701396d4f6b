"""Rows that cannot be used are told all at once, or left out and written down."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset, Problem
from tunewheel.data.problems import SHOWN
from tunewheel.data.rejected import rejecting

Write = Callable[[str, Any], Path]
GOOD = [{"text": "a good one", "label": "x"}, {"text": "还有一个", "label": "y"}]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}


def skipped(path: Path, rejected: Path, **options: Any) -> tuple[Dataset, list[dict[str, Any]]]:
    dataset = Dataset.read(path, on_error="skip", rejected=rejected, **WHOLE, **options)
    return dataset, [json.loads(line) for line in rejected.read_text("utf-8").splitlines()]


def test_bad_rows_are_written_with_place_remedy_and_the_row_itself(write: Write, tmp_path: Path) -> None:
    bad = [{"text": "", "label": "x"}, {"text": "没有标签", "no": 1}]
    path = write("a.jsonl", [GOOD[0], *bad, GOOD[1]])
    path.write_text(path.read_text("utf-8") + "{broken\n[7]\n", encoding="utf-8")
    dataset, found = skipped(path, tmp_path / "out" / "rejected.jsonl")
    assert [row["text"] for row in dataset["train"]] == ["a good one", "还有一个"]
    assert [(row["file"], row["row"], row["column"]) for row in found] == [
        (str(path), 2, "text"),
        (str(path), 3, "label"),
        (str(path), 5, ""),
        (str(path), 6, ""),
    ]
    assert [row["record"] for row in found] == [*bad, "{broken\n", [7]]
    assert all(row["expected"] and row["found"] and row["fix"] for row in found)
    assert "没有标签" in (tmp_path / "out" / "rejected.jsonl").read_text("utf-8")
    assert f"4 rows were left out: {tmp_path / 'out' / 'rejected.jsonl'} has each" in " ".join(dataset.notes)
    assert dataset.sources[0].rejected == 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rejected.jsonl"]


@pytest.mark.parametrize(
    ("name", "content", "texts", "rows"),
    [
        ("a.csv", "text,label\ngood,x\na,b,c\n好,y\n", ["good", "好"], [3]),
        ("a.conll", "Anna B-PER\nlives\n\n王芳 B-PER\n\nin O\nParis CITY\n", ["王芳"], [2, 7]),
        ("a.json", '[\n{"text": "好", "label": "x"},\n{"text": "b" "label": "y"},\n{"text": "c"}]', ["好"], [3]),
        ("b.json", '[\n{"text": "a", "label": "x"},\n{"text": "cut', ["a"], [3]),
    ],
)
def test_what_is_whole_is_kept_in_every_format(
    write: Write, tmp_path: Path, name: str, content: str, texts: list[str], rows: list[int]
) -> None:
    dataset, found = skipped(write(name, content), tmp_path / "rejected.jsonl")
    assert [row["text"] for row in dataset["train"]] == texts
    assert [row["row"] for row in found] == rows
    assert all(row["record"] for row in found)


def test_a_sentence_is_told_line_by_line_and_counted_once(write: Write, tmp_path: Path) -> None:
    path = write("a.conll", "Anna B-PER\n\nin X\nParis Y\n\nBonn B-LOC\n")
    dataset, found = skipped(path, tmp_path / "rejected.jsonl")
    assert [row["row"] for row in found] == [3, 4]
    assert any(note.startswith("1 row was left out") for note in dataset.notes)
    assert len(dataset) == 2


def test_rows_without_a_date_are_left_out_too(write: Write, tmp_path: Path) -> None:
    rows = [{**GOOD[0], "day": "2020-01-01"}, {**GOOD[1], "day": "soon"}]
    dataset, found = skipped(write("a.jsonl", rows), tmp_path / "r.jsonl", time="day")
    assert (len(dataset), found[0]["column"], found[0]["record"]["day"]) == (1, "day", "soon")


def test_a_file_of_which_nothing_is_left_is_an_error(write: Write, tmp_path: Path) -> None:
    path = write("a.jsonl", [{"text": "a", "label": None}] * 30)
    with pytest.raises(DataError, match="none that can be used") as caught:
        Dataset.read(path, on_error="skip", rejected=tmp_path / "rejected.jsonl")
    assert caught.value.total == 31
    assert caught.value.problems[0].row == 1
    assert not (tmp_path / "rejected.jsonl").exists()
    write("split/train.jsonl", GOOD)
    write("split/test.jsonl", [{"text": "", "label": "x"}])
    with pytest.raises(DataError, match=r"test\.jsonl.*none that can be used"):
        Dataset.read(tmp_path / "split", on_error="skip", rejected=tmp_path / "rejected.jsonl")


def test_nothing_bad_leaves_no_file_of_an_earlier_reading(write: Write, tmp_path: Path) -> None:
    rejected = write("rejected.jsonl", "old\n")
    dataset = Dataset.read(write("a.jsonl", GOOD), on_error="skip", rejected=rejected)
    assert not rejected.exists()
    assert dataset.sources[0].rejected == 0
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        Dataset.read(write("a.jsonl", GOOD), on_error="ignore")  # type: ignore[arg-type]


def test_raising_is_the_default_and_leaves_nothing(write: Write, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        Dataset.read(write("a.jsonl", [*GOOD, {"text": ""}]))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_rejected_rows_are_not_held_in_memory(tmp_path: Path) -> None:
    def reject(rows: int) -> int:
        tracemalloc.start()
        with rejecting(tmp_path / "rejected.jsonl") as rejected:
            for row in range(rows):
                rejected.add(Problem("a", row, "", "x", "y" * 100, "z"), {"text": "t" * 1000})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (rejected.rows, len(rejected.first)) == (rows, SHOWN)
        return peak

    reject(SHOWN)
    assert reject(5000) < 1_000_000


def test_an_error_while_reading_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    path.write_text("before", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), rejecting(path) as rejected:
        rejected.add(Problem("a", 1, "", "x", "y", "z"), {"text": "\ud83d"})
        raise KeyboardInterrupt
    assert path.read_text("utf-8") == "before"
    assert [item.name for item in tmp_path.iterdir()] == ["rejected.jsonl"]
