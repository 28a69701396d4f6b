"""Plain text: rows without labels, read, kept, revised and inherited as labelled ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset
from tunewheel.data.infer import NoLabels

Write = Callable[[str, Any], Path]

ENGLISH = [{"id": f"e{i}", "text": f"parcel {i} came open", "source": "desk.txt", "title": "mail"} for i in range(20)]
CHINESE = [
    {"编号": f"z{i}", "正文": f"第{i}个包裹送来时是开着的", "来源": "desk.txt", "标题": "邮件"} for i in range(20)
]


@pytest.mark.parametrize(("rows", "text", "others"), [(ENGLISH, "text", 2), (CHINESE, "正文", 3)], ids=["en", "zh"])
def test_texts_and_all_other_columns_are_kept_and_nothing_is_a_label(
    write: Write, tmp_path: Path, rows: list[dict[str, str]], text: str, others: int
) -> None:
    dataset = Dataset.read(write("raw.jsonl", rows), task="text", dev=0.0, test=0.0)
    assert (dataset.task, dataset.labels, dataset.multi_label, dataset.rows) == ("text", (), False, {"train": 20})
    assert dataset.columns == {"text": text}
    assert any(f"no labels: taken as plain text, in '{text}'" in note for note in dataset.notes)
    kept = dataset["train"][:]
    assert kept["text"] == [row[text] for row in rows]
    assert len(kept) == 2 + others
    assert set(rows[0]) - {text} <= set(kept)
    stored = Dataset.load(dataset.save(tmp_path / "stored"))
    assert (stored.fingerprint, stored.task, stored.columns) == (dataset.fingerprint, "text", {"text": text})


def test_a_folder_of_splits_keeps_them_and_a_change_leaves_them(write: Write) -> None:
    write("desk/train.jsonl", ENGLISH[:12])
    folder = write("desk/test.jsonl", [{**row, "text": row["text"].upper()} for row in ENGLISH[12:]]).parent
    dataset = Dataset.read(folder, task="text", dev=0.0)
    assert dataset.rows == {"train": 12, "test": 8}
    made = dataset.edited(lambda split, at, row: None if row["id"] == "e0" else row, note="one is gone")
    assert (made.task, made.rows, made.parent) == ("text", {"train": 11, "test": 8}, dataset.fingerprint)
    assert dataset.edited(lambda split, at, row: row, note="as it was").fingerprint == dataset.fingerprint


def test_a_revision_inherits_the_splits(write: Write) -> None:
    old = Dataset.read(write("raw.jsonl", ENGLISH), task="text", dev=0.2, test=0.2)
    more = [*reversed(ENGLISH), {"id": "new", "text": "the seal was broken"}]
    new = Dataset.read(write("more.jsonl", more), task="text", parent=old)
    held = {row["id"]: split for split in new.splits for row in new[split]}
    assert {row["id"]: split for split in old.splits for row in old[split]}.items() <= held.items()
    assert (new.parent, new.split.kept) == (old.fingerprint, 20)


def test_two_texts_make_one_as_with_labels(write: Write) -> None:
    path = write("pairs.jsonl", [{"premise": "it rains", "hypothesis": "the road is wet"}])
    assert Dataset.read(path, task="text", dev=0, test=0)["train"]["text"][0] == "it rains\tthe road is wet"


def test_labels_that_are_there_are_kept_beside(write: Write) -> None:
    path = write("half.jsonl", [{"text": "parcel is open", "label": "damage"}, {"text": "where is it"}])
    dataset = Dataset.read(path, task="text", dev=0, test=0)
    assert dataset["train"]["original_label"][:] == ["damage", None]
    assert "'label' is kept as 'original_label'" in dataset.notes
    assert dataset.edited(lambda split, at, row: row, note="same").fingerprint == dataset.fingerprint


@pytest.mark.parametrize("rows", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_without_a_task_missing_labels_stay_an_error_that_names_the_way_out(
    write: Write, rows: list[dict[str, str]]
) -> None:
    with pytest.raises(NoLabels, match=r"raw.jsonl:1: .*plainly the label.*check and clean take .*--task text"):
        Dataset.read(write("raw.jsonl", rows))


def test_a_column_that_is_known_for_something_else_is_not_held_for_a_slip(write: Write) -> None:
    path = write("raw.jsonl", [{**row, "time": "2026-03-01", "lable": "open"} for row in ENGLISH])
    with pytest.raises(NoLabels, match="did you mean 'lable'"):
        Dataset.read(path)


def test_rows_without_a_text_and_a_label_that_is_asked_for_are_errors(write: Write) -> None:
    path = write("raw.jsonl", [*ENGLISH, {"id": "last", "text": " ", "source": "desk.txt"}])
    with pytest.raises(DataError, match=r"raw.jsonl:21: column 'text': expected a text"):
        Dataset.read(path, task="text")
    with pytest.raises(DataError, match=r"column 'source': expected no column of labels.*leave out --label"):
        Dataset.read(path, task="text", label="source")
    with pytest.raises(DataError, match=r"column 'txt': .*--text.*did you mean 'text'"):
        Dataset.read(path, task="text", text="txt")
