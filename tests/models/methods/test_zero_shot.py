"""Zero-shot: labels by their words, in both languages; nothing of a row's label is looked at."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny import intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.methods import method_class
from tunewheel.models.methods.zero_shot import HYPOTHESES, TEMPLATES, label_head
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel

TASK = Classification(("balance", "lost"))
RECIPE = Recipe(window=48)


def by_name(base, task=TASK, rows=(), unlabelled=(), folder="unused", dev=(), **options):
    from pathlib import Path

    from tunewheel.models.adapt import prepare

    ready = prepare(task, str(base), list(rows), RECIPE, method="zero-shot", options=options, unlabelled=unlabelled)
    return ready.train(list(rows), list(dev), Path(folder))[0]


def test_a_text_that_is_a_description_gets_its_label(tiny_base, tmp_path):
    told = {"balance": ["what is my balance", "余额多少"], "lost": ["I lost the card", "卡丢了"]}
    model = by_name(tiny_base, descriptions=told, template="{}")
    texts = {text: label for label, phrases in told.items() for text in phrases}
    assert [p["label"] for p in model.predict(list(texts))] == list(texts.values())
    again = Model.load(model.save(tmp_path / "model"))
    assert again.predict(list(texts)) == model.predict(list(texts))
    assert again.network.config.normalize and again.body.kind == "network"
    assert again.origin.settings["phrases"]["lost"] == ["I lost the card", "卡丢了"]


def test_labels_of_rows_are_not_looked_at(tiny_base):
    rows = intent_rows(12)
    swapped = [{**row, "label": {"lost": "balance", "balance": "lost"}[row["label"]]} for row in rows]
    texts = [row["text"] for row in rows]
    one, other = (by_name(tiny_base, rows=given) for given in (rows, swapped))
    assert one.predict(texts) == other.predict(texts)
    assert one.predict(texts) == by_name(tiny_base, unlabelled=[{"text": text} for text in texts]).predict(texts)
    assert one.predict(texts) != by_name(tiny_base, rows=rows, adapt=False).predict(texts)


def test_the_head_takes_away_what_lies_near_every_text():
    """One label vector lies near all texts: seen from where it is it would get them all."""
    rng = np.random.default_rng(0)
    common = np.array([1.0, 0.0, 0.0])
    texts = np.concatenate([common + rng.normal(0, 0.02, (20, 3)) + [0, 0, 0.2], common + rng.normal(0, 0.02, (20, 3))])
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    labels = np.array([[0.6, 0.0, 0.8], [1.0, 0.0, 0.0]])
    assert ((texts @ labels.T).argmax(1) == 1).all()
    weight, bias = label_head(labels, texts, 20.0, several=False, rounds=0)
    assert (texts @ weight.T + bias).argmax(1).tolist() == [0] * 20 + [1] * 20
    weight, bias = label_head(labels, texts, 20.0, several=True, rounds=0)
    assert ((texts @ weight.T + bias) > 0).sum(0).tolist() == [20, 20]


def test_several_labels_and_out_of_scope(tiny_base):
    several = by_name(tiny_base, MultiLabel(("balance", "lost")), rows=intent_rows(12))
    assert all(isinstance(p["labels"], list) for p in several.predict(["卡丢了", ""]))
    scoped = by_name(tiny_base, Classification(("balance", "lost"), out_of_scope="oos"), rows=intent_rows(12))
    assert "scope" in scoped.predict(["卡丢了"])[0]


def test_dev_fits_the_temperature_and_moves_no_answer(tiny_base):
    rows = intent_rows(80)
    plain, fitted = by_name(tiny_base, rows=rows), by_name(tiny_base, rows=rows, dev=rows)
    texts = [row["text"] for row in rows]
    assert [p["label"] for p in plain.predict(texts)] == [p["label"] for p in fitted.predict(texts)]
    assert fitted.task.temperature is not None and plain.task.temperature is None


def test_labels_are_put_into_the_phrases_of_their_language():
    method = method_class("zero-shot")()
    told = method.phrases(Classification(("card_lost", "体育")), TEMPLATES)
    assert told["card_lost"][0] == "card lost" and len(told["体育"]) == len(TEMPLATES["zh"])
    assert all("体育" in phrase for phrase in told["体育"])


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        ("bilstm", {}, "base 'bilstm' starts from random weights"),
        ("textcnn", {"nli": True}, "base 'textcnn' starts from random weights"),
        (None, {"descriptions": {"lots": "x"}}, "no label 'lots'; there are balance, lost"),
        (None, {"template": "about it"}, r"'about it' has no {} for"),
        (None, {"scale": 0}, "scale: must be above 0"),
        (None, {"nli": True}, "brings no classifier of pairs"),
    ],
)
def test_what_cannot_work_is_refused(base, options, message, tiny_base):
    with pytest.raises(MethodError, match=message):
        prepare(TASK, base or str(tiny_base), [], RECIPE, method="zero-shot", options=options)


def test_a_mere_number_is_no_name_until_it_is_described():
    method, numbers = method_class("zero-shot"), Classification(("0", "1"))
    with pytest.raises(MethodError, match=r"label '0' is a mere number.*options\.descriptions"):
        method().phrases(numbers, TEMPLATES)
    with pytest.raises(MethodError, match="label '1' is a mere number"):
        method(descriptions={"0": "another question"}).phrases(numbers, TEMPLATES)
    described = method(descriptions={"0": "another question", "1": "the same"}, template="{}").phrases(
        numbers, TEMPLATES
    )
    assert described == {"0": ["another question"], "1": ["the same"]}


@pytest.fixture(scope="module")
def nli_base(tiny_base, tmp_path_factory):
    """A tiny BERT that learned: a premise entails a hypothesis that repeats its first word."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
            max_position_embeddings=64, hidden_dropout_prob=0.0, id2label=labels,
            label2id={name: at for at, name in labels.items()},
        )
    )  # fmt: skip
    words = ["card", "balance", "卡", "钱"]
    pairs = [(a, b) for a in words for b in words]
    batch = tokenizer(
        [f"{a} now" for a, _ in pairs], [f"about {b}" for _, b in pairs], padding=True, return_tensors="pt"
    )
    gold = torch.tensor([2 if a == b else 0 for a, b in pairs])
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for _ in range(600):
        loss = network(**batch, labels=gold).loss
        if loss < 0.05:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.2
    folder = tmp_path_factory.mktemp("nli-base")
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_base_that_judges_entailment_answers(nli_base, tmp_path):
    task = Classification(("card", "balance", "卡", "钱"))
    model = by_name(nli_base, task, nli=True, template="about {}")
    texts = ["card now", "balance now", "卡 now", "钱 now"]
    assert [p["label"] for p in model.predict(texts)] == ["card", "balance", "卡", "钱"]
    assert model.predict(texts)[2]["confidence"] > 0.5
    alone = [model.predict([text])[0]["probabilities"] for text in texts]
    together = [p["probabilities"] for p in model.predict(texts)]
    assert all(a == pytest.approx(b, abs=1e-5) for a, b in zip(alone, together, strict=True))
    again = Model.load(model.save(tmp_path / "model"))
    assert again.body.kind == "nli" and again.predict(texts) == model.predict(texts)
    several = by_name(nli_base, MultiLabel(task.labels), nli=True, template="about {}")
    assert several.predict(["card now"])[0]["labels"] == ["card"]


def test_entailment_reads_a_long_text_to_its_end(nli_base):
    model = by_name(nli_base, Classification(("card", "balance")), nli=True, template="about {}")
    judge = model.predictor()
    windows = model.task.encode([{"text": "x y " * 100}], judge.encoder)
    assert len(windows) > 1
    longest = max(len(w.ids) for w in windows) + max(map(len, model.body.pieces)) + model.body.form.size
    assert longest <= 48
    assert model.predict(["x y " * 100])[0]["label"] in ("card", "balance")


def test_a_classifier_of_something_else_is_no_judge(nli_base, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    network = AutoModelForSequenceClassification.from_pretrained(nli_base)
    network.config.id2label = {0: "bad", 1: "good", 2: "fair"}
    network.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(nli_base).save_pretrained(tmp_path)
    with pytest.raises(MethodError, match="judges bad, good, fair"):
        by_name(tmp_path, nli=True)
    assert all("{}" in told for told in HYPOTHESES["zh"])


def test_a_window_without_room_is_told(nli_base):
    with pytest.raises(MethodError, match="leaves no room"):
        by_name(nli_base, nli=True, template="about {} " * 30)


def test_it_is_declared_like_any_model(tiny_base):
    model = by_name(tiny_base, rows=intent_rows(8))
    assert model.origin.method == "zero-shot"
    assert replace(model.origin).base == str(tiny_base)


def test_a_description_longer_than_a_window_shifts_no_label(tiny_base):
    """Vectors come by the window, and a phrase of several must count for its own label alone."""
    long = "please tell me what is my balance today " * 12
    told = {"balance": [long], "lost": ["I lost the card", "卡丢了"]}
    model = by_name(tiny_base, descriptions=told, template="{}")
    assert [p["label"] for p in model.predict([long, "I lost the card", "卡丢了"])] == ["balance", "lost", "lost"]
