"""Language models learn to write, by answers and by preferences; a killed run ends as if it had not been."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.tasks.generation import Generation
from writers import PAIRS, ROWS

BY_HEART = Recipe(epochs=150, learning_rate=5e-3, batch_tokens=256, dropout=0.0, warmup=0.02, precision="fp32")
TASK = Generation(max_new_tokens=48)


def learned(base, folder, recipe=BY_HEART, rows=ROWS, dev=(), **options):
    return prepare(TASK, str(base), rows, recipe, **options).train(rows, dev, folder)


def texts(model, rows=ROWS):
    return [prediction["text"] for prediction in model.predict([row["text"] for row in rows])]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_it_learns_answers_by_heart_and_says_them_after_saving(kind, request, tmp_path):
    model, told = learned(request.getfixturevalue(kind), tmp_path / "run")
    assert texts(model) == [row["answer"] for row in ROWS]
    assert told.updates > 100 and told.tokens > 1000
    again = Model.load(model.save(tmp_path / "model"))
    assert texts(again) == texts(model)
    assert {path.suffix for path in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".md", ".jinja"}


@pytest.mark.slow
def test_adapters_learn_too_and_are_part_of_the_weights_then(llama, tmp_path):
    recipe = Recipe(epochs=200, learning_rate=2e-2, batch_tokens=256, dropout=0.0, precision="fp32")
    ready = prepare(TASK, str(llama), ROWS, recipe, method="lora", options={"r": 32, "lora_alpha": 32})
    assert "of the weights learn" in ready.described()
    model, _ = ready.train(ROWS, [], tmp_path / "run")
    assert texts(model) == [row["answer"] for row in ROWS]
    names = load_file(model.save(tmp_path / "model") / "model.safetensors").keys()
    assert not any("lora" in name for name in names)


def test_the_dev_answers_choose_the_weights_and_give_the_perplexity(llama, tmp_path):
    recipe = Recipe(epochs=4, learning_rate=3e-3, batch_tokens=128, precision="fp32")
    model, told = learned(llama, tmp_path, recipe, dev=ROWS[:3])
    assert model.task.perplexity == pytest.approx(1 / told.dev["gold_probability"], rel=1e-3)
    assert model.task.facts()["perplexity"].startswith(f"{model.task.perplexity:.4g}")


def test_packed_rows_are_learned_as_padded_ones(llama, tmp_path):
    from dataclasses import replace

    recipe = Recipe(epochs=2, learning_rate=1e-3, batch_tokens=256, dropout=0.0, precision="fp32")
    apart, _ = learned(llama, tmp_path / "apart", recipe)
    together, _ = learned(llama, tmp_path / "together", replace(recipe, packing=True))
    for one, other in zip(apart.body.model.parameters(), together.body.model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_preferences_move_the_margin_and_the_report_says_how_many_are_right(llama, tmp_path):
    recipe = Recipe(epochs=20, learning_rate=1e-3, batch_tokens=512, precision="fp32")
    model, told = learned(llama, tmp_path, recipe, PAIRS, PAIRS, method="dpo", options={"beta": 0.5})
    assert told.dev["reward_margin"] > 0.5 and told.dev["reward_accuracy"] == 1.0
    assert "100.0%" in model.task.facts()["rewards"]
    before = prepare(TASK, str(llama), PAIRS, recipe).untrained.predictor().judged(PAIRS)
    after = model.predictor().judged(PAIRS)

    def margin(known):
        return sum(each["rejected"]["loss"] - each["gold"]["loss"] for each in known)

    assert margin(after) > margin(before) + len(PAIRS)


def test_preferences_can_be_learned_by_adapters(llama, tmp_path):
    recipe = Recipe(epochs=10, learning_rate=1e-2, batch_tokens=512, precision="fp32")
    _, told = learned(llama, tmp_path, recipe, PAIRS, PAIRS, method="dpo", options={"r": 8})
    assert told.dev["preference"] > 0.5


def test_what_cannot_be_learned_is_refused_before_any_work(llama, tiny_base):
    from tunewheel.models.backbones import BackboneError
    from tunewheel.tasks.classification import Classification

    with pytest.raises(MethodError, match="no training row has a rejected answer"):
        prepare(TASK, str(llama), ROWS, BY_HEART, method="dpo")
    with pytest.raises(MethodError, match=r"'head' is of no use for task 'generation'.*use 'full'"):
        prepare(TASK, str(llama), ROWS, BY_HEART, method="head")
    with pytest.raises(MethodError, match="use 'full'"):
        prepare(Classification(("a", "b")), str(tiny_base), [], BY_HEART, method="dpo")
    with pytest.raises(MethodError, match=r"row 'long' has 13.. tokens.*reads 256"):
        prepare(TASK, str(llama), [{"id": "long", "text": "卡" * 450, "answer": "好"}], BY_HEART)
    with pytest.raises(MethodError, match="layer_decay"):
        prepare(TASK, str(llama), ROWS, Recipe(layer_decay=0.9))
    with pytest.raises(BackboneError):
        prepare(TASK, str(tiny_base), ROWS, BY_HEART)


CHILD = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[4])
    from writers import PAIRS
    from tunewheel.models import Recipe, prepare
    from tunewheel.tasks.generation import Generation

    base, folder, kill_at, method = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[5]
    recipe = Recipe(epochs=4, learning_rate=5e-3, batch_tokens=128, checkpoint_seconds=0.0, precision="fp32")

    class Killer:
        def start(self, total, done): pass
        def step(self, done, loss, tokens, seconds):
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        def evaluated(self, epoch, metrics): pass
        def stop(self): pass

    options = {"r": 4} if method == "dpo" else {}
    ready = prepare(Generation(max_new_tokens=8), base, PAIRS, recipe, method=method, options=options)
    model, told = ready.train(PAIRS, PAIRS[:2], folder / "run", progress=Killer())
    model.body.model.save_pretrained(folder / "final")
    print(told.resumed_from)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "dpo"])
def test_a_killed_run_is_taken_up_and_ends_with_the_same_weights(llama, tmp_path, method):
    def child(folder, kill_at):
        command = [sys.executable, "-c", textwrap.dedent(CHILD), str(llama), str(folder), str(kill_at)]
        return subprocess.run([*command, str(Path(__file__).parents[2]), method], capture_output=True, text=True)

    whole = child(tmp_path / "whole", -1)
    assert whole.returncode == 0, whole.stderr
    assert child(tmp_path / "cut", 6).returncode == -signal.SIGKILL
    resumed = child(tmp_path / "cut", -1)
    assert resumed.returncode == 0, resumed.stderr
    assert int(resumed.stdout.split()[-1]) == 5
    one, other = (load_file(tmp_path / name / "final" / "model.safetensors") for name in ("whole", "cut"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
