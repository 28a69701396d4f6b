"""The backbones that learn from nothing: saved, windowed and answered like any other, in both languages."""

import random

import pytest

from tunewheel.models import BackboneError, Model, Recipe, prepare
from tunewheel.models.backbones import FROM_NOTHING, load_backbone
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

RECIPE = Recipe(epochs=6, batch_tokens=128, window=24)
TOPICS = {"钱": ["还剩多少钱", "what do I have left"], "卡": ["把卡弄丢了", "the card went missing"]}
PEOPLE = ["林晓", "Rosa Meyer"]


def topic_rows(n):
    return [
        {"id": str(i), "text": f"{phrases[i % 2]}{i}", "label": label}
        for i in range(n // 2)
        for label, phrases in TOPICS.items()
    ]


def people_rows(n):
    """Rows of one to five sentences, so that some are longer than a window."""
    rows = []
    for i in range(n):
        who, times = PEOPLE[i % 2], 1 + i % 5
        sentence = f"给：{who}。"
        starts = [2 + k * len(sentence) for k in range(times)]
        entities = [{"start": start, "end": start + len(who), "label": "person"} for start in starts]
        rows.append({"id": str(i), "text": sentence * times, "entities": entities})
    return rows


@pytest.fixture(
    scope="module", params=[(base, task) for base in FROM_NOTHING for task in ("topics", "people")], ids=str
)
def trained(request, tmp_path_factory):
    """A model of either base for either task, and the rows it learned."""
    base, kind = request.param
    rows = topic_rows(60) if kind == "topics" else people_rows(60)
    task = Classification(("卡", "钱")) if kind == "topics" else Ner(("person",), crf=True)
    model, told = prepare(task, base, rows, RECIPE).train(rows, rows[:20], tmp_path_factory.mktemp("run"))
    assert told.dev[task.selection] > 0.9
    return model, rows


def close(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == pytest.approx(other, abs=1e-5) if isinstance(one, float) else one == other


def test_a_saved_model_answers_as_before(trained, tmp_path):
    model, rows = trained
    again = Model.load(model.save(tmp_path / "model"))
    texts = [row["text"] for row in rows]
    assert type(again.network.backbone) is type(model.network.backbone)
    assert close(again.predict(texts), model.predict(texts))


def test_an_answer_does_not_depend_on_its_neighbours(trained):
    model, rows = trained
    draw = random.Random(7)
    texts = [row["text"] * draw.choice([1, 1, 3, 6]) for row in rows] + ["卡", ""]
    alone = [model.predict([text])[0] for text in texts]
    order = draw.sample(range(len(texts)), len(texts))
    together = model.predict([texts[i] for i in order])
    assert all(close(together[place], alone[i]) for place, i in enumerate(order))


def test_a_long_text_is_read_to_its_end(trained):
    model, rows = trained
    text = rows[0]["text"] * 20
    assert len(model.task.encode([{"text": text}], model.encoder)) > 3
    length = len(rows[0]["text"])
    full, cut = model.predict([text, text[:-length]])
    if "entities" in full:
        assert [e["start"] for e in full["entities"]] == [2 + i * length for i in range(20)]
    else:
        assert full["label"] == rows[0]["label"]
        assert full["probabilities"] != cut["probabilities"]


@pytest.mark.parametrize("base", FROM_NOTHING)
def test_it_starts_from_random_weights_and_the_rows_own_characters(base):
    backbone = load_backbone(base, ["卡丢了 Ab", "卡 Ab"])
    assert not backbone.pretrained
    assert set(backbone.tokenizer.get_vocab()) == {"[PAD]", "[UNK]", "卡", "A", "b"}
    assert backbone.model.config.vocab_size == 5


@pytest.mark.parametrize("base", FROM_NOTHING)
def test_it_has_no_use_for_word_shapes_and_says_so(base):
    with pytest.raises(BackboneError, match=f"base '{base}' reads characters as they are.*leave word_shapes off"):
        prepare(Classification(("卡", "钱")), base, topic_rows(8), Recipe(word_shapes=True))
