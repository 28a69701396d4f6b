import pytest

from tunewheel.data import DataError, Dataset
from tunewheel.data.clean.normalise import normalised
from tunewheel.data.pairs import group_pairs, query_pairs


def test_queries_and_groups_become_rows_of_two_texts():
    rows = [
        {"query": "card gone", "positive": "lost card", "negatives": ["card fee", "hours"]},
        {"query": "卡丢了", "positive": ["挂失", "卡不见了"], "group": 7},
    ]
    made = list(query_pairs(rows))
    assert [(r["sentence1"], r["sentence2"], r["label"], r["group"]) for r in made] == [
        ("card gone", "lost card", "same", "card gone"),
        ("card gone", "card fee", "not", "card gone"),
        ("card gone", "hours", "not", "card gone"),
        ("卡丢了", "挂失", "same", "7"),
        ("卡丢了", "卡不见了", "same", "7"),
    ]
    assert [(r["sentence1"], r["sentence2"]) for r in group_pairs({"g": ["a", "b", "a", "c"]})] == [
        ("a", "b"), ("a", "c"), ("b", "c")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"positive": "a"}, "query"),
        ({"query": "q", "positive": []}, "positive"),
        ({"query": "q", "positive": "p", "negatives": [3]}, "negatives"),
    ],
)
def test_a_row_that_is_no_query_is_named(row, column):
    with pytest.raises(DataError, match=rf"faq.jsonl.*2.*{column}"):
        list(query_pairs([{"query": "q", "positive": "p"}, row], "faq.jsonl"))


def test_no_question_stands_on_two_sides_of_a_split():
    groups = {f"g{i}": [f"question {i} wording {k} 问法" for k in range(4)] for i in range(30)}
    rows = [{**pair, "label": ("same", "not")[i % 2]} for i, pair in enumerate(group_pairs(groups))]
    data = Dataset.from_rows({"train": rows}, "matching", targets=("label",), group="group", dev=0.2, test=0.2)
    sides = [set(data[split]["group"]) for split in ("train", "dev", "test")]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_normalising_leaves_two_texts_two():
    row = {"text": "a  b \t ｃ\t d", "sentence1": "a  b ", "sentence2": " ｃ\t d", "label": "1"}
    assert normalised(row)["text"] == "a b\tc d"
    assert normalised(normalised(row)) == normalised(row)
    assert normalised({"text": "a\tb"})["text"] == "a b"
