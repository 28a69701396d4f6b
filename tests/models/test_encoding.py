import pytest
from transformers import AutoTokenizer

from tunewheel.models.characters import character_tokenizer
from tunewheel.models.encoding import TextEncoder, lower_cases, shapes_of, word_shape
from tunewheel.tasks import IGNORED, Part, Window


@pytest.fixture(scope="module")
def encoder(tiny_base):
    return TextEncoder(AutoTokenizer.from_pretrained(tiny_base), window=32, shapes=True)


def test_shapes_tell_cases_digits_and_signs_apart():
    kinds = ["berlin", "Berlin", "BERLIN", "B", "McCain", "1996", "U.S", "x-ray", "3rd"]
    assert len({word_shape(kind) for kind in kinds}) == len(kinds)
    assert 0 not in map(word_shape, kinds)


def test_a_words_shape_ignores_the_punctuation_around_it():
    text = '("Berlin", 北京'
    offsets = [(0, 1), (1, 2), (2, 5), (5, 8), (8, 9), (9, 10), (11, 12), (12, 13)]
    shape = word_shape("Berlin")
    assert shapes_of(text, offsets) == [0, 0, shape, shape, 0, 0, 0, 0]


def test_pieces_point_at_their_characters(encoder):
    text = "My Card 卡丢了 — naïve  test"
    pieces = encoder([text])[0]
    assert len(pieces.ids) == len(pieces.offsets) == len(pieces.shapes)
    assert all(0 <= a < b <= len(text) for a, b in pieces.offsets)
    assert "".join(text[a:b] for a, b in pieces.offsets) == text.replace(" ", "")


def test_collate_pads_and_wraps(encoder):
    windows = [Window([5, 6], [1, 2], (Part(0, 0, 2, 0),), [1, 2]), Window([7], [3], (Part(1, 0, 1, 0),), [0])]
    batch = encoder.collate(windows)
    cls, sep = encoder.prefix[0], encoder.suffix[0]
    assert batch["input_ids"].tolist() == [[cls, 5, 6, sep], [cls, 7, sep, encoder.pad]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["shape_ids"].tolist() == [[0, 1, 2, 0], [0, 3, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 1, 2, IGNORED], [IGNORED, 0, IGNORED, IGNORED]]
    assert encoder.room == 30


def test_character_tokenizer_keeps_offsets_and_case():
    tokenizer = character_tokenizer(["卡丢了 Ab", "卡 Ab"])
    encoder = TextEncoder(tokenizer, window=16, shapes=False)
    pieces = encoder(["卡 Ab丢\n"])[0]
    assert pieces.offsets == [(0, 1), (2, 3), (3, 4), (4, 5)]
    assert pieces.ids[-1] == tokenizer.unk_token_id
    assert not lower_cases(tokenizer)
    assert encoder.prefix == encoder.suffix == []


def test_slow_tokenizers_are_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="slow tokenizer"):
        TextEncoder(Slow(), window=8, shapes=False)
