"""Private training: it learns, goes on exactly, has noise that nobody can take off, and refuses what would tell."""

from dataclasses import replace

import pytest
import torch
from transformers import AlbertConfig, AlbertModel

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.checkpoints import last_checkpoint
from tunewheel.models.network import Network
from tunewheel.models.private import Privacy, accounting
from tunewheel.models.private.clipping import UnitGradients
from tunewheel.models.private.engine import PrivateEngine
from tunewheel.models.private.losses import row_losses
from tunewheel.models.private.privacy import check_private, settled
from tunewheel.tasks import Head
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.matching import Matching
from tunewheel.tasks.ner import Ner

TASK = Classification(("balance", "lost"))
RECIPE = Recipe(epochs=4, learning_rate=5e-3, batch_tokens=256, window=48)
ROWS = intent_rows(64)


def ready_for(base, *, noise=None, recipe=RECIPE, task=TASK, rows=ROWS, batches=None, **options):
    """A private job; its plan is settled with all units at once, then made to draw ``batches`` an epoch."""
    ready = prepare(task, str(base), rows, recipe, privacy=Privacy(8.0), **options)
    plan = replace(ready.plan, accountant="rdp")
    plan = replace(plan, noise=noise) if noise is not None else plan
    return replace(ready, plan=replace(plan, batches=batches) if batches else plan)


@pytest.fixture
def secret(monkeypatch):
    """A run's secret that repeats, for tests of what it learns."""
    monkeypatch.setattr(accounting.secrets, "randbits", lambda bits: 987654321987654321)


def weights(model):
    return model.network.state_dict()


def same(one, other):
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_with_little_noise_it_learns_and_tells_what_it_spent(tiny_base, tmp_path, secret):
    ready = ready_for(tiny_base, noise=0.02, batches=4, recipe=replace(RECIPE, epochs=12))
    model, told = ready.train(ROWS, ROWS[:30], tmp_path / "run")
    assert told.dev["accuracy"] == 1.0
    assert told.updates == 48 and told.tokens > 0
    spent = model.origin.privacy
    assert (spent["updates"], spent["sample_rate"], spent["expected_batch"]) == (48, 0.25, 16)
    assert spent["epsilon"] == accounting.epsilon(0.02, 0.25, 48, spent["delta"], "rdp")
    loaded = Model.load(model.save(tmp_path / "model"))
    assert loaded.origin.privacy == spent
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "## Privacy" in card and "every training row" in card


@pytest.mark.parametrize("method", ["head", "lora", "rslora"])
def test_parts_on_a_base_that_stays_learn_privately_too(tiny_base, tmp_path, method):
    ready = ready_for(tiny_base, noise=0.05, batches=4, method=method)
    before = {name: value.clone() for name, value in weights(ready.model).items()}
    model, _ = ready.train(ROWS, [], tmp_path)
    after = weights(model)
    assert not torch.equal(before["head.weight"], after["head.weight"])
    assert torch.isfinite(after["head.weight"]).all()


def test_entities_and_pairs_learn_privately_too(tiny_base, tmp_path, secret):
    rows = entity_rows(60)
    ready = ready_for(
        tiny_base, noise=0.05, batches=4, recipe=replace(RECIPE, epochs=12), task=Ner(("person",)), rows=rows
    )
    _, told = ready.train(rows, rows[:20], tmp_path / "ner")
    assert told.dev["f1"] > 0.8
    says, asks = ("my card is gone", "where is my card"), ("what is my balance", "balance please")
    pairs = [
        {"id": str(i), "text": f"{says[i % 2]}\t{(says, asks)[i % 4 // 2][i % 2]}", "label": ("yes", "no")[i % 4 // 2]}
        for i in range(64)
    ]
    ready = ready_for(tiny_base, noise=0.05, batches=4, task=Matching(("no", "yes")), rows=pairs)
    _, told = ready.train(pairs, pairs[:16], tmp_path / "pairs")
    assert told.updates == 16


def test_the_same_settings_give_other_noise_each_time(tiny_base, tmp_path):
    """The declared seed must not lead to it: whoever knows the noise can take it off again."""
    one, _ = ready_for(tiny_base).train(ROWS, [], tmp_path / "one")
    other, _ = ready_for(tiny_base).train(ROWS, [], tmp_path / "two")
    assert not same(one, other)


def test_a_run_that_was_cut_off_goes_on_with_the_noise_it_would_have_had(tiny_base, tmp_path, monkeypatch, secret):
    recipe = replace(RECIPE, checkpoint_seconds=0.0)
    whole, _ = ready_for(tiny_base, recipe=recipe, batches=5).train(ROWS, ROWS[:10], tmp_path / "whole")
    step = PrivateEngine.training_step

    for cut_at in (7, 13):

        def stopped(self, *told, cut_at=cut_at, **named):
            if self.state.global_step == cut_at:
                raise InterruptedError
            return step(self, *told, **named)

        with monkeypatch.context() as patch:
            patch.setattr(PrivateEngine, "training_step", stopped)
            with pytest.raises(InterruptedError):
                ready_for(tiny_base, recipe=recipe, batches=5).train(ROWS, ROWS[:10], tmp_path / "cut")
        assert last_checkpoint(tmp_path / "cut").name == f"checkpoint-{cut_at}"
    # A fresh secret now: what the run began with counts.
    monkeypatch.setattr(accounting.secrets, "randbits", lambda bits: 5)
    taken_up, told = ready_for(tiny_base, recipe=recipe, batches=5).train(ROWS, ROWS[:10], tmp_path / "cut")
    assert told.resumed_from == 13 and told.updates == 20
    assert same(whole, taken_up)
    assert taken_up.origin.privacy == whole.origin.privacy
    assert taken_up.origin.privacy["updates"] == 20


def test_a_training_that_stops_early_spent_less(tiny_base, tmp_path):
    ready = ready_for(tiny_base, recipe=replace(RECIPE, patience=1, epochs=30, learning_rate=1e-9))
    model, told = ready.train(ROWS, ROWS[:10], tmp_path)
    assert told.updates < ready.plan.updates
    assert model.origin.privacy["epsilon"] < ready.plan.spent(ready.plan.updates)


def test_an_update_that_draws_nobody_is_noise_all_the_same(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr("tunewheel.models.private.engine.draw", lambda *told: [])
    ready = ready_for(tiny_base)
    before = weights(ready.model)["head.weight"].clone()
    model, told = ready.train(ROWS, [], tmp_path)
    assert told.updates == 4
    assert not torch.equal(before, weights(model)["head.weight"])


def test_every_update_draws_anew(tiny_base, tmp_path, monkeypatch):
    drawn = []

    def told(plan, secret, update):
        drawn.append((update, accounting.draw(plan, secret, update)))
        return drawn[-1][1]

    monkeypatch.setattr("tunewheel.models.private.engine.draw", told)
    ready_for(tiny_base, batches=4).train(ROWS, [], tmp_path)
    assert [update for update, _ in drawn] == list(range(16))
    assert len({tuple(units) for _, units in drawn}) == 16


def test_what_is_held_at_once_changes_nothing_but_rounding(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(accounting.secrets, "randbits", lambda bits: 77)
    recipe = replace(RECIPE, epochs=1, dropout=0.0, optimizer="sgd", learning_rate=0.1)
    one, _ = ready_for(tiny_base, recipe=recipe).train(ROWS, [], tmp_path / "one")
    monkeypatch.setattr(UnitGradients, "at_once", 3)
    other, _ = ready_for(tiny_base, recipe=replace(recipe, batch_tokens=32)).train(ROWS, [], tmp_path / "two")
    for name, value in weights(one).items():
        torch.testing.assert_close(value, weights(other)[name], rtol=1e-4, atol=1e-5)


def test_the_engine_cuts_all_windows_of_a_unit_together_and_sees_every_layer(tiny_base, tmp_path, monkeypatch):
    """Two long rows of one customer, 20 windows and more, in small batches; attention does not pass its layers by."""
    rows = [{**row, "who": f"c{i}"} for i, row in enumerate(ROWS[:10])]
    rows += [{"id": f"l{i}", "text": "where is my card " * 80, "label": "lost", "who": "loud"} for i in range(2)]
    seen, noisy = [], UnitGradients.noisy

    def noted(self, *told):
        names = {p: name for name, p in self.network.named_parameters()}
        seen.append({names[p]: total.clone() for p, total in self.sums.items()})
        noisy(self, *told)

    monkeypatch.setattr(UnitGradients, "noisy", noted)
    monkeypatch.setattr("tunewheel.models.private.engine.draw", lambda *told: [10])
    recipe = replace(RECIPE, epochs=1, batch_tokens=64, window=24)
    ready = prepare(TASK, str(tiny_base), rows, recipe, privacy=Privacy(8.0, unit="who", clip=0.01))
    assert sum(len(window.ids) > 1 for window in ready.model.body.windows(TASK, rows[10:])) >= 20
    ready.train(rows, [], tmp_path)
    (sums,) = seen
    norm = torch.stack([total.norm() for total in sums.values()]).norm().item()
    assert norm == pytest.approx(0.01, rel=1e-3)
    assert sums["backbone.encoder.layer.0.attention.self.query.weight"].any()


def test_layers_that_share_their_weights_are_one_gradient():
    torch.manual_seed(3)
    config = AlbertConfig(
        vocab_size=50, embedding_size=8, hidden_size=16, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    network = Network.on(AlbertModel(config), Head("sequence", 2, "cross_entropy"))
    network.dropout.p = 0.0
    network.train()
    ids, labels = torch.randint(1, 50, (4, 7)), torch.tensor([0, 1, 1, 0])
    mask = torch.ones_like(ids)
    gathered = UnitGradients(network, 1e9)
    gathered.add([({"input_ids": ids, "attention_mask": mask, "labels": labels}, [0, 1, 2, 3])], 4)
    network(input_ids=ids, attention_mask=mask, labels=labels).loss.mul(4).backward()
    for p, total in gathered.sums.items():
        torch.testing.assert_close(total, p.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "setfit"}, "use one of 'head', 'lora', 'rslora', 'full'"),
        ({"method": "self-training"}, "not private"),
        ({"method": "gan-bert"}, "not private"),
        ({"method": "zero-shot"}, "not private"),
        ({"method": "tfidf"}, "not private"),
        ({"method": "dora"}, "not private"),
        ({"method": "bi-encoder"}, "not private"),
        ({"base": "bilstm"}, "vocabulary of the training texts"),
        ({"task": Ner(("person",), crf=True)}, "crf"),
        ({"task": Classification(("a", "b"), weights=(1.0, 2.0))}, "class_weights"),
        ({"recipe": Recipe(head_first=True)}, "head_first"),
        ({"recipe": Recipe(precision="bf16")}, "precision=bf16"),
        ({"recipe": Recipe(accumulation=2)}, "accumulation"),
        ({"recipe": Recipe(optimizer="adafactor")}, "adafactor"),
    ],
)
def test_what_would_break_the_promise_is_refused(changes, said):
    asked = {"method": "full", "task": TASK, "base": "minilm", "recipe": Recipe(), **changes}
    with pytest.raises(MethodError, match=said):
        check_private(**asked)


def test_the_package_that_is_lacking_is_named(monkeypatch):
    monkeypatch.setattr("tunewheel.models.private.privacy.find_spec", lambda name: None)
    with pytest.raises(MethodError, match=r"pip install 'tunewheel\[private\]'"):
        check_private("full", TASK, "minilm", Recipe())


def test_nothing_is_resolved_by_the_rows(tiny_base):
    """Epochs, batches and rate would otherwise tell how much text there is."""
    short = ready_for(tiny_base, recipe=Recipe(window=48))
    long = ready_for(tiny_base, recipe=Recipe(window=48), rows=[{**r, "text": r["text"] * 20} for r in ROWS])
    assert short.recipe == long.recipe
    assert short.recipe.precision == "fp32"


def test_what_would_learn_noise_at_ten_times_the_rate_is_off_unless_asked_for():
    assert settled(Recipe()).word_shapes is False
    assert settled(Recipe(word_shapes=True)).word_shapes is True
    assert settled(Recipe()).max_grad_norm == 0.0


def test_losses_of_rows_are_the_networks_own(tiny_base):
    ready = ready_for(tiny_base)
    rows = [*ROWS[:5], {"id": "long", "text": "my card is gone " * 40, "label": "lost"}]
    losses = row_losses(ready.model, rows)
    windows = ready.model.body.windows(TASK, rows)
    each = []
    for window in windows:
        batch = ready.model.encoder.collate([window])
        with torch.no_grad():
            each.append(float(ready.model.network.eval()(**batch).loss))
    assert len(each) > len(rows)
    assert losses[:5] == pytest.approx(each[:5], abs=1e-5)
    assert losses[5] == pytest.approx(sum(each[5:]) / len(each[5:]), abs=1e-5)
