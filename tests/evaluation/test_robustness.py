from __future__ import annotations

import pytest

from tunewheel.evaluation import EvaluationError, Report, evaluate
from tunewheel.evaluation.html import render_html
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner


class Capitals:
    """Takes every capitalised word for a person, so that lower case blinds it; remembers what it was asked."""

    def __init__(self, **options):
        self.task = Ner(("PER",), **options)
        self.asked = []

    def predict(self, rows):
        self.asked.append(list(rows))
        return [
            {"entities": [self.person(row["text"], word) for word in row["text"].split() if word[0].isupper()]}
            for row in rows
        ]

    def person(self, text, word):
        return {"start": text.index(word), "end": text.index(word) + len(word), "label": "PER"}


PEOPLE = ["Anna", "Tom", "Mei", "Ravi", "Zoe"]


def entity_rows(n, **columns):
    rows = []
    for i in range(n):
        text = f"we met {PEOPLE[i % 5]}, at noon" if i % 2 else f"met {PEOPLE[i % 5]} at noon"
        start = text.index(PEOPLE[i % 5])
        entity = {"start": start, "end": start + len(PEOPLE[i % 5]), "label": "PER"}
        rows.append({"id": str(i), "text": text, "entities": [entity], **columns})
    return rows


class Keyword:
    """Answers by one word, in either language; blind to its traditional form."""

    task = Classification(("lost", "other"))

    def predict(self, rows):
        return [{"label": "lost" if "丢了卡" in row["text"] or "lost" in row["text"] else "other"} for row in rows]


def by_name(report):
    return {f"{found.name} {found.variant}".strip(): found for found in report.robustness}


def test_each_perturbation_is_scored_on_the_rows_it_changed():
    model = Capitals()
    report = evaluate(model, entity_rows(80), robustness=["case", "punctuation", "traditional"], resamples=100)
    found = by_name(report)
    assert list(found) == ["case lower", "case upper", "punctuation", "traditional"]
    lower = found["case lower"]
    assert (lower.rows, lower.verdict) == (80, "worse")
    # With the comma in its word the model is wrong on every second row: 40 of 80 entities, of 80 found.
    assert lower.differences["f1"].before == pytest.approx(0.5)
    assert lower.differences["f1"].after == lower.metrics["f1"].value == 0
    assert lower.example == ("met Anna at noon", "met anna at noon")
    comma = found["punctuation"]
    assert (comma.rows, comma.verdict) == (40, "better")
    assert (comma.differences["f1"].before, comma.differences["f1"].after) == (0, 1)
    assert (found["traditional"].rows, found["traditional"].verdict, found["traditional"].metrics) == (0, None, {})
    # The rows, then each time those that were changed.
    assert [len(asked) for asked in model.asked] == [80, 80, 80, 40]
    assert report.metrics["f1"].value == pytest.approx(0.5)


def test_both_languages():
    texts = ["我丢了卡怎么办", "你好", "I lost my card", "hello there"]
    labels = ["lost", "other", "lost", "other"]
    rows = [{"id": str(i), "text": texts[i % 4], "label": labels[i % 4]} for i in range(120)]
    found = by_name(evaluate(Keyword(), rows, robustness=["traditional", "case", "full_width"], resamples=100))
    told = {name: (each.rows, each.verdict) for name, each in found.items()}
    assert told == {
        "traditional": (30, "worse"),
        "case lower": (30, "undecided"),
        "case upper": (60, "worse"),
        "full_width full": (60, "worse"),
        "full_width half": (0, None),
    }


def test_rows_read_together_are_read_whole():
    model = Capitals(context=40)
    rows = entity_rows(20, document="d")
    evaluate(model, rows, robustness=["punctuation"], resamples=20)
    assert [len(asked) for asked in model.asked] == [20, 20]
    assert [row["text"] for row in model.asked[1]] == [row["text"].replace(",", "") for row in rows]


def test_entities_come_from_the_donors():
    model = Capitals()
    donors = [{"text": "Maximilian", "entities": [{"start": 0, "end": 10, "label": "PER"}]}]
    report = evaluate(model, entity_rows(40), robustness=["entities"], donors=iter(donors), resamples=20)
    assert all("Maximilian" in row["text"] for row in model.asked[1])
    assert by_name(report)["entities"].rows == 40


def test_a_wrong_name_costs_no_prediction():
    model = Capitals()
    with pytest.raises(EvaluationError, match="did you mean 'typos'"):
        evaluate(model, entity_rows(4), robustness=["tipos"])
    assert model.asked == []


def test_results_are_kept_and_the_same_again(tmp_path):
    options = {"robustness": ["all"], "resamples": 50}
    report = evaluate(Capitals(), entity_rows(40), **options)
    assert report.robustness == evaluate(Capitals(), entity_rows(40), **options).robustness
    report.save(tmp_path)
    assert Report.load(tmp_path, task=report.task).robustness == report.robustness
    assert report.as_dict()["robustness"][1]["differences"]["f1"]["verdict"] == "worse"


@pytest.mark.parametrize(
    ("lang", "title", "name", "none"),
    [
        ("en", "On changed rows", "all lower case", "no row changed"),
        ("zh", "扰动后的结果", "全部小写", "没有样本被改动"),
    ],
)
def test_on_the_page_and_in_the_terminal(lang, title, name, none):
    rows = [{**row, "text": row["text"] + " <b>"} for row in entity_rows(40)]
    report = evaluate(Capitals(), rows, robustness=["case", "traditional"], resamples=50)
    html = render_html(report, lang=lang)
    section = html[html.index(f"<h2>{title}") :].split("</section>")[0]
    assert name in section
    assert none in section
    assert "met anna at noon &lt;b&gt;" in section
    assert 'class="verdict worse"' in section
    lines = [line.split() for line in str(report).splitlines()]
    (line,) = [line for line in lines if line[:3] == ["all", "lower", "case"]]
    assert line[3] == "40"
    assert line[-1] == "worse"
    assert ["traditional", "characters", "0", "no", "row", "changed"] in lines
