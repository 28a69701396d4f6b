"""Words that name topics, in both languages."""

import pytest

from tunewheel.data.topics.words import told_words, topic_names, topic_words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I don't know where my bank's card is", ["know", "bank", "card"]),
        ("我想要一张新的银行卡，为什么还没有到？", ["银行卡"]),
        ("the ATM 在银行 ate 3 cards", ["atm", "银行", "ate", "cards"]),
        ("write to [EMAIL] or [ID_NUMBER]", ["write"]),
    ],
)
def test_stop_words_numbers_and_masks_tell_nothing(text, told):
    assert told_words(text) == told


def test_a_word_that_stands_everywhere_names_no_topic():
    counts = [{"near": 30, "rent": 30, "lift": 10, "once": 1}, {"near": 30, "boiler": 20, "radiator": 16}]
    assert topic_words(counts) == [["rent", "lift"], ["boiler", "radiator"]]


def test_a_topic_alone_has_words_all_the_same():
    assert topic_words([{"fee": 2, "card": 1}], 1) == [["fee"]]


def test_names_say_each_word_once_and_no_name_twice():
    told = [["identity", "verify", "verification", "card", "cards", "proof"]] * 3
    assert topic_names(told) == ["identity verify card", "identity verify card proof", "identity verify card proof 2"]
    assert topic_names([["转账", "转账失败", "余额", "银行"]]) == ["转账 余额 银行"]
