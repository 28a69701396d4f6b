"""The rule on made figures, and what it says in both languages."""

import re

import pytest

from tunewheel.evaluation import Difference, Interval
from tunewheel.tuning.climbing.advice import Rung, advise
from tunewheel.tuning.climbing.curve import Curve, Gain, Law
from tunewheel.tuning.climbing.fits import Latency
from tunewheel.tuning.climbing.messages import TEXT, advised, gained


def rung(method, score, seconds, difference=None, per_second=1000.0):
    found = None
    if difference:
        low, value, high, p = difference
        found = Difference(score - value, score, value, low, high, p)
    shown = Interval(score, score - 0.02, score + 0.02)
    return Rung(method, shown, found, 800, seconds, 100, 100, 1000, Latency(0.001, 0.002, per_second))


FULL = rung("full", 0.92, 100)


def told(rungs, units=500, lang="en"):
    return advised(advise(rungs, units), units, lang)


def test_a_cheaper_one_that_is_not_measurably_worse_is_taken():
    lora = rung("lora", 0.915, 25, (-0.015, -0.005, 0.006, 0.4))
    assert advise([lora, FULL], 500).method == "lora"
    assert told([lora, FULL]) == (
        "lora: not measurably worse than full (-0.5 [-1.5, +0.6]), at 32% of its cost (35 s instead of 1.8 min)."
    )
    assert "lora：并不明显差于 full" in told([lora, FULL], lang="zh")


def test_of_several_the_cheapest_is_taken():
    tfidf = rung("tfidf", 0.91, 1, (-0.03, -0.01, 0.01, 0.3))
    lora = rung("lora", 0.915, 25, (-0.015, -0.005, 0.006, 0.4))
    assert advise([tfidf, lora, FULL], 500).method == "tfidf"


def test_a_measurably_worse_one_is_not_taken_however_cheap():
    tfidf = rung("tfidf", 0.89, 1, (-0.045, -0.03, -0.015, 0.001))
    assert advise([tfidf, FULL], 500).method == "full"
    assert "every cheaper method is measurably worse (tfidf -3.0 [-4.5, -1.5])" in told([tfidf, FULL])


def test_one_that_may_lose_much_is_not_taken_for_equal():
    """Few rows show no difference whatever the truth is."""
    tfidf = rung("tfidf", 0.89, 1, (-0.08, -0.03, 0.02, 0.2))
    found = advise([tfidf, FULL], 60)
    assert (found.method, found.why) == ("full", "unsure")
    assert "these rows do not settle it" in told([tfidf, FULL], 60)


def test_what_saves_next_to_nothing_is_not_preferred():
    lora = rung("lora", 0.915, 95, (-0.015, -0.005, 0.006, 0.4))
    assert (advise([lora, FULL], 500).method, advise([lora, FULL], 500).why) == ("full", "cheapest")


def test_answering_slowly_is_a_cost_too():
    zero = rung("zero-shot", 0.915, 0, (-0.015, -0.005, 0.006, 0.4), per_second=10)
    assert advise([zero, FULL], 500).method == "full"


def test_a_tiny_dev_set_tells_nothing():
    lora = rung("lora", 0.5, 25, (-0.6, -0.42, -0.2, 0.001))
    found = advise([lora, FULL], 29)
    assert (found.method, found.why) == (None, "tiny")
    assert told([lora, FULL], 29).startswith("Nothing can be told: 29 independent rows")
    assert told([lora, FULL], 29, "zh").startswith("无法判断：用于评判的独立样本只有 29 个")
    assert advise([lora, FULL], 30).method == "full"


def test_one_rung_or_none():
    assert told([FULL]) == "full: the only method that got through."
    assert advise([], 500).method is None
    assert told([]) == "Nothing can be told: no method got through."


@pytest.mark.parametrize(
    ("low", "english", "chinese"),
    [(0.004, "projects +1.2 points [+0.4, +2.1]", "提高 +1.2"), (-0.001, "no gain that could be told", "看不出提升")],
)
def test_a_gain_is_claimed_only_when_it_is_there(low, english, chinese):
    curve = Curve("lora", (100, 200, 400, 800), (FULL.score,) * 4, Law(0.9, 2, 0.5), Gain(800, 0.012, low, 0.021), ())
    assert english in gained(curve) and "1,600" in gained(curve)
    assert chinese in gained(curve, "zh")


def test_every_message_has_both_languages_and_the_same_braces():
    for english, chinese in TEXT.values():
        assert english and chinese
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))
