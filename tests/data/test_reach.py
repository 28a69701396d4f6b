"""Kinds of unlabelled text that no labelled row is near: found, named and sized; none where all is reached."""

import numpy as np
import pytest

from noisy import intents
from tunewheel.data.features import text_vectors
from tunewheel.data.reach import unreached

LANGUAGES = pytest.mark.parametrize("lang", ["en", "zh"])
NEW = {"en": "how do I change my address to street number {}", "zh": "怎么修改我的通信地址为{}号"}
WORD = {"en": "address", "zh": "地址"}


def parted(lang, extra):
    """Labelled and unlabelled texts of the same kinds, and ``extra`` of a new one among the unlabelled."""
    texts, _ = intents(lang, 240)
    unlabelled = [*texts[150:], *(NEW[lang].format(i) for i in range(extra))]
    vectors = text_vectors([*texts[:150], *unlabelled], width=48)
    return vectors[:150], vectors[150:], unlabelled


@LANGUAGES
def test_a_kind_without_labels_is_found_with_its_words(lang):
    labelled, unlabelled, texts = parted(lang, 30)
    found = unreached(labelled, unlabelled, texts, clusters=1)
    worst = found.clusters[0]
    assert all(row >= 90 for row in worst.rows) and len(worst.rows) == 5
    assert WORD[lang] in worst.words and worst.distance > found.threshold
    assert 30 <= found.rows <= 45 and worst.size == found.rows
    assert found.share == pytest.approx(found.rows / 120)


@LANGUAGES
def test_what_is_labelled_is_reached(lang):
    labelled, unlabelled, texts = parted(lang, 0)
    assert unreached(labelled, unlabelled, texts).share < 0.2


def test_two_new_kinds_are_two_clusters_the_larger_first():
    draw = np.random.default_rng(1)
    middle = np.eye(4)
    labelled = middle[0] + draw.normal(0, 0.02, (50, 4))
    first, second = middle[1] + draw.normal(0, 0.02, (10, 4)), middle[2] + draw.normal(0, 0.02, (20, 4))
    texts = ["a loan"] * 10 + ["一笔房租"] * 20
    found = unreached(labelled, np.concatenate([first, second]), texts, clusters=2)
    assert [cluster.size for cluster in found.clusters] == [20, 10]
    assert "房租" in found.clusters[0].words and "loan" in found.clusters[1].words
    assert found.clusters == unreached(labelled, np.concatenate([first, second]), texts, clusters=2).clusters


def test_many_rows_are_sampled_and_the_rows_keep_their_numbers():
    labelled, unlabelled, texts = parted("en", 60)
    found = unreached(labelled, unlabelled, texts, most=100, clusters=1)
    assert (len(found.labelled.rows), len(found.unlabelled.rows), found.unlabelled.total) == (100, 100, 150)
    assert all("address" in texts[row] for row in found.clusters[0].rows)


def test_copies_are_one_cluster_and_nothing_is_no_error():
    labelled = np.eye(3)[[0, 0, 0, 0]] + np.random.default_rng(1).normal(0, 0.01, (4, 3))
    copies = np.repeat(np.eye(3)[1:2], 40, axis=0)
    assert [cluster.size for cluster in unreached(labelled, copies, ["x"] * 40).clusters] == [40]
    empty = unreached(labelled, np.zeros((0, 3)), [])
    assert empty.clusters == [] and empty.share == 0


@pytest.mark.parametrize(
    ("labelled", "texts", "message"),
    [((1, 3), 2, "at least 2 labelled vectors"), ((4, 2), 2, "as wide as"), ((4, 3), 1, "one entry an unlabelled")],
)
def test_arguments_that_do_not_fit_are_refused(labelled, texts, message):
    with pytest.raises(ValueError, match=message):
        unreached(np.ones(labelled), np.ones((2, 3)), ["x"] * texts)
