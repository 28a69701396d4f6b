from collections import Counter

import pytest

from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner
from tunewheel.tuning.climbing.subsets import folds_of, nested, parts_of

TASK = Classification(("common", "rare", "single"))


def rows():
    labels = ["common"] * 300 + ["rare"] * 99 + ["single"]
    return [{"id": str(i), "text": f"text {i}", "label": label} for i, label in enumerate(labels)]


def ids(part):
    return {row["id"] for row in part}


def test_parts_stand_inside_each_other_and_keep_the_shares():
    eighth, quarter, half, whole = (nested(rows(), TASK, part, 13) for part in (8, 4, 2, 1))
    assert ids(eighth) < ids(quarter) < ids(half) < ids(whole)
    assert [len(part) for part in (eighth, quarter, half, whole)] == [50, 100, 200, 400]
    for part in (eighth, quarter, half):
        counts = Counter(row["label"] for row in part)
        assert counts["single"] == 1
        assert counts["rare"] / len(part) == pytest.approx(0.2475, abs=0.03)


def test_the_seed_settles_them():
    assert nested(rows(), TASK, 8, 13) == nested(rows(), TASK, 8, 13)
    assert ids(nested(rows(), TASK, 8, 13)) != ids(nested(rows(), TASK, 8, 14))


def test_folds_hold_every_row_out_once_and_equal_texts_together():
    given = [row | {"text": f"text {i // 2}"} for i, row in enumerate(rows())]
    folds = folds_of(given, TASK, 13)
    assert len(folds) == 5
    assert sorted(row["id"] for fold in folds for row in fold.held) == sorted(ids(given))
    for fold in folds:
        assert not {row["text"] for row in fold.train} & {row["text"] for row in fold.held}
        assert len(fold.train) + len(fold.held) == 400


def test_documents_stay_whole():
    person = [{"start": 0, "end": 3, "label": "person"}]
    given = [
        {"id": str(i), "text": f"Ann {i}", "entities": person if i % 3 else [], "document": f"d{i // 10}"}
        for i in range(400)
    ]
    part = nested(given, Ner(("person",)), 8, 13)
    assert len(part) == 50
    assert set(Counter(row["document"] for row in part).values()) == {10}


def test_small_data_has_fewer_parts_and_large_data_a_small_trial():
    assert parts_of(10) == [1]
    assert parts_of(64) == [8, 4, 2, 1]
    assert parts_of(1_000_000)[0] == 2048
