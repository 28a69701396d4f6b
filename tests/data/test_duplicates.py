"""The same and nearly the same: found as brute force finds them, in both languages, at a bounded cost."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.data import duplicates, shingles
from tunewheel.data.bands import depths
from tunewheel.data.duplicates import Near, find_near
from tunewheel.data.gather import near_key, plain

ENGLISH = "please tell me when the parcel with my new green kettle will arrive at the office in the old harbour street"
CHINESE = "请问我上周在你们店里买的那把绿色水壶什么时候能送到老港口街的办公室我每天上午九点到下午五点都在那里等着收货"


def shingled(text: str) -> set[str]:
    bare = plain(text).ljust(3, "\0")
    return {bare[i : i + 3] for i in range(len(bare) - 2)}


def brute(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    """Every pair of first rows that reaches the threshold, compared one by one."""
    first: dict[int, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(near_key(text), row)
    sets = {row: shingled(texts[row]) for row in sorted(first.values())}
    pairs = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in itertools.combinations(sets, 2)}
    return {pair: similarity for pair, similarity in pairs.items() if similarity >= threshold}


def pairs_of(near: Near) -> dict[tuple[int, int], float]:
    pairs = zip(near.left.tolist(), near.right.tolist(), strict=True)
    return dict(zip(pairs, near.similarity.tolist(), strict=True))


def twins(base: str, count: int, edits: int, length: int, seed: int = 0) -> list[str]:
    """Pieces of a text's characters in random order, each followed by copies with a few characters changed."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        letters = rng.choices(base, k=rng.randint(3, length))
        texts.append("".join(letters))
        for _ in range(rng.randint(0, 2)):
            for _ in range(rng.randint(1, edits)):
                letters[rng.randrange(len(letters))] = rng.choice(base)
            texts.append("".join(letters))
    return texts


@pytest.mark.parametrize("base", [ENGLISH, CHINESE], ids=["en", "zh"])
@pytest.mark.parametrize(("threshold", "length"), [(0.6, 60), (0.8, 60), (0.95, 300)])
def test_pairs_are_those_of_brute_force(base: str, threshold: float, length: int) -> None:
    texts = twins(base, 300, 2, length)
    expected, found = brute(texts, threshold), pairs_of(find_near(texts, threshold))
    assert len(expected) > 30
    assert set(found) <= set(expected)
    assert len(found) >= 0.98 * len(expected)
    assert all(found[pair] == pytest.approx(expected[pair], abs=1e-6) for pair in found)


def test_pairs_come_in_order_left_before_right() -> None:
    near = find_near(twins(ENGLISH, 100, 2, 60))
    pairs = list(pairs_of(near))
    assert pairs == sorted(pairs)
    assert (near.left < near.right).all()
    assert (near.first.dtype, near.left.dtype, near.similarity.dtype) == (np.int64, np.int64, np.float32)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.sampled_from("aB 。好!１"), max_size=6), max_size=12))
def test_the_first_is_the_first_with_the_same_key(texts: list[str]) -> None:
    near = find_near(iter(texts))
    keys = [near_key(text) for text in texts]
    assert near.first.tolist() == [keys.index(key) for key in keys]
    assert set(pairs_of(near)) <= set(brute(texts, 0.8))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My Ｋettle, please!", "my kettle please"),
        ("我的 水壶，在哪里？", "我的水壶在哪里"),
        ("", " \n"),
        ("?! ?", " ?!  ?"),
    ],
)
def test_white_space_case_width_and_signs_make_no_difference(one: str, other: str) -> None:
    near = find_near([one, other])
    assert near.first.tolist() == [0, 0]
    assert not len(near.left)


def test_short_texts_are_one_shingle() -> None:
    near = find_near(["a", "b", "ab", "好", "好的", "abc", "", "a"])
    assert near.first.tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert not len(near.left)


def test_clusters_follow_same_and_near_alike() -> None:
    near = find_near(
        [CHINESE, ENGLISH, "水壶", ENGLISH + " now", ENGLISH.upper() + "!", "now " + ENGLISH, CHINESE + "。"]
    )
    assert near.clusters().tolist() == [0, 1, 2, 1, 1, 1, 0]
    assert find_near([]).clusters().tolist() == []


def test_the_same_texts_give_the_same_answer_however_they_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = twins(CHINESE, 200, 2, 60)
    whole = find_near(texts)
    monkeypatch.setattr(duplicates, "_BATCH", 500)
    monkeypatch.setattr(shingles, "_CELLS", 64)
    assert pairs_of(find_near(iter(texts))) == pairs_of(whole)


def test_texts_are_not_held() -> None:
    class Counted(str):
        alive = 0

        def __init__(self, _: str) -> None:
            Counted.alive += 1

        def __del__(self) -> None:
            Counted.alive -= 1

    most = 0

    def texts() -> Iterator[str]:
        nonlocal most
        for number in range(1000):
            most = max(most, Counted.alive)
            yield Counted(f"{number} {ENGLISH}")

    find_near(texts())
    assert most <= 2


def test_progress_counts_each_text_read_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_STEP", 4)
    told: list[tuple[int, int | None]] = []
    texts = twins(ENGLISH, 6, 1, 20)
    find_near(texts, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert {total for _, total in told} == {2 * len(texts)}
    assert told[0] == (4, 2 * len(texts))
    assert told[-1] == (2 * len(texts), 2 * len(texts))
    told.clear()
    find_near(iter(texts), progress=lambda done, total: told.append((done, total)))
    assert told[0] == (4, None)


@pytest.mark.parametrize("threshold", [0.49, 1.01, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"from 0\.5 to 1, not"):
        find_near([], threshold)


def test_long_texts_are_sampled_and_said_to_be() -> None:
    rng = random.Random(0)
    long = "".join(rng.choices(CHINESE, k=30_000))
    near = find_near([long, ENGLISH, long[2_000:] + "".join(rng.choices(ENGLISH, k=500)), ENGLISH + "s"])
    assert near.sampled == 2
    found, truth = pairs_of(near), brute([long, "", long[2_000:]], 0.5)[0, 2]
    assert set(found) == {(0, 2), (1, 3)}
    assert found[0, 2] == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("base", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_a_crowd_is_said_bounded_and_still_one_cluster(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{base} {number}" for number in range(400)]
    whole = find_near(texts)
    assert (whole.crowded, len(whole.left)) == (0, 400 * 399 // 2)
    monkeypatch.setattr(duplicates, "_ALWAYS", 0)
    near = find_near(texts)
    assert near.crowded > 300
    assert len(near.left) < 50 * len(texts)
    assert set(pairs_of(near)) <= set(pairs_of(whole))
    assert set(near.clusters().tolist()) == {0}


def test_the_list_of_pairs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_ALWAYS", 0)
    monkeypatch.setattr(duplicates, "_PAIRS", 0)
    texts = [f"{ENGLISH} {number % 100} {'x' * (number // 100)}" for number in range(300)]
    near = find_near(texts)
    assert 0 < len(near.left) <= (duplicates._CANDIDATES + duplicates._NEIGHBOURS) * len(texts)
    assert near.crowded


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 1.0])
def test_no_size_is_deeper_than_a_larger_one_or_than_itself(threshold: float) -> None:
    found = depths(threshold)
    assert (np.diff(found) >= 0).all()
    assert (found[1:] <= np.arange(1, len(found))).all()
    assert found[0] >= 1
