"""Every error names its file, row and column, says what was expected and found, and how to repair it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset, Problem

Write = Callable[[str, Any], Path]
GOOD = [{"text": "a good one", "label": "x"}, {"text": "another", "label": "y"}]


def error(path: Any, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        Dataset.read(path, **options)
    return caught.value


def only(path: Any, **options: Any) -> Problem:
    found = error(path, **options)
    assert found.total == len(found.problems) == 1, str(found)
    assert str(found).count("\n") == 0
    return found.problems[0]


def ner(*entities: Any) -> dict[str, Any]:
    return {"text": "Anna lives in Paris", "entities": list(entities)}


PER = {"start": 0, "end": 4, "label": "PER"}


@pytest.mark.parametrize(
    ("bad", "column", "expected", "found", "fix"),
    [
        ({"text": "t"}, "label", "a label", "no such column (the row has 'text')", "add the column 'label'"),
        ({"text": "t", "lable": "x"}, "label", "a label", "no such column", "did you mean 'label' where it says"),
        ({"label": "x"}, "text", "a text", "no such column", "add the column"),
        ({"text": "", "label": "x"}, "text", "a text", "an empty string", "remove the row"),
        ({"text": " \n", "label": "x"}, "text", "a text", r"' \n'", "remove the row"),
        ({"text": None, "label": "x"}, "text", "a text", "nothing", "remove the row"),
        ({"text": 7, "label": "x"}, "text", "a text", "7 (int)", "write a string"),
        ({"text": "\ud83d", "label": "x"}, "text", "a text", "surrogate", "whole characters"),
        ({"text": "t", "label": None}, "label", "a label", "nothing", "fill it in"),
        ({"text": "t", "label": " "}, "label", "a label", "' '", "fill it in"),
        ({"text": "t", "label": ["x"]}, "label", "a string or a whole number", "(list)", "one label"),
        ({"text": "t", "label": 0.5}, "label", "a string or a whole number", "(float)", "one label"),
    ],
)
def test_bad_rows_of_one_label(
    write: Write, bad: dict[str, Any], column: str, expected: str, found: str, fix: str
) -> None:
    path = write("a.jsonl", [*GOOD, bad])
    problem = only(path)
    assert (problem.file, problem.row, problem.column) == (str(path), 3, column)
    assert expected in problem.expected
    assert found in problem.found
    assert fix in problem.fix
    assert str(problem).startswith(f"{path}:3: column '{column}': expected ")


@pytest.mark.parametrize(
    ("entity", "expected", "fix"),
    [
        ({"start": 0, "end": 99, "label": "PER"}, "inside the text's 19 characters", "not bytes or tokens"),
        ({"start": -1, "end": 2, "label": "PER"}, "inside the text's 19 characters", "not bytes or tokens"),
        ({"start": 4, "end": 4, "label": "PER"}, "start < end", "if the ends are inclusive, add 1"),
        ({"start": 5, "end": 4, "label": "PER"}, "start < end", "exchange start and end"),
        ({"start": 0, "end": 3, "label": "PER", "text": "Anna"}, "'Anna' at 0:3", "if the ends are inclusive"),
        ({"start": 1, "end": 4, "label": "PER", "text": "Anna"}, "'Anna' at 1:4", "from 0"),
        ({"start": "0", "end": 4, "label": "PER"}, "whole numbers", "count characters"),
        ({"start": 0.0, "end": 4, "label": "PER"}, "whole numbers", "count characters"),
        ({"start": True, "end": 4, "label": "PER"}, "whole numbers", "count characters"),
        ({"start": 0, "end": 4}, "with a label", "name its type"),
        ("Anna", "an entity", "write {"),
    ],
)
def test_bad_entities(write: Write, entity: Any, expected: str, fix: str) -> None:
    path = write("a.jsonl", [ner(PER), ner(PER, entity)])
    problem = only(path)
    assert (problem.row, problem.column) == (2, "entities")
    assert expected in problem.expected
    assert fix in problem.fix


def test_entities_and_labels_must_be_lists(write: Write) -> None:
    assert only(write("a.jsonl", [ner(PER), {"text": "t", "entities": "PER"}])).expected == "a list of entities"
    found = only(write("b.jsonl", [{"text": "t", "labels": ["a"]}, {"text": "u", "labels": "a"}]))
    assert (found.row, found.column, found.expected) == (2, "labels", "a list of labels")
    found = only(write("c.jsonl", [{"text": "t", "labels": ["a"]}, {"text": "u", "labels": ["a", ""]}]))
    assert found.fix == "remove the empty label"


@pytest.mark.parametrize(
    ("bad", "column", "expected"),
    [
        ({"tokens": ["a", "b"], "tags": ["O"]}, "tags", "a list of 2 tags"),
        ({"tokens": ["a"], "tags": [3]}, "tags", "tags such as O or B-PER"),
        ({"tokens": ["a"], "tags": ["PERSON"]}, "tags", "tags such as O or B-PER"),
        ({"tokens": "a", "tags": ["O"]}, "tokens", "a list of tokens"),
        ({"tokens": [], "tags": []}, "tokens", "a list of tokens"),
        ({"tokens": [" "], "tags": ["O"]}, "tokens", "tokens that make a text"),
    ],
)
def test_bad_tokens_and_tags(write: Write, bad: dict[str, Any], column: str, expected: str) -> None:
    problem = only(write("a.jsonl", [{"tokens": ["Anna"], "tags": ["B-PER"]}, bad]))
    assert (problem.row, problem.column, problem.expected) == (2, column, expected)


def test_an_entity_of_no_characters(write: Write) -> None:
    rows = [{"tokens": ["Anna"], "tags": ["B-PER"]}, {"tokens": ["", "!"], "tags": ["B-PER", "O"]}]
    problem = only(write("a.jsonl", rows))
    assert (problem.row, problem.column, problem.found) == (2, "tags", "an empty PER")


def test_damaged_parquet(write: Write, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": [f"text {i}" for i in range(3000)], "label": ["x", "y"] * 1500})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1000)
    whole = (tmp_path / "a.parquet").read_bytes()
    offset = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(2).column(0).data_page_offset
    inside = whole[:offset] + b"\xff" * 40 + whole[offset + 40 :]
    problem = only(write("b.parquet", inside))
    assert (problem.row, problem.expected) == (2001, "whole rows")
    kept = Dataset.read(tmp_path / "b.parquet", on_error="skip", rejected=tmp_path / "r.jsonl", dev=0, test=0)
    assert len(kept) == 2000
    footer = whole[:-60] + b"\xff" * 40 + whole[-20:]
    assert only(write("c.parquet", footer)).expected == "a Parquet file"


def test_invalid_json_is_told_by_line(write: Write) -> None:
    path = write("a.jsonl", '{"text": "a", "label": "x"}\n\n{"text": \n[1]\n{"text": "b", "label": "y"}\n')
    found = error(path)
    assert [(p.row, p.expected) for p in found.problems] == [(3, "a JSON object"), (4, "a JSON object")]
    assert "invalid JSON" in found.problems[0].found
    assert error(write("b.jsonl", "{nothing is right}\n{here}\n")).total == 2
    assert error(write("c.jsonl", "[" * 100_000 + "\n" + "1" * 5_000 + "\n")).total == 2


def test_invalid_json_inside_an_array(write: Write) -> None:
    path = write("a.json", '[\n {"text": "a", "label": "x"},\n {"text": "b" "label": "y"}\n]\n')
    problem = only(path)
    assert problem.row == 3
    assert only(write("b.json", '[{"text": "a", "label": "x"},\n7]')).row == 2


def test_all_bad_rows_are_counted_and_twenty_shown(write: Write) -> None:
    found = error(write("a.jsonl", GOOD + [{"text": "", "label": "x"}] * 33))
    assert (found.total, len(found.problems)) == (33, 20)
    assert [problem.row for problem in found.problems] == list(range(3, 23))
    assert str(found).endswith("… and 13 more (33 problems in all)")
    again = pickle.loads(pickle.dumps(found))
    assert (str(again), again.total) == (str(found), 33)


def test_problems_of_several_files_are_told_together(write: Write, tmp_path: Path) -> None:
    write("train.jsonl", [*GOOD, {"text": "", "label": "x"}])
    write("test.jsonl", [*GOOD, {"text": "t", "label": None}])
    assert [Path(p.file).name for p in error(tmp_path).problems] == ["train.jsonl", "test.jsonl"]


def test_csv_rows_with_too_many_or_too_few_fields(write: Write) -> None:
    path = write("a.csv", "text,label\ngood,x\n\nfar, too, many\nfew\nfine,y\n")
    found = error(path)
    assert [(p.row, p.expected) for p in found.problems] == [(4, "2 fields"), (5, "2 fields")]
    assert found.problems[0].found.startswith("3 (")
    assert "needs quotes" in found.problems[0].fix


def test_csv_row_numbers_are_lines_of_the_file(write: Write) -> None:
    path = write("a.csv", 'text,label\n"two\nlines",x\n"three\n\nlines",y\nplain,\n')
    problem = only(path)
    assert (problem.row, problem.column) == (7, "label")


def test_csv_quote_that_never_closes(write: Write) -> None:
    path = write("a.csv", 'text,label\n"good, really",x\n"open,y\nand on,x\n')
    problem = only(path)
    assert problem.row == 3
    assert "does not pair" in problem.found


def test_conll_line_with_other_columns_and_unknown_tags(write: Write) -> None:
    path = write("a.conll", "Anna NNP B-PER\nlives O\nin IN O\n\nParis NNP CITY\n. . O\n")
    found = error(path)
    assert [(p.row, p.column) for p in found.problems] == [(2, ""), (5, "tag")]
    assert found.problems[0].expected == "3 columns"
    assert found.problems[1].found == "'CITY'"


@pytest.mark.parametrize("content", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
def test_empty_file(write: Write, content: bytes) -> None:
    assert only(write("a.jsonl", content)).found in ("an empty file", "none")


def test_binary_and_formless_files(write: Write) -> None:
    assert only(write("a.csv", b"\x7fELF\x02\x01\x01\0\0\0")).found == "a binary file"
    assert only(write("b.txt", "Once upon a time\nthere was a file.\n")).found == "text of no such form"
    assert only(write("c.jsonl", b"\xff\xfea")).found == "broken UTF-16"
    assert only(write("d.csv", "text,label\n")).found == "none"


def test_packed_files_are_told_for_what_they_are_and_words_that_begin_alike_are_read(write: Write) -> None:
    rows = b"text,label\nBZh is short,lost\nPK fire,open\nmy card,lost\n"
    for name, content, kind, fix in (
        ("a.csv.gz", gzip.compress(rows, mtime=0), "a gzip file", "gunzip -k a.csv.gz"),
        ("b.jsonl.xz", lzma.compress(rows), "an xz file", "unxz -k b.jsonl.xz"),
        ("c.csv", bz2.compress(rows), "a bzip2 file", "bunzip2 -k c.csv"),
        ("d.xlsx", b"PK\x03\x04\x14\0\x06\0", "a zip archive, as spreadsheets are too", "export the sheet as CSV"),
        ("e.zst", b"\x28\xb5\x2f\xfd\x04\x00", "a Zstandard file", "unzstd e.zst"),
    ):
        problem = only(write(name, content))
        assert problem.found == kind and fix in problem.fix
    for column in (b"BZh", b"PK"):
        named = b"\n".join(column * (n == 0) + b"," + line for n, line in enumerate(rows.splitlines()))
        assert len(Dataset.read(write("f.csv", named), dev=0.0, test=0.0)["train"]) == 3


def test_missing_path_suggests_the_nearest(write: Write, tmp_path: Path) -> None:
    write("tickets.jsonl", GOOD)
    assert "tickets.jsonl" in only(tmp_path / "ticket.jsonl").fix
    assert only(tmp_path / "far" / "away").found == "nothing there"
    assert only({"train": tmp_path / "no.csv"}).expected == "a file"


def test_folder_without_train_or_with_two(write: Write, tmp_path: Path) -> None:
    write("one/test.jsonl", GOOD)
    write("one/dev.jsonl", GOOD)
    assert only(tmp_path / "one").expected == "a train split"
    write("two/train.jsonl", GOOD)
    write("two/train.large.jsonl", GOOD * 2)
    assert only(tmp_path / "two").expected == "one file for train"
    (tmp_path / "three").mkdir()
    assert only(tmp_path / "three").found == "no data file"


def test_columns_that_cannot_be_told(write: Write) -> None:
    path = write("a.jsonl", [{"a": "x", "b": "y", "c": "z"}])
    problem = only(path)
    assert problem.found == "columns 'a', 'b', 'c'"
    assert "--text NAME --label NAME" in problem.fix
    assert "did you mean 'textt'?" in only(write("b.jsonl", [{"textt": "x", "foo": "y", "bar": "z"}])).fix


def test_named_columns_that_are_not_there(write: Write) -> None:
    path = write("a.jsonl", [{"message": "x", "intent": "y", "other": "z"}])
    assert only(path, text="mesage").fix == "did you mean 'message'?"
    assert only(path, label="wrong").fix == "give --label the name of a column"
    assert only(path, task="ner").expected.startswith("a column of entities")
    assert only(path, task="ner", label="intent").expected == "a column of entities or tags for ner"


def test_labels_as_objects_are_explained(write: Write) -> None:
    problem = only(write("a.jsonl", [{"text": "x", "label": {"name": "angry"}}]))
    assert problem.column == "label"
    assert '"entities": [{"start": 0' in problem.fix


def test_rows_in_memory_are_checked_as_files_are() -> None:
    with pytest.raises(DataError) as caught:
        Dataset.from_rows({"train": GOOD, "test": [*GOOD, {"text": "", "label": "x"}]})
    assert (caught.value.problems[0].file, caught.value.problems[0].row) == ("test", 3)
    with pytest.raises(DataError, match="expected rows, found none"):
        Dataset.from_rows({"train": []})
    with pytest.raises(DataError, match="at least one split"):
        Dataset.from_rows({})


def test_misuse_is_a_value_error(write: Write) -> None:
    path = write("a.jsonl", GOOD)
    with pytest.raises(ValueError, match="did you mean 'jsonl'"):
        Dataset.read(path, format="json-l")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"targets=\('label',\)"):
        Dataset.read(path, task="tagging")
    with pytest.raises(ValueError, match="did you mean 'classification'"):
        Dataset.read(path, task="clasification")
    with pytest.raises(ValueError, match="together under 1"):
        Dataset.read(path, dev=0.5, test=0.5)


def test_nothing_is_left_behind(write: Write, tmp_path: Path) -> None:
    path = write("a.jsonl", [*GOOD, {"text": ""}])
    error(path, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_stored_datasets_that_were_altered(tmp_path: Path) -> None:
    folder = Dataset.from_rows({"train": GOOD}).save(tmp_path / "d")
    arrow = folder / "train.arrow"
    whole = arrow.read_bytes()
    arrow.write_bytes(whole[:-9])
    with pytest.raises(DataError, match="sha256"):
        Dataset.load(folder)
    arrow.unlink()
    with pytest.raises(DataError, match="no such file"):
        Dataset.load(folder)
    manifest = folder / "dataset.json"
    manifest.write_text(json.dumps({"schema_version": 99}), encoding="utf-8")
    with pytest.raises(DataError, match="column 'schema_version': expected 1, found 99"):
        Dataset.load(folder)
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="schema_version"):
        Dataset.load(folder)
    with pytest.raises(DataError, match=r"Dataset\.save"):
        Dataset.load(tmp_path)
