"""Every test keeps its rate where nothing drifts, and finds the drift that it is for."""

import numpy as np
import pytest

from traffic import NEW, texts, traffic, vectors
from tunewheel.feedback.drift import LEAST, LEAST_ROWS, DriftError, Reference, Seen
from tunewheel.feedback.drift.estimate import expected_accuracy
from tunewheel.feedback.drift.seen import joined


def found(reference, window):
    return {each.name: each for each in reference.statistics(window)}


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_drift_small_p_values_are_as_rare_as_they_say(lang):
    p = {name: [] for name in LEAST}
    for seed in range(30):
        reference = Reference(traffic(lang, 200, 2 * seed))
        for name, each in found(reference, traffic(lang, 100, 2 * seed + 1)).items():
            p[name].append(each.p)
    for name, values in p.items():
        assert len(values) == 30
        # At a true rate of 0.1 more than 9 of 30 come once in two thousand times.
        assert sum(np.array(values) <= 0.1) <= 9, name


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_new_topic_is_found_by_what_is_asked_and_by_how_it_is_answered(lang):
    seen = found(Reference(traffic(lang, 600, 1)), traffic(lang, 300, 2, new=0.3))
    for name in ("vectors", "words", "confidence", "labels", "feedback"):
        assert seen[name].p < 1e-4 and seen[name].effect > LEAST[name], name
    assert seen["language"].p > 0.5 and seen["feedback"].now < seen["feedback"].before


def test_another_language_typing_mistakes_and_longer_texts_are_each_found():
    reference = Reference(Seen.of(texts("en", 400, 1), vectors=vectors(texts("en", 400, 1))))
    mixed = texts("en", 170, 2) + texts("zh", 30, 2)
    seen = found(reference, Seen.of(mixed, vectors=vectors(mixed)))
    assert seen["language"].p < 1e-6 and seen["language"].effect == pytest.approx(0.15)
    mistyped = [
        "".join(reversed(text.split()[-1])).join(text.rsplit(text.split()[-1], 1)) for text in texts("en", 200, 2)
    ]
    assert found(reference, Seen.of(mistyped))["words"].p < 1e-6
    longer = [text + " and nobody has come to look at it yet" for text in texts("en", 200, 2)]
    assert found(reference, Seen.of(longer))["length"].p < 1e-6


def test_rows_far_from_everything_known_are_told():
    usual = traffic("en", 500, 1)
    strange = Seen.of(NEW["en"], vectors=-usual.vectors[:3])
    reference = Reference(usual)
    assert reference.far_rows(strange).all()
    assert reference.far_rows(traffic("en", 400, 2)).mean() < 0.15
    some = joined([traffic("en", 180, 2), strange.take(np.arange(20) % 3)])
    assert found(reference, some)["novelty"].p < 1e-2


def test_the_order_of_the_rows_changes_nothing():
    reference, window = Reference(traffic("en", 300, 1)), traffic("en", 150, 2, new=0.2)
    shuffled = window.take(np.random.default_rng(3).permutation(150))
    for one, other in zip(reference.statistics(window), reference.statistics(shuffled), strict=True):
        assert one.name == other.name and one.p == pytest.approx(other.p) and one.effect == pytest.approx(other.effect)


def test_what_is_not_known_of_the_rows_is_not_tested():
    reference = Reference(traffic("en", 300, 1))
    bare = Seen.of(texts("en", 100, 2))
    assert list(found(reference, bare)) == ["words", "length", "language"]
    assert found(reference, bare.take(slice(LEAST_ROWS - 1))) == {}
    unsure = Seen.of(texts("en", 100, 2), confidences=[0.9] * 20 + [np.nan] * 80, right=[np.nan] * 100)
    assert not {"confidence", "feedback"} & found(reference, unsure).keys()


def test_a_column_of_another_length_is_refused():
    with pytest.raises(DriftError, match="1 labels for 2 texts"):
        Seen.of(["a", "b"], labels=["x"])
    with pytest.raises(DriftError, match="no rows"):
        joined([])


def test_a_vocabulary_apart_tells_which_words_are_known():
    seen = Seen.of(texts("en", 100, 1))
    poor = Reference(seen, vocabulary=["the in near"])
    assert poor.unknown.mean() > 0.4 > Reference(seen).unknown.mean()


def test_a_word_of_one_row_is_as_unknown_there_as_in_a_window():
    said = [f"ticket number{i}" for i in range(300)]
    reference = Reference(Seen.of(said[:200]))
    assert reference.unknown.mean() == pytest.approx(0.5)
    assert found(reference, Seen.of(said[200:]))["words"].p > 0.5


def test_expected_accuracy_covers_the_truth_and_says_nothing_without_confidence():
    covered = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)

        def rows(count, low, draw=draw):
            sure = draw.uniform(low, 1, count)
            # Too sure by five points, on the reference and in the window alike.
            right = (draw.random(count) < sure - 0.05).astype(float)
            return Seen.of(["a"] * count, confidences=sure, right=right)

        told = expected_accuracy(rows(300, 0.3), rows(600, 0.6))
        covered += told.low <= 0.65 - 0.05 <= told.high
    # 95 % of 200, less three standard deviations.
    assert covered >= 181
    assert expected_accuracy(Seen.of(["a"] * 9), Seen.of(["a"] * 9)) is None
