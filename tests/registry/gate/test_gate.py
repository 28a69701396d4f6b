"""Verdicts: what passes, what is refused, what is left open, and that more errors never open the gate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.evaluation.slices import Part
from tunewheel.registry.gate import Answers, Decision, Evidence, Gate, GateError, Margins, RowSet
from tunewheel.tasks.calibration import Claims
from tunewheel.tasks.ner import Ner

RIGHT = np.arange(3000) % 10 > 0
STEPS = {"refuse": 0, "undecided": 1, "promote": 2}


def of(decision, kind, name=None):
    return [check for check in decision.checks if check.kind == kind and name in (None, check.of)]


@pytest.mark.parametrize(
    ("gained", "lost", "verdict"),
    [(140, 80, "promote"), (40, 40, "undecided"), (0, 0, "promote"), (60, 120, "refuse"), (90, 110, "undecided")],
)
def test_the_verdict_follows_from_the_bounds(evidence, turned, gained, lost, verdict):
    decision = Gate().decide(evidence(RIGHT, turned(RIGHT, gained, lost)))
    assert decision.verdict == verdict
    [check] = of(decision, "test")
    assert check.state == {"promote": "passed", "refuse": "worse", "undecided": "open"}[verdict]
    assert (check.rows, check.apart) == (3000, pytest.approx((gained + lost) / 3000))
    assert check.value == pytest.approx((gained - lost) / 3000)


def test_undecided_says_how_many_more_rows_and_they_decide(evidence, turned):
    decision = Gate().decide(evidence(RIGHT, turned(RIGHT, 60, 60)))
    assert decision.verdict == "undecided"
    assert decision.needed == 9663  # (1.960 + 0.842)² × 0.0403 / 0.005² - 3000
    rng, rows, passed = np.random.default_rng(0), 3000 + decision.needed, 0
    for _ in range(100):
        before = rng.random(rows) < 0.9
        after = np.where(before, rng.random(rows) >= 0.02 / 0.9, rng.random(rows) < 0.02 / 0.1)
        passed += of(Gate().decide(evidence(before, after)), "test")[0].state == "passed"
    assert 68 <= passed <= 92


def test_the_margin_is_the_users(evidence, turned):
    told = evidence(RIGHT, turned(RIGHT, 40, 60))
    assert [Gate(Margins(test=margin)).decide(told).verdict for margin in (0.005, 0.02)] == ["undecided", "promote"]


@given(st.integers(20, 400), st.data())
@settings(max_examples=50, deadline=None)
def test_a_model_is_never_refused_for_being_worse_than_itself(evidence, rows, data):
    right = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    parts = [Part("half", str(side), np.arange(rows) % 2 == side) for side in (0, 1)]
    old = RowSet("earlier", "old", "o", np.arange(rows // 2))
    decision = Gate().decide(evidence(right, right, [old], parts))
    assert decision.verdict != "refuse"
    assert all(check.state != "worse" for check in decision.checks)


@given(st.integers(0, 2**32 - 1), st.sampled_from([60, 300, 2000]), st.floats(0, 0.15), st.floats(0, 0.15))
@settings(max_examples=150, deadline=None)
def test_more_wrong_answers_never_open_the_gate(evidence, seed, rows, gain, loss):
    rng = np.random.default_rng(seed)
    before = rng.random(rows) < 0.8
    after = np.where(before, rng.random(rows) >= loss, rng.random(rows) < gain)
    spoilt = after & (rng.random(rows) >= rng.choice([0.002, 0.02, 0.1]))
    parts = [Part("third", str(side), np.arange(rows) % 3 == side) for side in range(3)]
    sets = [
        RowSet("new", "new", "n", np.arange(rows // 2, rows)),
        RowSet("earlier", "old", "o", np.arange(rows // 2)),
    ]
    squared = np.where(before, 0.05, 0.6)
    champion, test = Answers(before, squared=squared), np.arange(rows)
    verdicts = []
    for answers in (after, spoilt):
        made = Answers(answers, squared=np.where(answers, 0.05, 0.6))
        told = evidence(before, answers, sets, parts, test=test, answers={"a:1": champion, "a:2": made})
        verdicts.append(STEPS[Gate(Margins(test=0.02, slices=0.1)).decide(told).verdict])
    assert verdicts[1] <= verdicts[0]


def test_small_losses_do_not_add_up(evidence, turned):
    """Two points below the best version, nothing below the champion: the champion alone would let it through."""
    best = turned(RIGHT, 60, 0)
    same = turned(RIGHT, 1, 1)
    alone = evidence(RIGHT, same)
    assert Gate(Margins(test=0.01)).decide(alone).verdict == "promote"
    told = evidence(RIGHT, same, former=("a:0",), answers={"a:0": Answers(best)})
    decision = Gate(Margins(test=0.01)).decide(told)
    assert decision.verdict == "refuse"
    assert [(c.kind, c.against) for c in decision.reasons()] == [("former", "a:0")]


def test_every_former_champion_is_compared_with_once(evidence, turned):
    answers = {"a:0": Answers(turned(RIGHT, 2, 2)), "a:9": Answers(turned(RIGHT, 0, 3))}
    decision = Gate().decide(evidence(RIGHT, RIGHT, former=("a:0", "a:9", "a:0", "a:1"), answers=answers))
    assert [check.against for check in of(decision, "former")] == ["a:0", "a:9"]


def test_new_data_must_be_answered_better(evidence, turned):
    new = RowSet("new", "new data", "n", np.arange(3000, 3200))
    before = np.concatenate([RIGHT, np.arange(200) % 2 == 0])
    test, late = np.arange(3000), np.arange(3200) >= 3000
    better = turned(before, 60, 0, among=late)
    equal = before.copy()
    worse = turned(before, 0, 30, among=late)
    verdicts = [Gate().decide(evidence(before, after, [new], test=test)).verdict for after in (better, equal, worse)]
    assert verdicts == ["promote", "undecided", "refuse"]
    assert Gate(Margins(new=-0.05)).decide(evidence(before, equal, [new], test=test)).verdict == "promote"


def test_few_new_rows_need_the_exact_test(evidence, turned):
    """Four gains and no loss pass the score test (z = 2), though a coin falls so once in sixteen."""
    new = RowSet("new", "new data", "n", np.arange(3000, 3040))
    before = np.concatenate([RIGHT, np.arange(40) % 2 == 0])
    told = evidence(before, turned(before, 4, 0, among=np.arange(3040) >= 3000), [new], test=np.arange(3000))
    [check] = of(Gate().decide(told), "new")
    assert check.low > 0
    assert check.state == "open"


def test_nothing_forgotten_on_an_earlier_test_set(evidence, turned):
    old = np.arange(3000) < 600
    after = turned(turned(RIGHT, 0, 40, among=old), 150, 0, among=~old)
    earlier = RowSet("earlier", "test set of data 12ab", "o", np.flatnonzero(old))
    assert Gate().decide(evidence(RIGHT, after)).verdict == "promote"
    decision = Gate().decide(evidence(RIGHT, after, [earlier]))
    assert decision.verdict == "refuse"
    assert [check.kind for check in decision.reasons()] == ["earlier"]


def test_an_earlier_set_must_be_shown_to_lose_no_more_than_its_rows_rule_out(evidence, turned):
    """Of 600 rows: margins below 3.6 points cannot be shown, so 3.6 has to be, unlike in a slice as small."""
    old = np.arange(3000) < 600
    earlier = RowSet("earlier", "test set of data 12ab", "o", np.flatnonzero(old))
    states = []
    for gained, lost in ((20, 20), (30, 42), (8, 40)):
        after = turned(turned(RIGHT, gained, lost, among=old), 150, 0, among=~old)
        decision = Gate().decide(evidence(RIGHT, after, [earlier], [Part("when", "before", old)]))
        states.append((of(decision, "earlier")[0].state, of(decision, "slice")[0].state))
    assert states == [("passed", "passed"), ("open", "passed"), ("worse", "worse")]
    [check] = of(Gate().decide(evidence(RIGHT, turned(RIGHT, 20, 20, among=old), [earlier])), "earlier")
    assert check.resolves == pytest.approx(2.80 * 0.1**0.5 / 600**0.5, rel=0.01)


def test_a_broken_slice_is_refused_whatever_the_rest_gains(evidence, turned):
    inside = np.arange(3000) % 15 == 1
    after = turned(turned(RIGHT, 0, 40, among=inside), 150, 0, among=~inside)
    parts = [Part("channel", "app", inside), Part("channel", "web", ~inside)]
    decision = Gate().decide(evidence(RIGHT, after, slices=parts))
    assert decision.verdict == "refuse"
    assert [check.of for check in decision.reasons()] == ["channel app"]


def test_many_slices_are_corrected_by_holm(evidence, turned):
    """Seven losses and no gain: p 0.008 for one slice alone, no reason where forty were looked at."""
    inside = np.arange(3000) < 75
    after = turned(turned(RIGHT, 0, 7, among=inside), 150, 0, among=~inside)
    several = [Part("label", str(k), np.arange(3000) // 75 == k) for k in range(40)]
    [alone] = of(Gate().decide(evidence(RIGHT, after, slices=several[:1])), "slice")
    first = of(Gate().decide(evidence(RIGHT, after, slices=several)), "slice")[0]
    assert (alone.state, alone.p) == ("worse", pytest.approx(2**-7))
    assert (first.state, first.p) == ("small", pytest.approx(40 * 2**-7))


def test_a_slice_too_small_to_decide_is_said_and_holds_nothing_back(evidence, turned):
    parts = [Part("label", "rare", np.arange(3000) < 30), Part("label", "often", np.arange(3000) >= 30)]
    after = turned(RIGHT, 150, 80, among=parts[1].inside)
    decision = Gate().decide(evidence(RIGHT, after, slices=parts))
    rare, often = of(decision, "slice")
    assert (rare.state, often.state, decision.verdict) == ("small", "passed", "promote")
    assert rare.resolves == pytest.approx(2.80 * 0.1**0.5 / 30**0.5, rel=0.01)
    assert often.resolves is None


def test_errors_elsewhere_do_not_make_a_slice_too_small(evidence, turned):
    """Were the rows that a slice needs told by how much the two models disagree, more errors would excuse it."""
    inside = np.arange(3000) % 10 == 0
    before = (np.arange(3000) // 10) % 10 > 0
    verdicts = []
    for lost in (0, 110):
        after = turned(turned(before, 7, 16, among=inside), 270, lost, among=~inside)
        decision = Gate(Margins(slices=0.055)).decide(evidence(before, after, slices=[Part("channel", "app", inside)]))
        verdicts.append((decision.verdict, of(decision, "slice")[0].state))
    assert verdicts == [("undecided", "open")] * 2


def test_a_slice_with_rows_enough_must_be_shown_to_hold(evidence, turned):
    inside = np.arange(3000) < 1500
    after = turned(turned(RIGHT, 60, 95, among=inside), 120, 0, among=~inside)
    told = evidence(RIGHT, after, slices=[Part("language", "zh", inside)])
    states = [of(Gate(Margins(slices=m, alpha=1e-4)).decide(told), "slice")[0].state for m in (0.05, 0.1)]
    assert states == ["open", "passed"]


def test_calibration_must_not_get_measurably_worse_beyond_the_margin(evidence):
    def told(after):
        champion = Answers(RIGHT, squared=np.where(RIGHT, 0.02, 0.5))
        return evidence(RIGHT, RIGHT, answers={"a:1": champion, "a:2": Answers(RIGHT, squared=after)})

    states = [of(Gate().decide(told(np.where(RIGHT, s, 0.5))), "calibration")[0].state for s in (0.02, 0.03, 0.06)]
    assert states == ["passed", "passed", "worse"]
    assert not of(Gate().decide(told(np.full(3000, np.nan))), "calibration", "Brier score")


def test_overconfidence_is_told_by_the_calibration_error(evidence):
    def claims(sure):
        return Claims(np.arange(3000), np.full(3000, sure), RIGHT)

    answers = {name: Answers(RIGHT, claims=claims(sure)) for name, sure in (("a:1", 0.9), ("a:2", 0.99))}
    decision = Gate().decide(evidence(RIGHT, RIGHT, answers=answers))
    [check] = of(decision, "calibration")
    assert (check.of, check.state, decision.verdict) == ("calibration error", "worse", "refuse")
    assert check.value == pytest.approx(0.09)


def test_latency_is_bounded_by_the_champions(evidence):
    def told(factor):
        seconds = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0]) / 1000
        pair = {"a:1": Answers(RIGHT, seconds=seconds), "a:2": Answers(RIGHT, seconds=factor * seconds)}
        return evidence(RIGHT, RIGHT, answers=pair)

    states = [of(Gate().decide(told(factor)), "latency")[0].state for factor in (0.5, 1.4, 1.6)]
    assert states == ["passed", "passed", "worse"]


@pytest.mark.parametrize(("parity", "state"), [(None, "absent"), (True, "passed"), (False, "worse")])
def test_an_export_must_answer_alike(evidence, parity, state):
    decision = Gate().decide(evidence(RIGHT, RIGHT, parity=parity))
    assert of(decision, "parity")[0].state == state
    assert (decision.verdict == "refuse") == (parity is False)


def test_what_was_not_there_is_said(evidence):
    decision = Gate().decide(evidence(RIGHT, RIGHT))
    absent = [check.of for check in decision.checks if check.state == "absent"]
    assert absent == ["no new data", "no earlier test set", "no slices", "no confidences", "not timed", "no export"]


def test_reuse_of_a_test_set_adds_up(evidence):
    rates = [Gate().decide(evidence(RIGHT, RIGHT, uses=uses)).error_rate for uses in (0, 3, 100)]
    assert rates == pytest.approx([0.025, 0.1, 1.0])


def test_any_metric_and_documents_are_decided_by_resampling():
    task, rng = Ner(("person",)), np.random.default_rng(0)
    span = {"start": 0, "end": 4, "label": "person"}
    rows = [{"text": "Anna met Bob", "entities": [span]} for _ in range(600)]

    def answers(miss):
        found = [{"entities": [] if rng.random() < miss else [span | {"confidence": 0.9}]} for _ in rows]
        return Answers.of(task, "f1", rows, found)

    pair = {"a:1": answers(0.3), "a:2": answers(0.1), "a:3": answers(0.5)}
    assert all(each.right is None for each in pair.values())
    test = RowSet("test", "test", "t", np.arange(600))
    verdicts = []
    for name in ("a:2", "a:3"):
        told = Evidence("f1", task, name, "a:1", pair, [test], documents=np.arange(600) // 3)
        verdicts.append(Gate(resamples=200).decide(told).verdict)
    assert verdicts == ["promote", "refuse"]


def test_a_decision_survives_being_written_down(evidence, turned):
    decision = Gate().decide(evidence(RIGHT, turned(RIGHT, 40, 60), uses=2))
    assert Decision.from_dict(decision.as_dict()) == decision


def test_golden(evidence, turned):
    parts = [Part("language", "zh", np.arange(3000) % 5 == 0), Part("language", "en", np.arange(3000) % 5 > 0)]
    decision = Gate().decide(evidence(RIGHT, turned(RIGHT, 90, 110), slices=parts, uses=1))
    told = [(c.kind, c.of, c.state, c.rows, c.needed) for c in decision.checks if c.state != "absent"]
    assert (decision.verdict, decision.needed) == ("undecided", 8825)
    assert told == [
        ("test", "test set of a:1", "open", 3000, 8825),
        ("slice", "language zh", "passed", 600, None),
        ("slice", "language en", "passed", 2400, None),
    ]
    [check] = of(decision, "test")
    assert (check.low, check.high) == pytest.approx((-0.01603, 0.00260), abs=1e-5)
    assert check.p == pytest.approx(0.0894, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"test": 0.0}, "margin test"),
        ({"slices": 5}, "margin slices"),
        ({"new": 1.0}, "new data"),
        ({"latency": 0.5}, "latency"),
        ({"alpha": 0.6}, "alpha"),
        ({"power": 0.2}, "power"),
    ],
)
def test_margins_that_make_no_sense_are_refused(values, told):
    with pytest.raises(GateError, match=told):
        Margins(**values)


def test_evidence_that_cannot_be_looked_at_is_refused(evidence):
    told = evidence(RIGHT, RIGHT)
    with pytest.raises(GateError, match="no answers of a:9"):
        replace(told, challenger="a:9")
    with pytest.raises(GateError, match="first set"):
        replace(told, sets=[])
    with pytest.raises(GateError, match="without rows"):
        evidence(RIGHT, RIGHT, [RowSet("new", "new", "n", np.arange(0))])
