"""Two sets of one kind raise an alarm as often as p says, two kinds always; labels and words too."""

import numpy as np
import pytest

from noisy import intents
from tunewheel.data.drift import label_drift, text_drift, two_sample
from tunewheel.data.features import text_vectors
from tunewheel.data.wording import telling_words


def cloud(seed, rows, shift=0.0):
    return np.random.default_rng(seed).standard_t(4, (rows, 8)) + shift


def test_false_alarms_are_as_rare_as_p_says():
    p = [two_sample(cloud(2 * i, 40), cloud(2 * i + 1, 25), permutations=99, seed=i).p for i in range(600)]
    # Three standard errors of a share of 600.
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.027)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.062)


def test_a_small_shift_of_many_rows_is_found():
    p = [two_sample(cloud(2 * i, 200), cloud(2 * i + 1, 200, 0.25), permutations=199).p for i in range(40)]
    assert np.mean(np.array(p) <= 0.05) >= 0.9


def test_another_spread_is_drift_too():
    assert two_sample(cloud(1, 300), 1.5 * cloud(2, 300)).p == 0.001


def test_the_statistic_is_the_energy_distance_by_hand():
    a, b = cloud(1, 9), cloud(2, 6, 1.0)

    def mean(x, y, pairs):
        return sum(np.linalg.norm(p - q) for p in x for q in y) / pairs

    between = mean(a, b, 54)
    energy = 2 * between - mean(a, a, 72) - mean(b, b, 30)
    found = two_sample(a, b, permutations=9)
    assert found.statistic == pytest.approx(energy, rel=1e-4)
    assert found.effect == pytest.approx(energy / (2 * between), rel=1e-4)


def test_a_shift_of_place_alone_changes_nothing():
    a, b = cloud(1, 50), cloud(2, 50, 0.3)
    near, far = two_sample(a, b), two_sample(a + 1000, b + 1000)
    assert far.statistic == pytest.approx(near.statistic, abs=1e-3) and far.p == pytest.approx(near.p, abs=0.01)


def test_equal_rows_are_no_drift():
    assert two_sample(np.ones((20, 3)), np.ones((10, 3))).p == 1.0
    same = two_sample(cloud(1, 50), cloud(1, 50))
    assert same.p > 0.9 and same.effect == 0


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_another_kind_of_text_is_drift_and_the_same_kind_is_not(lang):
    texts, labels = intents(lang, 300)
    vectors, labels = text_vectors(texts, width=32), np.array(labels)
    assert two_sample(vectors[:150], vectors[150:]).p > 0.05
    moved = two_sample(vectors[labels != "fee"], vectors[labels == "fee"])
    assert moved.p == 0.001 and moved.effect > 0.1


def test_many_rows_are_sampled_and_the_seed_settles_all():
    a, b = cloud(1, 500), cloud(2, 400)
    found = two_sample(a, b, most=100)
    assert (len(found.first.rows), len(found.second.rows)) == (100, 100)
    assert found.p == two_sample(a, b, most=100).p and found.statistic != two_sample(a, b, most=100, seed=14).statistic


def test_two_halves_of_one_order_are_not_paired():
    # Rows drawn at the same places from the same set would look more alike than chance allows.
    a = cloud(1, 500)
    found = two_sample(a, a, most=100)
    assert (found.first.rows != found.second.rows).any()


@pytest.mark.parametrize(("a", "b"), [((1, 3), (5, 3)), ((5, 3), (5, 4)), ((5,), (5, 3))])
def test_what_cannot_be_compared_is_refused(a, b):
    with pytest.raises(ValueError, match="expected two sets of at least 2 vectors of one width"):
        two_sample(np.zeros(a), np.zeros(b))


def test_label_shares_that_move_are_found_and_named():
    found = label_drift({"fee": 50, "lost": 50}, {"fee": 80, "lost": 20})
    assert found.p == 0.001 and found.moved == pytest.approx(0.3) and found.effect == pytest.approx(0.314, abs=1e-3)
    assert found.shares == {"fee": (0.5, 0.8), "lost": (0.5, 0.2)}
    # Pearson's statistic of the table by hand: 2 * (15² / 65 + 15² / 35).
    assert found.statistic == pytest.approx(2 * (15**2 / 65 + 15**2 / 35))


def test_a_new_label_is_drift_and_a_rare_one_is_not():
    assert label_drift({"费用": 100}, {"费用": 80, "挂失": 20}).p == 0.001
    assert label_drift({"费用": 100}, {"费用": 99, "挂失": 1}).p > 0.9
    assert label_drift({"fee": 3}, {"lost": 3}).effect == pytest.approx(1)
    assert label_drift({"fee": 10}, {"fee": 7}).p == 1


def test_label_drift_keeps_its_alarm_rate_with_rare_labels():
    shares = np.array([0.9, 0.06, 0.02, 0.01, 0.01])
    p = []
    for seed in range(400):
        draw = np.random.default_rng(seed)
        sides = [dict(enumerate(map(int, draw.multinomial(n, shares)))) for n in (120, 60)]
        first, second = ({str(k): v for k, v in side.items()} for side in sides)
        p.append(label_drift(first, second, permutations=199, seed=seed).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.08


def test_label_drift_needs_rows_on_both_sides():
    with pytest.raises(ValueError, match="labelled rows on both sides, got 1 and 0"):
        label_drift({"fee": 1}, {})


def test_lengths_languages_and_words_are_compared():
    english, chinese = intents("en", 60)[0], intents("zh", 60)[0]
    found = text_drift(english, [*english[:30], *chinese[:30]])
    assert found.languages == {"en": (1.0, 0.5), "zh": (0.0, 0.5)}
    assert found.lengths[0][1] > found.lengths[1][1] and 0.2 < found.unknown < 0.9
    same = text_drift(english, english)
    assert same.unknown == 0 and all(abs(shift.score) < 1e-9 for shift in same.words)
    with pytest.raises(ValueError, match="texts on both sides, got 1 and 0"):
        text_drift(["a"], [])


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [("pay the fee", "pay the rent", "rent"), ("我要付手续费", "我要付房租", "房租")],
)
def test_the_words_that_differ_most_come_first(first, second, word):
    shifts = telling_words([first] * 20, [second] * 20, top=8)
    assert word in [shift.word for shift in shifts if shift.score > 2]
    assert next(shift for shift in shifts if shift.word == word).second == 1
    assert telling_words([], ["a"]) == [] and telling_words(["?"], ["!"]) == []


def test_a_word_seen_once_does_not_come_before_a_common_one():
    first = ["the fee is high"] * 50
    second = ["the fee is high"] * 20 + ["the rent is high"] * 29 + ["zebra"]
    words = [shift.word for shift in telling_words(first, second)]
    assert words[0] == "rent" and words.index("zebra") > words.index("fee")
