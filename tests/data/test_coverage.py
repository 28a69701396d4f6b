"""A few rows that stand for many."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data.coverage import covering


@given(st.lists(st.sampled_from("abcd"), max_size=60), st.integers(0, 80), st.booleans())
def test_every_key_has_its_share_and_none_is_taken_twice(keys: list[str], count: int, blind: bool) -> None:
    vectors = None if blind else np.random.default_rng(1).standard_normal((len(keys), 3)).astype(np.float32)
    taken = covering(keys, vectors, count)
    assert taken == sorted(set(taken))
    sizes = Counter(keys)
    assert len(taken) == min(len(keys), max(count, len(sizes)))
    shares = Counter(keys[place] for place in taken)
    assert set(shares) == set(sizes)
    # Whoever has fewer than another has given all it has, or one less for the rest of the division.
    assert all(shares[a] >= shares[b] - 1 or shares[a] == sizes[a] for a in sizes for b in sizes)


def test_those_taken_are_together_like_all_of_their_key() -> None:
    draw = np.random.default_rng(3)
    vectors = np.concatenate([draw.normal(size=(200, 8)), draw.normal(size=(200, 8)) + 2]).astype(np.float32)
    keys = ["a"] * 200 + ["b"] * 200
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def far(places: list[int]) -> float:
        return sum(
            float(np.linalg.norm(units[[p for p in places if keys[p] == key]].mean(0) - units[own].mean(0)))
            for key, own in (("a", slice(0, 200)), ("b", slice(200, 400)))
        )

    chosen = covering(keys, vectors, 20)
    drawn = [far(covering(keys, None, 20, seed=seed)) for seed in range(20)]
    assert far(chosen) < min(drawn)


def test_the_same_rows_give_the_same_choice() -> None:
    vectors = np.random.default_rng(1).standard_normal((30, 4)).astype(np.float32)
    keys = ["a", "b", "c"] * 10
    assert covering(keys, vectors, 9) == covering(keys, vectors, 9)
    assert covering(keys, None, 9, seed=1) == covering(keys, None, 9, seed=1) != covering(keys, None, 9, seed=2)
