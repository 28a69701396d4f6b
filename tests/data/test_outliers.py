"""The texts unlike all the others, in both languages, and none where there are none."""

import numpy as np
import pytest

from noisy import intents
from tunewheel.data.features import text_vectors
from tunewheel.data.outliers import outliers

ODD = {"en": "grandmother's plum cake needs two hours in the oven", "zh": "外婆做的梅子蛋糕要烤两个小时"}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_odd_text_comes_first(lang):
    texts, _ = intents(lang, 300)
    texts[70] = ODD[lang]
    found = outliers(text_vectors(texts, width=64))
    assert found.rows[0] == 70 and found.distances[0] > found.threshold
    assert len(found.rows) < 10 and (np.diff(found.distances) <= 0).all()


def test_a_handful_of_like_outliers_is_found():
    draw = np.random.default_rng(1)
    vectors = np.concatenate([draw.normal(3, 0.2, (300, 8)), draw.normal(-3, 0.01, (5, 8))])
    assert set(outliers(vectors).rows[:5].tolist()) == set(range(300, 305))
    # More of them than neighbours are asked for are a group of their own.
    assert 300 not in outliers(vectors, nearest=3).rows


def test_of_one_cloud_next_to_none_are_called_outliers():
    called = [len(outliers(np.random.default_rng(seed).normal(0, 1, (500, 16))).rows) / 500 for seed in range(10)]
    assert np.mean(called) < 0.01


def test_copies_do_not_make_everything_else_an_outlier():
    texts, _ = intents("en", 60)
    found = outliers(text_vectors([*texts, *["my card is lost"] * 100], width=32))
    assert len(found.rows) < 15 and outliers(np.ones((50, 4))).rows.tolist() == []


def test_many_rows_are_sampled_and_the_rows_keep_their_numbers():
    vectors = np.random.default_rng(1).normal(3, 0.2, (400, 8))
    vectors[::40] *= -1
    found = outliers(vectors, most=300)
    seen = set(found.sample.rows.tolist()) & set(range(0, 400, 40))
    assert set(found.rows[: len(seen)].tolist()) == seen and found.sample.total == 400


def test_two_rows_have_no_others_and_no_neighbours_are_refused():
    assert len(outliers(np.eye(2)).rows) == 0
    with pytest.raises(ValueError, match="nearest counts from 1, got 0"):
        outliers(np.eye(3), nearest=0)
