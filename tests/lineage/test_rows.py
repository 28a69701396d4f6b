"""Rows found batch by batch."""

from tunewheel.data import Dataset
from tunewheel.lineage.rows import held, with_ids, with_text


def test_rows_are_found_behind_the_first_batch(monkeypatch):
    monkeypatch.setattr("tunewheel.data.arrow.CHUNK", 4)
    rows = [{"id": f"r{i}", "text": f"第 {i} 行 line", "label": "ab"[i % 2]} for i in range(11)]
    data = Dataset.from_rows({"train": rows, "test": [{"id": "t", "text": "第 9  行 line", "label": "a"}]})
    assert len(list(data.batches("train"))) == 3
    assert [(one.split, one.at, one.row["id"]) for one in held(data, with_ids("r9", "r2", "t"))] == [
        ("train", 2, "r2"),
        ("train", 9, "r9"),
        ("test", 0, "t"),
    ]
    assert [one.row["id"] for one in held(data, with_text("第 9 行 line"))] == ["r9", "t"]


def test_a_row_is_found_by_the_id_its_file_gave_it():
    data = Dataset.from_rows({"train": [{"id": 7, "text": "a", "label": "x"}, {"id": 7, "text": "b", "label": "y"}]})
    assert [one.row["text"] for one in held(data, with_ids("7"))] == ["a", "b"]
