"""Going on from a model: what it knew stands under the new head, by label and not by place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiny import entity_rows, intent_rows
from tunewheel.models import Model, ModelError, Recipe, prepare
from tunewheel.models.methods import MethodError
from tunewheel.models.predictor import Predictor
from tunewheel.tasks import Task
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

QUICK = Recipe(epochs=2, batch_tokens=256, learning_rate=5e-3)
TEXTS: list[Any] = [
    {"text": text} for text in ("my card is gone number 3", "余额多少", "paid 王芳 in full", "nothing known")
]


def learned(task: Task, base: str, rows: list[Any], folder: Path, **options: Any) -> Model:
    return prepare(task, base, rows, QUICK, **options).train(rows, rows[:8], folder)[0]


def logits(model: Model) -> list[np.ndarray]:
    """What the network says before anything is decided or calibrated: log-marginals under a CRF."""
    predictor = Predictor(model.network.eval(), model.task, model.encoder)
    return [found for (found,) in predictor.outputs(TEXTS, ["logits"])]


def test_labels_keep_what_was_known_of_them_wherever_they_stand_now(tiny_base: Path, tmp_path: Path) -> None:
    rows = intent_rows(40)
    before = learned(Classification(("balance", "lost")), str(tiny_base), rows, tmp_path)
    begun = prepare(Classification(("lost", "new", "balance")), str(tiny_base), rows, QUICK, start=before).untrained
    assert begun is not None
    for old, now in zip(logits(before), logits(begun), strict=True):
        np.testing.assert_allclose(now[[2, 0]], old, atol=1e-5)
    head = begun.network.head  # a label that is new begins as any does: small weights, no bias
    assert head.bias[1] == 0 and 0 < head.weight[1].std() < 0.04
    fewer = prepare(Classification(("lost", "other")), str(tiny_base), rows, QUICK, start=before).untrained
    assert fewer is not None
    for old, now in zip(logits(before), logits(fewer), strict=True):
        np.testing.assert_allclose(now[0], old[1], atol=1e-5)


def test_the_model_that_was_begun_from_stays_as_it_is(tiny_base: Path, tmp_path: Path) -> None:
    rows = intent_rows(40)
    before = learned(Classification(("balance", "lost")), str(tiny_base), rows, tmp_path / "a")
    said = logits(before)
    after = learned(Classification(("balance", "lost", "new")), str(tiny_base), rows, tmp_path / "b", start=before)
    assert all(np.array_equal(a, b) for a, b in zip(said, logits(before), strict=True))
    assert not np.allclose(logits(after)[0][:2], said[0])


@pytest.mark.parametrize("crf", [False, True])
def test_tags_of_a_new_type_stand_beside_those_that_are_known(tmp_path: Path, crf: bool) -> None:
    rows = entity_rows(40)
    before = learned(Ner(("person",), crf=crf), "textcnn", rows, tmp_path)
    begun = prepare(Ner(("bank", "person"), crf=crf), "textcnn", rows, QUICK, start=before).untrained
    assert begun is not None
    names, old = begun.task.outputs, before.task.outputs
    assert names == ("O", "B-bank", "I-bank", "B-person", "I-person")
    places = [names.index(name) for name in old]
    was, now = before.network, begun.network
    np.testing.assert_array_equal(now.head.weight.detach()[places], was.head.weight.detach())
    if crf:
        kept = now.crf.transitions.detach()[places][:, places]
        np.testing.assert_array_equal(kept, was.crf.transitions.detach())
        np.testing.assert_array_equal(now.crf.start.detach()[places], was.crf.start.detach())
    assert begun.encoder.tokenizer.get_vocab() == before.encoder.tokenizer.get_vocab()


def test_an_adapter_goes_on_from_merged_weights(tiny_base: Path, tmp_path: Path) -> None:
    rows = intent_rows(40)
    task = Classification(("balance", "lost"))
    before = learned(task, str(tiny_base), rows, tmp_path / "a", method="lora")
    begun = prepare(task, str(tiny_base), rows, QUICK, method="lora", start=before).untrained
    assert begun is not None
    for old, now in zip(logits(before), logits(begun), strict=True):
        np.testing.assert_allclose(now, old, atol=1e-5)


def test_a_road_that_cannot_go_on_says_so(tiny_base: Path, tmp_path: Path) -> None:
    rows = intent_rows(40)
    task = Classification(("balance", "lost"))
    linear = learned(task, "none", rows, tmp_path / "linear", method="tfidf")
    with pytest.raises(MethodError, match="cannot go on from a model"):
        prepare(task, "none", rows, QUICK, method="tfidf", start=linear)
    with pytest.raises(ModelError, match="is no network"):
        prepare(task, str(tiny_base), rows, QUICK, start=linear)
    prefix = learned(task, str(tiny_base), rows, tmp_path / "prefix", method="prefix")
    with pytest.raises(ModelError, match="more than its body"):
        prepare(task, str(tiny_base), rows, QUICK, start=prefix)
