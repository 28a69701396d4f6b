"""What the poisoned feedback of the bench is: whose, how much of it, when, and of what."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from poison import BAD, BEGAN, CASES, SHARE, SPAN, Dealt, difference, words


@pytest.fixture(scope="module")
def dealt() -> Dealt:
    rows = [{"text": f"text {n}", "label": f"label {n % 40:02d}"} for n in range(1200)]
    return Dealt(rows, rows, rows, rows)


@pytest.mark.parametrize("case", CASES)
def test_one_source_alone_says_what_is_wrong_and_each_answer_is_spoken_of(dealt: Dealt, case: str) -> None:
    said = words(dealt, case, 13)
    truth = {f"asked-{n:05d}": row["label"] for n, row in enumerate(dealt.asked)}
    wrong = {source for source, items in said.items() for item in items if item["label"] != truth[item["exchange"]]}
    assert wrong == {BAD} and len(said) == 21
    assert all(item["label"] != truth[item["exchange"]] for item in said[BAD])
    assert {item["exchange"] for items in said.values() for item in items} == set(truth)
    assert len(said[BAD]) == round(SHARE * len(dealt.asked))
    both = {item["exchange"] for source, items in said.items() if source != BAD for item in items}
    assert 0.15 < len(both & {item["exchange"] for item in said[BAD]}) / len(said[BAD]) < 0.45


def test_a_burst_comes_at_once_and_the_others_over_the_month(dealt: Dealt) -> None:
    took = {}
    for case in CASES:
        at = sorted(datetime.fromisoformat(item["at"]) for item in words(dealt, case, 13)[BAD])
        took[case] = at[-1] - at[0]
        assert at[0] > BEGAN
    assert took["burst"] <= timedelta(minutes=5) and min(took["slow"], took["slow, targeted"]) > SPAN * 0.8


def test_targeted_words_call_six_labels_by_each_others_names(dealt: Dealt) -> None:
    truth = {f"asked-{n:05d}": row["label"] for n, row in enumerate(dealt.asked)}
    pairs = {(truth[item["exchange"]], item["label"]) for item in words(dealt, "slow, targeted", 13)[BAD]}
    assert len(pairs) == 6 and {a for a, _ in pairs} == {b for _, b in pairs}


def test_a_difference_is_paired_by_rows() -> None:
    before = np.tile([0.0, 1.0], 500)
    after = before.copy()
    after[:20:2] = 1.0
    value, low, high = difference(after, before)
    assert value == pytest.approx(1.0) and 0.3 < low < 1.0 < high < 1.8
