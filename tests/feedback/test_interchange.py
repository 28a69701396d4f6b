"""Answers that go to a labelling tool come back as feedback on the same exchanges."""

import json

import pytest

from tunewheel.feedback.answers import FeedbackError
from tunewheel.feedback.interchange import exported, imported

ENTITY = {
    "exchange": "e1",
    "text": "在云杉超市刷卡",
    "prediction": {"entities": [{"start": 1, "end": 5, "label": "shop", "confidence": 0.4}]},
}
LABEL = {"exchange": "e2", "text": "my card is gone", "prediction": {"label": "lost", "confidence": 0.4}}


@pytest.mark.parametrize(
    ("row", "target", "answer"),
    [
        (ENTITY, "entities", {"entities": [{"start": 1, "end": 5, "label": "shop"}]}),
        (LABEL, "label", {"label": "lost"}),
        (LABEL, "labels", {"labels": ["lost"]}),
    ],
)
def test_a_suggestion_that_is_left_as_it_is_comes_back_from_doccano(tmp_path, row, target, answer) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text("\n".join(exported([row], "doccano")), encoding="utf-8")
    assert imported(file, "doccano", target) == [{"exchange": row["exchange"], **answer}]


@pytest.mark.parametrize(("row", "target"), [(ENTITY, "entities"), (LABEL, "label")])
def test_an_annotation_comes_back_from_label_studio_with_who_made_it(tmp_path, row, target) -> None:
    (task,) = json.loads("\n".join(exported([row], "label-studio")))
    annotation = {"result": task["predictions"][0]["result"], "completed_by": {"email": "a@b.c"}}
    skipped = {"result": [], "was_cancelled": True, "completed_by": 2}
    file = tmp_path / "export.json"
    file.write_text(json.dumps([{**task, "annotations": [annotation, skipped]}]), encoding="utf-8")
    (item,) = imported(file, "label-studio", target)
    assert item["exchange"] == row["exchange"] and item["source"] == "label-studio/a@b.c"
    if target == "label":
        assert item["label"] == "lost"
    else:
        assert item["entities"] == [{"start": 1, "end": 5, "label": "shop"}]


def test_a_text_of_its_own_needs_no_exchange_and_what_nobody_labelled_is_left_out(tmp_path) -> None:
    file = tmp_path / "all.jsonl"
    file.write_text('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n', encoding="utf-8")
    assert imported(file, "doccano", "label") == [{"text": "a", "label": "x"}]


def test_doccanos_named_spans_are_read_too(tmp_path) -> None:
    file = tmp_path / "all.jsonl"
    span = {"id": 1, "start_offset": 0, "end_offset": 1, "label": "x"}
    file.write_text(json.dumps({"text": "a", "entities": [span]}), encoding="utf-8")
    assert imported(file, "doccano", "entities") == [{"text": "a", "entities": [{"start": 0, "end": 1, "label": "x"}]}]


def test_a_file_is_read_in_its_encoding_and_its_lines_end_where_json_lines_do(tmp_path) -> None:
    file = tmp_path / "all.jsonl"
    lines = [{"text": "卡丢了\u2028快", "label": ["丢失"]}, {"text": "b", "label": ["x"]}]
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\r\n" for line in lines), encoding="gb18030")
    told = [{"text": "卡丢了\u2028快", "label": "丢失"}, {"text": "b", "label": "x"}]
    assert imported(file, "doccano", "label") == told
    file.write_bytes(b"\x00\x01\x02")
    with pytest.raises(FeedbackError, match="a binary file; fix: export it"):
        imported(file, "doccano", "label")


@pytest.mark.parametrize(
    ("content", "form", "told"),
    [
        ("{", "doccano", "line 1: not JSON"),
        ("[1]", "doccano", "line 1: expected an object"),
        ('{"label": ["x"]}', "doccano", "line 1: it has neither an exchange nor a text"),
        ('{"text": "a", "label": ["x", "y"]}', "doccano", "line 1: expected one label, found x, y"),
        ("{}", "label-studio", "expected a list of tasks"),
        ("[1]", "label-studio", "task 1: expected an object with 'data'"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_place(tmp_path, content, form, told) -> None:
    file = tmp_path / "file"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(FeedbackError, match=told):
        imported(file, form, "label")
