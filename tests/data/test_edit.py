"""Revisions made of stored rows: what is left out or changed, and what stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]


@pytest.fixture
def read(write: Write) -> Dataset:
    rows = [{"key": f"k{i}", "message": f"第{i}行 row {i}", "label": "ab"[i % 2], "desk": i % 3} for i in range(40)]
    return Dataset.read(write("desk.jsonl", rows), group="desk", dev=0.2, test=0.2)


def texts(dataset: Dataset) -> dict[str, str]:
    return {row["id"]: f"{split} {row['text']}" for split in dataset.splits for row in dataset[split]}


def test_nothing_changed_is_the_dataset_itself(read: Dataset) -> None:
    same = read.edited(lambda split, at, row: row, note="looked at")
    assert (same.fingerprint, same.parent, same.split) == (read.fingerprint, read.parent, read.split)


def test_rows_left_out_leave_splits_ids_sources_and_columns_as_they_were(read: Dataset, tmp_path: Path) -> None:
    gone = {read["train"]["id"][3], read["test"]["id"][0]}
    made = read.edited(lambda split, at, row: None if row["id"] in gone else row, note="two are gone", cache=tmp_path)
    assert texts(made) == {key: text for key, text in texts(read).items() if key not in gone}
    assert made.parent == read.fingerprint
    assert (made.split.kind, made.split.group, made.split.kept) == ("inherited", "desk", 38)
    assert made.columns == {"text": "message", "label": "label"}
    assert [(source.path, source.rows) for source in made.sources] == [(read.sources[0].path, 38)]
    assert made.source_of("train", made.rows["train"] - 1) == made.sources[0]
    assert "two are gone" in made.notes
    stored = Dataset.load(made.save(tmp_path / "kept"))
    assert (stored.fingerprint, stored.sources) == (made.fingerprint, made.sources)


def test_sources_of_a_split_are_counted_apart(write: Write) -> None:
    for name in ("train", "test"):
        write(f"given/{name}.jsonl", [{"text": f"{name} {i}", "label": "x"} for i in range(4)])
    read = Dataset.read(write("given/train.jsonl", [{"text": f"t {i}", "label": "x"} for i in range(4)]).parent)
    made = read.edited(lambda split, at, row: None if split == "train" and at < 3 else row, note="n")
    assert [source.rows for source in made.sources] == [1, 4]
    source = made.source_of("test", 0)
    assert source is not None
    assert source.path.endswith("test.jsonl")


def test_a_split_may_lose_all_its_rows_and_a_dataset_may_not(read: Dataset) -> None:
    made = read.edited(lambda split, at, row: None if split == "test" else row, note="n")
    assert made.splits == ("train", "dev")
    with pytest.raises(DataError, match="none that is left"):
        read.edited(lambda *_: None, note="n")


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "卡 lost", "labels": ["a", "b"]}, {"text": "x", "labels": []}],
        [
            {"tokens": ["王", "芳", "来", "了"], "ner_tags": ["B-PER", "I-PER", "O", "O"]},
            {"tokens": ["x"], "ner_tags": ["O"]},
        ],
        [
            {"sentence1": "甲", "sentence2": "b", "label": "same"},
            {"sentence1": "c", "sentence2": "d", "label": "other"},
        ],
        [
            {"text": "a", "label": 3, "more": {"n": [1, 2]}, "when": "2024-05-01"},
            {"text": "b", "label": 4, "more": None},
        ],
    ],
    ids=["labels", "tags", "pairs", "extras"],
)
def test_every_shape_of_rows_comes_through(rows: list[dict[str, Any]], write: Write) -> None:
    read = Dataset.read(write("rows.jsonl", rows), dev=0, test=0)
    assert read.edited(lambda split, at, row: row, note="n").fingerprint == read.fingerprint
    made = read.edited(lambda split, at, row: row if at == 0 else None, note="n")
    assert made["train"][0] == read["train"][0]
