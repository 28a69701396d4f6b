"""Prompts, their answers and conversations in the data commands: nothing of them is passed over."""

import pyarrow as pa
import pytest

from tunewheel.data import Dataset
from tunewheel.data.check.corpus import Corpus
from tunewheel.data.check.personal import Personal
from tunewheel.data.clean.normalise import normalised
from tunewheel.data.conversation import messages_of
from tunewheel.lineage.rows import containing, with_text

ROWS = [
    {"prompt": "Who calls me back?", "chosen": "Mr Zebedee will", "rejected": "ring 13812345678"},
    {"prompt": "谁回电给我？", "chosen": "拨打13987654321", "rejected": "不知道"},
]


def test_personal_data_in_answers_is_seen():
    found = Personal()
    for row in Corpus(Dataset.from_rows({"train": ROWS})).rows():
        found.add(row)
    (draft,) = found.drafts()
    assert draft.values["kinds"] == {"PHONE": 2} and found.rows == 2


@pytest.mark.parametrize(("part", "place"), [("zebedee", [0]), ("不知道", [1]), ("13812345678", [0]), ("卡", [])])
def test_rows_are_found_by_what_answers_them(part, place):
    batch = pa.RecordBatch.from_pylist(
        [{"text": row["prompt"], "answer": row["chosen"], "rejected": row["rejected"]} for row in ROWS]
    )
    assert containing(part)(batch) == place


def test_rows_are_found_by_either_text_of_a_pair():
    batch = pa.RecordBatch.from_pylist([{"text": "关于 卡\tabout cards"}, {"text": "about  cards"}])
    assert with_text("关于 卡")(batch) == [0]
    assert with_text("about cards")(batch) == [0, 1]


def test_a_normalised_conversation_is_still_one():
    said = [{"role": "system", "content": "简短  回答"}, {"role": "user", "content": "卡呢？\n\n急"}]
    row = {"text": "system: 简短  回答\n\nuser: 卡呢？\n\n急", "messages": said, "answer": "在路上"}
    made = normalised(row)
    assert [each["content"] for each in messages_of(made)] == ["简短 回答", "卡呢?\n急"]
    assert [each["role"] for each in messages_of(made)] == ["system", "user"]


def test_two_texts_can_be_named_without_naming_the_task(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("query,answer,ok\nwhere is it,on its way,yes\nwhere is it,no idea,no\n" * 5, encoding="utf-8")
    dataset = Dataset.read(path, text="query,answer", label="ok", dev=0.0, test=0.0)
    assert next(iter(dataset["train"]))["text"] == "where is it\ton its way"
