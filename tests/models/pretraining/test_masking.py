import numpy as np
import pytest

from tunewheel.models.pretraining.masking import IGNORED, chosen, generator, masked, order
from tunewheel.models.pretraining.shards import word_starts


@pytest.fixture
def batch():
    rng = np.random.default_rng(1)
    begins = rng.random((64, 128)) < 0.6
    return rng.integers(5, 500, (64, 128)).astype(np.uint16), begins, rng.random((64, 128)) > 0.03


def test_whole_words_are_chosen_and_only_free_tokens(batch):
    _, begins, _ = batch
    picked = chosen(begins, np.ones_like(begins), 0.2, generator(1, 0))
    inside = ~begins[:, 1:]
    assert (picked[:, 1:] == picked[:, :-1])[inside].all()
    assert abs(picked.mean() - 0.2) < 0.02


def test_one_word_is_chosen_where_chance_chose_none():
    begins = np.array([[True, False, True, False, False, True]])
    free = np.array([[False, False, True, True, True, False]])
    picked = chosen(begins, free, 0.0, generator(1, 0))
    assert picked.tolist() == [[False, False, True, True, True, False]]
    assert not chosen(begins, np.zeros_like(free), 0.0, generator(1, 0)).any()


def test_tokens_that_are_not_free_stay(batch):
    _, begins, free = batch
    assert not (chosen(begins, free, 0.9, generator(1, 0)) & ~free).any()


def test_labels_stand_where_words_were_picked_and_eight_in_ten_are_masked(batch):
    ids, begins, free = batch
    picked = chosen(begins, free, 0.5, generator(1, 1))
    inputs, labels = masked(ids, picked, 4, 500, 5, generator(1, 2), keep=True)
    assert (labels[picked] == ids[picked]).all()
    assert (labels[~picked] == IGNORED).all()
    assert (inputs[~picked] == ids[~picked]).all()
    shares = [(inputs[picked] == 4).mean(), (inputs[picked] == ids[picked]).mean()]
    assert shares == pytest.approx([0.8, 0.1], abs=0.03)
    assert inputs.max() < 500
    assert inputs[picked].min() == 4


def test_a_generator_sees_masks_only(batch):
    ids, begins, free = batch
    picked = chosen(begins, free, 0.5, generator(1, 1))
    assert (masked(ids, picked, 4, 500, 5, generator(1, 2), keep=False)[0][picked] == 4).all()


def test_a_batch_is_masked_otherwise_in_every_step_and_alike_when_repeated(batch):
    _, begins, free = batch
    first, again, other = (chosen(begins, free, 0.2, generator(1, step)) for step in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()


def test_an_epoch_takes_every_sequence_once():
    assert sorted(order(100, 0, 13)) == list(range(100))
    assert list(order(100, 0, 13)) != list(order(100, 1, 13))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我爱自然语言处理", ["我", "爱", "自然语言", "处理"]),
        ("lost my card", ["lost", " ", "my", " ", "card"]),
        ("", []),
    ],
)
def test_words_begin_where_the_dictionary_has_them(text, words):
    starts = np.flatnonzero(word_starts(text))
    ends = [*starts[1:], len(text)][: len(starts)]
    assert [text[a:b] for a, b in zip(starts, ends, strict=True)] == words
