"""Entities as objects by type, and how the ends of spans are counted: settled by the rows, or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError, Dataset

Write = Callable[[str, Any], Path]
WHOLE: dict[str, Any] = {"dev": 0, "test": 0}


def found(dataset: Dataset, split: str = "train") -> list[str]:
    return [row["text"][e["start"] : e["end"]] for row in dataset[split] for e in row["entities"]]


def note(dataset: Dataset) -> str:
    return next(note for note in dataset.notes if note.startswith("ends of entities"))


def test_objects_by_type_and_surface(write: Write) -> None:
    rows = [
        {"text": "王小明昨天去了杭州", "label": {"name": {"王小明": [[0, 2]]}, "place": {"杭州": [[7, 8]]}}},
        {"text": "杭州的天气比杭州湾好", "label": {"place": {"杭州": [[0, 1]], "杭州湾": [[6, 8]]}}},
        {"text": "今天没有人来", "label": {}},
    ]
    dataset = Dataset.read(write("a.jsonl", rows), **WHOLE)
    assert (dataset.task, dataset.labels) == ("ner", ("name", "place"))
    assert found(dataset) == ["王小明", "杭州", "杭州", "杭州湾"]
    assert note(dataset) == "ends of entities are inclusive: so 4 of 4 surfaces tell; one is added to each"


def test_objects_by_type_alone(write: Write) -> None:
    rows = [{"text": f"Anna met Bob {i}", "entities": {"PER": [[0, 4], [9, 12]], "LOC": None}} for i in range(3)]
    dataset = Dataset.read(write("a.jsonl", rows), **WHOLE)
    assert found(dataset) == ["Anna", "Bob"] * 3
    assert note(dataset) == "ends of entities are exclusive: so 6 of 6 words tell"


@pytest.mark.parametrize("add", [0, 1])
def test_surfaces_settle_the_ends(write: Write, add: int) -> None:
    row = {"text": "Ada wrote to Bo", "entities": [{"start": 0, "end": 2 + add, "label": "PER", "text": "Ada"}]}
    dataset = Dataset.read(write("a.jsonl", [row]), **WHOLE)
    assert found(dataset) == ["Ada"]
    assert ("inclusive" in note(dataset)) == (add == 0)


@pytest.mark.parametrize("add", [0, 1])
def test_words_settle_the_ends_where_no_surface_does(write: Write, add: int) -> None:
    rows = [{"text": f"Ada wrote to Bo {i}", "entities": [[0, 2 + add, "PER"], [13, 14 + add, "PER"]]} for i in "abc"]
    assert found(Dataset.read(write("a.jsonl", rows), **WHOLE)) == ["Ada", "Bo"] * 3


def test_evidence_is_taken_from_all_rows_and_all_files(write: Write, tmp_path: Path) -> None:
    unclear = {"text": "我们在杭州见面吧", "entities": [[3, 4, "place"]]}
    clear = {"text": "去杭州", "entities": [{"start": 1, "end": 2, "label": "place", "text": "杭州"}]}
    write("d/train.jsonl", [{**unclear, "text": f"我们在杭州见面吧{i}"} for i in range(1500)])
    write("d/test.jsonl", [clear])
    dataset = Dataset.read(tmp_path / "d", dev=0)
    assert set(found(dataset)) == {"杭州"}


def test_where_nothing_tells_the_caller_does(write: Write) -> None:
    path = write("a.jsonl", [{"text": "我们在杭州见面吧", "entities": [[3, 4, "place"]]}])
    silent = Dataset.read(path, **WHOLE)
    assert found(silent) == ["杭"]
    assert "nothing tells (ends=inclusive says otherwise)" in note(silent)
    said = Dataset.read(path, ends="inclusive", **WHOLE)
    assert found(said) == ["杭州"]
    assert "as asked" in note(said)
    with pytest.raises(ValueError, match="ends must be"):
        Dataset.read(path, ends="included")  # type: ignore[arg-type]


def test_one_odd_span_does_not_move_all_others(write: Write) -> None:
    rows = [{"text": f"我们在杭州见面吧{i}", "entities": [[3, 5, "place"]]} for i in range(50)]
    with pytest.raises(DataError, match="start < end"):
        Dataset.read(write("a.jsonl", [*rows, {"text": "去杭州", "entities": [[1, 1, "place"]]}]), **WHOLE)


def test_a_span_that_does_not_fit_the_others_is_told(write: Write) -> None:
    rows = [{"text": f"去杭州{i}", "label": {"place": {"杭州": [[1, 2]]}}} for i in range(5)]
    bad = {"text": "去杭州", "label": {"place": {"苏州": [[1, 2]]}}}
    with pytest.raises(DataError) as caught:
        Dataset.read(write("a.jsonl", [*rows, bad]), **WHOLE)
    problem = caught.value.problems[0]
    assert (problem.row, problem.expected, problem.found) == (6, "'苏州' at 1:2", "'杭州' at 1:2")
    assert problem.fix == "count characters from 0, end-inclusive"


def test_spacy_rows(write: Write) -> None:
    lines = '["Ada wrote to Bo", {"entities": [[0, 3, "PER"]]}]\n["No one wrote", {"entities": []}]\n'
    assert found(Dataset.read(write("a.jsonl", lines), **WHOLE)) == ["Ada"]
