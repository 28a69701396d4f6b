"""What of a row a model reads, whatever its columns are called."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError
from tunewheel.data.passage import Passage
from tunewheel.data.streams import Stream, write_stream

Write = Callable[[str, Any], Path]


def read(rows: list[dict[str, Any]], **how: Any) -> list[str]:
    passage = Passage(iter(enumerate(rows, 1)), how.pop("column", None), "rows.jsonl", **how)
    return [one["text"] for one in passage.texts()]


@pytest.mark.parametrize(
    ("row", "how", "text"),
    [
        ({"Text": "卡丢了", "note": "x"}, {}, "卡丢了"),
        ({"id": "7", "column1": "my card", "label": "lost"}, {}, "my card"),
        ({"column1": "my card", "column2": "lost"}, {"learned": "column1"}, "my card"),
        ({"body": "mine", "text": "learned"}, {"learned": "text"}, "learned"),
        ({"body": "mine", "text": "learned"}, {"learned": "text", "column": "body"}, "mine"),
        ({"body": "found"}, {"learned": "text"}, "found"),
        ({"premise": "a", "hypothesis": "b"}, {"learned": "premise + hypothesis", "compares": True}, "a\tb"),
        ({"q": "a", "a": "b"}, {"column": "q,a", "compares": True}, "a\tb"),
        ({"q": "a", "a": "b"}, {"learned": "q,a", "compares": True}, "a\tb"),
        ({"text": "a\tb"}, {"compares": True}, "a\tb"),
        ({"question": "asked", "input": "no"}, {"learned": "question", "asks": True}, "asked"),
        ({"question": "no", "input": "asked"}, {"column": "input", "asks": True}, "asked"),
    ],
)
def test_the_text_is_found(row: dict[str, Any], how: dict[str, Any], text: str) -> None:
    assert read([row], **how) == [text]


@pytest.mark.parametrize(
    ("rows", "how", "told"),
    [
        ([{"column1": "a", "column2": "b"}], {}, r"rows.jsonl:1: column 'text': .*no such column.*--text"),
        ([{"text": "a"}], {"column": "body"}, r"column 'body': .*no such column"),
        ([{"question": "a"}], {"column": "body", "asks": True}, r"column 'body': .*no such column"),
        ([{"text": "alone"}], {"compares": True}, r"rows.jsonl:1: .* two texts to compare, found one"),
        (
            [{"sentence1": "a", "sentence2": "b"}, {"sentence1": "a", "sentence2": None}],
            {"compares": True},
            r"rows.jsonl:2: column 'sentence2': expected a text, found nothing",
        ),
        ([{"sentence1": "a", "sentence2": " "}], {}, r"rows.jsonl:1: column 'sentence2': expected a text"),
    ],
)
def test_rows_without_a_text_are_told(rows: list[dict[str, Any]], how: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(rows, **how)
    passage = Passage(iter(enumerate(rows, 1)), how.pop("column", None), skip=True, **how)
    assert len(list(passage.rejoin(iter))) == len(rows)
    assert passage.bad == 1


def test_a_guess_is_told_once() -> None:
    passage = Passage(iter([(1, {"column1": "a"}), (2, {"column1": "b"})]), None, "new.csv")
    assert [one["text"] for one in passage.texts()] == ["a", "b"]
    assert passage.notes == ["new.csv: 'column1' is taken for the text (--text names another)"]


def test_tables_have_the_columns_of_all_rows(tmp_path: Path, write: Write) -> None:
    rows = [{"text": "a"}, {"text": "b", "messages": [{"role": "user", "content": "卡"}]}, {"late": 0.1, "text": "c,d"}]
    with write_stream(tmp_path / "out.csv", "csv") as put:
        for row in rows:
            put(row)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["text"] for row in found] == ["a", "b", "c,d"]
    assert [row["late"] for row in found] == ["", "", "0.1"]
    assert [row["messages"] for row in found] == ["", '[{"role": "user", "content": "卡"}]', ""]
    assert [row["text"] for _, row in Stream(tmp_path / "out.csv") if isinstance(row, dict)] == ["a", "b", "c,d"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_table_on_the_way_cannot_take_another_column(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"column 'late': .*--output"), write_stream(None, "tsv") as put:
        put({"text": "a", "n": 1})
        put({"n": 2})
        put({"late": 3})
    assert capsys.readouterr().out == "text\tn\na\t1\n\t2\n"


def test_a_row_with_one_text_of_two_costs_only_itself() -> None:
    rows = [{"sentence1": "alone"}, {"sentence1": "a", "sentence2": "b"}, {"sentence1": "c", "sentence2": "d"}]
    passage = Passage(iter(enumerate(rows, 1)), None, skip=True, compares=True)
    assert [one["text"] for one in passage.texts()] == ["a\tb", "c\td"]
    assert passage.bad == 1
