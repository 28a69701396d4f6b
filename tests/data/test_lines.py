"""A text and its label in one line, class names beside label numbers, columns in any order, and odd bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}
PHRASES = [("profit rose , mail x@y for more", "up"), ("sales fell", "down"), ("营收持平 ，无变化", "flat")] * 4


def pairs(dataset: Dataset) -> list[tuple[str, Any]]:
    return [(row["text"], row["label"]) for row in dataset["train"]]


@pytest.mark.parametrize("form", ["{text}@{label}", "__label__{label} {text}", "{label}|{text}", "{text};{label}"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_a_label_before_or_after_a_mark(write: Write, form: str, encoding: str) -> None:
    content = "\r\n".join(form.format(text=f"{text} {i}", label=label) for i, (text, label) in enumerate(PHRASES))
    dataset = Dataset.read(write("a.txt", content.encode(encoding)), **WHOLE)
    assert pairs(dataset) == [(f"{text} {i}", label) for i, (text, label) in enumerate(PHRASES)]


def test_the_mark_is_said_and_a_line_without_it_told(write: Write) -> None:
    lines = [f"{text} {i}@{label}" for i, (text, label) in enumerate(PHRASES * 6)]
    assert "a.txt: a text a line, its label after the last '@'" in Dataset.read(write("a.txt", "\n".join(lines))).notes
    with pytest.raises(DataError) as caught:
        Dataset.read(write("b.txt", "\n".join([*lines, "no label here"])))
    problem = caught.value.problems[0]
    assert (problem.row, problem.expected) == (len(lines) + 1, "a text and a label, parted by '@'")


def test_prose_is_no_labelled_text(write: Write) -> None:
    prose = "Once, there was a file.\nIt held, as files do, lines.\nNone of them, alas, had labels.\nThe end, really.\n"
    with pytest.raises(DataError, match="text of no such form"):
        Dataset.read(write("a.txt", prose))
    with pytest.raises(DataError, match="no mark that parts them"):
        Dataset.read(write("a.txt", prose), format="marked")


@pytest.mark.parametrize(("first", "label"), [(0, "b"), (1, "a")])
def test_class_names_beside_label_numbers(write: Write, first: int, label: str) -> None:
    write("class.txt", "a\nb\nc\n")
    path = write("all.txt", "".join(f"标题{i}\t{first + i % 3}\n" for i in range(9)))
    dataset = Dataset.read(path, **WHOLE)
    assert [found for _, found in pairs(dataset)] == ["a", "b", "c"] * 3
    assert dict(pairs(dataset))["标题1" if first == 0 else "标题0"] == label
    assert f"label numbers {first} to {first + 2} are renamed by class.txt: a, b, c" in dataset.notes


def test_class_names_that_do_not_fit_are_left_alone(write: Write) -> None:
    write("class.txt", "a\nb\n")
    assert Dataset.read(write("x.txt", "t\t0\nu\t3\nv\t0\nw\t3\n"), **WHOLE).labels == ("0", "3")
    assert Dataset.read(write("y.txt", "t\tx\nu\ty\nv\tx\nw\ty\n"), **WHOLE).labels == ("x", "y")


def test_a_number_without_a_name_is_told(write: Write) -> None:
    write("class.txt", "a\nb\n")
    lines = "".join(f"t{i}\t{i % 2}\n" for i in range(1500))
    with pytest.raises(DataError, match=r"all.txt:1501: .*expected a number that class.txt names, found '7'"):
        Dataset.read(write("all.txt", lines + "late\t7\n"))


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("B-PER Ada\nO wrote\nO to\nB-LOC Rome\n\nO nobody\nO came\n", "tokens in column 2, tags in 1"),
        (
            "1\tAda\tNNP\tB-PER\n2\twrote\tVB\tO\n3\tto\tTO\tO\n4\tRome\tNN\tB-LOC\n\n1\tnobody\tNN\tO\n2\tcame\tVB\tO\n",
            "column 2",
        ),
        ("Ada NNP B-NP B-PER\nwrote VB O O\nto TO O O\nRome NN B-NP B-LOC\n\nnobody NN B-NP O\ncame VB O O\n", None),
        ("Ada B-PER x\nwrote O x\nto O x\nRome B-LOC x\n\nnobody O x\ncame O x\n", "tokens in column 1, tags in 2"),
        (
            "NN Ada B-PER\nVB wrote O\nTO to O\nNN Rome B-LOC\n\nNN nobody O\nVB came O\n",
            "tokens in column 2, tags in 3",
        ),
        ("Ada _ _ B-PER\nwrote _ _ O\nto _ _ O\nRome _ _ S-LOC\n\nnobody _ _ O\ncame _ _ O\n", None),
    ],
)
def test_columns_in_any_order(write: Write, lines: str, place: str | None) -> None:
    dataset = Dataset.read(write("a.txt", f"# id 7\tdomain=en\n{lines}"), **WHOLE)
    assert [row["text"] for row in dataset["train"]] == ["Ada wrote to Rome", "nobody came"]
    assert [e["label"] for e in dataset["train"][0]["entities"]] == ["PER", "LOC"]
    assert any("column" in note for note in dataset.notes[1:]) == (place is not None)
    assert place is None or any(place in note for note in dataset.notes)


def test_a_blank_token_keeps_its_place(write: Write) -> None:
    dataset = Dataset.read(write("a.conll", "#rain\tO\n\tO\nRome\tB-LOC\n\nso\tO\n"), **WHOLE)
    assert dataset["train"][0]["text"] == "#rain  Rome"
    assert dataset["train"][0]["entities"] == [{"start": 7, "end": 11, "label": "LOC"}]


ROWS = '{"text": "“café” été", "label": "ok"}\n{"text": "你好，世界，再见", "label": "ok"}\n'


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "gb18030"])
def test_encodings_with_and_without_a_mark(write: Write, encoding: str) -> None:
    text = ROWS if encoding != "gb18030" else ROWS.replace("“café” été", "退款要等多久才到")
    dataset = Dataset.read(write("a.jsonl", text.encode(encoding)), **WHOLE)
    assert pairs(dataset) == [(json.loads(line)["text"], "ok") for line in text.splitlines()]


def test_windows_quotes_are_quotes(write: Write) -> None:
    dataset = Dataset.read(write("a.csv", "text,label\n“so what” he said,x\nit’s café,y\n".encode("cp1252")), **WHOLE)
    assert [text for text, _ in pairs(dataset)] == ["“so what” he said", "it’s café"]
    assert any("read as cp1252" in note for note in dataset.notes)


def test_one_broken_byte_does_not_spoil_the_file(write: Write) -> None:
    good = "".join(f"这是第{i}句话,甲\n" for i in range(20))
    dataset = Dataset.read(
        write("a.csv", f"text,label\n{good}".encode() + "断了的一句".encode()[:-1] + b",x\n"), **WHOLE
    )
    assert pairs(dataset)[0][0] == "这是第0句话"
    assert pairs(dataset)[-1][0] == "断了的一�"
    assert "a.csv: UTF-8 with broken bytes, which are read as �" in dataset.notes


def test_earlier_conversions_are_noted(write: Write) -> None:
    twice = "café – it’s".encode().decode("cp1252")
    dataset = Dataset.read(write("a.csv", f"text,label\n{twice},x\nlost � one,y\n"), **WHOLE)
    assert pairs(dataset)[0] == (twice, "x")
    assert any("3 places look like UTF-8 that was once read as cp1252" in note for note in dataset.notes)
    assert any("1 characters were lost" in note for note in dataset.notes)


@pytest.mark.parametrize("end", ["\r", "\r\n"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.conll"])
def test_line_ends(write: Write, name: str, end: str) -> None:
    content = {
        "a.jsonl": '{"text": "one", "label": "x"}\n{"text": "two", "label": "y"}\n',
        "a.csv": "text,label\none,x\ntwo,y\n",
        "a.conll": "one B-X\n\ntwo B-Y\n",
    }[name]
    dataset = Dataset.read(write(name, content.replace("\n", end)), **WHOLE)
    assert (list(dataset["train"]["text"]), len(dataset.labels)) == (["one", "two"], 2)


def test_mixed_line_ends(write: Write) -> None:
    dataset = Dataset.read(write("a.csv", "text,label\r\none,x\ntwo,y\r\n"), **WHOLE)
    assert pairs(dataset) == [("one", "x"), ("two", "y")]


def test_nul_in_a_text(write: Write) -> None:
    content = "text,label\n" + "a line like others,x\n" * 9 + "cut\0off,y\n"
    dataset = Dataset.read(write("a.csv", content), **WHOLE)
    assert pairs(dataset)[-1] == ("cut\0off", "y")
    assert "a.csv: 1 NUL characters, kept as they stand" in dataset.notes
