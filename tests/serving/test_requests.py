"""What a row may be, task by task, and what becomes of the rest of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tunewheel.serving.errors import BadRow, ServiceError
from tunewheel.serving.fleet import Served, targets_of
from tunewheel.serving.probes import probe_rows, wrong_with
from tunewheel.serving.requests import checked
from tunewheel.serving.waiting import Limits


def served(task: str = "classification", labels: tuple[str, ...] = ("a", "b")) -> Served:
    writes = task == "generation"
    told = ("torch-fp32", ("text",), writes, Path("none"))
    return Served("m", "m:1", 1, "champion", task, labels, *told, since=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", " ", "\x00", "a\tb", "银行卡 🙂", "\ufeff\u202e"])
def test_any_whole_text_is_taken_as_it_is(text):
    assert checked([{"text": text}], served(), Limits()) == [{"text": text}]


def test_nothing_but_the_text_is_read_so_that_no_request_shares_a_window_with_another():
    row = {"text": "Anna", "document": "1", "tokens": [{"start": 0, "end": 99}], "id": float("nan")}
    assert checked([row], served("ner"), Limits()) == [{"text": "Anna"}]


def test_a_pair_comes_as_one_text_or_as_two_and_one_alone_is_refused():
    limits = Limits(characters=3)
    assert checked([{"sentence1": "a\tb", "sentence2": "c"}], served("matching"), limits) == [{"text": "a b\tc"}]
    assert checked([{"text": "a\tb"}], served("matching"), limits) == [{"text": "a\tb"}]
    with pytest.raises(BadRow, match="row 2: text: expected two texts"):
        checked([{"text": "a\tb"}, {"text": "ab"}], served("matching"), limits)
    with pytest.raises(BadRow, match="sentence2: 4 characters"):
        checked([{"sentence1": "a", "sentence2": "four"}], served("matching"), limits)


def test_who_writes_is_asked_by_messages_too():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "卡呢？"}]
    (row,) = checked([{"messages": messages}], served("generation"), Limits())
    assert row == {"text": "system: Be brief.\n\nuser: 卡呢？", "messages": messages}


@pytest.mark.parametrize(
    "messages",
    [
        [],
        ["a"],
        [{"role": "root", "content": "a"}],
        [{"role": "user", "content": 5}],
        [{"role": "user", "content": "\udc00"}],
        [{"role": "user", "content": "x" * 101}],
        [{"role": "user", "content": {"deep": [[[[]]]]}}],
    ],
)
def test_messages_that_are_none_are_refused(messages):
    with pytest.raises(BadRow, match=r"^row 1: "):
        checked([{"messages": messages}], served("generation"), Limits(characters=100))


def answers(task: str, **change) -> list[dict]:
    prediction = {"entities": []} if task == "ner" else {"label": "a", "confidence": 0.9}
    every = [{"prediction": dict(prediction)} for _ in probe_rows(task, writes=False)]
    every[1]["prediction"] |= change
    return every


def test_probes_are_answered_in_the_form_of_the_task():
    assert wrong_with(answers("classification"), answers("classification", confidence=0.90005), served()) is None
    assert wrong_with(answers("ner"), None, served("ner")) is None
    assert wrong_with(answers("matching"), None, served("matching")) is None


@pytest.mark.parametrize(
    ("task", "change", "wrong"),
    [
        ("classification", {"label": "c"}, "probe 2 is answered with 'c', which is none of its labels"),
        ("classification", {"labels": ["a", "c"]}, "which is none of its labels"),
        ("ner", {"entities": [{"start": 0, "end": 900, "label": "a"}]}, "an entity from 0 to 900 in a text of 77"),
        ("ner", {"entities": [{"start": 3, "end": 3, "label": "a"}]}, "an entity from 3 to 3"),
        ("ner", {"entities": [{"start": 0, "end": 3, "label": "c"}]}, "which is none of its labels"),
        ("classification", {"confidence": 0.8}, "probe 2 is answered differently"),
    ],
)
def test_probes_that_are_answered_in_no_such_form_are_told(task, change, wrong):
    assert wrong in str(wrong_with(answers(task, **change), answers(task), served(task)))


def test_probes_that_are_not_answered_are_told():
    assert wrong_with(answers("ner")[1:], None, served("ner")) == "7 answers to 8 probes"
    assert wrong_with([{"error": "no"}] * 8, None, served()) == "probe 1: no"
    assert wrong_with([{"prediction": {}}] * 8, None, served()) == "probe 1 has an empty answer"


def test_a_folder_whose_name_would_be_taken_for_a_version_is_not_served(tmp_path):
    folder = tmp_path / "tickets:3"
    folder.mkdir()
    (folder / "tunewheel.json").touch()
    with pytest.raises(ServiceError, match="name it without ':'"):
        targets_of([str(folder), "tickets"])
