"""Suspects taken over and slips of the pen in labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError
from tunewheel.data.clean.labels import Suspect, Suspects, renamed, typos

Write = Callable[[str, Any], Path]


def entity(start: int, end: int, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def test_a_suggestion_is_taken_where_the_row_still_says_what_was_given() -> None:
    suspects = Suspects([Suspect("1", None, "a", "b"), Suspect("1", None, "b", "c"), Suspect("2", "test", "a", "b")])
    assert suspects.mend("train", {"id": "1", "text": "t", "label": "a"})["label"] == "b"
    assert suspects.mend("train", {"id": "1", "text": "t", "label": "x"})["label"] == "x"
    assert suspects.mend("train", {"id": "2", "text": "t", "label": "a"})["label"] == "a"
    assert suspects.mend("test", {"id": "2", "text": "t", "label": "a"})["label"] == "b"
    seen = Suspects([Suspect("1", None, "a", "b", text="as it was")])
    assert seen.mend("train", {"id": "1", "text": "changed", "label": "a"})["label"] == "a"
    several = Suspects([Suspect("1", None, ["a", "b"], ["a"])])
    assert several.mend("train", {"id": "1", "text": "t", "labels": ["a", "b"]})["labels"] == ["a"]


@pytest.mark.parametrize(
    ("given", "suggested", "expected"),
    [
        ("PER", "ORG", [entity(0, 2, "ORG"), entity(5, 6, "LOC")]),
        ("PER", None, [entity(5, 6, "LOC")]),
        ("MISC", "ORG", [entity(0, 2, "PER"), entity(5, 6, "LOC")]),
    ],
)
def test_an_entity_is_renamed_or_goes(given: str, suggested: str | None, expected: list[Any]) -> None:
    row = {"id": "1", "text": "王芳住在 北", "entities": [entity(0, 2, "PER"), entity(5, 6, "LOC")]}
    assert Suspects([Suspect("1", None, given, suggested, 0, 2)]).mend("train", row)["entities"] == expected


def test_a_missed_entity_comes_once_and_never_over_another() -> None:
    row = {"id": "1", "text": "Anna met Tom", "entities": [entity(0, 4, "PER")]}
    missed = Suspects([Suspect("1", None, None, "PER", 9, 12), Suspect("1", None, None, "ORG", 2, 5)])
    once = missed.mend("train", row)
    assert once["entities"] == [entity(0, 4, "PER"), entity(9, 12, "PER")]
    assert missed.mend("train", once) == once
    in_its_place = Suspects([Suspect("1", None, None, "ORG", 0, 8), Suspect("1", None, "PER", None, 0, 4)])
    assert in_its_place.mend("train", row)["entities"] == [entity(0, 8, "ORG")]


def test_a_file_is_read_line_by_line_and_what_was_rejected_is_passed_over(write: Write) -> None:
    path = write(
        "suspects.jsonl",
        [
            {"id": "1", "given": "a", "suggested": "b", "score": 0.1},
            {"id": 2, "given": "a", "suggested": "b", "accept": False},
            {"id": "3", "start": 0, "end": 1, "given": "PER", "suggested": None, "accept": True},
        ],
    )
    assert len(Suspects.read(path)) == 2


def test_a_text_with_odd_ends_of_lines_is_one_line_of_the_file_whatever_editor_saved_it(tmp_path: Path) -> None:
    suspect = {"id": "1", "given": "a", "suggested": "b", "text": "一\u2028two\x85three"}
    path = tmp_path / "suspects.jsonl"
    path.write_text(json.dumps(suspect, ensure_ascii=False), encoding="utf-8-sig")
    row = {"id": "1", "text": suspect["text"], "label": "a"}
    assert Suspects.read(path).mend("train", row)["label"] == "b"
    path.write_text(json.dumps(suspect, ensure_ascii=False), encoding="utf-16")
    with pytest.raises(DataError, match="as UTF-8"):
        Suspects.read(path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"id": "1", "given": "a"}', "suspects.jsonl:2: column 'suggested'"),
        ('{"id": "1", "given": "a", "suggested": null}', "suspects.jsonl:2: column 'suggested'"),
        ("[1]", "suspects.jsonl:2: expected a JSON object"),
    ],
)
def test_a_line_that_says_nothing_is_told_with_its_place(line: str, expected: str, write: Write) -> None:
    path = write("suspects.jsonl", '{"id": "1", "given": "a", "suggested": "b"}\n' + line + "\n")
    with pytest.raises(DataError) as told:
        Suspects.read(path)
    assert expected in str(told.value)
    with pytest.raises(DataError, match="No such file"):
        Suspects.read(path.with_name("none.jsonl"))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"refund": 50, "refudn": 1, "refunds": 2, "efund": 1},
            {"refudn": "refund", "refunds": "refund", "efund": "refund"},
        ),
        ({"refund": 50, "refunds": 20}, {}),
        (
            {"挂失银行卡": 80, "挂失银行": 2, "挂失 银行卡": 90},
            {"挂失银行": "挂失 银行卡", "挂失银行卡": "挂失 银行卡"},
        ),
        ({"tier 1": 90, "tier 2": 1, "tier 12": 1}, {}),
        ({"paid": 80, "laid": 1}, {"laid": "paid"}),
        ({"yes": 80, "yet": 1}, {}),
        ({"Yes": 3, "yes": 3}, {"yes": "Yes"}),
    ],
)
def test_slips(counts: dict[str, int], expected: dict[str, str]) -> None:
    assert typos(counts) == expected
    merged = dict.fromkeys(counts.keys() - expected.keys(), 0)
    for label, count in counts.items():
        merged[expected.get(label, label)] += count
    assert typos(merged) == {}


def test_labels_are_renamed_wherever_they_stand() -> None:
    names = {"x": "y"}
    assert renamed({"label": "x"}, names) == {"label": "y"}
    assert renamed({"labels": ["x", "y", "z"]}, names) == {"labels": ["y", "z"]}
    assert renamed({"entities": [entity(0, 1, "x")]}, names) == {"entities": [entity(0, 1, "y")]}
