"""The promise: figures that others published, the least noise that keeps it, draws by chance, a secret of its own."""

import stat
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tiny import intent_rows
from tunewheel.models import MethodError
from tunewheel.models.private import Privacy, accounting
from tunewheel.models.private.accounting import Plan, draw, epsilon, kept, noise_for, noise_seed, planned
from tunewheel.models.private.privacy import units_of

PLAN = Plan(8.0, 1e-4, None, 1.0, units=400, batches=8, epochs=5, noise=1.0, accountant="rdp")


@pytest.mark.parametrize(
    ("noise", "rate", "updates", "published"),
    [  # the accountant of Gopi et al. (2021), github.com/microsoft/prv_accountant, at δ = 1e-6
        (2.0, 0.05, 100, 1.28364),
        (1.5, 0.2, 100, 8.49898),
        (2.0, 0.001, 1000, 0.07122),
    ],
)
def test_epsilon_is_what_others_published(noise, rate, updates, published):
    assert epsilon(noise, rate, updates, 1e-6) == pytest.approx(published, abs=1e-4)


def test_by_renyi_divergences_it_is_what_opacus_documents_and_a_little_more():
    assert epsilon(1.5, 0.04, 2250, 1e-5, "rdp") == pytest.approx(7.32911117143)
    assert 0.9 < epsilon(1.5, 0.04, 2250, 1e-5) / epsilon(1.5, 0.04, 2250, 1e-5, "rdp") < 1


def test_it_is_opacus_own_figure_counted_step_by_step():
    from opacus.accountants import PRVAccountant

    counted = PRVAccountant()
    for _ in range(30):
        counted.step(noise_multiplier=1.2, sample_rate=0.25)
    assert epsilon(1.2, 0.25, 30, 1e-4) == counted.get_epsilon(delta=1e-4)


def test_nothing_done_spends_nothing():
    assert epsilon(1.0, 0.1, 0, 1e-5) == 0.0


@pytest.mark.slow
def test_the_noise_is_the_least_that_keeps_the_promise():
    noise, accountant = noise_for(1.0, 1e-4, 0.5, 10)
    assert accountant == "prv"
    assert 1.0 - 0.05 < epsilon(noise, 0.5, 10, 1e-4) <= 1.0
    assert epsilon(noise * 0.97, 0.5, 10, 1e-4) > 1.0


def test_where_one_accountant_fails_the_other_answers(monkeypatch):
    plain = accounting.epsilon

    def failing(*told):
        return float("nan") if told[-1] == "prv" else plain(*told)

    monkeypatch.setattr(accounting, "epsilon", failing)
    noise, accountant = noise_for.__wrapped__(4.0, 1e-4, 1.0, 10)
    assert accountant == "rdp"
    assert plain(noise, 1.0, 10, 1e-4, "rdp") <= 4.0


def test_a_plan_rests_on_the_number_of_units_alone():
    rows = [{**row, "who": f"c{i % 70}", "text": "x" * i} for i, row in enumerate(intent_rows(140))]
    plan = planned(Privacy(1.0, unit="who"), rows, 3)
    assert (plan.units, plan.batches, plan.updates) == (70, 1, 3)
    assert plan.delta == pytest.approx(70**-1.1)
    assert plan.delta < 1 / 70
    told = plan.told(plan.updates)
    assert told["epsilon"] <= 1.0
    assert (told["unit"], told["sampling"], told["expected_batch"]) == ("who", "poisson", 70)
    assert plan == planned(Privacy(1.0, unit="who"), [{**row, "text": ""} for row in rows], 3)
    assert planned(Privacy(1.0, batch=20), rows, 3).batches == 7


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Privacy(8.0, delta=0.1), "give it away whole"),
        (Privacy(8.0, batch=41), "there are 40 units"),
        (Privacy(8.0, unit="who"), "whose they are must be known"),
    ],
)
def test_what_promises_nothing_is_refused(asked, said):
    with pytest.raises(MethodError, match=said):
        planned(asked, intent_rows(40), 1)


def test_rows_of_one_value_are_one_unit_and_each_without_a_column():
    rows = [{"who": who} for who in ("a", "b", "a", 1, "b")]
    assert units_of(rows, "who") == [0, 1, 0, 2, 1]
    assert units_of(rows, None) == [0, 1, 2, 3, 4]
    with pytest.raises(MethodError, match="1 of 2 training rows have no 'who', the first is r2"):
        units_of([{"id": "r1", "who": "a"}, {"id": "r2", "who": ""}], "who")


def test_units_are_drawn_by_chance_each_on_its_own():
    """Poisson sampling: sizes vary as a binomial's, no update knows of another, none meets everyone once an epoch."""
    secret, updates = 12345, 2000
    drawn = [draw(PLAN, secret, update) for update in range(updates)]
    sizes = np.array([len(units) for units in drawn])
    rate, units = PLAN.rate, PLAN.units
    assert sizes.mean() == pytest.approx(units * rate, abs=4 * np.sqrt(units * rate * (1 - rate) / updates))
    assert sizes.var() == pytest.approx(units * rate * (1 - rate), rel=0.15)
    met = np.array([count for _, count in sorted(Counter(u for units in drawn for u in units).items())])
    assert len(met) == units
    expected = updates * rate
    assert np.square(met - expected).mean() == pytest.approx(expected * (1 - rate), rel=0.3)
    epochs = [Counter(u for units in drawn[at : at + PLAN.batches] for u in units) for at in range(0, 80, PLAN.batches)]
    assert all(len(epoch) < units and max(epoch.values()) > 1 for epoch in epochs)  # shuffling would meet each once
    both = sum(1 for units in drawn if {3, 7} <= set(units)) / updates
    assert both == pytest.approx(rate**2, abs=4 * np.sqrt(rate**2 / updates))


def test_draws_and_noise_follow_from_the_secret_and_the_update_alone():
    assert draw(PLAN, 5, 9) == draw(PLAN, 5, 9)
    assert draw(PLAN, 5, 9) != draw(PLAN, 6, 9)
    assert draw(PLAN, 5, 9) != draw(PLAN, 5, 8)
    assert len({noise_seed(secret, update) for secret in (5, 6) for update in range(50)}) == 100


def test_the_secret_is_fresh_for_every_run_and_kept_for_one_that_is_taken_up(tmp_path):
    plan, secret = kept(PLAN, tmp_path / "one")
    assert kept(replace(PLAN, noise=2.0), tmp_path / "one") == (plan, secret) == (PLAN, secret)
    _, other = kept(PLAN, tmp_path / "two")
    assert secret != other
    assert secret.bit_length() > 64
    assert stat.S_IMODE((tmp_path / "one" / "privacy.json").stat().st_mode) == 0o600
