"""Parameter-efficient methods: little learns, what can be merged is merged, and runs repeat themselves."""

import copy
from dataclasses import replace

import pytest
import torch

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.methods import method_class
from tunewheel.models.methods.peft import Adapter
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

TASK = Classification(("balance", "lost"))
QUICK = Recipe(epochs=2, batch_tokens=128, precision="fp32")
MERGED = ("lora", "dora", "rslora", "ia3")
KEPT = ("prefix", "prompt-tuning", "p-tuning")
FEW = {"num_virtual_tokens": 4}


def options_of(name):
    return FEW if name in KEPT else {}


@pytest.fixture(scope="module")
def modern_base(tiny_base, tmp_path_factory):
    """An encoder as pretraining arranges it, with the tiny base's tokenizer."""
    from transformers import AutoTokenizer

    from tunewheel.models.pretraining.build import encoder

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("modern-base")
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    encoder(2, 32, 2, len(tokenizer), 64).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def logits(network, encoder):
    from tunewheel.tasks import Window

    windows = [Window(p.ids, p.shapes, ()) for p in encoder(["no money left", "卡丢了", "I lost the card again today"])]
    network.eval()
    with torch.no_grad():
        return network(**encoder.collate(windows)).logits


@pytest.mark.parametrize("name", MERGED)
@pytest.mark.parametrize("base", ["tiny_base", "modern_base"])
def test_a_merged_adapter_answers_as_before(name, base, request, tmp_path, monkeypatch):
    rows, folder = intent_rows(40), request.getfixturevalue(base)
    ready = prepare(TASK, str(folder), rows, replace(QUICK, learning_rate=0.05), method=name)
    network = ready.untrained.network
    before = logits(network, ready.untrained.encoder)
    unmerged, finish = [], Adapter.finished

    def spied(self, network):
        unmerged.append(logits(copy.deepcopy(network), ready.untrained.encoder))
        return finish(self, network)

    monkeypatch.setattr(Adapter, "finished", spied)
    model, _ = ready.train(rows, rows[:10], tmp_path / "run")
    after = logits(model.network, model.encoder)
    assert (before - after).abs().max() > 1e-3
    assert torch.allclose(unmerged[0], after, atol=1e-5)
    plain = prepare(TASK, str(folder), rows, QUICK).untrained.network
    assert list(model.network.state_dict()) == list(plain.state_dict())
    again = Model.load(model.save(tmp_path / "model"))
    assert again.predict(["no money left"]) == model.predict(["no money left"])


@pytest.mark.parametrize("name", [*MERGED, *KEPT])
def test_only_what_is_new_learns(name, tiny_base, tmp_path):
    rows = intent_rows(40)
    ready = prepare(TASK, str(tiny_base), rows, QUICK, method=name, options=options_of(name))
    network = ready.untrained.network
    learning = {n for n, p in network.named_parameters() if p.requires_grad}
    new = ("lora_", "ia3_", "virtual.", "head.", "shapes.")
    assert learning and all(any(part in n for part in new) for n in learning)
    assert any(n.startswith(("virtual.", "backbone.")) for n in learning)
    start = {n: p.detach().clone() for n, p in network.named_parameters()}
    ready.train(rows, rows[:10], tmp_path / "run")
    if name in KEPT:
        moved = {n for n, p in network.named_parameters() if n in start and not torch.equal(p, start[n])}
        assert moved and not any(n.startswith("backbone.") for n in moved)


@pytest.mark.parametrize("name", KEPT)
def test_virtual_tokens_stay_in_the_model(name, tiny_base, tmp_path):
    rows = intent_rows(40)
    ready = prepare(TASK, str(tiny_base), rows, QUICK, method=name, options=FEW)
    model, _ = ready.train(rows, rows[:10], tmp_path / "run")
    shape = model.network.virtual.weight.shape
    assert shape == ((4, 2 * 2 * 32) if name == "prefix" else (4, 32))
    again = Model.load(model.save(tmp_path / "model"))
    assert again.network.config.virtual == {"place": "attention" if name == "prefix" else "input", "tokens": 4}
    assert again.predict(["no money left"]) == model.predict(["no money left"])
    with torch.no_grad():
        model.network.virtual.weight *= -3
    assert again.predict(["no money left"]) != model.predict(["no money left"])


@pytest.mark.parametrize("name", KEPT)
def test_padding_and_neighbours_do_not_move_an_answer(name, tiny_base):
    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method=name, options=FEW)
    texts = ["卡丢了", "I lost the card again today and what is my balance now", "no"]
    with torch.no_grad():
        ready.untrained.network.virtual.embedding.weight *= -3
    together = ready.untrained.predict(texts)
    for text, answer in zip(texts, together, strict=True):
        alone = ready.untrained.predict([text])[0]
        assert alone["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-5)


@pytest.mark.parametrize("name", KEPT)
def test_training_and_prediction_read_virtual_tokens_alike(name, tiny_base):
    """The fast attention of training must attend to what the plain one attends to."""
    from tunewheel.models.acceleration import fuse_projections, set_dropout

    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method=name, options=FEW)
    network, encoder = ready.untrained.network, ready.untrained.encoder
    expected = logits(network, encoder)
    set_dropout(network, 0.0, 0.0)
    assert fuse_projections(network) == 2
    network.train()
    windows = encoder(["no money left", "卡丢了", "I lost the card again today"])
    from tunewheel.tasks import Window

    batch = encoder.collate([Window(p.ids, p.shapes, ()) for p in windows])
    assert torch.allclose(network(**batch).logits, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "ia3", *KEPT])
def test_entities_are_found_where_they_stand(name, tiny_base, tmp_path):
    rows = entity_rows(60)
    recipe = replace(QUICK, epochs=15, learning_rate=0.02)
    ready = prepare(Ner(("person",)), str(tiny_base), rows, recipe, method=name, options=options_of(name))
    model, trained = ready.train(rows, rows[:20], tmp_path / "run")
    assert trained.dev["f1"] > 0.9
    text = "7 times paid Anna Berg in full"
    found = model.predict([text])[0]["entities"]
    assert [text[e["start"] : e["end"]] for e in found] == ["Anna Berg"]


@pytest.mark.parametrize("name", ["lora", "p-tuning"])
def test_a_run_that_was_cut_off_ends_with_the_same_weights(name, tiny_base, tmp_path):
    """All that a run is taken up by lies in its folder: the network is prepared anew."""
    rows, recipe = intent_rows(40), replace(QUICK, checkpoint_seconds=0.0)

    class Killer:
        def start(self, total, done):
            pass

        def step(self, done, loss, tokens, seconds):
            if done == 4:
                raise InterruptedError

        def evaluated(self, epoch, metrics):
            pass

    def run(folder, progress=None):
        ready = prepare(TASK, str(tiny_base), rows, recipe, method=name, options=options_of(name))
        return ready.train(rows, rows[:10], tmp_path / folder, progress=progress)

    whole, told = run("whole")
    assert told.updates > 5
    with pytest.raises(InterruptedError):
        run("cut", Killer())
    taken_up, told = run("cut")
    assert told.resumed_from == 3
    one, other = (model.network.state_dict() for model in (whole, taken_up))
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("name", [*MERGED, *KEPT])
def test_a_base_of_random_weights_is_refused(name):
    for base in ("bilstm", "textcnn"):
        with pytest.raises(MethodError, match=f"method {name!r}: base {base!r} starts from random weights; use 'full'"):
            prepare(TASK, base, intent_rows(8), QUICK, method=name)


def test_a_base_without_outside_keys_has_no_prefix(modern_base):
    with pytest.raises(MethodError, match=r"\(modernbert\) attends to no keys and values .* use 'prompt-tuning'"):
        prepare(TASK, str(modern_base), intent_rows(8), QUICK, method="prefix")


@pytest.mark.parametrize("name", ["prompt-tuning", "p-tuning"])
def test_virtual_words_before_a_modern_base(name, modern_base, tmp_path):
    rows = intent_rows(40)
    ready = prepare(TASK, str(modern_base), rows, QUICK, method=name, options=FEW)
    model, _ = ready.train(rows, rows[:10], tmp_path / "run")
    assert Model.load(model.save(tmp_path / "model")).predict(["卡丢了"]) == model.predict(["卡丢了"])


def test_too_many_virtual_tokens_leave_no_room(tiny_base):
    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="prefix", options={"num_virtual_tokens": 24})
    assert ready.untrained.encoder.window == 40
    with pytest.raises(MethodError, match="60 virtual tokens leave no room"):
        prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="prefix", options={"num_virtual_tokens": 60})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lora", {"lora_alfa": 3}, "no option 'lora_alfa'; did you mean 'lora_alpha'"),
        ("lora", {"r": "many"}, r"options.r: .*integer.*got 'many'"),
        ("lora", {"init_lora_weights": "eva"}, "begin from passes over data are not made here"),
        ("lora", {"layer_replication": [[0, 1]]}, "could not be loaded again"),
        ("dora", {"use_dora": False}, "options.use_dora is what makes it 'dora'"),
        ("prefix", {"num_layers": 3}, "no option 'num_layers'"),
        ("prompt-tuning", {"prompt_tuning_init": "TEXT"}, "tokenizer_name_or_path"),
    ],
)
def test_options_are_the_librarys_own_and_checked(name, options, message):
    with pytest.raises(MethodError, match=message):
        method_class(name).from_options(options)


def test_layers_that_a_base_lacks_are_told(tiny_base):
    with pytest.raises(MethodError, match="method 'lora': Target modules"):
        prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="lora", options={"target_modules": ["nothing"]})


def test_options_reach_the_library(tiny_base):
    options = {"r": 2, "target_modules": ["query", "value"], "lora_dropout": 0.25}
    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="lora", options=options)
    shapes = {n: p.shape for n, p in ready.untrained.network.named_parameters() if "lora_A" in n}
    assert len(shapes) == 4 and set(shapes.values()) == {(2, 32)}
    from tunewheel.models.acceleration import set_dropout

    set_dropout(ready.untrained.network, 0.1, 0.0)
    kept = [m.p for n, m in ready.untrained.network.named_modules() if n.endswith("lora_dropout.default")]
    assert kept == [0.25] * 4
    assert method_class("lora").from_options(options).options() == options


def test_scales_are_not_pulled_to_zero(tiny_base):
    from tunewheel.models.engine import parameter_groups

    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="ia3")
    network = ready.untrained.network
    named = {id(p): n for n, p in network.named_parameters()}
    decay = {named[id(p)]: g["weight_decay"] for g in parameter_groups(network, ready.recipe) for p in g["params"]}
    assert {v for n, v in decay.items() if "ia3_" in n} == {0.0}
    assert decay["head.weight"] > 0
