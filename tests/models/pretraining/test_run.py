import json

import pytest
import torch
from safetensors.torch import load_file

from tunewheel import loop
from tunewheel.models.pretraining.card import _earlier
from tunewheel.models.pretraining.objectives import Rtd
from tunewheel.models.pretraining.optimizer import Together, make_optimizer

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mlm", "rtd", "clm"])
def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path, corpus, recipe, cut, objective):
    made = recipe(objective=objective)
    whole = loop.pretrain(corpus, tmp_path / "whole", recipe=made, dedupe=False)
    cut(8, corpus, tmp_path / "cut", recipe=made, dedupe=False)
    resumed = loop.pretrain(corpus, tmp_path / "cut", recipe=made, dedupe=False)
    assert resumed.run.resumed_from == 7
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert whole.run.held == resumed.run.held


@pytest.mark.slow
def test_it_learns_and_the_base_is_one_that_train_takes(tmp_path, corpus, recipe):
    made = recipe(tokens=256 * 600, eval_steps=100, checkpoint_seconds=1e6, width=64, learning_rate=5e-3)
    outcome = loop.pretrain(corpus, tmp_path / "base", recipe=made, half=True, licence="ours")
    course = [entry["held_words"] for entry in outcome.run.course]
    assert len(course) == 6
    assert course[-1] < course[0] - 0.25  # which words there are is learned by the first; the rest is their order
    card = (tmp_path / "base" / "README.md").read_text(encoding="utf-8")
    assert "ours" in card
    assert f"{outcome.counts['train']:,}" in card
    assert json.loads((tmp_path / "base" / "pretrain.json").read_text())["counts"] == outcome.counts
    rows = [{"text": f"卡片 丢失 {i}", "label": "a"} for i in range(12)]
    rows += [{"text": f"市场 增长 {i}", "label": "b"} for i in range(12)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    turn = loop.train(tmp_path / "t.jsonl", base=str(tmp_path / "base"), home=tmp_path / "home")
    assert turn.model.predict(["卡片 丢失 99"])[0]["label"] in {"a", "b"}


@pytest.mark.slow
def test_a_base_that_goes_on_tells_what_it_forgot(tmp_path, corpus, recipe):
    made = recipe(tokens=256 * 40, eval_steps=1000, checkpoint_seconds=1e6)
    loop.pretrain(corpus, tmp_path / "base", recipe=made)
    other = tmp_path / "other.txt"
    other.write_text("\n".join(f"the wheel turns {i} times and never stops" for i in range(900)), encoding="utf-8")
    further = loop.pretrain(
        other, tmp_path / "further", base=str(tmp_path / "base"), old=corpus, recipe=made, dedupe=False
    )
    assert further.run.held["perplexity"] < further.before["perplexity"]
    before, after = further.old
    assert after["perplexity"] > before["perplexity"]
    card = (tmp_path / "further" / "README.md").read_text(encoding="utf-8")
    assert "old domain" in card
    assert (
        f"| before that | {made.steps * made.batch * made.length:,} tokens in {made.steps} updates, to a perpl" in card
    )
    earlier = json.loads((tmp_path / "further" / "pretrain.json").read_text(encoding="utf-8"))["earlier"]
    assert [run["updates"] for run in earlier] == [made.steps]


def test_what_a_base_had_learned_before_is_told_run_by_run(tmp_path):
    recipe = {"tokens": 4096 * 30}
    facts = {
        "recipe": recipe,
        "held": {"perplexity": 80.5},
        "earlier": [{"tokens": 7, "updates": 1, "perplexity": None}],
    }
    told = tmp_path / "pretrain.json"
    told.write_text(json.dumps(facts), encoding="utf-8")
    now = {"tokens": 4096 * 30, "updates": 30, "perplexity": 80.5}
    assert _earlier(str(tmp_path)) == [facts["earlier"][0], now]
    strange = {**facts, "earlier": [{"runs": 3}]}
    for other in ({"recipe": {"steps": 9}, "held": None}, {"model": "other"}, [3], strange):
        told.write_text(json.dumps(other), encoding="utf-8")
        assert _earlier(str(tmp_path)) == []
    told.write_text("{", encoding="utf-8")
    assert _earlier(str(tmp_path)) == _earlier("minilm") == _earlier(None) == []


@pytest.mark.parametrize(
    ("changes", "given", "told"),
    [
        ({}, {"old": "x.txt"}, "old"),
        ({"objective": "rtd"}, {"base": "minilm"}, "rtd"),
        ({"batch_tokens": 1 << 22}, {"dedupe": False}, "fewer than one batch"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path, corpus, recipe, changes, given, told):
    with pytest.raises(loop.LoopError, match=told):
        loop.pretrain(corpus, tmp_path / "b", recipe=recipe(**changes), **given)


def test_a_base_that_is_there_is_not_written_over(tmp_path, corpus, recipe):
    (tmp_path / "b").mkdir()
    with pytest.raises(loop.LoopError, match="is there already"):
        loop.pretrain(corpus, tmp_path / "b", recipe=recipe())


def test_an_encoder_does_not_learn_to_copy_the_next_token(tmp_path, corpus, recipe):
    from transformers import AutoTokenizer, BertConfig, BertModel

    loop.pretrain(corpus, tmp_path / "b", recipe=recipe(tokens=256), dedupe=False)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "b")
    tokenizer.save_pretrained(tmp_path / "bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "bert")
    with pytest.raises(loop.LoopError, match="sees what follows"):
        loop.pretrain(corpus, tmp_path / "c", base=str(tmp_path / "bert"), recipe=recipe(objective="clm"), dedupe=False)


def test_a_causal_base_goes_on_is_loaded_in_32_bits_and_is_one_that_train_takes(tmp_path, corpus, recipe):
    from tunewheel.models.backbones import load_backbone

    made = recipe(objective="clm", vocabulary=400)
    loop.pretrain(corpus, tmp_path / "b", recipe=made, dedupe=False, half=True)
    assert load_file(tmp_path / "b" / "model.safetensors")["model.norm.weight"].dtype is torch.float16
    assert {p.dtype for p in load_backbone(str(tmp_path / "b"), ()).model.parameters()} == {torch.float32}
    further = loop.pretrain(corpus, tmp_path / "c", base=str(tmp_path / "b"), recipe=made, dedupe=False)
    assert further.run.held["perplexity"] < further.before["perplexity"]


def test_text_too_short_to_hold_out_or_to_compare_with_is_told(tmp_path, corpus, recipe):
    text = tmp_path / "short.txt"
    text.write_text("银行卡丢了怎么办\n" * 300, encoding="utf-8")
    outcome = loop.pretrain(text, tmp_path / "b", recipe=recipe(tokens=256 * 2), dedupe=False)
    assert outcome.run.held == {}
    assert "nan" not in (tmp_path / "b" / "README.md").read_text(encoding="utf-8")
    old = tmp_path / "old.txt"
    old.write_text("卡\n", encoding="utf-8")
    with pytest.raises(loop.LoopError, match=r"old: .*old.txt has 2 tokens"):
        loop.pretrain(corpus, tmp_path / "c", base=str(tmp_path / "b"), old=old, recipe=recipe(), dedupe=False)


def test_held_out_text_is_never_learned_from(tmp_path, corpus, recipe):
    from tunewheel.models.pretraining.shards import is_held_out, read_shards, write_shards
    from tunewheel.models.pretraining.text import paragraphs
    from tunewheel.models.pretraining.vocabulary import train_tokenizer

    texts = list(paragraphs(corpus))
    tokenizer = train_tokenizer(texts, "wordpiece", 4400, 64)
    write_shards(texts, tokenizer, tmp_path / "s")
    shards = read_shards(tmp_path / "s")
    held = [text for text in texts if is_held_out(text)]
    assert held
    assert tokenizer.decode(shards.held).count("。") == len(held)
    assert tokenizer.decode(shards.train).count("。") == len(texts) - len(held)
    (tmp_path / "s" / "shards.json").unlink()
    assert read_shards(tmp_path / "s") is None


def test_what_a_tokenizer_cuts_or_pads_to_is_no_text(tmp_path, corpus):
    from tunewheel.models.pretraining.shards import read_shards, write_shards
    from tunewheel.models.pretraining.text import paragraphs
    from tunewheel.models.pretraining.vocabulary import train_tokenizer

    texts = list(paragraphs(corpus))
    tokenizer = train_tokenizer(texts, "wordpiece", 4400, 64)
    write_shards(texts, tokenizer, tmp_path / "as they are")
    tokenizer.backend_tokenizer.enable_padding(length=32)  # as MiniLM's has it
    tokenizer.backend_tokenizer.enable_truncation(8)
    write_shards(texts, tokenizer, tmp_path / "the same")
    whole, same = (read_shards(tmp_path / name) for name in ("as they are", "the same"))
    assert whole.counts == same.counts and (whole.train == same.train).all()


def test_muon_takes_matrices_and_adam_the_rest(recipe):
    from tunewheel.models.pretraining.build import new_network

    network = new_network(recipe(objective="rtd"), 4400)
    optimizer = make_optimizer(network, 1e-3, 0.1, muon=True)
    assert isinstance(optimizer, Together)
    count = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert count == sum(p.numel() for p in network.parameters())
    muon, adam = optimizer.parts
    assert all(p.ndim == 2 for group in muon.param_groups for p in group["params"])
    table = network.backbone.get_input_embeddings().weight
    assert any(table is p for group in adam.param_groups for p in group["params"])
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    assert muon.param_groups[0]["lr"] == 0.5


def test_generator_and_backbone_share_one_word_table(recipe):
    from tunewheel.models.pretraining.build import new_network

    network = new_network(recipe(objective="rtd"), 4400)
    assert isinstance(network, Rtd)
    assert network.generator.get_input_embeddings() is network.backbone.get_input_embeddings()
    assert network.flops(32, 0.2) > 6 * sum(p.numel() for p in network.backbone.layers.parameters() if p.ndim == 2)


def test_looking_at_held_out_text_draws_nothing_from_training(tmp_path, corpus, recipe):
    made = recipe(objective="rtd")
    outcome = loop.pretrain(corpus, tmp_path / "a", recipe=made, dedupe=False)
    seldom = recipe(objective="rtd", eval_steps=1000)
    other = loop.pretrain(corpus, tmp_path / "b", recipe=seldom, dedupe=False)
    assert outcome.run.held == other.run.held
