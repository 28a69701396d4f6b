"""Prompts and their answers: what is inferred, how rows are shaped, and what is said of bad ones."""

import json

import pytest

from tunewheel.data import DataError, Dataset
from tunewheel.data.check import check
from tunewheel.data.passage import Passage
from tunewheel.data.streams import Unfit

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "卡丢了"},
    {"role": "assistant", "content": "哪张卡？"},
    {"role": "user", "content": "The blue one."},
    {"role": "assistant", "content": "已冻结。"},
]


def read(*rows, **options):
    data = Dataset.from_rows({"train": list(rows)}, **options)
    return data, list(data["train"])


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "卡丢了怎么办", "response": "请先冻结"},
        {"instruction": "卡丢了怎么办", "output": "请先冻结", "input": ""},
        {"prompt": "卡丢了怎么办", "completion": "请先冻结"},
        {"question": "卡丢了怎么办", "answer": "请先冻结卡片再补办"},
        {"指令": "卡丢了怎么办", "回答": "请先冻结"},
    ],
)
def test_columns_of_prompts_and_answers_are_found(row):
    data, rows = read(row)
    assert (data.task, data.labels) == ("generation", ())
    assert rows[0]["text"] == "卡丢了怎么办" and rows[0]["answer"].startswith("请先冻结")


def test_texts_and_their_labels_stay_what_they_are():
    few = [{"question": f"Where is card {i}?", "answer": ("lost", "found")[i % 2]} for i in range(20)]
    assert read(*few)[0].task == "classification"
    assert (
        read({"input": "my card", "output": "lost"}, {"input": "my money", "output": "pay"})[0].task == "classification"
    )
    assert read(*few, task="generation")[0].task == "generation"


def test_an_instruction_and_what_it_is_about_make_one_prompt():
    _, rows = read({"instruction": "Translate.", "input": "卡", "output": "card", "system": "Be brief."})
    assert rows[0]["text"] == "system: Be brief.\n\nuser: Translate.\n\n卡"
    assert rows[0]["messages"][1] == {"role": "user", "content": "Translate.\n\n卡"}


def test_a_conversations_last_message_is_its_answer_and_revisions_keep_all():
    data, rows = read({"id": "7", "messages": TALK, "channel": "app"})
    assert rows[0]["answer"] == "已冻结。" and rows[0]["messages"] == TALK[:-1] and rows[0]["channel"] == "app"
    assert rows[0]["text"].endswith("assistant: 哪张卡？\n\nuser: The blue one.")
    assert data.edited(lambda split, at, row: row, note="nothing").fingerprint == data.fingerprint
    assert list(data.revise(rows)["train"]) == rows
    cleaned = data.edited(lambda split, at, row: {**row, "text": "user: [CARD]"}, note="masked")
    assert next(iter(cleaned["train"]))["text"] == "user: [CARD]"


def test_preferences_have_an_answer_that_was_liked_less():
    data, rows = read({"prompt": "卡呢", "chosen": "在路上", "rejected": "不知道"})
    assert (rows[0]["answer"], rows[0]["rejected"]) == ("在路上", "不知道")
    assert any("dpo" in note for note in data.notes)


def test_a_csv_holds_messages_as_json(tmp_path):
    import csv

    with (tmp_path / "talk.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["messages"], [json.dumps(TALK)], [json.dumps(TALK[1:3])]])
    data = Dataset.read(tmp_path / "talk.csv", dev=0, test=0)
    assert [row["answer"] for row in data["train"]] == ["已冻结。", "哪张卡？"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "a", "response": " "}, "train:2: column 'response': expected an answer, found nothing but blanks"),
        ({"prompt": "a"}, "train:2: column 'response': expected an answer, found no such column"),
        ({"prompt": 3, "response": "b"}, "train:2: column 'prompt': expected a prompt, found 3 (int)"),
    ],
)
def test_bad_rows_are_told_with_row_and_column(row, told):
    good = [{"prompt": "Where is it?", "response": "In the post."}]
    with pytest.raises(DataError) as error:
        read(*good, row, good[0])
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (TALK[:-1], "messages that end with the assistant's"),
        ([{"role": "boss", "content": "x"}], "a message whose role is system, user, assistant"),
        ([TALK[1], TALK[0], TALK[2]], "a system message only before the others"),
        ([TALK[1], {"role": "assistant", "content": ""}], "a message's content"),
    ],
)
def test_bad_conversations_are_told(messages, told):
    with pytest.raises(DataError, match=told):
        read({"messages": TALK}, {"messages": messages})


def test_what_cannot_be_told_is_asked_for():
    with pytest.raises(DataError, match="--label"):
        read({"text": "a", "label": "b"}, task="generation")
    assert read({"ask": "a", "say": "b"}, task="generation", text="ask", label="say")[1][0]["answer"] == "b"


def test_splits_and_checks_work_on_them():
    rows = [{"prompt": f"Where is card {i}?", "response": f"Card {i} 在路上。"} for i in range(60)]
    rows += [{"prompt": "Where is card 1?", "response": "Ask again."}]
    data = Dataset.from_rows({"train": rows}, dev=0.2, test=0.2)
    assert {name: 10 < count < 40 for name, count in data.rows.items()} == {"train": True, "dev": True, "test": True}
    found = check(data)
    assert found.task == "generation"
    assert not {"labels", "spans", "suspects"} & set(found.families)
    # One prompt may have two answers.
    assert not any(finding.kind == "conflicts" for finding in found.findings)


def test_a_stream_of_prompts_is_read_as_a_dataset_is():
    rows = [(1, {"messages": TALK}), (2, {"messages": TALK[:2]}), (3, {"messages": "x"})]
    read = list(Passage(iter(rows), None, skip=True, asks=True).texts())
    assert [row["messages"] for row in read] == [TALK[:-1], TALK[:2]]
    assert list(Passage(iter([(1, {"prompt": "卡呢", "response": "x"})]), None, asks=True).texts()) == [
        {"text": "卡呢"}
    ]
    with pytest.raises(Unfit, match=r"<rows>:3: .*expected a prompt"):
        list(Passage(iter(rows), None, asks=True).texts())
