"""What comes of a look, and how often that is wrong over a whole rollout."""

from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest

from tunewheel.feedback.rollout.decide import decide
from tunewheel.feedback.rollout.evidence import bucket
from tunewheel.feedback.rollout.plan import Arm, Counts, Decided, Figures, Plan, RolloutError

PLAN = Plan(shadow=10, share_for=10, watch=10)
EDGES = np.log(1e-4)


def times(draw, n, factor=1.0, spread=0.5):
    return Counter(
        np.maximum(0, ((np.log(factor) + draw.normal(-4, spread, n) - EDGES) / np.log(1.05)).astype(int)).tolist()
    )


def arm(draw, n, failed=0, factor=1.0, of=0, wrong=0, **more):
    return Arm(Counts(n - failed, failed, seconds=times(draw, n - failed, factor), **more), of, of - wrong, wrong)


def look(stage="share", elapsed=5.0, champion=None, candidate=None, **more):
    draw = np.random.default_rng(0)
    champion, candidate = champion or {"n": 18_000}, candidate or {"n": 2_000}
    return decide(Figures(stage, elapsed, arm(draw, **champion), arm(draw, **candidate), **more), PLAN)


def test_it_waits_for_the_stages_time_then_goes_on_promotes_or_ends():
    assert look().verdict == "wait" and "left" in look().reason
    assert look("shadow", 11, {"n": 500}, {"n": 500}).verdict == "next"
    assert look("share", 11).verdict == "promote"
    assert look("watch", 11).verdict == "done"


def test_coming_in_front_takes_answers_and_proof():
    assert look("share", 11, candidate={"n": 99}).verdict == "wait"
    unproven = look("share", 11, candidate={"n": 900})
    assert unproven.verdict == "wait" and "errors not shown" in unproven.reason
    needed = int(unproven.reason.split("about ")[1].split(" ")[0].replace(",", ""))
    assert 0 < needed < 2_000
    assert look("share", 11, {"n": 9 * (900 + needed)}, {"n": 900 + needed}).verdict == "promote"


@pytest.mark.parametrize("stage", ["shadow", "share", "watch"])
@pytest.mark.parametrize(
    ("candidate", "kind"),
    [
        ({"failed": 30}, "errors"),
        ({"factor": 3.0}, "p50"),
        ({"of": 2_000, "wrong": 90}, "feedback"),
    ],
)
def test_what_is_measurably_worse_is_rolled_back_in_every_stage_and_at_once(stage, candidate, kind):
    found = look(stage, 0.1, {"n": 2_000, "of": 2_000, "wrong": 2}, {"n": 2_000, **candidate})
    assert found.verdict == "roll back"
    assert kind in [check.kind for check in found.checks if check.state == "worse"]


def test_another_models_answers_are_rolled_back_in_the_shadow():
    alike = {"n": 500, "rows": 500}
    assert look("shadow", 1, {"n": 500}, {**alike, "agreed": 450}).verdict == "wait"
    assert look("shadow", 1, {"n": 500}, {**alike, "agreed": 180}).verdict == "roll back"


def test_what_is_refused_goes_and_what_somebody_moved_ends():
    assert look(refused="it does not load").verdict == "roll back"
    assert look(refused="it does not load", moved=7).verdict == "ended"


def test_a_loss_that_is_measured_but_within_the_margin_is_not_worse():
    found = look("share", 1, {"n": 900_000, "failed": 900}, {"n": 100_000, "failed": 400})
    errors = found.checks[0]
    assert (errors.state, found.verdict) == ("passed", "wait") and errors.odds > 1e6


def test_figures_decide_the_same_after_they_were_stored():
    import json

    draw = np.random.default_rng(5)
    figures = Figures("share", 11.0, arm(draw, 20_000, 3), arm(draw, 2_000, 1, of=2_000, wrong=4))
    stored = json.loads(json.dumps(figures.as_dict()))
    again = Figures.from_dict(stored)
    found = decide(again, Plan.from_dict(json.loads(json.dumps(asdict(PLAN)))))
    assert again == figures and found == decide(figures, PLAN)
    assert Decided.from_dict(json.loads(json.dumps(found.as_dict()))) == found


@pytest.mark.parametrize(
    "wrong", [{"shadow": 0, "share_for": 0}, {"share": 1.0}, {"alpha": 0}, {"tail": 0.5}, {"watch": -1}]
)
def test_a_plan_that_says_nothing_is_refused(wrong):
    with pytest.raises(RolloutError):
        Plan(**wrong)


def run(draw, plan, *, rate=0.003, candidate=0.003, factor=1.0, complaints=0.02, wrong=0.02, each=120, steps=20):
    """One rollout: the verdict that ended it. Shadow pairs, then a tenth, then all against the former figures."""
    former = None
    for stage in ("shadow", "share", "watch"):
        sums = [Counts(), Counts()]
        said = [[0, 0], [0, 0]]
        for step in range(1, 3 * steps):  # past its end it waits for proof
            split = {"shadow": (each, each), "share": (9 * each, each), "watch": (0, 10 * each)}[stage]
            for side, n in enumerate(split):
                failed = int(draw.binomial(n, (rate, candidate)[side]))
                more = times(draw, n - failed, (1.0, factor)[side])
                sums[side] = sums[side] + Counts(n - failed, failed, rows=n, agreed=n, seconds=more)
                said[side][0] += n
                said[side][1] += int(draw.binomial(n, (complaints, wrong)[side]))
            arms = [Arm(c, of, 0, bad) for c, (of, bad) in zip(sums, said, strict=True)]
            if stage == "watch":
                arms[0] = former
            elapsed = plan.seconds(stage) * step / steps
            found = decide(Figures(stage, elapsed, *arms), plan)
            if found.verdict != "wait":
                break
        if found.verdict not in ("next", "promote"):
            return stage, found.verdict
        former = arms[0]
    raise AssertionError


@pytest.mark.slow
def test_a_candidate_as_good_as_the_champion_is_seldom_ever_rolled_back():
    """Sixty looks at five checks over three stages, 500 rollouts: no more than alpha of them end by a false alarm."""
    draw = np.random.default_rng(11)
    ends = Counter(run(draw, PLAN)[1] for _ in range(500))
    assert ends["roll back"] / 500 <= PLAN.alpha
    assert ends["done"] / 500 >= 0.9


@pytest.mark.parametrize(
    ("harm", "before"),
    [
        ({"candidate": 0.05}, "share"),  # five failures of a hundred, not one
        ({"factor": 2.5}, "shadow"),
        ({"wrong": 0.1}, "share"),
    ],
)
def test_a_candidate_that_does_harm_is_stopped_before_it_is_champion(harm, before):
    draw = np.random.default_rng(12)
    ends = [run(draw, replace(PLAN), **harm) for _ in range(25)]
    stages = ("shadow", "share")[: ("shadow", "share").index(before) + 1]
    assert all(verdict == "roll back" and stage in stages for stage, verdict in ends)


def test_times_are_counted_as_they_were_drawn():
    draw = np.random.default_rng(1)
    one = times(np.random.default_rng(1), 100)
    assert one == Counter(map(bucket, np.exp(draw.normal(-4, 0.5, 100))))
