import pytest
import torch
from torch import nn

from tiny import intent_rows
from tunewheel.models import Recipe, prepare
from tunewheel.models.acceleration import ByteDropout, fuse_projections, plain_attention, plain_products, set_dropout
from tunewheel.models.network import Network
from tunewheel.models.pretraining.build import encoder
from tunewheel.models.pretraining.vocabulary import train_tokenizer
from tunewheel.tasks import Head
from tunewheel.tasks.classification import Classification


def test_byte_dropout_keeps_the_mean_and_drops_the_share():
    torch.manual_seed(1)
    layer = ByteDropout(0.1)
    x = torch.ones(1_000_003)
    y = layer(x)
    dropped = (y == 0).float().mean().item()
    assert dropped == pytest.approx(13 / 128, abs=2e-3)
    assert y.mean().item() == pytest.approx(1, abs=3e-3)
    # All eight bytes of a random number are coins: each position drops alike.
    for lane in range(8):
        assert (y[lane::8] == 0).float().mean().item() == pytest.approx(13 / 128, abs=4e-3)


def test_byte_dropout_passes_the_gradient_through_its_mask():
    x = torch.ones(64, requires_grad=True)
    y = ByteDropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_byte_dropout_is_the_identity_outside_training_and_repeats_with_the_seed():
    layer, x = ByteDropout(0.3), torch.randn(100)
    torch.manual_seed(5)
    first = layer(x)
    torch.manual_seed(5)
    assert torch.equal(first, layer(x))
    assert torch.equal(layer.eval()(x), x)


def test_fused_projections_give_the_same_outputs_and_gradients(tiny_base):
    from transformers import AutoModel

    def run(fused):
        model = AutoModel.from_pretrained(tiny_base, attn_implementation="sdpa").train()
        set_dropout(model, 0.0, 0.0)
        assert (fuse_projections(model) if fused else 2) == 2
        ids = torch.tensor([[5, 6, 7, 8, 0, 0], [9, 10, 11, 12, 13, 14]])
        out = model(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
        out[0, :4].square().sum().backward()
        return out.detach(), model.encoder.layer[0].attention.self.key.weight.grad

    for ours, theirs in zip(run(True), run(False), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_adapted_projections_are_asked_and_not_joined(tiny_base):
    from transformers import AutoModel

    class Twice(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    def run(fused):
        model = AutoModel.from_pretrained(tiny_base, attn_implementation="sdpa").train()
        set_dropout(model, 0.0, 0.0)
        block = model.encoder.layer[0].attention.self
        block.query.__class__ = Twice
        assert (fuse_projections(model) if fused else 2) == 2
        return model(input_ids=torch.tensor([[5, 6, 7, 8]])).last_hidden_state

    assert torch.allclose(run(True), run(False), atol=1e-5)


@pytest.mark.parametrize("masked", ["not", "bool", "additive"])
def test_plain_attention_is_the_fused_kernels(masked):
    torch.manual_seed(2)
    query, key, value = torch.randn(3, 2, 4, 7, 8, dtype=torch.float64)
    mask = None
    if masked != "not":
        mask = torch.ones(2, 1, 7, 7, dtype=torch.bool)
        mask[0, :, :, 5:] = False
    if masked == "additive":
        mask = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, float("-inf"))
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=0.3)
    assert torch.allclose(plain_attention(query, key, value, mask, 0.3), theirs)


def test_bf16_training_takes_plain_attention_and_stays_close_to_fp32(tiny_base, monkeypatch):
    from transformers import AutoModel

    from tunewheel.models import acceleration

    calls = []
    monkeypatch.setattr(acceleration, "plain_attention", lambda *a: calls.append(1) or plain_attention(*a))
    model = AutoModel.from_pretrained(tiny_base, attn_implementation="sdpa").train()
    set_dropout(model, 0.0, 0.0)
    fuse_projections(model)
    ids = torch.tensor([[5, 6, 7, 8, 0, 0], [9, 10, 11, 12, 13, 14]])
    exact = model(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
    assert not calls
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
    assert len(calls) == 2
    assert torch.allclose(rough[1].float(), exact[1], atol=0.05)


def test_plain_products_are_the_fused_kernels_and_last_no_longer_than_the_training():
    torch.manual_seed(0)
    network = Network.on(encoder(2, 32, 2, 50, 16), Head("sequence", 2, "cross_entropy")).eval()
    batch = {"input_ids": torch.randint(5, 50, (3, 9)), "attention_mask": torch.ones(3, 9, dtype=torch.long)}
    batch["attention_mask"][1, 5:] = 0
    fused = network(**batch).logits
    with plain_products(network):
        assert network.backbone.config._attn_implementation == "eager"
        plain = network(**batch).logits
    assert network.backbone.config._attn_implementation == "sdpa"
    assert torch.allclose(fused, plain, atol=1e-5)


@pytest.mark.parametrize(("precision", "attention"), [("bf16", "eager"), ("fp32", "sdpa")])
def test_a_base_without_fusible_projections_trains_in_bf16_by_plain_products(precision, attention, tmp_path):
    tokenizer = train_tokenizer((row["text"] for row in intent_rows(200)), "wordpiece", 8000, 32)
    encoder(1, 32, 2, len(tokenizer), 32).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    rows, seen = intent_rows(16), []
    recipe = Recipe(epochs=1, batch_tokens=128, precision=precision)
    ready = prepare(Classification(("balance", "lost")), str(tmp_path / "base"), rows, recipe)
    network = ready.untrained.network
    network.backbone.register_forward_pre_hook(lambda m, _: seen.append(m.config._attn_implementation))
    model, _ = ready.train(rows, (), tmp_path / "run")
    assert set(seen) == {attention}
    assert model.network.backbone.config._attn_implementation == "sdpa"
