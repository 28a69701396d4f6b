"""Labels spoilt on purpose come first, with the right one suggested; what cannot be judged is said."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from noisy import intents
from tunewheel.data.suspects import label_suspects, set_suspects
from tunewheel.data.suspects.suspects import deal_folds, quiet, text_groups

LANGUAGES = pytest.mark.parametrize("lang", ["en", "zh"])


def spoilt(labels, rows):
    """The next label in the alphabet instead of the right one."""
    names = sorted(set(labels))
    return [names[(names.index(v) + 1) % len(names)] if i in rows else v for i, v in enumerate(labels)]


@LANGUAGES
def test_spoilt_labels_come_first_with_the_right_one_suggested(lang):
    texts, labels = intents(lang, 240)
    wrong = set(range(7, 240, 24))
    found = label_suspects(texts, spoilt(labels, wrong)).found
    assert {suspect.row for suspect in found[: len(wrong)]} == wrong
    assert all(suspect.suggested == labels[suspect.row] for suspect in found[: len(wrong)])
    # Confident learning is careful: it asks for more than the average certainty.
    likely = [suspect.row for suspect in found if suspect.likely]
    assert len(likely) >= len(wrong) // 2 and set(likely) <= wrong and likely == [s.row for s in found[: len(likely)]]
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True) and found[-1].score > 0


@LANGUAGES
def test_right_labels_are_left_alone(lang):
    found = label_suspects(*intents(lang, 240))
    assert found.found == [] and found.likely == 0 and found.sample.whole and found.unjudged == {}


def test_the_same_text_does_not_vouch_for_itself():
    # Forty copies with a wrong label would outvote the rest if some of them were learned from.
    texts, labels = intents("en", 240)
    copies = [f"My card is LOST{'!' * i}" for i in range(40)]
    groups = text_groups(copies)
    assert len(set(groups.tolist())) == 1
    found = label_suspects([*texts, *copies], [*labels, *["hours"] * 40]).found
    assert {suspect.row for suspect in found if suspect.suggested == "lost"} >= set(range(240, 280))


def test_groups_given_stay_together():
    groups = np.arange(300) // 3
    fold = deal_folds(np.arange(300) % 4, groups, 5, 13)
    assert all(len(set(fold[groups == g].tolist())) == 1 for g in range(100))
    assert np.bincount(fold).tolist() == [60] * 5


def test_folds_are_stratified_and_follow_the_seed():
    codes = np.repeat([0, 1], [90, 10])
    fold = deal_folds(codes, np.arange(100), 5, 13)
    assert np.bincount(fold[codes == 1], minlength=5).tolist() == [2] * 5
    assert (fold == deal_folds(codes, np.arange(100), 5, 13)).all()
    assert (fold != deal_folds(codes, np.arange(100), 5, 14)).any()


def test_rare_labels_are_not_judged_but_said():
    texts, labels = intents("zh", 120)
    found = label_suspects([*texts, "转账限额是多少", "转账限额是多少！"], [*labels, "limit", "limit"])
    assert found.unjudged == {"limit": 2}
    assert not {120, 121} & {suspect.row for suspect in found.found}
    assert all(suspect.suggested != "limit" for suspect in found.found)


def test_nothing_can_be_said_of_a_single_label():
    found = label_suspects(["a card", "the card", "no card", "my card", "one card"], ["lost"] * 5)
    assert found.found == [] and found.unjudged == {}


def test_vectors_and_probabilities_take_the_place_of_words():
    draw = np.random.default_rng(3)
    right = np.arange(200) % 2
    labels = ["odd" if r else "even" for r in right]
    labels[10] = "odd"
    vectors = np.stack([right, 1 - right], 1) + draw.normal(0, 0.1, (200, 2))
    by_vectors = label_suspects(["?"] * 200, labels, vectors=vectors, groups=np.arange(200)).found
    assert by_vectors[0].row == 10 and by_vectors[0].suggested == "even"
    # Columns follow the names, which need not be sorted.
    probabilities = np.where(right[:, None] == [1, 0], 0.9, 0.1)
    arguments = {"probabilities": probabilities, "names": ["odd", "even"], "groups": np.arange(200)}
    by_probabilities = label_suspects(["?"] * 200, labels, **arguments).found
    assert [(s.row, s.given, s.suggested) for s in by_probabilities] == [(10, "odd", "even")]
    assert by_probabilities[0].probability == pytest.approx(0.9)
    assert by_probabilities[0].score == pytest.approx(np.log(9))


def test_many_rows_are_sampled_and_the_rows_keep_their_numbers():
    texts, labels = intents("en", 400)
    wrong = set(range(3, 400, 20))
    found = label_suspects(texts, spoilt(labels, wrong), most=300)
    assert len(found.sample.rows) == 300 and found.sample.total == 400 and not found.sample.whole
    seen = set(found.sample.rows.tolist()) & wrong
    assert {suspect.row for suspect in found.found[: len(seen)]} == seen
    assert found.found == label_suspects(texts, spoilt(labels, wrong), most=300).found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ["a"]}, "labels must have one entry a text, 2; got 1"),
        ({"vectors": np.zeros((3, 2))}, "vectors must have one entry a text, 2; got 3"),
        ({"folds": 1}, "folds count from 2, got 1"),
        ({"names": ["a"]}, "label 'b' is not among the names 'a'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        label_suspects(["x", "y"], **{"labels": ["a", "b"], **arguments})


@LANGUAGES
def test_sets_of_labels_are_judged_label_by_label(lang):
    texts, labels = intents(lang, 240)
    sets = [(label, "card") if label == "lost" else (label,) for label in labels]
    first, other = labels.index("lost"), labels.index("fee")
    spoilt_sets = list(sets)
    spoilt_sets[first], spoilt_sets[other] = ("lost",), ("fee", "card")
    found = set_suspects(texts, spoilt_sets)
    assert {s.row: (s.label, set(s.suggested)) for s in found.found} == {
        first: ("card", {"lost", "card"}),
        other: ("card", {"fee"}),
    }
    assert set_suspects(texts, sets).found == []


def test_sets_say_which_labels_are_too_rare_or_too_common():
    texts, labels = intents("en", 60)
    sets = [(label, "all") if i else (label, "all", "once") for i, label in enumerate(labels)]
    assert set_suspects(texts, sets).unjudged == {"all": 60, "once": 1}


def test_remarks_of_the_libraries_are_kept_back():
    with quiet():
        warnings.warn("did not converge", UserWarning, stacklevel=1)
        assert np.log(np.zeros(1))[0] == -np.inf


def test_it_is_silent():
    code = (
        "from noisy import intents\nfrom tunewheel.data.suspects import label_suspects\n"
        "texts, labels = intents('en', 60)\nlabel_suspects(texts, ['fee', *labels[1:]])\n"
    )
    paths = [p for p in sys.path if p]
    command = [sys.executable, "-W", "error", "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "" and ran.stderr == ""
