"""The bundled Chinese base: whole, small enough, described, and knowing something."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import tunewheel.models.backbones as module
from tunewheel.data import Dataset
from tunewheel.models import BackboneError, Recipe, load_backbone, prepare
from tunewheel.models.vectors import sentence_vectors
from tunewheel.tasks import task_class

FOLDER = Path(module.__file__).parent / "zh_mini"


def test_it_is_whole_and_small():
    base = load_backbone("zh-mini", ())
    assert base.pretrained and base.longest == 256
    assert 6_000_000 < base.parameters < 7_500_000
    assert (FOLDER / "model.safetensors").stat().st_size <= 14_000_000
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.keys()} == {"F16"}  # noqa: SIM118
    assert str(base.model.dtype) == "torch.float32"


def test_a_chinese_character_is_a_token_of_its_own():
    tokenizer = load_backbone("zh-mini", ()).tokenizer
    text = "刷卡付了300块，ＡＰＰ没到账"
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    assert tokenizer.unk_token_id not in encoded["input_ids"]
    assert encoded["offset_mapping"][:4] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_like_texts_are_nearer_than_others():
    pairs = [
        ("我的银行卡丢了", "银行卡不见了怎么办"),
        ("明天会下雨吗", "明天天气怎么样"),
        ("他在北京大学读书", "她在清华大学学习"),
    ]
    left, right = (sentence_vectors("zh-mini", texts) for texts in zip(*pairs, strict=True))
    left, right = (x - np.concatenate([left, right]).mean(0) for x in (left, right))
    cosines = (left / np.linalg.norm(left, axis=1)[:, None]) @ (right / np.linalg.norm(right, axis=1)[:, None]).T
    assert cosines.argmax(1).tolist() == [0, 1, 2]


def test_its_card_says_what_it_read_and_its_limits():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    facts = json.loads((FOLDER / "pretrain.json").read_text(encoding="utf-8"))
    for told in ("licence of the text", "## Limits", "## Loss on held-out text", f"{facts['counts']['train']:,}"):
        assert told in card
    assert facts["held"]["perplexity"] < 150


def test_altered_weights_are_refused(tmp_path, monkeypatch):
    altered = tmp_path / "models"
    (altered / "zh_mini").mkdir(parents=True)
    (altered / "zh_mini" / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(module, "__file__", str(altered / "backbones.py"))
    with pytest.raises(BackboneError, match="reinstall with: pip install --force-reinstall tunewheel"):
        load_backbone("zh-mini", ())


def test_a_narrow_base_learns_faster_and_for_longer():
    def settled(width, level="token"):
        recipe = Recipe().resolve(tokens=120_000, width=width, pretrained=True, precision="fp32", level=level)
        return recipe.learning_rate, recipe.epochs

    assert (settled(256), settled(384), settled(768)) == ((1e-3, 20), (2e-4, 6), (5e-5, 6))
    assert (settled(256, "sequence"), settled(384, "sequence")) == ((3e-4, 20), (2e-4, 6))


def test_whole_texts_are_learned_at_another_rate_than_their_tokens():
    texts = [{"text": "卡丢了", "label": "a"}, {"text": "转账", "label": "b"}]
    words = [{"text": "卡丢了", "entities": [{"start": 0, "end": 1, "label": "THING"}]}]
    assert (_rate(texts), _rate(texts, "setfit"), _rate(words)) == (3e-4, 2.5e-4, 1e-3)


def _rate(rows, method="full"):
    dataset = Dataset.from_rows({"train": rows})
    task = task_class(dataset.task).from_dataset(dataset)
    return prepare(task, "zh-mini", rows, Recipe(precision="fp32"), method=method).recipe.learning_rate
