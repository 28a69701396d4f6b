"""What is worth labelling: unsure, and unlike each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.feedback.suggesting import suggested


def test_unsure_answers_of_every_kind_come_before_more_of_one_kind() -> None:
    draw = np.random.default_rng(0)
    centres = np.eye(4)
    vectors = np.concatenate([centres[k] + 0.01 * draw.normal(size=(50, 4)) for k in range(4)]).astype(np.float32)
    confidences = np.concatenate([np.full(50, 0.2 + 0.1 * k) for k in range(4)])
    assert sorted(i // 50 for i in suggested(confidences, vectors, 4)) == [0, 1, 2, 3]
    assert all(i < 50 for i in suggested(confidences, None, 4))


def test_a_confident_answer_far_away_does_not_come_before_an_unsure_one() -> None:
    vectors = np.array([[1, 0], [0.9, 0.4], [0, 1]], dtype=np.float32)
    assert suggested(np.array([0.3, 0.4, 0.9999]), vectors, 2).tolist() == [0, 1]


@given(st.integers(0, 30), st.integers(0, 12), st.integers(0, 2**31))
def test_each_comes_once_and_the_same_input_gives_the_same_order(m, n, seed) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.integers(-1, 2, (m, 3)).astype(np.float32)
    confidences = np.where(draw.random(m) < 0.2, np.nan, draw.random(m))
    order = suggested(confidences, vectors, n)
    assert len(order) == len(set(order.tolist())) == min(m, n)
    assert order.tolist() == suggested(confidences, vectors, n).tolist()
