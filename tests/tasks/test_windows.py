"""What reading long documents loses, with a network that is never wrong: nothing in ours, much in the field's two."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from transformers import AutoTokenizer

from readings import Kept, join, joined_to, ours, pipeline, run_ner, tags_of

LENGTH = 64


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="module", params=["en", "zh"])
def documents(request, tokenizer):
    """The sample's training rows of one language in documents of 40, 400 and 3,000 pieces."""
    lines = files("tunewheel.data").joinpath("sample/train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["language"] == request.param]
    joiner = " " if request.param == "en" else "。"
    return {size: joined_to(rows, size, tokenizer, joiner) for size in (40, 400, 3000)}


@pytest.mark.parametrize("size", [40, 400, 3000])
def test_ours_keeps_every_entity(documents, tokenizer, size):
    rows = documents[size]
    found = Kept.of(rows, ours(rows, tokenizer, LENGTH))
    assert found.exact == found.gold > 400
    bare = [{**row, "tokens": None} for row in rows]
    assert Kept.of(bare, ours(bare, tokenizer, LENGTH)) == found


@pytest.mark.parametrize("text", ["I paid £42 twice", "我付了£42两次"])
@pytest.mark.parametrize("tokens", [None, "characters"])
def test_words_that_share_a_piece_are_read_as_one(tokenizer, text, tokens):
    start = text.index("£")
    assert "£4" in tokenizer.tokenize(text)
    row = {"text": text, "entities": [{"start": start, "end": start + 3, "label": "amount"}]}
    if tokens:
        row["tokens"] = [{"start": i, "end": i + 1} for i, c in enumerate(text) if not c.isspace()]
    assert ours([row], tokenizer, LENGTH) == [[(start, start + 3, "amount")]]


def test_run_ner_loses_what_stands_behind_the_cut(documents, tokenizer):
    rows = documents[400]
    found = Kept.of(rows, run_ner(rows, tokenizer, LENGTH))
    assert found.doubled == 0
    assert found.vanished > 0.7 * found.gold
    assert Kept.of(documents[40][:1], run_ner(documents[40][:1], tokenizer, 512)).vanished == 0


def test_the_pipeline_loses_these_and_takes_words_apart(documents, tokenizer):
    rows = documents[400]
    found = Kept.of(rows, pipeline(rows, tokenizer, LENGTH))
    assert found.vanished > 0.7 * found.gold
    whole = Kept.of(rows, pipeline(rows, tokenizer, 4096))
    assert whole.vanished == 0
    assert whole.doubled > 0
    assert tokenizer.model_max_length > 4096


def test_entities_are_counted_by_what_became_of_them():
    row = {"text": "a b c d", "entities": [{"start": s, "end": s + 1, "label": "X"} for s in (0, 2, 4, 6)]}
    found = [(0, 1, "X"), (2, 3, "Y"), (4, 5, "X"), (4, 5, "X"), (6, 7, "X"), (5, 6, "X")]
    assert Kept.of([row], [found]) == Kept(gold=4, exact=2, vanished=1, doubled=1, cut=0)
    assert Kept.of([row], [[(0, 2, "X")]]) == Kept(gold=4, exact=0, vanished=3, doubled=0, cut=1)


def test_joined_rows_keep_words_and_entities():
    rows = [
        {"text": "Anna Berg ran", "entities": [{"start": 0, "end": 9, "label": "PER"}]},
        {"text": "王芳到了", "entities": [{"start": 0, "end": 2, "label": "PER"}]},
    ]
    row = join(rows, " ")
    assert [row["text"][e["start"] : e["end"]] for e in row["entities"]] == ["Anna Berg", "王芳"]
    assert [row["text"][t["start"] : t["end"]] for t in row["tokens"]] == ["Anna", "Berg", "ran", *"王芳到了"]
    assert tags_of(row) == ["B-PER", "I-PER", "O", "B-PER", "I-PER", "O", "O"]
