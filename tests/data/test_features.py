"""Light features: like texts near each other in both languages, memory bounded, odd texts no error."""

import numpy as np
import pytest

from noisy import intents
from tunewheel.data import features
from tunewheel.data.features import grams, sample, text_features, text_vectors, unit, words

LANGUAGES = pytest.mark.parametrize("lang", ["en", "zh"])


@LANGUAGES
def test_texts_of_one_kind_are_near_each_other(lang):
    texts, labels = intents(lang, 150)
    for vectors in (text_features(texts).toarray(), text_vectors(texts, width=32)):
        like = vectors @ vectors.T
        same = np.array(labels)[:, None] == np.array(labels)[None]
        assert like[same].mean() > 3 * abs(like[~same].mean())
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_both_languages_stand_in_one_matrix_and_share_what_they_share():
    assert set(grams("pay 退款 fee")) == set(grams("pay fee")) | {"退", "款", "退款"}
    assert words("Ｐay, 退款单") == ["pay", "退款", "款单"]


def test_vectors_are_fitted_on_a_sample_and_blocks_change_nothing(monkeypatch):
    texts, _ = intents("en", 300)
    whole = text_vectors(texts, width=16)
    monkeypatch.setattr(features, "_BLOCK", 7)
    assert np.allclose(text_vectors(texts, width=16), whole, atol=1e-5)
    monkeypatch.setattr(features, "FITTED", 100)
    fitted = text_vectors(texts, width=16)
    assert fitted.shape == (300, 16) and not np.allclose(fitted, whole, atol=1e-2)


def test_columns_are_bounded(monkeypatch):
    monkeypatch.setattr(features, "COLUMNS", 40)
    assert text_features(intents("zh", 90)[0]).shape == (90, 40)


@pytest.mark.parametrize("texts", [[], [""], ["?!", "…"], ["same"] * 5, ["a", "", "退"]])
def test_odd_texts_are_no_error(texts):
    assert text_features(texts).shape[0] == len(texts)
    vectors = text_vectors(texts)
    assert len(vectors) == len(texts) and np.isfinite(vectors).all()
    assert all(vectors[i].any() == bool(words(text)) for i, text in enumerate(texts))


def test_a_sample_is_said_and_follows_the_seed():
    some = sample(1000, 10, 3)
    assert len(set(some.rows.tolist())) == 10 and some.total == 1000 and not some.whole
    assert (some.rows == sample(1000, 10, 3).rows).all() and (some.rows != sample(1000, 10, 4).rows).any()
    assert sample(10, None, 3).whole


def test_a_row_of_zeros_has_no_direction():
    assert unit([[3, 4], [0, 0]]).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


def test_texts_of_one_feature_are_vectors_too():
    vectors = text_vectors(["x", "x", "?"])
    assert vectors.shape[0] == 3 and np.isfinite(vectors).all()
