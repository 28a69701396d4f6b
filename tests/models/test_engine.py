"""The engine: it learns, repeats itself, and a run that was killed ends as if it had not been."""

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tiny import entity_rows, intent_rows
from tunewheel.models import Recipe, prepare
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.engine import parameter_groups
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

QUICK = Recipe(epochs=6, learning_rate=5e-3, batch_tokens=128, window=48)
TASK = Classification(("balance", "lost"))


def trained(tiny_base, folder, recipe=QUICK, task=TASK, rows=None, dev=None, base=None):
    rows = intent_rows(60) if rows is None else rows
    ready = prepare(task, base or str(tiny_base), rows, recipe)
    return ready.train(rows, rows[:20] if dev is None else dev, folder)


def same_weights(one, other):
    pairs = zip(one.network.state_dict().items(), other.network.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_it_learns_intents_and_repeats_itself_bit_by_bit(tiny_base, tmp_path):
    model, told = trained(tiny_base, tmp_path / "one")
    assert told.dev["accuracy"] == 1.0
    assert told.tokens > 0 and told.updates > 10
    again, _ = trained(tiny_base, tmp_path / "two")
    other, _ = trained(tiny_base, tmp_path / "three", replace(QUICK, seed=14))
    assert same_weights(model, again)
    assert not same_weights(model, other)


def test_it_learns_entities(tiny_base, tmp_path):
    model, told = trained(tiny_base, tmp_path, replace(QUICK, epochs=15), Ner(("person",)), entity_rows(60))
    assert told.dev["f1"] > 0.95
    text = "7 times paid Anna Berg in full"
    found = model.predict([text])[0]["entities"]
    assert [text[e["start"] : e["end"]] for e in found] == ["Anna Berg"]


@pytest.mark.parametrize("base", FROM_NOTHING)
def test_a_base_from_nothing_with_a_crf_learns_chinese_entities(tmp_path, base):
    rows = [
        {"text": f"{who}在{i}号来过", "entities": [{"start": 0, "end": len(who), "label": "person"}]}
        for i, who in enumerate(["王芳", "李强", "欧阳小红"] * 15)
    ]
    recipe = Recipe(epochs=10, batch_tokens=128)
    model, told = trained(None, tmp_path, recipe, Ner(("person",), crf=True), rows, base=base)
    assert told.dev["f1"] > 0.95
    assert model.predict([""]) == [{"entities": []}]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adafactor"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_optimizer_and_schedule_moves_the_weights(tiny_base, tmp_path, optimizer, schedule):
    recipe = replace(QUICK, epochs=1, optimizer=optimizer, schedule=schedule, accumulation=2)
    before = prepare(TASK, str(tiny_base), intent_rows(60), recipe).model.network.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    model, told = trained(tiny_base, tmp_path, recipe)
    after = model.network.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert told.updates >= 2


def test_parameter_groups_decay_and_rates(tiny_base):
    recipe = Recipe(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1, shape_rate=7.0)
    network = prepare(TASK, str(tiny_base), intent_rows(4), replace(recipe, epochs=1)).model.network
    named = {id(p): n for n, p in network.named_parameters()}
    found = {named[id(p)]: (g["lr"], g["weight_decay"]) for g in parameter_groups(network, recipe) for p in g["params"]}
    assert found["head.weight"] == (1.0, 0.1)
    assert found["head.bias"] == (1.0, 0.0)
    assert found["shapes.weight"] == (7.0, 0.0)
    assert found["backbone.encoder.layer.1.attention.self.query.weight"] == (0.5, 0.1)
    assert found["backbone.encoder.layer.0.attention.self.query.bias"] == (0.25, 0.0)
    assert found["backbone.encoder.layer.0.output.LayerNorm.weight"] == (0.25, 0.0)
    assert found["backbone.embeddings.word_embeddings.weight"] == (0.125, 0.1)
    assert len(found) == sum(1 for _ in network.parameters())


def test_frozen_embeddings_stay(tiny_base, tmp_path):
    from transformers import AutoModel

    model, _ = trained(tiny_base, tmp_path, replace(QUICK, epochs=1, freeze_embeddings=True))
    source = AutoModel.from_pretrained(tiny_base).embeddings.word_embeddings.weight
    assert torch.equal(model.network.get_input_embeddings().weight, source)


def test_early_stopping_ends_a_run_that_no_longer_improves(tiny_base, tmp_path):
    _, told = trained(tiny_base, tmp_path, replace(QUICK, epochs=60, patience=3))
    _, full = trained(tiny_base, tmp_path / "full", replace(QUICK, epochs=8))
    assert told.updates < 7 * full.updates
    assert told.dev["accuracy"] > 0.8


def test_the_weights_kept_are_those_that_scored_best(tiny_base, tmp_path):
    # A rate that destroys the model after its first epochs: the last weights are worse than the best.
    rows = intent_rows(60)
    recipe = replace(QUICK, epochs=4, eval_steps=2, learning_rate=5e-3, schedule="constant", warmup=0.0)
    ready = prepare(TASK, str(tiny_base), rows, recipe)
    model, told = ready.train(rows, rows[:20], tmp_path)
    task = model.task
    assert task.metrics(task.score(rows[:20], model.predict(rows[:20])))["accuracy"] == told.dev["accuracy"]


def test_without_dev_rows_the_last_weights_are_kept(tiny_base, tmp_path):
    model, told = trained(tiny_base, tmp_path, dev=[])
    assert told.dev == {}
    assert model.predict(["卡丢了 number 3"])[0]["label"] == "lost"


CHILD = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[4])
    from tiny import intent_rows
    from dataclasses import replace
    from tunewheel.models import Recipe, prepare
    from tunewheel.models.checkpoints import Keeper
    from tunewheel.tasks.classification import Classification

    base, folder, kill_at = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    rows = intent_rows(60)
    recipe = Recipe(epochs=4, learning_rate=5e-3, batch_tokens=128, window=48, precision=sys.argv[5])
    recipe = replace(recipe, checkpoint_seconds=0.0)

    class Killer:
        def start(self, total, done): pass
        def step(self, done, loss, tokens, seconds):
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        def evaluated(self, epoch, metrics): pass
        def stop(self): pass

    ready = prepare(Classification(("balance", "lost")), base, rows, recipe)
    model, told = ready.train(rows, rows[:20], folder / "run", progress=Killer())
    model.network.save_pretrained(folder / "final")
    print(told.resumed_from)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_killed_run_is_taken_up_and_ends_with_the_same_weights(tiny_base, tmp_path, precision):
    """SIGKILL at two different updates, mid-epoch and at an epoch's end; bit-identical in the end."""

    def child(folder, kill_at):
        command = [sys.executable, "-c", textwrap.dedent(CHILD), str(tiny_base), str(folder), str(kill_at)]
        return subprocess.run([*command, str(Path(__file__).parents[1]), precision], capture_output=True, text=True)

    whole = child(tmp_path / "whole", -1)
    assert whole.returncode == 0, whole.stderr
    for kill_at in (7, 12):
        killed = child(tmp_path / "cut", kill_at)
        assert killed.returncode == -signal.SIGKILL
    resumed = child(tmp_path / "cut", -1)
    assert resumed.returncode == 0, resumed.stderr
    assert int(resumed.stdout.split()[-1]) == 11
    one, other = (load_file(tmp_path / name / "final" / "model.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    from tunewheel.models.checkpoints import COMPLETE, last_checkpoint

    for step, whole in ((10, True), (20, True), (30, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if whole:
            (folder / COMPLETE).touch()
    assert last_checkpoint(tmp_path).name == "checkpoint-20"
    assert last_checkpoint(tmp_path / "nowhere") is None


def test_a_checkpoint_that_was_cut_off_crowds_out_no_whole_one(tiny_base, tmp_path, monkeypatch):
    """The Trainer keeps two; a run killed twice while saving must still find the one before."""
    from tunewheel.models.checkpoints import Keeper, last_checkpoint

    recipe, on_save = replace(QUICK, epochs=2, checkpoint_seconds=0.0), Keeper.on_save

    def cut_off_at(wanted):
        def saving(self, args, state, control, **rest):
            if state.global_step == wanted:
                raise InterruptedError
            on_save(self, args, state, control, **rest)

        monkeypatch.setattr(Keeper, "on_save", saving)
        with pytest.raises(InterruptedError):
            trained(tiny_base, tmp_path, recipe)

    cut_off_at(3)
    (tmp_path / "checkpoint-3").rename(tmp_path / "checkpoint-9")  # another time, another update
    cut_off_at(3)
    assert last_checkpoint(tmp_path).name == "checkpoint-2"


def test_class_weights_and_smoothing_reach_the_loss(tiny_base):
    rows = intent_rows(4)

    def loss(task, smoothing):
        ready = prepare(task, str(tiny_base), rows, replace(QUICK, label_smoothing=smoothing))
        network = ready.model.network.eval()
        network.label_smoothing = smoothing
        return network(**ready.model.encoder.collate(task.encode(rows, ready.model.encoder, labelled=True))).loss.item()

    plain = loss(TASK, 0.0)
    assert loss(Classification(TASK.labels, weights=(1.0, 5.0)), 0.0) != pytest.approx(plain)
    assert loss(TASK, 0.5) != pytest.approx(plain)
