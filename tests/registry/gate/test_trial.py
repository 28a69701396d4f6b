"""Challengers of known difference, and the gate's rates on them."""

from __future__ import annotations

import numpy as np
import pytest

from tunewheel.evaluation.slices import Part
from tunewheel.registry.gate import Answers, Gate, GateError, RowSet, Trial, measure

RIGHT = np.arange(4000) % 10 > 0


@pytest.fixture
def trial(evidence):
    parts = [Part("half", str(side), np.arange(4000) % 2 == side) for side in (0, 1)]
    answers = {"a:1": Answers(RIGHT, squared=np.where(RIGHT, 0.01, 0.9))}
    old = RowSet("earlier", "old", "o", np.arange(1000))
    return Trial(evidence(RIGHT, RIGHT, [old], parts, answers=answers), 0.08)


@pytest.mark.parametrize("effect", [-0.03, -0.005, 0.0, 0.02, 0.05])
def test_challengers_differ_as_much_as_they_are_said_to(trial, effect):
    rng = np.random.default_rng(0)
    values, apart = [], []
    for _ in range(60):
        made = trial.challenger(effect, rng)
        before, after = made.answers["a:1"].right, made.answers["made"].right
        values.append(after.mean() - before.mean())
        apart.append((after != before).mean())
    assert np.mean(values) == pytest.approx(effect, abs=0.0025)
    assert np.mean(apart) == pytest.approx(max(0.08, abs(effect)), abs=0.003)


def test_a_part_may_have_an_effect_of_its_own(trial):
    inside, rng = np.arange(4000) < 400, np.random.default_rng(0)
    parts = [Part("part", "in", inside)]
    made = Trial(trial.evidence.__class__(**{**vars(trial.evidence), "slices": parts}), 0.08)
    told = [made.challenger(0.01, rng, where={"": (inside, -0.2)}) for _ in range(30)]
    change = [e.answers["made"].right.astype(int) - e.answers["a:1"].right for e in told]
    within = [c[e.slices[0].inside].mean() for c, e in zip(change, told, strict=True)]
    without = [c[~e.slices[0].inside].mean() for c, e in zip(change, told, strict=True)]
    assert (np.mean(within), np.mean(without)) == (pytest.approx(-0.2, abs=0.015), pytest.approx(0.01, abs=0.003))


def test_sets_slices_and_brier_scores_follow_the_rows(trial):
    made = trial.challenger(0.0, np.random.default_rng(0), rows=900)
    champion, challenger = made.answers["a:1"], made.answers["made"]
    assert len(champion.right) == len(made.test.rows) == 900
    assert len(made.sets[1].rows) == pytest.approx(225, abs=60)
    assert sum(part.inside.sum() for part in made.slices) == 900
    for answers in (champion, challenger):
        assert (np.where(answers.right, 0.01, 0.9) == answers.squared).all()


def test_rates_hold_what_the_gate_promises(trial):
    worse, better = measure(trial, Gate(), (-0.005, 0.03), runs=150)
    assert worse.promoted <= 9  # 2.5 % of 150, and three standard deviations
    assert better.promoted >= 140
    assert worse.promoted + worse.refused + worse.undecided == worse.runs == 150
    low, high = better.interval()
    assert low < better.promoted / 150 <= high
    assert better.as_dict()["promoted_share"] == [better.promoted / 150, low, high]


def test_the_same_seed_gives_the_same_rates(trial):
    assert measure(trial, Gate(), (0.01,), runs=10, seed=3) == measure(trial, Gate(), (0.01,), runs=10, seed=3)


def test_no_challenger_is_made_where_none_can_be(trial, evidence):
    with pytest.raises(GateError, match=r"\+0\.200"):
        trial.challenger(0.2, np.random.default_rng(0))
    with pytest.raises(GateError, match="right or wrong"):
        Trial(evidence(RIGHT, RIGHT, answers={"a:1": Answers(scores={"x": RIGHT})}), 0.08)
