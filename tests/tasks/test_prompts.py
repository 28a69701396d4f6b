import numpy as np
import pytest

from tunewheel.data.privacy import Masker
from tunewheel.tasks import Task, TaskError
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner
from tunewheel.tasks.prompts import read_json
from tunewheel.tasks.prompts.entities import located

ONE = Classification(("lost", "balance"))
SEVERAL = MultiLabel(("fee", "app"))
NER = Ner(("PER", "LOC"))
ROW = {"text": "卡丢了"}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("task", "row"),
    [
        (ONE, {"text": "卡丢了", "label": "lost"}),
        (SEVERAL, {"text": "the app took a fee", "labels": ["fee", "app"]}),
        (SEVERAL, {"text": "hello", "labels": []}),
        (NER, {"text": "王芳在北京", "entities": [{"start": 3, "end": 5, "label": "LOC"}]}),
        (NER, {"text": "no one", "entities": []}),
    ],
)
def test_an_example_reads_back_as_the_row_is_labelled(task, row, lang):
    prompt = task.prompt(lang)
    assert task.answer(prompt.parse(prompt.example(row), row)) == task.truth(row)
    assert all(label in prompt.instructions for label in task.labels)
    assert prompt.schema()["additionalProperties"] is False
    assert ("标签" in prompt.instructions or "类型" in prompt.instructions) == (lang == "zh")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ('{"label": "lost"}', "lost"),
        ("lost", "lost"),
        (" **Lost**.\n", "lost"),
        ("“lost”。", "lost"),
        ('<think>balance? {"label": "balance"}</think>{"label": "lost"}', "lost"),
        ('Here: ```json\n{"label": "lost"}\n```', "lost"),
        ("not lost", None),
        ("stolen", None),
        ('{"label": ["lost"]}', None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_an_answer_is_a_label_or_none(answer, label):
    read = ONE.prompt("en").parse(answer, ROW)
    assert read == (None if label is None else {"label": label})


def test_labels_that_differ_by_case_alone_are_told_apart_or_not_at_all():
    prompt = Classification(("May", "may")).prompt("en")
    assert prompt.parse("may", ROW) == {"label": "may"} and prompt.parse("MAY", ROW) is None


def test_several_labels_are_ours_or_the_answer_is_none():
    prompt = SEVERAL.prompt("en")
    assert prompt.parse('["app", "fee", "app"]', ROW) == {"labels": ["fee", "app"]}
    assert prompt.parse('{"labels": ["app", "card"]}', ROW) is None
    assert prompt.parse("app", ROW) is None


def test_what_stands_in_for_an_answer_is_stated():
    rows = [{"label": "balance"}, {"label": "balance"}, {"label": "lost"}]
    assert ONE.prompt("en").default(rows) == {"label": "balance", "confidence": 0.0}
    assert ONE.prompt("en").default([])["label"] == "lost"
    assert Classification(("a", "b"), out_of_scope="oos").prompt("en").default([{"label": "a"}])["label"] == "oos"
    assert SEVERAL.prompt("zh").default([]) == {"labels": []} and NER.prompt("zh").default([]) == {"entities": []}


def test_what_could_not_be_read_claims_nothing():
    rows, answers = [{"label": "lost"}] * 2, [{"label": "lost", "confidence": 0.0, "unparsed": True}, {"label": "lost"}]
    assert ONE.claims(rows, answers) is None


def test_scores_are_read_as_a_head_would_be():
    (answer,) = ONE.prompt("en").scored.read([ROW], np.log([[0.1, 0.3]]))
    assert answer["label"] == "balance" and answer["confidence"] == pytest.approx(0.75)
    scored = SEVERAL.prompt("en").scored
    assert scored.choices == ("fee: yes", "app: yes", "fee: no", "app: no")
    (answer,) = scored.read([ROW], np.log([[0.3, 0.01, 0.1, 0.04]]))
    assert answer["labels"] == ["fee"] and answer["probabilities"]["app"] == pytest.approx(0.2)
    assert scored.example({"labels": ["app"]}) == "fee: no\napp: yes"
    assert Classification(("a", "b"), out_of_scope="oos").prompt("zh").scored.choices == ("a", "b")


def test_descriptions_stand_beside_their_labels_and_name_some():
    prompt = ONE.prompt("zh", "客服来信是关于什么的？", {"lost": "卡片遗失"})
    assert "- lost：卡片遗失\n- balance" in prompt.instructions and prompt.instructions.startswith("客服来信")
    with pytest.raises(TaskError, match="no label is called 'lots'; did you mean 'lost'"):
        ONE.prompt("en", None, {"lots": "gone"})


def spans(text, *told):
    found, missed = located(text, told)
    return [(text[e["start"] : e["end"]], e["start"], e["label"]) for e in found], missed


def test_repeated_surfaces_get_their_places_in_order():
    text = "华盛顿说，华盛顿很冷，华盛顿走了"
    told = [("华盛顿", "PER"), ("华盛顿", "LOC"), ("华盛顿", "PER")]
    assert spans(text, *told) == ([("华盛顿", 0, "PER"), ("华盛顿", 5, "LOC"), ("华盛顿", 11, "PER")], 0)
    assert spans(text, told[0])[0] == [("华盛顿", at, "PER") for at in (0, 5, 11)]
    assert spans(text, *told[:2])[0] == [("华盛顿", 0, "PER"), ("华盛顿", 5, "LOC")]


def test_surfaces_are_whole_words_of_letters_and_do_not_overlap():
    assert spans("Annual report by Ann", ("Ann", "PER")) == ([("Ann", 17, "PER")], 0)
    assert spans("给Ann打电话", ("Ann", "PER"))[0] == [("Ann", 1, "PER")]
    told = [("中国", "LOC"), ("中国银行", "ORG")]
    assert spans("中国银行在中国", *told)[0] == [("中国银行", 0, "ORG"), ("中国", 5, "LOC")]
    assert spans("中国银行", *told) == ([("中国银行", 0, "ORG")], 1)


def test_case_and_width_may_differ_and_what_is_invented_is_counted():
    row = {"text": "ＡＢＣ公司的PARIS店"}
    stated = [("ABC公司", "PER"), ("Paris", "LOC"), ("London", "LOC"), ("店", "ORG"), ("", "LOC")]
    answer = {"entities": [*({"text": t, "label": x} for t, x in stated), {"text": 3}, "店"]}
    read = NER.prompt("zh").parse(str(answer).replace("'", '"'), row)
    assert [row["text"][e["start"] : e["end"]] for e in read["entities"]] == ["ＡＢＣ公司", "PARIS"]
    assert read["dropped"] == 5


def test_json_is_found_behind_brackets_that_hold_none():
    assert read_json("see [1] and {x} then [2]") == [1]
    assert read_json("{x} [") is None


class Silent(Classification):
    name = "silent"
    prompt = Task.prompt


def test_a_task_that_says_nothing_says_so():
    with pytest.raises(TaskError, match="'silent' does not say how"):
        Silent(("a", "b")).prompt("en")


def test_masked_texts_are_found_again():
    masked = Masker().mask("请打13812345678找王芳").text
    assert spans(masked, ("[PHONE]", "PER"))[0] == [("[PHONE]", 2, "PER")]
