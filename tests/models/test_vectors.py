"""Sentence vectors of a base: the mean of a text's own pieces, whole texts, in order."""

import numpy as np
import pytest
import torch

from tunewheel.models import BackboneError
from tunewheel.models.backbones import FROM_NOTHING, load_backbone
from tunewheel.models.vectors import sentence_vectors

TEXTS = ["my card is gone", "卡丢了", "a much longer text about a card that is gone", ""]


def test_they_are_the_mean_over_a_texts_own_pieces(tiny_base):
    backbone = load_backbone(str(tiny_base), ())
    vectors = sentence_vectors(str(tiny_base), TEXTS)
    assert vectors.shape == (4, 32) and vectors.dtype == np.float32
    for text, vector in zip(TEXTS[:3], vectors[:3], strict=True):
        with torch.no_grad():
            hidden = backbone.model.eval()(**backbone.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        # The first and the last are special tokens.
        assert np.allclose(vector, hidden[1:-1].mean(0).numpy(), atol=1e-5)
    assert not vectors[3].any()


def test_the_end_of_a_long_text_counts(tiny_base):
    start = "my card is gone " * 40
    one, other = sentence_vectors(str(tiny_base), [start + "balance", start + "number"])
    assert not np.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("base", FROM_NOTHING)
def test_a_base_without_learned_weights_is_refused(base):
    with pytest.raises(BackboneError, match=f"'{base}' starts from random weights"):
        sentence_vectors(base, TEXTS)
