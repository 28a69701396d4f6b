"""The TextCNN: a maximum a filter for a text, and hidden states that end at the text's own characters."""

import pytest
import torch

from tunewheel.models import convolutional
from tunewheel.models.convolutional import TextCnn, TextCnnConfig
from tunewheel.models.network import Network
from tunewheel.tasks import Head

SIZES = {"vocab_size": 50, "embedding_size": 8, "hidden_size": 16, "bigrams": 97}
IDS = torch.tensor([[5, 9, 7, 31, 2, 18, 44, 6, 12, 3], [8, 4, 0, 0, 0, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
MASK = (IDS > 0).long()


@pytest.fixture(scope="module")
def body():
    torch.manual_seed(3)
    return TextCnn(TextCnnConfig(**SIZES)).eval()


@torch.inference_mode()
def hidden(body, ids, mask=None):
    return body(ids, torch.ones_like(ids) if mask is None else mask).last_hidden_state


def test_padding_changes_nothing_and_short_texts_are_read(body):
    together = hidden(body, IDS, MASK)
    assert together.shape == (3, 10, 16)
    for row, length in enumerate((10, 2, 1)):
        alone = hidden(body, IDS[row : row + 1, :length])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-6)
        assert alone.any()


def test_a_text_is_the_maximum_of_each_filter_over_its_own_characters(body):
    network = Network.on(body, Head("sequence", 2, "cross_entropy")).eval()
    with torch.inference_mode():
        features = network.features(IDS, MASK)
    together = hidden(body, IDS, MASK)
    for row, length in enumerate((10, 2, 1)):
        assert torch.allclose(features[row], together[row, :length].max(0).values, atol=1e-6)


def test_a_tagger_gets_every_character_and_sees_as_far_as_the_widest_filter(body):
    network = Network.on(body, Head("token", 3, "cross_entropy")).eval()
    before = hidden(body, IDS[:1])
    with torch.inference_mode():
        assert torch.equal(network.features(IDS[:1], MASK[:1]), before)
    changed = IDS[:1].clone()
    changed[0, 6] = 21
    moved = (hidden(body, changed) != before).any(-1)[0]
    # Five characters wide is two to each side; the bigram that begins one further left ends here.
    assert moved.nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 10), (20, 40)])
def test_what_recurs_is_computed_once_and_answers_the_same(monkeypatch, body, shape, precision):
    drawn = torch.Generator().manual_seed(5)
    ids = torch.randint(1, 12, shape, generator=drawn)
    mask = torch.arange(shape[1]) < torch.randint(1, shape[1] + 1, (shape[0], 1), generator=drawn)
    ids, mask = ids * mask, mask.long()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        monkeypatch.setattr(convolutional, "SHARED_FROM", ids.numel() + 1)
        usual = hidden(body, ids, mask)
        monkeypatch.setattr(convolutional, "SHARED_FROM", ids.numel())
        monkeypatch.setattr(torch.nn.Conv1d, "forward", None)
        shared = hidden(body, ids, mask)
    assert shared.shape == usual.shape
    assert torch.allclose(shared.float(), usual.float(), atol=1e-6 if precision == "fp32" else 0.02)


def test_filters_that_the_widths_cannot_share_are_refused():
    with pytest.raises(ValueError, match="hidden_size 10 cannot be shared by 4 widths"):
        TextCnn(TextCnnConfig(**{**SIZES, "hidden_size": 10}))
