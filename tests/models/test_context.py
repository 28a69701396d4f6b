"""Rows read with their neighbours: alike in training, evaluation and streams, at as many updates."""

import json

import pytest

from tunewheel import loop
from tunewheel.data import Dataset
from tunewheel.evaluation import evaluate
from tunewheel.models import Recipe, predictor, prepare
from tunewheel.tasks.ner import Ner

CONTEXT = 40
TEXTS = ["Anna Berg paid 30 in full", "she went home", "王芳付了钱", "then 李强 came too", "nobody else did"]


def documents(n: int, size: int = 4) -> list[dict]:
    """Rows of both languages in documents of ``size``, named by whole numbers as many files name them."""
    rows = []
    for i in range(n):
        text = f"{TEXTS[i % 5]} {i}"
        who = next((name for name in ("Anna Berg", "王芳", "李强") if name in text), None)
        entities = [{"start": text.index(who), "end": text.index(who) + len(who), "label": "person"}] if who else []
        rows.append({"id": str(i), "text": text, "entities": entities, "document": i // size + 1})
    return rows


@pytest.fixture(scope="module")
def model(tiny_base):
    """A fresh head: it knows nothing, but what it answers depends on all it reads."""
    return prepare(Ner(("person",), context=CONTEXT), str(tiny_base), documents(8), Recipe(epochs=1)).model


def test_every_way_reads_the_same_neighbours(model, tmp_path):
    source, target = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in documents(22)), encoding="utf-8")
    rows = list(Dataset.read(source, dev=0, test=0)["train"])
    direct = model.predict(rows)
    assert any(answer["entities"] for answer in direct)
    assert not same(direct, model.predict([{**row, "document": None} for row in rows]))
    loop.predict(model.save(tmp_path / "model"), source, target)
    streamed = [json.loads(line)["prediction"] for line in target.read_text(encoding="utf-8").splitlines()]
    assert same(streamed, direct)
    asked = evaluate(model, rows, resamples=10, robustness=["case"])
    expected = model.task.score(rows, direct)
    assert all((asked.scores[key] == array).all() for key, array in expected.items())


def same(one, other):
    """The same spans, as sure to 1e-4."""
    pairs = [(a["entities"], b["entities"]) for a, b in zip(one, other, strict=True)]
    return all(a == [{**e, "confidence": pytest.approx(e["confidence"], abs=1e-4)} for e in b] for a, b in pairs)


def test_a_stream_is_not_cut_inside_a_document(model, monkeypatch):
    rows = [{**row, "document": str(row["document"])} for row in documents(22)]
    whole = model.predict(rows)
    monkeypatch.setattr(predictor, "CHUNK", 3)
    assert same(model.stream(iter(rows)), whole)


def test_context_takes_no_updates_away(tiny_base, tmp_path):
    """Windows of several rows are larger, so that fewer of them fill a batch."""
    rows = documents(120, size=6)
    updates = {}
    for context in (0, CONTEXT):
        recipe = Recipe(epochs=2, batch_tokens=128, window=64)
        ready = prepare(Ner(("person",), context=context), str(tiny_base), rows, recipe)
        windows = ready.model.task.encode(rows, ready.model.encoder, labelled=True)
        _, told = ready.train(rows, rows[:8], tmp_path / str(context))
        updates[context] = (told.updates, len(windows))
    assert updates[CONTEXT][1] < 0.5 * updates[0][1]
    assert updates[CONTEXT][0] >= 0.95 * updates[0][0]
