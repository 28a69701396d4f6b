"""A teacher's answers: asked for once, whole again after a kill."""

import numpy as np
import pytest

from tiny import entity_rows, intent_rows
from tunewheel.models import Recipe, prepare
from tunewheel.models import predictor as predictor_module
from tunewheel.models.distillation.answers import Answers
from tunewheel.models.predictor import Predictor
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner


def teacher(tiny_base, task, rows):
    return prepare(task, str(tiny_base), rows, Recipe(epochs=1, window=24)).untrained


def test_they_are_what_the_model_predicts(tiny_base, tmp_path):
    rows = [*intent_rows(6), {"text": "so long a text " * 12}, {"text": ""}]
    for several in (False, True):
        model = teacher(tiny_base, (MultiLabel if several else Classification)(("balance", "lost")), intent_rows(4))
        answers = Answers.of(model, rows, tmp_path / str(several))
        assert len(answers) == len(rows)
        for row, said in zip(rows, answers, strict=True):
            x = said[0].astype(np.float64)
            shown = 1 / (1 + np.exp(-x)) if several else np.exp(x)
            assert shown.tolist() == pytest.approx(list(model.predict([row])[0]["probabilities"].values()), abs=2e-3)


def test_a_killed_one_goes_on_where_it_stood(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(predictor_module, "CHUNK", 4)
    rows = entity_rows(14)
    model = teacher(tiny_base, Ner(("person",)), rows)
    asked = []
    readings = Predictor.readings

    def counted(self, chunk):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(len(chunk))
        return readings(self, chunk)

    monkeypatch.setattr(Predictor, "readings", counted)
    with pytest.raises(KeyboardInterrupt):
        Answers.of(model, rows, tmp_path / "answers")
    asked[:] = [0]
    with pytest.raises(KeyboardInterrupt):
        Answers.of(model, rows, tmp_path / "answers")
    assert asked == [0, 4]  # the third file; the first two stood there
    monkeypatch.setattr(Predictor, "readings", readings)
    told = []
    found = Answers.of(model, rows, tmp_path / "answers", lambda done, total: told.append((done, total)))
    whole = Predictor(model.network, model.task, model.encoder).readings(rows)
    assert told[-1] == (14, 14)
    assert all(np.allclose(a, b, atol=0.02) for a, b in zip(found, whole, strict=True))
    assert len(found[2:5]) == 3
    with pytest.raises(IndexError):
        found[14]
