"""JSON that is neither one array nor a line a row: keys that are splits, rows that are lists, rows under a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}
SPLITS = {
    "oos_val": [["sing me a song", "oos"]],
    "val": [["when do you open", "hours"]],
    "train": [["are you open on sunday", "hours"], ["I want my money back", "refund"]],
    "oos_test": [["how tall is the moon", "oos"]],
    "test": [["please refund me", "refund"]],
    "oos_train": [["tell me a joke", "oos"]],
}


def texts(dataset: Dataset, split: str = "train") -> list[str]:
    return list(dataset[split]["text"])


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [1, 50, 1 << 20])
def test_an_object_whose_keys_are_splits(
    write: Write, monkeypatch: pytest.MonkeyPatch, indent: int | None, block: int
) -> None:
    monkeypatch.setattr("tunewheel.data.readers.scanner._BLOCK", block)
    dataset = Dataset.read(write("a.json", json.dumps(SPLITS, indent=indent)), dev=0.5)
    assert dataset.rows == {"train": 3, "dev": 2, "test": 2}
    assert dataset.labels == ("hours", "oos", "refund")
    assert texts(dataset) == ["are you open on sunday", "I want my money back", "tell me a joke"]
    assert texts(dataset, "dev") == ["sing me a song", "when do you open"]
    assert "JSON of one object: the rows are those under 'oos_val', 'val'" in dataset.notes
    assert [source.split for source in dataset.sources] == ["train", "dev", "test"]


def test_one_split_of_such_an_object(write: Write) -> None:
    path = write("a.json", json.dumps(SPLITS))
    assert Dataset.read({"train": path, "test": path}, dev=0).rows == {"train": 3, "test": 2}
    with pytest.raises(DataError, match="a key for the split later"):
        Dataset.read({"later": path})


def test_a_split_without_rows_is_not_passed_over(write: Write) -> None:
    path = write("a.json", '{"train": [["a", "x"]], "test": ["b"]}')
    with pytest.raises(DataError, match="expected a JSON object, found 'b'"):
        Dataset.read(path, dev=0)


def test_a_bad_row_under_a_key_is_told_by_its_line(write: Write) -> None:
    path = write("a.json", '{\n"train": [\n["a", "x"],\n["b", "x"],\n"c"\n],\n"test": [["d", "x"]]}')
    with pytest.raises(DataError) as caught:
        Dataset.read(path, dev=0)
    assert [(problem.row, problem.found) for problem in caught.value.problems] == [(5, "'c'")]


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_rows_under_one_usual_key(write: Write, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("tunewheel.data.readers.scanner._BLOCK", block)
    rows = [
        {"title": "股市今天上涨", "sentiment_label": "positive"},
        {"title": "油价下跌", "sentiment_label": "negative"},
    ]
    content = {"made": "today", "count": 2345, "by": {"positive": 1}, "items": rows, "end": 1.5}
    dataset = Dataset.read(write("a.json", json.dumps(content, indent=1)), **WHOLE)
    assert (texts(dataset), dataset.labels) == (["股市今天上涨", "油价下跌"], ("negative", "positive"))
    assert "JSON of one object: the rows are those under 'items'" in dataset.notes


def test_a_single_row_is_a_row(write: Write) -> None:
    row = {"text": "Ada wrote", "entities": [{"start": 0, "end": 3, "label": "PER"}]}
    assert len(Dataset.read(write("a.json", json.dumps(row, indent=1)), **WHOLE)) == 1


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a"])
def test_rows_that_are_lists(write: Write, name: str) -> None:
    rows = [["are you open on sunday", "hours"], ["退款要多久", "退款"]]
    dataset = Dataset.read(write(name, "\n".join(json.dumps(row) for row in rows)), **WHOLE)
    assert [(row["text"], row["label"]) for row in dataset["train"]] == [tuple(row) for row in rows]
    whole = Dataset.read(write("whole.json", json.dumps(rows)), **WHOLE)
    assert whole.fingerprint == dataset.fingerprint


def test_numbers_with_names_beside_them(write: Write) -> None:
    rows = [{"label": 100 + i % 3, "label_desc": f"news_{'abc'[i % 3]}", "sentence": f"标题{i}"} for i in range(6)]
    dataset = Dataset.read(write("a.json", "\n".join(map(json.dumps, rows))), **WHOLE)
    assert dataset.labels == ("news_a", "news_b", "news_c")
    assert dataset["train"]["original_label"][:2] == [100, 101]
    assert "'label' holds numbers, 'label_desc' their names: the names are the labels" in dataset.notes
    # Two numbers of one name: the name says less than the number, and is no label.
    mixed = [{**row, "label_desc": "news_a"} for row in rows]
    assert Dataset.read(write("b.json", "\n".join(map(json.dumps, mixed))), **WHOLE).labels == ("100", "101", "102")


def test_pairs_of_sentences_make_one_text(write: Write) -> None:
    rows = [{"id": i, "sentence1": f"你好{i}", "sentence2": "您好", "label": "01"[i % 2]} for i in range(4)]
    dataset = Dataset.read(write("a.json", "\n".join(map(json.dumps, rows))), **WHOLE)
    assert dataset["train"][0] == {
        **{"id": "0", "text": "你好0\t您好", "label": "0"},
        **{"sentence1": "你好0", "sentence2": "您好"},
    }
    assert dataset.columns == {"text": "sentence1 + sentence2", "label": "label"}
    path = write("b.json", "\n".join(map(json.dumps, rows)))
    assert texts(Dataset.read(path, text="sentence2", **WHOLE)) == ["您好"] * 4
    with pytest.raises(DataError, match="column 'sentence2': expected a text, found nothing"):
        Dataset.read(write("c.json", path.read_text() + "\n" + json.dumps({**rows[0], "sentence2": None})), **WHOLE)


def test_prediction_reads_both_sentences() -> None:
    from tunewheel.data.passage import Passage

    def read(*rows: dict[str, Any]) -> list[str]:
        return [read["text"] for read in Passage(iter(enumerate(rows, 1)), None).texts()]

    pairs = [{"premise": "a", "hypothesis": "b"}, {"premise": "c", "hypothesis": "d"}]
    assert read(*pairs) == ["a\tb", "c\td"]
    assert read({"text": "e", "premise": "a", "hypothesis": "b"}) == ["e"]
