import pytest

from tunewheel.models.language.similar import Shelf

ROWS = [
    {"text": "我的卡丢了", "label": "lost"},
    {"text": "卡片丢失怎么办", "label": "lost"},
    {"text": "卡丢了，请挂失", "label": "lost"},
    {"text": "what is my balance", "label": "balance"},
    {"text": "balance of my account", "label": "balance"},
]


def shown(text, k, **options):
    return [row["text"] for row in Shelf(ROWS, **options).nearest([text], k)[0]]


def test_the_likest_row_stands_last():
    assert shown("我的卡丢了", 2) == ["卡丢了，请挂失", "我的卡丢了"]
    assert shown("What is my balance?", 1) == ["what is my balance"]
    assert len(shown("x", 99)) == len(ROWS)


def test_a_balanced_choice_gives_no_label_more_than_its_share():
    assert sum("balance" in text for text in shown("卡丢了", 2)) == 0
    assert sum("balance" in text for text in shown("卡丢了", 2, balanced=True)) == 1
    assert shown("卡丢了", 4, balanced=True)[-1] == "卡丢了，请挂失"
    assert len(shown("卡丢了", 5, balanced=True)) == 5


def test_texts_without_a_word_are_no_error():
    assert Shelf([]).nearest(["a", "b"], 3) == [[], []]
    assert Shelf([{"text": "!!", "label": "x"}]).nearest(["??"], 3)[0][0]["label"] == "x"


def test_a_base_can_compare_instead(tiny_base):
    assert shown("what is my balance", 1, vectors=str(tiny_base)) == ["what is my balance"]


@pytest.mark.parametrize("balanced", [False, True])
def test_the_same_text_gets_the_same_rows(balanced):
    assert shown("hello", 3, balanced=balanced) == shown("hello", 3, balanced=balanced)
