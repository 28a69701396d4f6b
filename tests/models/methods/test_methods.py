import pytest
import torch

from tiny import intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.methods import method_class, method_names
from tunewheel.tasks.classification import Classification

TASK = Classification(("balance", "lost"))
QUICK = Recipe(epochs=1, batch_tokens=256, precision="fp32")


@pytest.mark.parametrize("name", ["full", "head"])
def test_every_gradient_method_learns_what_it_says(name, tiny_base, tmp_path):
    rows = intent_rows(40)
    ready = prepare(TASK, str(tiny_base), rows, QUICK, method=name)
    before = {k: v.clone() for k, v in ready.untrained.network.state_dict().items()}
    model, trained = ready.train(rows, rows[:10], tmp_path / "run")
    moved = {k for k, v in model.network.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("head.") for k in moved)
    assert any(k.startswith("backbone.") for k in moved) == (name == "full")
    assert model.origin.method == name and trained.updates
    again = Model.load(model.save(tmp_path / "model"))
    assert again.predict(["no money left"]) == model.predict(["no money left"])
    assert name in ready.described()


def test_unknown_methods_and_options_are_named():
    with pytest.raises(MethodError, match="did you mean 'full'"):
        method_class("ful")
    with pytest.raises(MethodError, match="method 'full' has no option 'r'; it has none"):
        method_class("full").from_options({"r": 8})
    assert all(method_class(name).summary for name in method_names())


def test_a_head_alone_needs_a_base_that_says_something():
    with pytest.raises(MethodError, match="starts from random weights"):
        prepare(TASK, "textcnn", intent_rows(8), QUICK, method="head")
