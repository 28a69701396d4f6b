import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.data import DataError, Dataset
from tunewheel.data.pairs import join_pair, part_pair, query_pairs
from tunewheel.tasks import TaskError, load_task
from tunewheel.tasks.matching import Matching
from tunewheel.testing import PlainEncoder, check_task

LONG = " ".join(f"word{i} in a text" for i in range(70))
ROWS = [
    {"text": "my card is gone\tI lost the card", "label": "same", "score": 0.9},
    {"text": "卡丢了\t如何挂失银行卡", "label": "same", "score": 1.0},
    {"text": f"{LONG}\twhat is it about", "label": "not", "score": 0.1},
    {"text": f"它讲什么\t{LONG}", "label": "same", "score": 0.7},
    {"text": f"{LONG}\t{LONG} and more", "label": "not", "score": 0.2},
    {"text": "\t", "label": "not", "score": 0.0},
]


@pytest.mark.parametrize(
    "task",
    [
        Matching(("not", "same")),
        Matching(("not", "same"), graded=True),
        Matching(("not", "same"), weight=3.0, temperature=0.6, threshold=0.8),
    ],
)
def test_it_keeps_the_contract(task):
    check_task(task, ROWS)
    assert load_task({"name": "matching", "config": task.config()}).config() == task.config()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(8, 90))
def test_both_texts_stand_in_every_window_and_nothing_is_cut(first, second, room):
    row = {"text": "啊" * first + "\t" + "吧" * second, "label": "same"}
    encoder = PlainEncoder(room)
    windows = Matching(("not", "same")).encode([row], encoder, labelled=True)
    seen = {i for window in windows for part in window.parts for i in range(part.start, part.stop)}
    assert seen == set(range(first + second))
    for window in windows:
        assert len(window.ids) <= room and len(window.ids) == len(window.shapes)
        one, other = window.parts
        assert one.stop <= first <= other.start
        assert (one.start < one.stop) == (first > 0) and (other.start < other.stop) == (second > 0)
        ids = encoder([row["text"]])[0].ids
        for part in window.parts:
            assert window.ids[part.at : part.at + part.stop - part.start] == ids[part.start : part.stop]
        if first and second:
            assert window.ids[one.stop - one.start] == encoder.separator[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.3, 0.5, 0.8, 0.9])), min_size=1, max_size=30))
def test_metrics_equal_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    task = Matching(("0", "1"))
    gold, score = [int(g) for g, _ in pairs], [s for _, s in pairs]
    rows = [{"label": str(g)} for g in gold]
    answers = [{"label": str(int(s >= 0.5)), "score": s, "confidence": max(s, 1 - s)} for s in score]
    ours = task.metrics(task.score(rows, answers))
    predicted = [int(s >= 0.5) for s in score]
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted))
    assert ours["f1"] == pytest.approx(metrics.f1_score(gold, predicted, zero_division=0))
    if any(gold):
        assert ours["average_precision"] == pytest.approx(metrics.average_precision_score(gold, score))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 0.9, 1.0]), st.floats(0, 1)), min_size=3, max_size=30))
def test_spearman_equals_scipy_where_it_is_positive(pairs):
    stats = pytest.importorskip("scipy.stats")
    grades, scores = (np.array(side) for side in zip(*pairs, strict=True))
    if len(set(grades)) < 2 or len(set(scores)) < 2:
        return
    task = Matching(("0", "1"), graded=True)
    rows = [{"label": "1", "score": g} for g in grades]
    ours = task.metrics(task.score(rows, [{"label": "1", "score": s} for s in scores]))["spearman"]
    assert ours == pytest.approx(max(0.0, stats.spearmanr(grades, scores).statistic), abs=1e-9)


def test_the_threshold_of_cosines_is_fitted_on_dev():
    task = Matching(("not", "same"))
    rows = [{"text": "a\tb", "label": label} for label in ("not", "not", "same", "same", "not", "same")]
    fitted = task.fit(rows, task.judged([0.70, 0.72, 0.84, 0.95, 0.78, 0.80]))
    assert fitted.threshold == pytest.approx(0.79)
    assert [p["label"] for p in fitted.judged([0.785, 0.795])] == ["not", "same"]
    assert task.threshold == 0.5
    assert task.fit(rows[2:4], task.judged([0.1, 0.2])).threshold == 0.5


def test_a_joined_pair_comes_apart_again():
    assert part_pair(join_pair("a\tb", "c\td")) == ("a b", "c\td")
    with pytest.raises(TaskError, match="a row holds one text"):
        Matching(("not", "same")).sides({"text": "alone"})


def pairs(label="label", first="sentence1", second="sentence2", values=("0", "1")) -> list[dict]:
    return [{first: f"question {i}", second: f"问题{i}", label: values[i % 2]} for i in range(20)]


def read(rows, **options) -> Dataset:
    return Dataset.from_rows({"train": rows}, "matching", targets=("label",), **options)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (("0", "1"), ("0", "1")),
        (("same", "not"), ("not", "same")),
        (("不同", "相同"), ("不同", "相同")),
        ((True, False), ("false", "true")),
    ],
)
def test_what_says_that_texts_belong_together_is_known_by_its_name(values, labels):
    task = Matching.from_dataset(read(pairs(values=values)))
    assert task.labels == labels
    assert Matching.from_dataset(read(pairs(values=values)), positive=labels[0]).labels == labels[::-1]


def test_what_does_not_say_so_is_asked_for():
    data = read(pairs(values=("kappa", "lambda")))
    with pytest.raises(TaskError, match=r"which of 'kappa' and 'lambda' .* --set positive=lambda"):
        Matching.from_dataset(data)
    assert Matching.from_dataset(data, positive="kappa").labels == ("lambda", "kappa")
    with pytest.raises(TaskError, match="positive=mu: the labels are"):
        Matching.from_dataset(data, positive="mu")
    with pytest.raises(TaskError, match="the rows hold 4"):
        Matching.from_dataset(read([*pairs(), *pairs(values=("a", "b"))]))


def test_columns_of_any_name_make_a_pair():
    data = read(pairs(first="query", second="output"), text="query, output")
    assert data["train"]["text"][0] == "question 0\t问题0" and data.columns["text"] == "query + output"
    with pytest.raises(DataError, match="a column of this name"):
        read(pairs(), text="query,output")
    with pytest.raises(TaskError, match=r"train row 1 holds one text .* --text FIRST,SECOND"):
        Matching.from_dataset(read(pairs(), text="sentence1"))


def test_questions_with_answers_beside_them_are_told_how_to_become_pairs(tmp_path):
    kept = [{"query": f"q{i}", "positive": "yes", "negatives": ["no"]} for i in range(9)]
    file = tmp_path / "faq.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    with pytest.raises(DataError, match=r"faq.jsonl:1: column 'positive': .*found a question and .*query_pairs"):
        Dataset.read(file, task="matching", targets=("label",))
    assert Dataset.from_rows({"train": [*query_pairs(kept)]}, "matching", targets=("label",)).rows


def test_rows_are_graded_where_each_has_a_score_from_0_to_1():
    graded = [{**row, "score": i / 20} for i, row in enumerate(pairs())]
    assert Matching.from_dataset(read(graded)).graded
    assert not Matching.from_dataset(read([{**row, "score": 7} for row in pairs()])).graded
    task = Matching(("0", "1"), graded=True)
    window = task.encode([{"text": "a\tb", "label": "1", "score": 0.3}], PlainEncoder(), labelled=True)[0]
    assert window.labels == [0.3]


def test_balanced_weights_make_rare_pairs_count():
    rows = [{**row, "label": str(int(i < 4))} for i, row in enumerate(pairs())]
    assert Matching.from_dataset(read(rows), class_weights="balanced").head().class_weights == (4.0,)
