"""The ladder within its budget: what is tried in which order, what is left out and why, what is not done again."""

import json

import pytest

from made import ASKED, CLOCK, LEARNED, TASK, install, made, refusing, rows_of, unfit
from tunewheel.models import MethodError, Recipe, prepare
from tunewheel.models.methods import method_names
from tunewheel.tuning.climbing.fits import RECORD, Bench
from tunewheel.tuning.climbing.ladder import LADDER, Ladder, usable
from tunewheel.tuning.climbing.subsets import Fold, folds_of


@pytest.fixture
def bench(tmp_path):
    def build(folds=None, clock=CLOCK):
        def ready(method, rows, recipe):
            return prepare(TASK, "base", rows, recipe or Recipe(), method=method)

        folds = folds or [Fold(rows_of(160, "learn"), rows_of(200, "judge"))]
        return Bench(ready, TASK, folds, tmp_path / "run", seed=13, clock=clock)

    return build


def test_by_default_the_ladder_is_climbed_from_the_cheapest_to_the_dearest(monkeypatch):
    install(monkeypatch, made("tfidf"), made("lora"), made("zero-shot"))
    assert usable(None, "classification")[0] == [name for name in LADDER if name in method_names()]
    assert usable(None, "classification")[0][0] == "zero-shot" and usable(None, "classification")[0][-1] == "full"
    assert usable(["full", "tfidf", "full"], "classification") == (["full", "tfidf"], [])


def test_methods_of_no_use_are_named_with_their_reasons(monkeypatch, bench):
    install(monkeypatch, made("first"), refusing("counts"), unfit("picky"))
    chosen, left = usable(["first", "counts", "picky"], "ner")
    found = Ladder(bench(), chosen, left, minutes=10).climb()
    assert [rung.method for rung in found.rungs] == ["first"]
    assert [(each.method, each.why, each.reason) for each in found.left] == [
        ("counts", "refused", "it counts words"),
        ("picky", "unusable", "no base of the kind it needs"),
    ]
    with pytest.raises(MethodError, match=r"no method 'fist'.*did you mean 'first'"):
        usable(["fist"], "classification")


def test_a_method_is_tried_on_an_eighth_and_done_whole_only_if_that_fits(monkeypatch, bench):
    install(monkeypatch, made("cheap", price=0.1), made("dear", price=3.0))
    found = Ladder(bench(), ["cheap", "dear"], [], minutes=2).climb()
    assert [rung.method for rung in found.rungs] == ["cheap"]
    (left,) = found.left
    assert (left.method, left.why) == ("dear", "time")
    # An eighth took a minute: all would take eight and the judging besides.
    assert 300 < left.seconds < 540
    assert ("dear", 20) in LEARNED and ("dear", 160) not in LEARNED
    assert found.spent < 130


def test_what_is_not_begun_for_want_of_time_is_said(monkeypatch, bench):
    install(monkeypatch, made("first", price=4.0), made("second"))
    found = Ladder(bench(), ["first", "second"], [], minutes=1).climb()
    assert [(each.method, each.seconds is None) for each in found.left] == [("first", False), ("second", True)]
    assert found.advice.method is None and found.advice.why == "none"
    assert not any(method == "second" for method, _ in LEARNED)


def test_time_left_over_goes_into_curves_the_best_first(monkeypatch, bench):
    install(monkeypatch, made("good", price=0.1), made("bad", price=0.1, wrong=40))
    found = Ladder(bench(), ["bad", "good"], [], minutes=10).climb()
    assert [
        *(("bad", 20), ("bad", 160), ("good", 20), ("good", 160)),
        *(("good", 40), ("good", 80), ("bad", 40), ("bad", 80)),
    ] == LEARNED
    assert [(curve.method, curve.rows) for curve in found.curves] == [
        ("bad", (20, 40, 80, 160)),
        ("good", (20, 40, 80, 160)),
    ]
    assert found.curve.method == found.advice.method == "good"


def test_a_method_that_does_not_learn_is_tried_on_part_of_the_judging_and_has_no_curve(monkeypatch, bench):
    install(monkeypatch, made("blind", learns=False, price=0.0, pace=1.0))
    found = Ladder(bench(), ["blind"], [], minutes=3).climb()
    (left,) = found.left
    assert (left.method, left.why, left.seconds) == ("blind", "time", pytest.approx(200))
    assert len(ASKED) == 25 and found.curves == ()
    whole = Ladder(bench(), ["blind"], [], minutes=30).climb()
    assert whole.rungs[0].trainable == 0 and whole.curve is None


def test_a_rung_says_what_it_takes(monkeypatch, bench):
    install(monkeypatch, made("first", price=0.1, pace=0.01))
    (rung,) = Ladder(bench(), ["first"], [], minutes=10).climb().rungs
    assert rung.seconds == pytest.approx(16)
    assert (rung.latency.median, rung.latency.per_second) == (pytest.approx(0.01), pytest.approx(100))
    assert rung.cost == pytest.approx(16 + 100)
    assert rung.parameters == rung.trainable == 7 and rung.size > 100


def test_a_killed_climb_goes_on_where_it_stood_and_its_time_counts(monkeypatch, bench):
    install(monkeypatch, made("first"), made("second"))
    fit = Bench.fit

    def killed(self, method, part, *rest):
        if (method, part) == ("second", 1):
            raise KeyboardInterrupt
        return fit(self, method, part, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            Ladder(bench(), ["first", "second"], [], minutes=10).climb()
    done, spent = list(LEARNED), CLOCK.now
    assert done == [("first", 20), ("first", 160), ("second", 20)]
    found = Ladder(bench(), ["first", "second"], [], minutes=10).climb()
    assert LEARNED[len(done)] == ("second", 160)
    assert len(LEARNED) == len(set(LEARNED)) == 8
    assert found.spent == pytest.approx(CLOCK.now) and spent < found.spent
    again = Ladder(bench(), ["first", "second"], [], minutes=10).climb()
    assert len(LEARNED) == 8
    assert json.dumps(again.as_dict()) == json.dumps(found.as_dict())


def test_a_fit_without_a_record_is_not_taken_for_done(monkeypatch, bench):
    install(monkeypatch, made("first"))
    table = bench()
    Ladder(table, ["first"], [], minutes=10).climb()
    (table.folder / "first-1" / RECORD).unlink()
    Ladder(bench(), ["first"], [], minutes=10).climb()
    assert LEARNED.count(("first", 160)) == 2 and LEARNED.count(("first", 20)) == 1


def test_without_dev_every_row_is_judged_by_a_model_that_has_not_learned_from_it(monkeypatch, bench):
    install(monkeypatch, made("first", wrong=20))
    rows = rows_of(200, "row")
    table = bench(folds_of(rows, TASK, 13))
    found = Ladder(table, ["first"], [], minutes=10).climb()
    assert found.crossed and found.rows == 200
    assert LEARNED.count(("first", 160)) == 5
    assert sorted(row["id"] for row in table.held) == sorted(row["id"] for row in rows)
    assert {len(fold.held) for fold in table.folds} == {40}
    # The model that is kept has learned from all rows, once.
    assert table.model("first").origin.method == table.model("first").origin.method == "first"
    assert LEARNED.count(("first", 200)) == 1


def test_a_real_method_says_how_many_of_its_weights_learn(tiny_base, tmp_path):
    def ready(method, rows, recipe):
        told = recipe or Recipe(epochs=1, batch_tokens=256, precision="fp32")
        return prepare(TASK, str(tiny_base), rows, told, method=method)

    folds = [Fold(rows_of(24, "learn"), rows_of(40, "judge"))]
    table = Bench(ready, TASK, folds, tmp_path, seed=13, clock=CLOCK)
    found = Ladder(table, ["head", "full"], [], minutes=10).climb()
    head, full = found.rungs
    assert head.trainable < full.trainable == full.parameters
    assert table.model("full").predict(["learn 3"])
    assert not list(tmp_path.rglob("checkpoint-*"))
