"""QLoRA: refused where four bits cannot be had; with a stand-in for bitsandbytes, the way of the weights."""

from types import SimpleNamespace

import pytest
import torch

from tiny import intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.methods import method_class, qlora
from tunewheel.models.methods.qlora import BLOCK, FourBits, QLora
from tunewheel.tasks.classification import Classification

TASK = Classification(("balance", "lost"))


def quantize_4bit(weight, *, blocksize, quant_type):
    assert (blocksize, quant_type) == (BLOCK, "nf4")
    blocks = weight.reshape(-1, blocksize)
    scales = blocks.abs().amax(1)
    codes = ((blocks / scales[:, None]) * 7).round().add(7).to(torch.uint8).reshape(-1)
    return codes[::2] * 16 + codes[1::2], SimpleNamespace(absmax=scales)


def dequantize_4bit(packed, *, absmax, out, blocksize, quant_type):
    codes = torch.stack([packed // 16, packed % 16], dim=1).reshape(-1, blocksize).float()
    return ((codes - 7) / 7 * absmax[:, None]).reshape(out.shape)


@pytest.fixture
def four_bits(monkeypatch):
    """What bitsandbytes does, coarser and on a processor."""
    library = SimpleNamespace(quantize_4bit=quantize_4bit, dequantize_4bit=dequantize_4bit)
    monkeypatch.setattr(qlora, "_library", lambda: library)
    monkeypatch.setattr(QLora, "from_options", super(QLora, QLora).from_options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it may work")
def test_it_is_refused_before_any_work_where_there_is_no_gpu():
    with pytest.raises(MethodError, match=r"needs a GPU.*use 'lora'"):
        method_class("qlora").from_options({})


def test_the_adapter_is_merged_into_what_the_four_bits_say(four_bits, tiny_base, tmp_path):
    rows = intent_rows(24)
    recipe = Recipe(epochs=1, batch_tokens=128, precision="fp32", learning_rate=0.02, checkpoint_seconds=0.0)
    ready = prepare(TASK, str(tiny_base), rows, recipe, method="qlora", options={"r": 2})
    held = {n: m for n, m in ready.untrained.network.named_modules() if type(m) is FourBits}
    assert len(held) == 12 and all(m.get_buffer("packed").dtype is torch.uint8 for m in held.values())
    before = next(iter(held.values())).weight.clone()
    model, _ = ready.train(rows, rows[:8], tmp_path / "run")
    after = model.network.backbone.encoder.layer[0].attention.self.query
    assert type(after) is torch.nn.Linear
    assert (after.weight - before).abs().max() > 0 and torch.linalg.matrix_rank(after.weight - before, atol=1e-5) <= 2
    assert Model.load(model.save(tmp_path / "model")).predict(["卡丢了"]) == model.predict(["卡丢了"])
