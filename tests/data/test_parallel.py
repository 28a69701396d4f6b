"""Files side by side, and files of which each is one label: lines belong together by their number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}
SENTENCES = "Ada flew to Rome\nnobody came\n"
TAGS = "B-PER O O B-LOC\nO O\n"


def found(dataset: Dataset, split: str = "train") -> list[str]:
    return [row["text"][e["start"] : e["end"]] for row in dataset[split] for e in row["entities"]]


@pytest.mark.parametrize(
    ("texts", "tags"),
    [
        ("train.txt", "train.tags"),
        ("train.words.txt", "train.tags.txt"),
        ("train/sentences.txt", "train/tags.txt"),
        ("train/sentences.txt", "train/labels.txt"),
        ("train/seq.in", "train/seq.out"),
        ("sentences.txt", "tags.txt"),
    ],
)
def test_layouts(write: Write, tmp_path: Path, texts: str, tags: str) -> None:
    write(f"d/{texts}", SENTENCES)
    write(f"d/{tags}", TAGS)
    dataset = Dataset.read(tmp_path / "d", **WHOLE)
    assert (dataset.task, dataset.rows) == ("ner", {"train": 2})
    assert found(dataset) == ["Ada", "Rome"]
    assert any("read side by side with" in note for note in dataset.notes)
    assert [source.format for source in dataset.sources] == ["parallel"]


def test_chinese_by_character_is_joined_without_blanks(write: Write, tmp_path: Path) -> None:
    write("train.txt", "我 在 杭 州 等 你\r\n好\r\n")
    write("train.tags", "O O B-LOC I-LOC O O\r\nO\r\n")
    dataset = Dataset.read(tmp_path, **WHOLE)
    assert list(dataset["train"]["text"]) == ["我在杭州等你", "好"]
    assert found(dataset) == ["杭州"]


def test_splits_with_slots_and_intents(write: Write, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write(f"{split}/seq.in", SENTENCES)
        write(f"{split}/seq.out", TAGS)
        write(f"{split}/label", "travel\nparty\n")
    intents = Dataset.read(tmp_path)
    assert intents.rows == {"train": 2, "dev": 2, "test": 2}
    assert (intents.task, intents.labels) == ("classification", ("party", "travel"))
    assert any("--task ner" in note for note in intents.notes)
    slots = Dataset.read(tmp_path, task="ner")
    assert (found(slots, "test"), slots["test"]["label"][0]) == (["Ada", "Rome"], "travel")


def test_a_label_a_line(write: Write, tmp_path: Path) -> None:
    write("train_text.txt", "so good\nso bad\n还行\n")
    write("train_labels.txt", "1\n0\n1\n")
    dataset = Dataset.read(tmp_path, **WHOLE)
    assert list(dataset["train"]["label"]) == ["1", "0", "1"]


def test_the_partner_of_a_named_file_is_found(write: Write) -> None:
    first, _ = write("train.txt", SENTENCES), write("train.tags", TAGS)
    assert found(Dataset.read({"train": first}, **WHOLE)) == ["Ada", "Rome"]
    assert found(Dataset.read(first, format="parallel", **WHOLE)) == ["Ada", "Rome"]
    with pytest.raises(DataError, match=r"train\.txt and train\.tags"):
        Dataset.read(write("alone/train.txt", SENTENCES), format="parallel")


def test_other_numbers_of_tokens_are_told_with_both_places(write: Write, tmp_path: Path) -> None:
    write("train.txt", SENTENCES + "one two\n")
    write("train.tags", TAGS + "O\n")
    with pytest.raises(DataError) as caught:
        Dataset.read(tmp_path)
    [problem] = caught.value.problems
    assert (Path(problem.file).name, problem.row) == ("train.txt", 3)
    assert problem.expected == f"2 tags, one a token, at {tmp_path / 'train.tags'}:3"
    assert problem.found == "1 ('O')"


@pytest.mark.parametrize(("texts", "tags"), [(SENTENCES + "one more\n", TAGS), (SENTENCES, TAGS + "O O\n")])
def test_other_numbers_of_lines_are_told_with_both_places(write: Write, tmp_path: Path, texts: str, tags: str) -> None:
    write("train.txt", texts)
    write("train.tags", tags)
    with pytest.raises(DataError) as caught:
        Dataset.read(tmp_path)
    [problem] = caught.value.problems
    longer, ended = ("train.txt", "train.tags") if texts != SENTENCES else ("train.tags", "train.txt")
    assert (Path(problem.file).name, problem.row) == (longer, 3)
    assert problem.found == f"that {ended} ends after line 2"
    # Blank lines at one file's end are no rows.
    write("train.txt", SENTENCES + "\n\n")
    write("train.tags", TAGS)
    assert len(Dataset.read(tmp_path, **WHOLE)) == 2


def test_a_file_a_label(write: Write, tmp_path: Path) -> None:
    write("涨.txt", "今天 又 涨 了\n\n真 好\n")
    write("跌.txt", "怎么 又 跌\n")
    write("README.txt", "where all this comes from\nand why\n")
    dataset = Dataset.read(tmp_path, **WHOLE)
    assert [(row["text"], row["label"]) for row in dataset["train"]] == [
        ("今天 又 涨 了", "涨"),
        ("真 好", "涨"),
        ("怎么 又 跌", "跌"),
    ]
    assert any("the label of all is the file's name '跌'" in note for note in dataset.notes)


def test_a_folder_a_split_and_a_file_a_label(write: Write, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(f"{split}/pos.txt", "well done\n")
        write(f"{split}/neg.txt", "what a mess\n")
    dataset = Dataset.read(tmp_path, dev=0)
    assert dataset.rows == {"train": 2, "test": 2}
    assert dataset.labels == ("neg", "pos")


def test_a_folder_a_split(write: Write, tmp_path: Path) -> None:
    write("train/part-0.jsonl", [{"text": "a", "label": "x"}])
    write("train/part-1.jsonl", [{"text": "b", "label": "x"}])
    write("val/part-0.jsonl", [{"text": "c", "label": "x"}])
    write("images/a.txt", "none of this\n")
    dataset = Dataset.read(tmp_path, test=0)
    assert dataset.rows == {"train": 2, "dev": 1}
    assert "ignored images: a folder" in dataset.notes
