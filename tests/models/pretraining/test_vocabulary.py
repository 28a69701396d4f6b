import pytest

from tunewheel.models.pretraining.vocabulary import common_characters, train_tokenizer

TEXTS = ["The card was lost. 卡丢了，怎么办？", "Ｔｈｅ ＣＡＲＤ 卡", "cards and carding"] * 20


@pytest.fixture(scope="module")
def wordpiece():
    return train_tokenizer(TEXTS, "wordpiece", 4400, 64)


def test_every_common_character_has_its_place(wordpiece):
    assert len(wordpiece) <= 4400
    assert wordpiece.unk_token_id not in wordpiece.convert_tokens_to_ids(common_characters())
    assert wordpiece.tokenize("卡丢了") == ["卡", "丢", "了"]


def test_width_and_case_are_folded_and_offsets_are_of_the_original(wordpiece):
    text = "丢了ＣＡＲＤ"
    found = wordpiece(text, return_offsets_mapping=True, add_special_tokens=False)
    assert wordpiece.convert_ids_to_tokens(found["input_ids"]) == ["丢", "了", "card"]
    assert [text[a:b] for a, b in found["offset_mapping"]] == ["丢", "了", "ＣＡＲＤ"]


def test_special_tokens_stand_around_a_text(wordpiece):
    ids = wordpiece("卡").input_ids
    assert wordpiece.convert_ids_to_tokens(ids) == ["[CLS]", "卡", "[SEP]"]


def test_bytes_lose_nothing():
    tokenizer = train_tokenizer(TEXTS, "bpe", 400, 64)
    for text in ("卡 丢了\n\t🙂 ﬁ", "Ünïcode"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_a_vocabulary_too_small_is_told():
    with pytest.raises(ValueError, match="3755 of them Chinese"):
        train_tokenizer(TEXTS, "wordpiece", 4000, 64)
    with pytest.raises(ValueError, match="256 of them bytes"):
        train_tokenizer(TEXTS, "bpe", 200, 64)
