from __future__ import annotations

import numpy as np
import pytest

from tunewheel.evaluation import EvaluationError, Report, score_predictions
from tunewheel.evaluation.slices import MINIMUM, Slice, find_slices, partition
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

TASK = Classification(("no", "yes"))


def rows_of(n, **columns):
    """Yes-rows; each column is a function of the row's number."""
    made = [{"id": str(i), "text": f"text {i % 7}", "label": "yes"} for i in range(n)]
    return [row | {name: of(i) for name, of in columns.items()} for i, row in enumerate(made)]


def sliced(rows, right, task=TASK, **options):
    predictions = [{"label": "yes" if ok else "no"} for ok in right]
    documents = options.pop("documents", None)
    return find_slices(task, rows, task.score(rows, predictions), documents, **{"resamples": 100, **options})


def by_name(parts):
    return {(part.name, part.value): part for part in parts}


@pytest.mark.parametrize(("weak", "strong"), [("app", "mail"), ("应用", "邮件")])
def test_a_weak_slice_is_worse_and_the_rest_better(weak, strong):
    rows = rows_of(300, channel=lambda i: weak if i % 3 == 0 else strong)
    found = by_name(sliced(rows, [i % 3 != 0 or i % 2 == 0 for i in range(300)]))
    low, high = found["channel", weak], found["channel", strong]
    assert (low.verdict, high.verdict) == ("worse", "better")
    assert (low.rows, high.rows) == (100, 200)
    assert low.difference == -high.difference == pytest.approx(-0.5)
    assert low.metrics.keys() == {"accuracy", "macro_f1"}
    assert low.metrics["accuracy"].low < 0.5 < low.metrics["accuracy"].high


def test_false_alarms_are_rare_however_many_slices_there_are(share):
    rng = np.random.default_rng(5)
    alarms = []
    for _ in range(20):
        codes = rng.integers(0, 4, (3, 120))
        rows = rows_of(120, **{f"c{k}": lambda i, k=k, codes=codes: str(codes[k, i]) for k in range(3)})
        parts = sliced(rows, rng.random(120) < 0.8, share, seed=int(rng.integers(1 << 30)))
        alarms.append(any(part.verdict != "undecided" for part in parts))
    # Three columns of four values: uncorrected, nearly every second report would cry wolf.
    assert np.mean(alarms) <= 0.12


def test_whole_documents_are_the_evidence(share):
    """Rows that repeat one text of a document say the same once, not thirty times."""
    rng = np.random.default_rng(6)
    alarms = {"rows": 0, "documents": 0}
    for _ in range(20):
        right = np.repeat(rng.random(60) < 0.5, 30)
        codes = np.repeat(rng.integers(0, 2, 60), 30)
        rows = rows_of(1800, source=lambda i, codes=codes: str(codes[i]))
        for kind, documents in (("rows", None), ("documents", np.repeat(np.arange(60), 30))):
            parts = by_name(sliced(rows, right, share, documents=documents))
            alarms[kind] += parts["source", "0"].verdict != "undecided"
    assert alarms["documents"] <= 4
    assert alarms["rows"] >= 10


def test_a_weak_slice_is_found_over_documents_too(share):
    rng = np.random.default_rng(7)
    rows = rows_of(600, source=lambda i: "ab"[i // 10 % 2])
    right = rng.random(600) < np.where(np.arange(600) // 10 % 2, 0.9, 0.5)
    found = by_name(sliced(rows, right, share, documents=np.arange(600) // 10))
    assert (found["source", "a"].verdict, found["source", "b"].verdict) == ("worse", "better")
    assert found["source", "a"].metrics["accuracy"].method == "document bootstrap"


def test_a_weak_slice_is_found_among_many(share):
    columns = {f"c{k}": lambda i, k=k: str((i + k * (i // 12)) % 12) for k in range(3)}
    rows = rows_of(600, **columns)
    found = by_name(sliced(rows, [i % 12 != 0 for i in range(600)], share))
    assert found["c0", "0"].verdict == "worse"
    assert len(found) >= 36


def test_few_rows_or_documents_get_no_verdict():
    n = MINIMUM
    rows = rows_of(200, source=lambda i: "a" if i < n else "b" if i < 2 * n - 1 else "c")
    right = [i >= 2 * n - 1 for i in range(200)]
    found = by_name(sliced(rows, right))
    assert found["source", "a"].verdict == "worse"
    small = found["source", "b"]
    assert (small.rows, small.verdict, small.difference, small.p) == (n - 1, None, None, None)
    assert small.metrics["accuracy"].value == 0
    found = by_name(sliced(rows, right, documents=np.arange(200) // 4))
    assert found["source", "a"].verdict is None


def test_length_is_cut_into_quarters_with_readable_borders():
    rows = [{"text": "字" * (i + 1), "label": "yes"} for i in range(200)]
    found = [(p.value, int(p.inside.sum())) for p in partition(TASK, rows) if p.name == "length"]
    assert found == [("≤ 50", 50), ("51–100", 50), ("101–150", 50), ("> 150", 50)]
    rows = [{"text": text, "label": "yes"} for text in ("a", "b", "c" * 9)]
    parts = [p for p in partition(TASK, rows) if p.name == "length"]
    assert sum(p.inside for p in parts).tolist() == [1, 1, 1]
    assert [p for p in partition(TASK, rows[:2]) if p.name == "length"] == []


def test_language_is_told_by_the_characters():
    texts = ["my card is gone", "我的卡丢了", "我的 bank card 丢了", "卡丢了 12345", "???"]
    rows = [{"text": text, "label": "yes"} for text in texts]
    parts = {p.value: np.flatnonzero(p.inside).tolist() for p in partition(TASK, rows) if p.name == "language"}
    assert parts == {"en": [0], "zh": [1, 3], "mixed": [2], "other": [4]}


def test_columns_with_few_values_are_taken_and_others_only_when_named():
    rows = rows_of(
        60,
        channel=lambda i: ("app", "web", None)[i % 3],
        number=lambda i: i,
        same=lambda i: "x",
        thirteen=lambda i: i % 13,
        places=lambda i: [1, 2],
        document=lambda i: "d",
    )
    assert {p.name for p in partition(TASK, rows)} == {"channel"}
    values = {p.value: int(p.inside.sum()) for p in partition(TASK, rows) if p.name == "channel"}
    assert values == {"app": 20, "web": 20, "–": 20}
    named = [p for p in partition(TASK, rows, ["thirteen"]) if p.name != "length"]
    assert {p.name for p in named} == {"thirteen"}
    assert len(named) == 13
    entities = [row | {"entities": []} for row in rows_of(4)]
    entities[0]["label"] = "no"
    assert {p.name for p in partition(Ner(("PER",)), entities)} == {"label"}


def test_columns_that_make_no_slices_are_named():
    rows = rows_of(60, number=lambda i: i)
    with pytest.raises(EvaluationError, match=r"'chanel': no row .* the rows have id, text, label, number"):
        partition(TASK, rows, ["chanel"])
    with pytest.raises(EvaluationError, match="'number': it has more than 50 distinct values"):
        partition(TASK, rows, ["number"])


def test_reports_carry_their_slices(tmp_path):
    rows = rows_of(120, channel=lambda i: "app" if i % 3 == 0 else "mail")
    predictions = [{"label": "no" if i % 3 == 0 else "yes"} for i in range(120)]
    report = score_predictions(TASK, rows, predictions, resamples=100)
    assert {part.name for part in report.slices} == {"channel"}
    assert report.as_dict()["slices"][0]["verdict"] == "worse"
    report.save(tmp_path)
    loaded = Report.load(tmp_path, task=TASK)
    assert loaded.slices == report.slices
    assert all(isinstance(part, Slice) for part in loaded.slices)
    plain = score_predictions(TASK, rows, predictions, slices=[], resamples=100)
    assert plain.slices == []
    assert plain.metrics == report.metrics
