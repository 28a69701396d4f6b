"""The linear baseline: scikit-learn's own answers, stored without pickle, in both languages."""

import json
import random

import numpy as np
import pytest

import tunewheel as tw
from tiny import entity_rows
from tunewheel.models import MethodError, Model, ModelError, Recipe, prepare
from tunewheel.models.methods import check_pair, check_recipe
from tunewheel.models.methods.tfidf import Examples
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner

ENGLISH = {
    "card": ["the card is {}", "I cannot find the card, {}", "a new card please, {}"],
    "loan": ["a loan for a house, {}", "what does a loan cost, {}", "pay the loan back {}"],
    "login": ["the password is {}", "I cannot log in, {}", "the login page is {}"],
}
CHINESE = {
    "卡": ["银行卡{}", "找不到卡了，{}", "请寄一张新卡，{}"],
    "贷款": ["买房的贷款{}", "贷款利息多少，{}", "提前还贷款{}"],
    "登录": ["密码{}", "登录不上去，{}", "登录页面{}"],
}
FILLERS = {"en": ["today", "again", "since May", "thank you", "it seems"], "zh": ["今天", "又来了", "谢谢", "好像是"]}


def rows(phrases, fillers, n, seed=0):
    draw = random.Random(seed)
    labels = sorted(phrases)
    made = []
    for i in range(n):
        label = labels[i % len(labels)]
        text = draw.choice(phrases[label]).format(draw.choice(fillers)) + f" {draw.randrange(1000)}"
        made.append({"id": str(i), "text": text, "label": label})
    return made


LANGUAGES = {"en": (ENGLISH, FILLERS["en"]), "zh": (CHINESE, FILLERS["zh"])}


def trained(task, train, dev, folder, **options):
    return prepare(task, "none", train, Recipe(), method="tfidf", options=options).train(train, dev, folder)[0]


def pipeline(language, strength):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    cuts = {"en": [("word", (1, 2)), ("char_wb", (1, 5))], "zh": [("char", (1, 3))]}[language]
    counted = [TfidfVectorizer(analyzer=kind, ngram_range=runs, sublinear_tf=True) for kind, runs in cuts]
    return make_pipeline(make_union(*counted), LogisticRegression(C=strength, max_iter=1000))


@pytest.mark.parametrize("labels", [3, 2])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_answers_as_a_pipeline_of_scikit_learn(language, labels, tmp_path):
    phrases, fillers = LANGUAGES[language]
    phrases = dict(sorted(phrases.items())[:labels])
    train, new = rows(phrases, fillers, 60), rows(phrases, fillers, 30, seed=1)
    model = trained(Classification(sorted(phrases)), train, [], tmp_path, strength=3.0)
    ours = np.array([list(p["probabilities"].values()) for p in model.predict(new)])
    theirs = pipeline(language, 3.0).fit([r["text"] for r in train], [r["label"] for r in train])
    assert np.abs(ours - theirs.predict_proba([r["text"] for r in new])).max() < 1e-9


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_saved_one_answers_as_before_and_holds_no_pickle(language, tmp_path):
    phrases, fillers = LANGUAGES[language]
    train, dev = rows(phrases, fillers, 60), rows(phrases, fillers, 60, seed=1)
    dev[0] = {**dev[0], "label": dev[1]["label"]}
    model = trained(Classification(sorted(phrases)), train, dev, tmp_path)
    folder = model.save(tmp_path / "model")
    again = Model.load(folder)
    new = [*rows(phrases, fillers, 20, seed=2), {"text": ""}, {"text": "?!"}]
    assert again.predict(new) == model.predict(new)
    assert again.parameters == model.parameters
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors", ".md"}
    assert again.origin.dev["accuracy"] == 59 / 60
    assert again.task.temperature is not None
    with pytest.raises(ModelError, match="no network"):
        again.vectors(new)


def test_the_same_rows_give_the_same_model_alone_or_in_company(tmp_path):
    train = rows(ENGLISH, FILLERS["en"], 60)
    one, other = (trained(Classification(sorted(ENGLISH)), train, [], tmp_path) for _ in range(2))
    new = rows(ENGLISH, FILLERS["en"], 40, seed=3)
    together = one.predict(new)
    assert other.predict(new) == together
    assert [one.predict([row])[0] for row in new] == together


def test_a_stream_is_read_a_chunk_at_a_time(tmp_path, monkeypatch):
    train = rows(ENGLISH, FILLERS["en"], 30)
    model = trained(Classification(sorted(ENGLISH)), train, [], tmp_path)
    monkeypatch.setattr("tunewheel.models.linear.CHUNK", 4)
    taken = []
    answers = model.stream(taken.append(i) or row for i, row in enumerate(train))
    next(answers)
    assert taken == [0, 1, 2, 3]
    assert len(list(answers)) == 29


def test_strength_is_chosen_on_dev_or_by_folds_of_train(tmp_path):
    """Labels that are half noise want a strong hand; those that words settle, a light one."""
    clean = rows(ENGLISH, FILLERS["en"], 90)
    draw = random.Random(5)
    noisy = [{**row, "label": draw.choice(sorted(ENGLISH)) if i % 2 else row["label"]} for i, row in enumerate(clean)]
    task = Classification(sorted(ENGLISH))
    chosen = trained(task, noisy, [], tmp_path).origin.settings["strength"]
    assert chosen == 1.0
    assert trained(task, noisy, clean[:30], tmp_path).origin.settings["strength"] == 1.0
    assert trained(task, noisy, noisy, tmp_path).origin.settings["strength"] > 1.0
    assert trained(task, clean[:3], [], tmp_path).origin.settings["strength"] == 10.0


def test_folds_spread_each_label_and_spare_the_only_row_of_one():
    gold = np.array([0] * 12 + [1] * 3 + [2])
    folds = Examples([{}] * 16, gold).folds(seed=1)
    assert folds[-1] == -1
    assert sorted(np.bincount(folds[:12])) == [2, 2, 2, 3, 3]
    assert len(set(folds[12:15])) == 3


def test_several_labels_are_told_one_by_one(tmp_path):
    pairs = [("card", "the card"), ("loan", "a loan"), ("login", "the login")]
    train = []
    for i in range(64):
        chosen = [pair for bit, pair in enumerate(pairs) if i >> bit & 1]
        text = " and ".join(phrase for _, phrase in chosen) or "good morning"
        train.append({"text": f"about {text} {i}", "labels": ["bank", *(label for label, _ in chosen)]})
    task = MultiLabel(["bank", "card", "loan", "login"])
    model = trained(task, train, train[:16], tmp_path)
    found = Model.load(model.save(tmp_path / "model")).predict(["about a loan and the card", "about good morning"])
    assert [set(p["labels"]) for p in found] == [{"bank", "card", "loan"}, {"bank"}]
    assert model.origin.dev["micro_f1"] == 1.0


def test_a_label_weighs_as_the_task_says(tmp_path):
    train = rows(ENGLISH, FILLERS["en"], 30)
    vague = ["good morning"]
    rare = trained(Classification(sorted(ENGLISH), weights=(9.0, 1.0, 1.0)), train, [], tmp_path, strength=1.0)
    even = trained(Classification(sorted(ENGLISH)), train, [], tmp_path, strength=1.0)
    assert rare.predict(vague)[0]["probabilities"]["card"] > even.predict(vague)[0]["probabilities"]["card"] + 0.1


def test_texts_out_of_scope_are_told_by_a_threshold(tmp_path):
    train = rows(ENGLISH, FILLERS["en"], 60)
    strange = ["rain tomorrow", "who won", "a song", "my dog barks", "boil eggs", "a film", "tall trees", "snow", "run"]
    outside = [{"text": text, "label": "oos"} for text in strange * 2]
    task = Classification(sorted(ENGLISH), out_of_scope="oos")
    model = trained(task, [*train, *outside], [*rows(ENGLISH, FILLERS["en"], 30, seed=1), *outside], tmp_path)
    assert model.task.scope_threshold is not None
    assert [p["label"] for p in model.predict(["snow in the trees", "the card is gone"])] == ["oos", "card"]


def test_the_cut_follows_the_language_unless_told_otherwise():
    def described(texts, **options):
        given = [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)]
        return prepare(Classification(["a", "b"]), "none", given, Recipe(), method="tfidf", options=options).described()

    assert "words 1-2 and characters 1-5 within a word" in described(["the card"])
    assert "tfidf: characters 1-3," in described(["银行卡丢了"])
    assert "words 1-2 and characters 1-4," in described(["the card 银行卡丢了"])
    assert "tfidf: words 1-3, strength 2" in described(["the card"], words=3, characters=0, strength=2)
    with pytest.raises(MethodError, match="leaves nothing to count"):
        described(["银行卡"], characters=0)


def test_what_it_cannot_do_is_refused(tmp_path):
    with pytest.raises(MethodError, match=r"'tfidf' is of no use for task 'ner'.*use 'full'"):
        check_pair("tfidf", "ner")
    with pytest.raises(MethodError, match="'ner'"):
        prepare(Ner(("person",)), "none", entity_rows(4), Recipe(), method="tfidf")
    with pytest.raises(MethodError, match=r"options\.strength"):
        prepare(Classification(["a", "b"]), "none", [], Recipe(), method="tfidf", options={"strength": 0})
    blank = [{"text": " ", "label": "a"}, {"text": "", "label": "b"}]
    with pytest.raises(MethodError, match="no text to count"):
        trained(Classification(["a", "b"]), blank, [], tmp_path, words=2, characters=0)


def test_one_altered_word_of_the_vocabulary_is_found(tmp_path):
    model = trained(Classification(sorted(CHINESE)), rows(*LANGUAGES["zh"], 30), [], tmp_path)
    path = model.save(tmp_path / "model") / "vocabulary.json"
    told = json.loads(path.read_text())
    told[0]["terms"][0] = "x"
    path.write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"vocabulary\.json was altered"):
        Model.load(path.parent)


def test_a_row_a_label_is_enough_to_begin_with(tmp_path):
    train = [{"text": f"{label} please", "label": label} for label in (f"thing{i:02}" for i in range(30))]
    model = trained(Classification([row["label"] for row in train]), train, [], tmp_path)
    assert [p["label"] for p in model.predict(["where is thing07", "thing21"])] == ["thing07", "thing21"]


def test_settings_that_nothing_would_go_by_are_refused():
    check_recipe("tfidf", Recipe(seed=3))
    with pytest.raises(MethodError, match="'tfidf' has no use for epochs, precision; leave them out"):
        check_recipe("tfidf", Recipe(epochs=3, precision="bf16"))
    with pytest.raises(MethodError, match="'setfit' has no use for head_first; leave it out"):
        check_recipe("setfit", Recipe(head_first=True, epochs=1))
    with pytest.raises(MethodError, match="no use for learning_rate"):
        tw.train(
            tw.Dataset.from_rows({"train": rows(ENGLISH, FILLERS["en"], 9)}),
            method="tfidf",
            recipe=Recipe(learning_rate=1e-3),
        )
