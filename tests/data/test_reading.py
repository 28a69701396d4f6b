"""Formats, encodings, folders and inference: what stands in a file is what comes out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}
SLOW = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: bool(text.strip()))
LABEL = st.sampled_from(["refund", "退款", "a,b", 'say "x"', "tab\tbed"])
ROWS = st.lists(st.tuples(TEXT, LABEL), min_size=1, max_size=12)


def pairs(dataset: Dataset, split: str = "train") -> list[tuple[str, Any]]:
    return [(row["text"], row.get("label", row.get("labels"))) for row in dataset[split]]


@SLOW
@given(ROWS)
def test_jsonl_round_trip(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
    path.write_bytes("\n".join(lines).encode())
    assert pairs(Dataset.read(path, **WHOLE)) == rows
    path.with_suffix(".json").write_bytes(json.dumps([json.loads(line) for line in lines], indent=2).encode())
    assert pairs(Dataset.read(path.with_suffix(".json"), **WHOLE)) == rows


@SLOW
@given(ROWS, st.sampled_from([("csv", ","), ("csv", ";"), ("tsv", "\t")]), st.sampled_from(["\n", "\r\n"]))
def test_csv_round_trip(tmp_path: Path, rows: list[tuple[str, str]], form: tuple[str, str], end: str) -> None:
    assume("\0" not in "".join(text for text, _ in rows))  # the sign of a binary file
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=form[1], lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    path = tmp_path / f"a.{form[0]}"
    path.write_bytes(buffer.getvalue().encode())
    assert pairs(Dataset.read(path, **WHOLE)) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings(write: Write, encoding: str) -> None:
    text = "text,label\r\n我的银行卡在哪里,查询\r\n卡丢了怎么办,挂失\r\n"
    dataset = Dataset.read(write("a.csv", text.encode(encoding)), **WHOLE)
    assert pairs(dataset) == [("我的银行卡在哪里", "查询"), ("卡丢了怎么办", "挂失")]
    assert any("gb18030" in note for note in dataset.notes) == (encoding == "gb18030")


def test_accented_text_is_not_taken_for_chinese(write: Write) -> None:
    dataset = Dataset.read(write("a.csv", "text,label\ncafé à côté,x\nété déjà,y\n".encode("latin-1")), **WHOLE)
    assert [text for text, _ in pairs(dataset)] == ["café à côté", "été déjà"]
    assert any("latin-1" in note for note in dataset.notes)


def test_json_in_one_array_pretty_printed_or_one_after_another(write: Write) -> None:
    rows = [{"text": f"t{i}", "label": "x"} for i in range(50)]
    expected = [(row["text"], "x") for row in rows]
    assert pairs(Dataset.read(write("a.json", json.dumps(rows, indent=1)), **WHOLE)) == expected
    many = "\n".join(json.dumps(row, indent=1) for row in rows)
    assert pairs(Dataset.read(write("b.json", many), **WHOLE)) == expected
    lines = "\n".join(json.dumps(row) for row in rows)
    assert pairs(Dataset.read(write("c.json", lines), **WHOLE)) == expected
    assert pairs(Dataset.read(write("d", lines), **WHOLE)) == expected


@pytest.mark.parametrize("block", [1, 7, 64])
def test_json_is_parsed_across_blocks(write: Write, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("tunewheel.data.readers.scanner._BLOCK", block)
    rows = [{"text": f"t{i} [{{,", "label": "x", "o": {"a": [1, {}]}} for i in range(9)]
    dataset = Dataset.read(write("a.json", json.dumps(rows, indent=1)), **WHOLE)
    assert pairs(dataset) == [(row["text"], "x") for row in rows]
    bad = write("b.json", json.dumps(rows, indent=1).replace('"t4 [{,"', "t4"))
    with pytest.raises(DataError, match=f"b.json:{2 + 4 * 10 + 1}: .*invalid JSON"):
        Dataset.read(bad, **WHOLE)


def test_tsv_with_loose_quotes_loses_nothing(write: Write) -> None:
    content = 'label\ttext\n1\t"quoted" and more\n0\tplain\n1\t"never closed\n0\tends"\n'
    dataset = Dataset.read(write("a.tsv", content), **WHOLE)
    assert [text for text, _ in pairs(dataset)] == ['"quoted" and more', "plain", '"never closed', 'ends"']
    assert any("plain characters" in note for note in dataset.notes)
    proper = Dataset.read(write("b.tsv", 'label\ttext\n1\t"a ""b"" c"\n0\t"two\nlines"\n'), **WHOLE)
    assert [text for text, _ in pairs(proper)] == ['a "b" c', "two\nlines"]


def test_file_without_header(write: Write) -> None:
    dataset = Dataset.read(write("a.txt", "how do I pay this\t3\nwhere is my card\t1\nmay I ask\t3\n"), **WHOLE)
    assert pairs(dataset) == [("how do I pay this", "3"), ("where is my card", "1"), ("may I ask", "3")]
    assert any("no header" in note for note in dataset.notes)


def test_very_long_field(write: Write) -> None:
    text = "word " * 60_000
    assert pairs(Dataset.read(write("a.csv", f"text,label\n{text},x\n"), **WHOLE)) == [(text, "x")]


def test_conll_english(write: Write) -> None:
    content = (
        "-DOCSTART- -X- O O\n\nAnna NNP I-NP I-PER\nSmith NNP I-NP I-PER\nBob NNP I-NP B-PER\n\n"
        "in IN O O\r\nParis NNP I-NP I-LOC\n-DOCSTART- -X- O O\n\nEnd NN O O\n"
    )
    dataset = Dataset.read(write("eng.all", content), **WHOLE)
    rows = list(dataset["train"])
    assert [row["text"] for row in rows] == ["Anna Smith Bob", "in Paris", "End"]
    assert rows[0]["entities"] == [{"start": 0, "end": 10, "label": "PER"}, {"start": 11, "end": 14, "label": "PER"}]
    assert rows[1]["tokens"] == [{"start": 0, "end": 2}, {"start": 3, "end": 8}]
    assert [row["document"] for row in rows] == ["document-1", "document-1", "document-2"]
    assert dataset.labels == ("LOC", "PER")
    assert "eng.all: tag scheme IOB1" in dataset.notes


def test_conll_chinese_by_character(write: Write) -> None:
    dataset = Dataset.read(
        write("a.char.bmes", "高 B-NAME\n小 M-NAME\n勇 E-NAME\n， O\nC S-ORG\n\n男 O\n  O\n女 O\n"), **WHOLE
    )
    rows = list(dataset["train"])
    assert [row["text"] for row in rows] == ["高小勇，C", "男 女"]
    assert rows[0]["entities"] == [{"start": 0, "end": 3, "label": "NAME"}, {"start": 4, "end": 5, "label": "ORG"}]
    assert "a.char.bmes: tag scheme BMES" in dataset.notes


def test_conll_glued_positions_are_taken_off(write: Write) -> None:
    line = "".join(f"{c}{i}\tO\n" for i, c in enumerate("科技全方位资讯智能快捷的汽车生活需要有三屏一云爱你"))
    dataset = Dataset.read(write("a.conll", line.replace("科0\tO", "科0\tB-ORG")), **WHOLE)
    assert dataset["train"][0]["text"] == "科技全方位资讯智能快捷的汽车生活需要有三屏一云爱你"
    assert dataset["train"][0]["entities"] == [{"start": 0, "end": 1, "label": "ORG"}]


def test_conll_comments_and_blank_lines(write: Write) -> None:
    dataset = Dataset.read(write("a.conll", "# id 1\n# doc\na O\n\t\n\n\n# this is two\n# O\nb B-X\n"), **WHOLE)
    assert [row["text"] for row in dataset["train"]] == ["a", "# b"]
    assert dataset.labels == ("X",)


@pytest.mark.parametrize(
    "row",
    [
        {"text": "Anna in Rome", "entities": [{"start": 8, "end": 12, "label": "LOC"}]},
        {"text": "Anna in Rome", "entities": [[8, 12, "LOC"]]},
        {"text": "Anna in Rome", "spans": [{"start": 8, "end": 12, "type": "LOC", "text": "Rome"}]},
        {"text": "Anna in Rome", "label": [[8, 12, "LOC"]]},
        {"full_text": "Anna in Rome", "spans": [{"entity_type": "LOC", "start_position": 8, "end_position": 12}]},
        {"tokens": ["Anna", "in", "Rome"], "tags": ["O", "O", "B-LOC"]},
        {"tokens": ["Anna", "in", "Rome"], "ner_tags": ["O", "O", "S-LOC"]},
        {"text": "Anna in Rome", "tokens": ["Anna", "in", "Rome"], "labels": ["O", "O", "I-LOC"]},
    ],
)
def test_ways_of_writing_entities(write: Write, row: dict[str, Any]) -> None:
    dataset = Dataset.read(write("a.jsonl", [row]), **WHOLE)
    assert (dataset.task, dataset.labels) == ("ner", ("LOC",))
    assert dataset["train"][0]["text"] == "Anna in Rome"
    assert dataset["train"][0]["entities"] == [{"start": 8, "end": 12, "label": "LOC"}]


@pytest.mark.parametrize(
    ("row", "columns", "multi"),
    [
        ({"text": "long text", "label": "x"}, {"text": "text", "label": "label"}, False),
        ({"Message": "long text", "Intent": "x"}, {"text": "Message", "label": "Intent"}, False),
        ({"句子": "长长的文本", "类别": "x"}, {"text": "句子", "label": "类别"}, False),
        ({"text": "long text", "labels": ["x", "y"]}, {"text": "text", "label": "labels"}, True),
        ({"text": "long text", "labels": "x"}, {"text": "text", "label": "labels"}, False),
        ({"b": "x", "a": "long text"}, {"text": "a", "label": "b"}, False),
        ({"a": "long text", "b": 3}, {"text": "a", "label": "b"}, False),
        ({"id": "7", "text": "long text", "lable": "x"}, {"text": "text", "label": "lable"}, False),
        ({"text": "long text", "label": True}, {"text": "text", "label": "label"}, False),
    ],
)
def test_inference(write: Write, row: dict[str, Any], columns: dict[str, str], multi: bool) -> None:
    dataset = Dataset.read(write("a.jsonl", [row]), **WHOLE)
    assert (dataset.task, dataset.columns, dataset.multi_label) == ("classification", columns, multi)
    assert dataset.notes[0].startswith(f"task classification: column '{columns['label']}' holds")


def test_named_columns_win(write: Write) -> None:
    path = write("a.jsonl", [{"text": "one", "title": "two", "label": "x", "topic": "y"}])
    assert pairs(Dataset.read(path, text="title", label="topic", **WHOLE)) == [("two", "y")]
    row = Dataset.read(path, text="title", label="topic", **WHOLE)["train"][0]
    assert (row["original_text"], row["original_label"]) == ("one", "x")


def test_label_and_entities_together(write: Write) -> None:
    path = write("a.jsonl", [{"text": "Rome", "label": "x", "entities": [{"start": 0, "end": 4, "label": "LOC"}]}])
    dataset = Dataset.read(path, **WHOLE)
    assert dataset.task == "classification"
    assert any("--task ner" in note for note in dataset.notes)
    assert dataset["train"][0]["entities"] == [{"start": 0, "end": 4, "label": "LOC"}]
    other = Dataset.read(path, task="ner", **WHOLE)
    assert (other.task, other["train"][0]["label"]) == ("ner", "x")


def test_labels_become_strings(write: Write) -> None:
    rows = [{"text": f"t{i}", "label": label} for i, label in enumerate([1, "1", 2.0, True, " pad "])]
    assert Dataset.read(write("a.jsonl", rows), **WHOLE).labels == ("1", "2", "pad", "true")


def test_other_columns_are_kept_with_their_types(write: Write) -> None:
    rows = [
        {"text": "a", "label": "x", "n": 1, "f": 1, "s": None, "o": {"k": [1]}, "m": 1, "e": {}, "l": []},
        {"text": "b", "label": "y", "n": 2, "f": 0.5, "s": "z", "o": {"k": [2, 3]}, "m": "word"},
    ]
    table = Dataset.read(write("a.jsonl", rows), **WHOLE)["train"]
    assert table["n"][:] == [1, 2]
    assert table["f"][:] == [1.0, 0.5]
    assert table["s"][:] == [None, "z"]
    assert table["o"][:] == [{"k": [1]}, {"k": [2, 3]}]
    assert table["m"][:] == ["1", "word"]
    assert table["e"][:] == ["{}", None]
    assert table["l"][:] == ["[]", None]


def test_ends_in_memory_that_look_inclusive_are_noted() -> None:
    rows = [{"text": f"Anna met Bob {i}", "entities": [[0, 3, "PER"], [9, 11, "PER"]]} for i in range(3)]
    notes = Dataset.from_rows({"train": rows}).notes
    assert any("6 of 6 entities end inside a word" in note for note in notes)
    assert Dataset.from_rows({"train": rows}, ends="inclusive")["train"]["entities"][0][1]["end"] == 12


def test_lists_in_csv_cells(write: Write) -> None:
    dataset = Dataset.read(write("a.csv", 'text,labels\na,"[""x"", ""y""]"\nb,[]\n'), **WHOLE)
    assert pairs(dataset) == [("a", ["x", "y"]), ("b", [])]


def test_folder_of_splits(write: Write, tmp_path: Path) -> None:
    row = {"text": "t", "label": "x"}
    write("train-00001.jsonl", [row])
    write("train-00000.jsonl", [{"text": "first", "label": "x"}])
    write("validation.csv", "text,label\nv,x\n")
    write("test.tsv", "text\tlabel\nw\tnew\n")
    write("LICENSE", "All rights, and some wrongs,\nreserved.\n")
    write("README.md", "# hello")
    write("classes.json", '["x"]')
    write(".hidden", "x")
    dataset = Dataset.read(tmp_path)
    assert dataset.splits == ("train", "dev", "test")
    assert [text for text, _ in pairs(dataset)] == ["first", "t"]
    notes = "\n".join(dataset.notes)
    for part in ("ignored LICENSE: no data format", "ignored README.md", "ignored classes.json: its name tells no"):
        assert part in notes
    assert "train: 2 files one after another" in notes
    assert "test has labels that train has not: new" in notes
    assert "split: 2 train, 1 dev, 1 test (as given)" in notes
    assert [source.split for source in dataset.sources] == ["train", "train", "dev", "test"]
    assert [source.rows for source in dataset.sources] == [1, 1, 1, 1]
    assert dataset.labels == ("new", "x")


def test_folder_with_one_file_is_divided(write: Write, tmp_path: Path) -> None:
    write("d/all.jsonl", [{"text": f"t{i}", "label": "x"} for i in range(20)])
    assert Dataset.read(tmp_path / "d").rows == {"train": 16, "dev": 2, "test": 2}


def test_same_content_twice_is_read_once(write: Write, tmp_path: Path) -> None:
    for name in ("train.jsonl", "train.copy.jsonl"):
        write(name, [{"text": "t", "label": "x"}])
    dataset = Dataset.read(tmp_path, **WHOLE)
    assert len(dataset) == 1
    assert any("the same content as" in note for note in dataset.notes)


def test_unlabelled_test_is_kept_apart(write: Write, tmp_path: Path) -> None:
    write("train.jsonl", [{"text": f"t{i}", "label": "xy"[i % 2]} for i in range(40)])
    write("test.jsonl", [{"text": "u"}])
    dataset = Dataset.read(tmp_path)
    assert dataset.rows == {"train": 32, "dev": 4, "test": 4, "unlabelled": 1}
    assert dataset["unlabelled"][0]["label"] is None
    assert any("kept as the split 'unlabelled'" in note for note in dataset.notes)


def test_mapping_of_splits(write: Write) -> None:
    a, b = write("a.jsonl", [{"text": "t", "label": "x"}]), write("b.jsonl", [{"text": "u", "label": "x"}])
    dataset = Dataset.read({"test": a, "train": b, "held out": a}, dev=0)
    assert dataset.splits == ("train", "test", "held out")


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("conll2003", {"train": 14041, "dev": 3250, "test": 3453}),
        ("resume_ner", {"train": 3821, "dev": 463, "test": 477}),
        ("chnsenticorp", {"train": 9600, "dev": 1200, "test": 1200}),
        ("weibo_ner", {"train": 1350, "dev": 270, "test": 270}),
    ],
)
def test_benchmarks(bench: Callable[[str], Path], name: str, rows: dict[str, int]) -> None:
    dataset = Dataset.read(bench(name))
    assert dataset.rows == rows
    if name == "conll2003":
        documents = [len(set(dataset[split]["document"])) for split in dataset.splits]
        entities = sum(len(row) for row in dataset["test"]["entities"])
        assert (documents, entities) == ([946, 216, 231], 5648)
    if name == "chnsenticorp":
        assert int(dataset.overlap("train", "test").sum()) == 331
        assert int(dataset.overlap("train", "dev").sum()) == 338


def test_banking77(bench: Callable[[str], Path]) -> None:
    dataset = Dataset.read(bench("banking77"), dev=0)
    assert dataset.rows == {"train": 10003, "test": 3080}
    assert len(dataset.labels) == 77
    # Six texts are the same when their ends are stripped; a seventh has two spaces inside.
    assert int(dataset.overlap("train", "test").sum()) == 7
    assert "texts of test that also stand in train: 7" in dataset.notes


def test_wnut17(bench: Callable[[str], Path]) -> None:
    folder = bench("wnut17")
    files = {"train": "wnut17train.conll", "dev": "emerging.dev.conll", "test": "emerging.test.annotated"}
    dataset = Dataset.read({split: folder / name for split, name in files.items()})
    assert dataset.rows == {"train": 3394, "dev": 1009, "test": 1287}
    assert sum(len(row) for row in dataset["test"]["entities"]) == 1079
    assert sum(len(row) for row in dataset["test"]["tokens"]) == 23394
