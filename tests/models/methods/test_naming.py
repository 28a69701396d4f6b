"""Labels' names as rows to learn from."""

import pytest

from tiny import intent_rows
from tunewheel.models import MethodError, Recipe, prepare
from tunewheel.models.methods.naming import FEW, humanised, name_rows
from tunewheel.tasks import task_class
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel

TASK = Classification(["balance", "lost"])


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("card_payment-fee.charged", "card payment fee charged"),
        ("lostCard", "lost card"),
        ("ATM support", "ATM support"),
        ("体育_新闻", "体育 新闻"),
        ("__", "__"),
    ],
)
def test_a_label_is_said_as_one_would(label, said):
    assert humanised(label) == said


def test_names_come_where_rows_are_few():
    few, many = intent_rows(2 * FEW - 1), intent_rows(2 * FEW)
    assert name_rows(TASK, few) == [{"text": label, "label": label} for label in TASK.labels]
    assert name_rows(TASK, many) == [] == name_rows(TASK, few, wanted=False)
    assert len(name_rows(TASK, many, wanted=True)) == 2


@pytest.mark.parametrize("labels", [("0", "1"), ("LABEL_0", "LABEL_1"), ("类别1", "类别2"), ("lost", "-1")])
def test_mere_numbers_are_no_names(labels):
    assert name_rows(Classification(labels), intent_rows(4)) == []


def test_what_is_out_of_scope_has_no_name_to_learn():
    task = Classification(["lost", "fee"], out_of_scope="other")
    assert [row["label"] for row in name_rows(task, intent_rows(4))] == ["lost", "fee"]


def test_of_several_labels_names_must_be_asked_for():
    task = MultiLabel(["lost", "fee"])
    assert name_rows(task, []) == []
    assert name_rows(task, [], wanted=True)[0] == {"text": "lost", "labels": ["lost"]}


def test_pairs_and_places_have_no_names():
    for name in ("matching", "ner"):
        task = task_class(name)
        assert name_rows(task.__new__(task), []) == []
        with pytest.raises(MethodError, match=f"labels of task '{name}' do not say what a single text is about"):
            name_rows(task.__new__(task), [], wanted=True)


@pytest.mark.parametrize("method", ["head", "setfit"])
def test_names_are_learned_from_and_it_is_recorded(method, tiny_base, tmp_path):
    rows = [row for row in intent_rows(8) if "卡" not in row["text"]]
    recipe = Recipe(window=24, precision="fp32", seed=3)

    def made(folder: str, **options):
        ready = prepare(TASK, str(tiny_base), rows, recipe, method=method, options=options)
        return ready.train(rows, [], tmp_path / folder)[0]

    with_names, without, usual = made("with", names=True), made("without", names=False), made("usual")
    told = {model.origin.settings["names"] for model in (with_names, usual)}
    assert told == {True} and without.origin.settings["names"] is False

    def surer(model) -> float:
        return min(
            p["confidence"] if p["label"] == want else 0.0
            for p, want in zip(model.predict(TASK.labels), TASK.labels, strict=True)
        )

    assert surer(with_names) == surer(usual) > surer(without)


def test_names_that_nothing_would_go_by_are_refused(tiny_base):
    with pytest.raises(MethodError, match="decay and names can be given for a head on whole texts"):
        prepare(
            TASK, str(tiny_base), intent_rows(8), Recipe(epochs=1), method="head", options={"decay": 0.1, "names": True}
        )
