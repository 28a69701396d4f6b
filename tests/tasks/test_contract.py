import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.tasks import TaskError, load_task, task_class
from tunewheel.tasks.base import split_windows
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.testing import ContractError, PlainEncoder, check_task

LONG = " ".join(f"word{i} said Anna Berg in Paris" for i in range(60))
NER_ROWS = [
    {"text": "Anna Berg paid $3 in Paris", "entities": [{"start": 0, "end": 9, "label": "PER"}]},
    {
        "text": "张三在北京买书",
        "entities": [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 5, "label": "LOC"}],
    },
    {"text": "nothing here", "entities": []},
    {"text": "", "entities": []},
    {
        "text": LONG,
        "entities": [
            {"start": i, "end": i + 9, "label": "PER"} for i in range(len(LONG)) if LONG.startswith("Anna Berg", i)
        ],
    },
    {
        "text": "Paris Paris",
        "entities": [{"start": 0, "end": 5, "label": "LOC"}, {"start": 6, "end": 11, "label": "LOC"}],
    },
]
ROWS = [
    {"text": "my card is gone", "label": "lost"},
    {"text": "卡丢了怎么办", "label": "lost"},
    {"text": "what do I have", "label": "balance"},
    {"text": LONG, "label": "balance"},
    {"text": "", "label": "lost"},
]
MULTI = [
    {"text": row["text"], "labels": labels}
    for row, labels in zip(ROWS, [["a"], ["a", "b"], [], ["b"], ["c"]], strict=True)
]


@pytest.mark.parametrize(
    ("task", "rows"),
    [
        (Classification(("balance", "lost")), ROWS),
        (Classification(("balance", "lost"), weights=(0.5, 2.0)), ROWS),
        (Classification(("balance", "lost"), temperature=2.5), ROWS),
        (Classification(("balance", "lost"), out_of_scope="超出范围"), [*ROWS, {"text": "天气", "label": "超出范围"}]),
        (MultiLabel(("a", "b", "c")), MULTI),
        (MultiLabel(("a", "b", "c"), threshold=0.35, temperature=0.7), MULTI),
        (Ner(("LOC", "PER")), NER_ROWS),
        (Ner(("LOC", "PER"), crf=True), NER_ROWS),
        (Ner(("LOC", "PER"), platt=(0.8, -0.2)), NER_ROWS),
    ],
)
def test_every_built_in_task_keeps_the_contract(task, rows):
    check_task(task, rows)
    assert load_task({"name": task.name, "config": task.config()}).config() == task.config()


class Forgetful(Classification):
    def encode(self, rows, encoder, *, labelled=False):
        return [w for w in super().encode(rows, encoder, labelled=labelled) if w.parts[0].start == 0]


class Meddling(Classification):
    def encode(self, rows, encoder, *, labelled=False):
        for row in rows:
            row["seen"] = True
        return super().encode(rows, encoder, labelled=labelled)


class Flattering(Classification):
    def metrics(self, scores, weights=None):
        return {**super().metrics(scores), "accuracy": 1.5}


class Blind(Classification):
    def decode(self, rows, encoder, windows, outputs):
        return super().decode(rows, encoder, windows, [-o for o in outputs])


class Turning(MultiLabel):
    """Lets its temperature decide on answers."""

    def decode(self, rows, encoder, windows, outputs):
        answers = super().decode(rows, encoder, windows, outputs)
        return [
            {**answer, "labels": [label for label, p in answer["probabilities"].items() if p >= self.threshold]}
            for answer in answers
        ]


def test_the_contract_finds_a_calibration_that_moves_answers():
    with pytest.raises(ContractError, match=r"calibration \(temperature\) changed \d+ of"):
        check_task(Turning(("a", "b", "c"), threshold=0.35), MULTI)


class Greedy(Classification):
    def learns(self, row):
        return True

    def encode(self, rows, encoder, *, labelled=False):
        return Classification(("a", "b"), out_of_scope="oos").encode(rows, encoder, labelled=labelled)


def test_the_contract_finds_rows_that_are_lost_from_training():
    rows = [{"text": "one", "label": "a"}, {"text": "two", "label": "oos"}]
    with pytest.raises(ContractError, match="exactly the rows that the task learns"):
        check_task(Greedy(("a", "b"), out_of_scope="oos"), rows)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Forgetful, "stand in no window"),
        (Meddling, "was changed"),
        (Flattering, r"must score 1|\[0, 1\]"),
        (Blind, "must score 1"),
    ],
)
def test_the_contract_finds_a_broken_task(broken, promise):
    with pytest.raises(ContractError, match=promise):
        check_task(broken(("balance", "lost")), [dict(row) for row in ROWS])


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(TaskError, match="did you mean 'classification'"):
        task_class("clasification")


def test_one_label_is_no_classification():
    with pytest.raises(TaskError, match="at least two labels"):
        Classification(("only",))


word = st.sampled_from(["Anna", "Berg", "ran", "3", "元", "北", "京", "U.S.", "don't", "x-1", ",", "…"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(word, st.sampled_from(["O", "PER", "LOC"])), max_size=80), min_size=1, max_size=4))
def test_no_entity_is_lost_at_any_length(sentences):
    """Words with an entity each, any number of them: what the labels say comes back, whatever the windows."""
    rows = []
    for sentence in sentences:
        text, tokens, entities = "", [], []
        for form, kind in sentence:
            start = len(text)
            text += form + " "
            tokens.append({"start": start, "end": start + len(form)})
            if kind != "O":
                entities.append({"start": start, "end": start + len(form), "label": kind})
        rows.append({"text": text, "tokens": tokens, "entities": entities})
    if not any(row["entities"] for row in rows):
        rows.append(NER_ROWS[0])
    check_task(Ner(("LOC", "PER")), rows, room=60)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_metrics_equal_scikit_learn(data):
    metrics = pytest.importorskip("sklearn.metrics")
    labels = ("a", "b", "c")
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), min_size=1, max_size=40))
    gold, predicted = zip(*pairs, strict=True)
    task = Classification(labels)
    ours = task.metrics(task.score([{"label": g} for g in gold], [{"label": p} for p in predicted]))
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(gold, predicted))
    for average in ("macro", "micro", "weighted"):
        theirs = metrics.f1_score(gold, predicted, average=average, zero_division=0)
        assert ours[f"{average}_f1"] == pytest.approx(theirs)
    assert (task.confusion(task.score([{"label": g} for g in gold], [{"label": p} for p in predicted]))).sum() == len(
        pairs
    )


def test_several_labels_equal_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    labels = ("a", "b", "c")
    gold = [["a"], ["a", "b"], [], ["c"], ["b"]]
    found = [["a"], ["a"], ["b"], ["c", "a"], ["b"]]
    task = MultiLabel(labels)
    ours = task.metrics(task.score([{"labels": g} for g in gold], [{"labels": f} for f in found]))
    y, z = (np.array([[label in row for label in labels] for row in rows]) for rows in (gold, found))
    assert ours["exact_match"] == pytest.approx(metrics.accuracy_score(y, z))
    for average in ("macro", "micro", "weighted"):
        assert ours[f"{average}_f1"] == pytest.approx(metrics.f1_score(y, z, average=average, zero_division=0))


def test_the_threshold_is_fitted_on_dev():
    task = MultiLabel(("a", "b"))
    rows = [{"text": "x", "labels": ["a"]}] * 5 + [{"text": "y", "labels": ["b"]}] * 5
    soft = [{"probabilities": {"a": 0.3, "b": 0.1}}] * 5 + [{"probabilities": {"a": 0.1, "b": 0.3}}] * 5
    fitted = task.fit(rows, soft)
    assert 0.1 < fitted.threshold <= 0.3
    assert task.threshold == 0.5


def test_a_label_never_learned_counts_as_an_error():
    task = Classification(("a", "b"))
    metrics = task.metrics(task.score([{"label": "new"}, {"label": "a"}], [{"label": "a"}, {"label": "a"}]))
    assert metrics["accuracy"] == 0.5
    ner = Ner(("PER",))
    row = {"text": "Rome", "entities": [{"start": 0, "end": 4, "label": "LOC"}]}
    scores = ner.score([row], [{"entities": []}])
    assert ner.metrics(scores)["recall"] == 0.0
    assert ner.table(scores)[-1] == {
        "label": "(never learned)", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1, "predicted": 0
    }  # fmt: skip


def test_overlapping_entities_keep_the_longer_and_still_count_both():
    row = {
        "text": "Bank of Rome",
        "entities": [{"start": 0, "end": 12, "label": "ORG"}, {"start": 8, "end": 12, "label": "LOC"}],
    }
    task = Ner(("LOC", "ORG"))
    scores = task.score([row], [{"entities": [{"start": 0, "end": 12, "label": "ORG"}]}])
    assert task.metrics(scores)["recall"] == 0.5


@given(st.integers(0, 500), st.integers(1, 100), st.integers(0, 120))
def test_windows_cover_everything_and_fit(length, room, stride):
    ranges = split_windows(length, room, stride)
    assert all(0 <= stop - start <= room for start, stop in ranges)
    assert {i for start, stop in ranges for i in range(start, stop)} == set(range(length))
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(ranges))


def test_context_joins_neighbours_of_one_document_only():
    rows = [
        {"text": f"Anna Berg ran {i}", "entities": [{"start": 0, "end": 9, "label": "PER"}], "document": f"d{i // 4}"}
        for i in range(10)
    ] + [{"text": "alone", "entities": []}]
    task = Ner(("PER",), context=40)
    check_task(task, rows)
    windows = task.encode(rows, PlainEncoder(), labelled=True)
    assert [[part.row for part in window.parts] for window in windows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [10]]
    assert all(len(w.ids) == len(w.shapes) == len(w.labels) for w in windows)
    assert windows[0].ids[windows[0].parts[1].at - 1] == 998


class Rows:
    """As much of a dataset as a task looks at."""

    def __init__(self, multi_label=False):
        self.multi_label = multi_label

    def __getitem__(self, split):
        return {"labels": [["a", "b"], []]} if self.multi_label else {"label": ["a"] * 30 + ["b"] * 10}


def test_rows_with_several_labels_make_another_task_of_the_same_name():
    task = Classification.from_dataset(Rows(multi_label=True), class_weights="balanced")
    assert type(task) is MultiLabel
    assert task.name == "classification"
    assert task.head().class_weights == (1.0, 1.0)
    assert type(load_task({"name": "classification", "config": task.config()})) is MultiLabel


@pytest.mark.parametrize("several", [False, True])
def test_models_saved_when_both_were_one_class_are_read(several):
    fitted = {"weights": None, "threshold": 0.35 if several else 0.5, "temperature": 0.7}
    none = {"out_of_scope": None, "scope_score": None, "scope_threshold": None}
    task = load_task(
        {"name": "classification", "config": {"labels": ["a", "b"], "multi_label": several, **fitted, **none}}
    )
    expected = (
        MultiLabel(("a", "b"), threshold=0.35, temperature=0.7)
        if several
        else Classification(("a", "b"), temperature=0.7)
    )
    assert (type(task), task.config()) == (type(expected), expected.config())


def test_balanced_weights_make_rare_labels_count():
    task = Classification.from_dataset(Rows(), class_weights="balanced")
    assert task.head().class_weights == pytest.approx((40 / (2 * 30), 40 / (2 * 10)))
    assert Classification.from_dataset(Rows()).head().class_weights is None


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (("Ann ran", [(0, 3, "PER")]), ("then Ann sat", [(5, 8, "PER")]), True),
        (("Ann ran", [(0, 3, "PER")]), ("then Ann sat", []), False),
        (("Ann ran", []), ("then Ann sat", [(5, 8, "PER")]), False),
        (("Ann ran", [(0, 3, "PER")]), ("Annual report", []), True),
        (("张三来了", [(0, 2, "PER")]), ("请找张三", [(2, 4, "ORG")]), False),
        (("张三来了", [(0, 2, "PER")]), ("请找张三", [(2, 4, "PER")]), True),
        (("张三来了", [(0, 2, "PER")]), ("今天下雨", []), True),
    ],
)
def test_entities_agree_where_both_texts_hold_the_same_words(one, other, agrees):
    rows = [
        {"text": text, "entities": [{"start": a, "end": b, "label": label} for a, b, label in spans]}
        for text, spans in (one, other)
    ]
    assert Ner(("ORG", "PER")).agrees(*rows) is agrees


def test_labels_agree_in_any_order():
    assert MultiLabel(("a", "b")).agrees({"labels": ["a", "b"]}, {"labels": ["b", "a"]})
    assert not Classification(("a", "b")).agrees({"label": "a"}, {"label": "b"})


def test_a_task_must_say_which_column_holds_its_labels():
    class Deaf(Classification):
        columns = ("text", "mood")

    with pytest.raises(TaskError, match="one of label, labels, entities, answer must hold the labels"):
        check_task(Deaf(("a", "b")), [{"text": "x", "label": "a"}])
