"""Methods for few labelled rows: pairs of them, and texts without labels beside them."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny import intent_rows
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.adversarial import Adversarial
from tunewheel.models.encoding import TextEncoder
from tunewheel.models.likeness import Pairing, likeness
from tunewheel.models.methods import check_pair
from tunewheel.models.methods.gan import balanced
from tunewheel.models.methods.self_training import sureness
from tunewheel.models.network import Network
from tunewheel.tasks import Window
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel

TASK = Classification(["balance", "lost"])
QUICK = Recipe(epochs=3, learning_rate=5e-3, batch_tokens=256, window=24, precision="fp32")
BESIDE = [{"text": row["text"]} for row in intent_rows(80)[20:]]
NEEDS = {"setfit": (), "self-training": BESIDE, "gan-bert": BESIDE}
OPTIONS = {"setfit": {"pairs": 100}, "self-training": {"confidence": 0.5}, "gan-bert": {}}


def made(name, base, folder, rows=None, dev=(), task=TASK, recipe=QUICK, **options):
    rows = intent_rows(20) if rows is None else rows
    ready = prepare(
        task, str(base), rows, recipe, method=name, options={**OPTIONS[name], **options}, unlabelled=NEEDS[name]
    )
    return ready.train(rows, list(dev), folder)


@pytest.mark.parametrize("name", NEEDS)
def test_what_is_learned_is_an_ordinary_network_the_same_each_time(name, tiny_base, tmp_path):
    model, trained = made(name, tiny_base, tmp_path / "run", dev=intent_rows(40)[20:])
    again, _ = made(name, tiny_base, tmp_path / "other", dev=intent_rows(40)[20:])
    assert type(model.network) is Network
    assert trained.updates > 0 and model.origin.method == name
    weights = again.network.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in model.network.state_dict().items())
    texts = ["my card is gone number 3", "余额多少 number 5", "I lost the card number 4"]
    found = model.predict(texts)
    assert [p["label"] for p in found] == ["lost", "balance", "lost"]
    read = Model.load(model.save(tmp_path / "model")).predict(texts)
    assert [p["label"] for p in read] == [p["label"] for p in found]
    assert [p["confidence"] for p in read] == pytest.approx([p["confidence"] for p in found], abs=1e-5)
    assert model.origin.dev["accuracy"] >= 0.8


@pytest.mark.parametrize("name", NEEDS)
def test_places_in_texts_are_not_for_them(name):
    with pytest.raises(MethodError, match=rf"'{name}' is of no use for task 'ner'.*use 'full'"):
        check_pair(name, "ner")


@pytest.mark.parametrize("name", ["self-training", "gan-bert"])
def test_texts_without_labels_must_be_there(name, tiny_base):
    with pytest.raises(MethodError, match=rf"'{name}' learns from texts without labels.*--unlabelled FILE"):
        prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method=name)


def test_texts_without_labels_must_be_of_use(tiny_base):
    with pytest.raises(MethodError, match=r"'full' makes no use of .*self-training, gan-bert do"):
        prepare(TASK, str(tiny_base), intent_rows(8), QUICK, unlabelled=BESIDE)


def test_like_texts_are_drawn_together_and_unlike_ones_apart():
    near, far = torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]]), torch.tensor([0, 0, 1, 1])
    assert likeness(near, far) < 1e-3 < 5 < likeness(near, torch.tensor([0, 1, 0, 1]))
    several = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert likeness(near, several) < 1e-3


def test_the_contrast_is_what_its_formula_says():
    draw = np.random.default_rng(0)
    vectors, labels = draw.normal(size=(6, 4)), np.array([0, 0, 0, 1, 1, 1])
    z = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        total = sum(np.exp(z[i] @ z[j] / 0.1) for j in others)
        like = [j for j in others if labels[j] == labels[i]]
        expected.append(-np.mean([np.log(np.exp(z[i] @ z[j] / 0.1) / total) for j in like]))
    assert likeness(torch.tensor(vectors), torch.tensor(labels)).item() == pytest.approx(np.mean(expected), abs=1e-9)


class Windows:
    def __init__(self, labels):
        self.labels = labels

    def encode(self, rows, encoder, *, labelled):
        return [Window([i + 1], [], (), label) for i, label in enumerate(self.labels)]


def test_pairs_are_bounded_alike_and_take_every_row_in_turn():
    labels = [0, 0, 0, 1, 1, 2]
    pairs = Pairing(Windows(labels), 60, seed=1).encode([], None, labelled=True)
    assert len(pairs) == 60
    assert np.bincount([pair.ids[0] for pair in pairs])[1:].tolist() == [10] * 6
    assert all(pair.labels == pair.other.labels for pair in pairs)
    assert all((pair.ids == pair.other.ids) == (pair.labels == 2) for pair in pairs)
    assert {tuple(pair.other.ids) for pair in pairs if pair.ids == [1]} == {(2,), (3,)}
    again = Pairing(Windows(labels), 60, seed=1).encode([], None, labelled=True)
    assert again == pairs != Pairing(Windows(labels), 60, seed=2).encode([], None, labelled=True)


def test_of_several_labels_pairs_share_one_or_have_none():
    labels = [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    for pair in Pairing(Windows(labels), 40, seed=1).encode([], None, labelled=True):
        one, other = np.array(pair.labels), np.array(pair.other.labels)
        assert one @ other > 0 or (not one.any() and not other.any())


def test_both_halves_of_pairs_stand_in_one_batch(tiny_base):
    from transformers import AutoTokenizer

    encoder = TextEncoder(AutoTokenizer.from_pretrained(tiny_base), window=24, shapes=False)
    short, long = Window([5], [], (), 0), Window([5, 6, 7], [], (), 0)
    pair = replace(short, other=long)
    assert encoder.size(pair) == 3 + 5
    batch = encoder.collate([pair, Window(long.ids, [], (), 1, short)])
    assert batch["attention_mask"].sum(1).tolist() == [3, 5, 5, 3]
    assert batch["labels"].tolist() == [0, 1, 0, 0]


def test_pairs_are_learned_gently_unless_told_otherwise(tiny_base):
    def rate(method, **given):
        recipe = Recipe(precision="fp32", **given)
        return prepare(TASK, str(tiny_base), intent_rows(8), recipe, method=method).recipe.learning_rate

    assert (rate("setfit"), rate("full")) == (2.5e-4, 3e-4)
    assert rate("setfit", learning_rate=1e-3) == 1e-3


def test_a_base_of_random_weights_has_nothing_to_pair():
    with pytest.raises(MethodError, match="'textcnn' starts from random weights; use 'full' or 'tfidf'"):
        prepare(TASK, "textcnn", intent_rows(8), QUICK, method="setfit")


@pytest.mark.slow
def test_several_labels_are_paired_and_pseudo_labelled_but_not_faked(tiny_base, tmp_path):
    phrases = {"lost": "my card is gone", "balance": "what is my balance"}
    sets = [["lost"], ["balance"], ["balance", "lost"], []]
    rows = [{"text": f"number {i}: " + " and ".join(map(phrases.get, s)), "labels": s} for i, s in enumerate(sets * 8)]
    task = MultiLabel(["balance", "lost"])
    recipe = Recipe(epochs=30, learning_rate=5e-3, batch_tokens=256, window=24, precision="fp32")
    for name in ("setfit", "self-training"):
        model, _ = made(name, tiny_base, tmp_path / name, rows, rows, task, recipe)
        assert model.origin.dev["micro_f1"] > 0.8
    with pytest.raises(MethodError, match="may have several, use 'self-training'"):
        made("gan-bert", tiny_base, tmp_path / "gan", rows, rows, task)


def test_how_sure_a_prediction_is_as_a_whole():
    assert sureness({"label": "a", "confidence": 0.7}) == 0.7
    assert sureness({"labels": ["a"], "probabilities": {"a": 0.8, "b": 0.4}}) == pytest.approx(0.6)


def test_pseudo_labels_are_the_surest_of_each_label_and_no_more_than_its_share(tiny_base, tmp_path):
    rows = intent_rows(12)[:9]  # five lost, four balance
    ready = prepare(
        *(TASK, str(tiny_base), rows, QUICK),
        method="self-training", options={"confidence": 0.5, "share": 2}, unlabelled=BESIDE,
    )  # fmt: skip
    teacher, _ = ready.teacher.train(rows, [], tmp_path)
    taken = ready.taken(teacher, rows)
    found = {row["text"]: p for row, p in zip(BESIDE, teacher.predict(BESIDE), strict=True)}
    for label, most in (("lost", 10), ("balance", 8)):
        mine = [row["text"] for row in taken if row["label"] == label]
        ranked = sorted((p["confidence"] for p in found.values() if p["label"] == label), reverse=True)
        assert len(mine) == most
        assert sorted((found[text]["confidence"] for text in mine), reverse=True) == ranked[:most]


def test_a_teacher_that_is_sure_of_nothing_stays_the_model(tiny_base, tmp_path):
    model, _ = made("self-training", tiny_base, tmp_path, confidence=1.0, iterations=3)
    assert model.origin.settings["pseudo_labelled"] == [0] and model.origin.settings["generation"] == 0


def test_a_killed_self_training_goes_on_behind_its_last_generation(tiny_base, tmp_path, monkeypatch):
    from tunewheel.models.methods.engine import Ready

    whole, _ = made("self-training", tiny_base, tmp_path / "whole")
    learn, tries = Ready.train, []

    def dying(self, *arguments, **options):
        tries.append(1)
        if len(tries) == 2:
            raise KeyboardInterrupt
        return learn(self, *arguments, **options)

    monkeypatch.setattr(Ready, "train", dying)
    with pytest.raises(KeyboardInterrupt):
        made("self-training", tiny_base, tmp_path / "killed")
    model, _ = made("self-training", tiny_base, tmp_path / "killed")
    assert len(tries) == 3
    weights = whole.network.state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in model.network.state_dict().items())


def test_labelled_rows_are_not_lost_among_the_others():
    assert len(balanced([{}] * 10, 150)) == 40
    assert len(balanced([{}] * 10, 0)) == 10


def test_the_opponent_learns_and_is_let_go(tiny_base, tmp_path):
    rows = intent_rows(20)
    ready = prepare(TASK, str(tiny_base), rows, QUICK, method="gan-bert", unlabelled=BESIDE)
    before = {key: value.clone() for key, value in ready.model.network.state_dict().items()}
    assert any(key.startswith("generator.") for key in before) and "fake.weight" in before
    model, _ = ready.train(rows, [], tmp_path)
    after = ready.model.network.state_dict()
    assert all(not torch.equal(after[key], before[key]) for key in before if key.startswith(("generator.", "fake.")))
    assert not any(key.startswith(("generator.", "fake.")) for key in model.network.state_dict())


def test_neither_side_moves_the_other(tiny_base):
    ready = prepare(TASK, str(tiny_base), intent_rows(8), QUICK, method="gan-bert", unlabelled=BESIDE)
    network = ready.model.network
    assert isinstance(network, Adversarial)
    made_up = network.generator(torch.randn(4, 100))
    network._passing(made_up, torch.randn(4, made_up.shape[1])).backward()
    assert network.head.weight.grad is None and network.fake.weight.grad is None
    assert network.generator[0].weight.grad.abs().sum() > 0


def topics(n, seed, labelled):
    """Each text has two words of its label's; those of unlabelled rows lead from known words to unknown ones."""
    draw = random.Random(seed)
    letters = random.Random(0)
    spelled = ["".join(letters.choices("abcdefghijklmnopqrst", k=4)) for _ in range(24)]
    words = {"a": spelled[:12], "b": spelled[12:]}
    rows = []
    for i in range(n):
        label = "ab"[i % 2]
        known = words[label][:3] if labelled else words[label]
        rows.append({"id": str(i), "text": " ".join(draw.choice(known) for _ in range(3)), "label": label})
    return rows


@pytest.mark.slow
def test_useful_texts_without_labels_beat_the_labelled_rows_alone(tmp_path):
    """Words of one label stand together: what a teacher is sure of names those that no labelled row holds."""
    task, recipe = Classification(["a", "b"]), Recipe(seed=1, precision="fp32", epochs=12)
    few, test = topics(12, 1, True), topics(200, 2, False)
    beside = [{"text": row["text"]} for row in topics(300, 3, False)]

    def accuracy(method, **given):
        ready = prepare(task, "textcnn", few, recipe, method=method, **given)
        model, _ = ready.train(few, [], tmp_path / method)
        return task.metrics(task.score(test, model.predict(test)))["accuracy"]

    options = {"confidence": 0.8, "share": 50, "iterations": 2}
    assert accuracy("self-training", options=options, unlabelled=beside) > accuracy("full") + 0.02
