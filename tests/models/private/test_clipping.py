"""One gradient a unit: as plain autograd has it, cut to the norm, whatever windows it is made of."""

import pytest
import torch
from torch import nn

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Recipe, prepare
from tunewheel.models.private import clipping
from tunewheel.models.private.clipping import UnitGradients, check_layers, window_losses
from tunewheel.models.private.engine import members_of
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

TASK = Classification(("balance", "lost"))
LOUD = " ".join(["the card that I lost in the train is gone and my balance with it"] * 12)


def ready_for(base, method="full", task=TASK, rows=None, **options):
    recipe = Recipe(epochs=1, learning_rate=1e-3, batch_tokens=128, window=24, dropout=0.0, **options)
    ready = prepare(task, str(base), rows or intent_rows(8), recipe, method=method)
    network = ready.model.network
    clipping_dropouts(network)
    return ready, network


def clipping_dropouts(network):
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    network.train()


def learning(network):
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def by_autograd(network, encoder, windows):
    """The gradient of a unit, the plain way: the sum over its windows, each alone."""
    network.zero_grad()
    for window in windows:
        batch = encoder.collate([window])
        labels = batch.pop("labels")
        window_losses(network, network(**batch).logits, labels).sum().backward()
    found = {name: p.grad.clone() for name, p in learning(network).items() if p.grad is not None}
    network.zero_grad()
    return found


def norm_of(gradients):
    return torch.stack([g.norm() for g in gradients.values()]).norm().item()


def gathered(network, encoder, units, clip, cut=None):
    """The sum that the engine would add noise to; ``cut`` windows at a time."""
    taken = UnitGradients(network, clip)
    told = [(window, unit) for unit, windows in enumerate(units) for window in windows]
    cut = cut or len(told)
    parts = [
        (encoder.collate([w for w, _ in told[at : at + cut]]), [u for _, u in told[at : at + cut]])
        for at in range(0, len(told), cut)
    ]
    taken.add(parts, len(units))
    names = {p: name for name, p in network.named_parameters()}
    return {names[p]: total for p, total in taken.sums.items()}


ROWS = [*intent_rows(6), {"id": "long", "text": LOUD, "label": "lost"}]


def made(base, method="full", task=TASK, rows=ROWS, units=None):
    ready, network = ready_for(base, method, task, rows)
    windows = task.encode(rows, ready.model.encoder, labelled=True)
    units = units or list(range(len(rows)))
    return network, ready.model.encoder, members_of(windows, units, max(units) + 1)


@pytest.mark.parametrize("method", ["full", "head", "lora", "rslora"])
@pytest.mark.parametrize("cut", [None, 3])
def test_the_sum_is_that_of_each_units_own_gradient_cut_to_the_norm(tiny_base, method, cut):
    network, encoder, units = made(tiny_base, method, units=[0, 0, 1, 1, 2, 3, 4])
    assert max(map(len, units)) >= 8  # the long text
    torch.manual_seed(1)
    with torch.no_grad():
        for p in learning(network).values():  # adapters begin with zeros, behind which half of them learns nothing
            p.add_(0.05 * torch.randn_like(p))
    alone = [by_autograd(network, encoder, windows) for windows in units]
    norms = [norm_of(gradients) for gradients in alone]
    clip = sorted(norms)[1]  # some are cut, some are not
    assert min(norms) < clip < max(norms)
    found = gathered(network, encoder, units, clip, cut)
    assert found.keys() == learning(network).keys()
    for name, total in found.items():
        expected = sum(
            (g[name] * min(1.0, clip / n) for g, n in zip(alone, norms, strict=True) if name in g),
            torch.zeros_like(total),
        )
        torch.testing.assert_close(total, expected, rtol=1e-4, atol=2e-6)


def test_entities_too(tiny_base):
    rows = entity_rows(6)
    network, encoder, units = made(tiny_base, task=Ner(("person",)), rows=rows, units=[0, 1, 0, 1, 2, 2])
    alone = [by_autograd(network, encoder, windows) for windows in units]
    found = gathered(network, encoder, units, 0.5)
    for name, total in found.items():
        expected = sum(g[name] * min(1.0, 0.5 / norm_of(g)) for g in alone if name in g)
        torch.testing.assert_close(total, expected + torch.zeros_like(total), rtol=1e-4, atol=2e-6)


def test_a_unit_of_many_windows_and_a_huge_loss_moves_the_sum_by_the_norm_at_most(tiny_base):
    network, encoder, units = made(tiny_base)
    with torch.no_grad():
        network.head.weight.mul_(1e4)  # sure of itself, and wrong
    loud = units[-1] * 2
    assert len(loud) >= 10
    assert norm_of(by_autograd(network, encoder, loud)) > 1e3
    clip = 0.7
    without = gathered(network, encoder, units[:-1], clip)
    with_it = gathered(network, encoder, [*units[:-1], loud], clip)
    moved = norm_of({name: with_it[name] - without[name] for name in without})
    assert clip * 0.99 < moved <= clip * (1 + 1e-4)


def test_a_gradient_that_overflows_moves_nothing(tiny_base):
    network, encoder, units = made(tiny_base)
    without = gathered(network, encoder, units[:1], 1.0)
    windows = members_of(TASK.encode(ROWS[:1], encoder, labelled=True), [0], 1)[0]
    taken = UnitGradients(network, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        losses = window_losses
        patch.setattr(clipping, "window_losses", lambda *told: losses(*told) * float("inf"))
        taken.add([(encoder.collate(windows), [0])], 1)
    assert all(not total.any() for total in taken.sums.values())
    assert any(total.any() for total in without.values())


def test_the_mean_is_over_the_expected_units_and_noise_has_its_deviation(tiny_base):
    network, encoder, units = made(tiny_base, "head")
    taken = UnitGradients(network, 2.0)
    taken.add([(encoder.collate(units[0]), [0])], 1)
    plain = {p: total.clone() for p, total in taken.sums.items()}
    taken.noisy(torch.Generator().manual_seed(3), 0.0, 4.0)
    assert all(torch.equal(p.grad, plain[p] / 4) for p in plain)
    assert all(not total.any() for total in taken.sums.values())

    network, _, _ = made(tiny_base)
    taken = UnitGradients(network, 2.0)
    taken.noisy(torch.Generator().manual_seed(3), 1.5, 4.0)
    drawn = torch.cat([p.grad.flatten() for p in taken.learning])
    assert drawn.std().item() == pytest.approx(1.5 * 2.0 / 4.0, rel=0.02)
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)


def test_nothing_stays_on_the_network(tiny_base):
    network, encoder, units = made(tiny_base)
    gathered(network, encoder, units, 1.0)
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())


def test_a_window_of_rows_of_several_units_is_refused(tiny_base):
    task = Ner(("person",), context=40)
    rows = [{**row, "document": "one"} for row in entity_rows(4)]
    ready, _ = ready_for(tiny_base, task=task, rows=rows)
    windows = task.encode(rows, ready.model.encoder, labelled=True)
    assert any(len(window.parts) > 1 for window in windows)
    with pytest.raises(MethodError, match="context=0"):
        members_of(windows, [0, 1, 2, 3], 4)
    assert sum(map(len, members_of(windows, [0] * 4, 1))) == len(windows)


def test_weights_outside_known_layers_are_refused(tiny_base):
    _, network = ready_for(tiny_base)
    check_layers(network)
    network.extra = nn.Conv1d(1, 1, 1)
    with pytest.raises(MethodError, match=r"extra \(Conv1d\)"):
        check_layers(network)
