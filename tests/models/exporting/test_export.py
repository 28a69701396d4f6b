"""A model exported answers as it did: fp32 to the digit, int8 within a bound, whoever its neighbours are."""

import json
import random
import shutil

import numpy as np
import onnx
import pytest

from tiny import entity_rows, intent_rows
from tunewheel.models import Recipe, prepare
from tunewheel.models.exporting.export import Exported, check_exportable, export
from tunewheel.models.exporting.folder import FILES, NAME, ExportError, check_graph, declare, fingerprint, read_export
from tunewheel.models.exporting.variants import VARIANTS, described, fastest, usable_variants, variant_predictor
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.matching import Matching
from tunewheel.tasks.ner import Ner

pytestmark = pytest.mark.slow

QUICK = Recipe(epochs=3, learning_rate=5e-3, batch_tokens=128, window=24)
BOUND = {"onnx-fp32": 1e-5, "onnx-int8": 1e-5, "torch-bf16": 0.02}
"""How far a probability may move when a text's neighbours change."""

SENTENCES = {
    "remembering": ["my card is gone number 3", "余额多少", "", "I lost the card " * 20],
    "intents": ["my card is gone number 3", "余额多少", "", "I lost the card " * 20, "what is my balance"],
    "entities": ["5 times paid Anna Berg in full", "", "王芳 paid " * 30, "7 times paid 李强 in full"],
}


class Counted:
    """A way to compute that remembers how many texts each batch had."""

    def __init__(self, run):
        self.run, self.start, self.alone, self.passes = run, run.start, run.alone, []

    def __call__(self, batch, wanted):
        self.passes.append(len(batch["input_ids"]))
        return self.run(batch, wanted)


def exported(model, rows, folder) -> tuple:
    return model, rows, export(model, dev_rows=rows, folder=folder)


@pytest.fixture(scope="module")
def intents(tiny_base, tmp_path_factory):
    rows = intent_rows(40)
    ready = prepare(Classification(("balance", "lost")), str(tiny_base), rows, QUICK)
    model = ready.train(rows, rows[:10], tmp_path_factory.mktemp("run"))[0]
    return exported(model, rows, tmp_path_factory.mktemp("intents") / "export")


@pytest.fixture(scope="module")
def remembering(tiny_base, tmp_path_factory):
    """A network whose head sees random features."""
    rows, recipe = intent_rows(40), Recipe(window=24)
    ready = prepare(
        Classification(("balance", "lost")), str(tiny_base), rows, recipe, method="ranpac", options={"features": 64}
    )
    model = ready.train(rows, rows[:10], tmp_path_factory.mktemp("run"))[0]
    return exported(model, rows, tmp_path_factory.mktemp("remembering") / "export")


@pytest.fixture(scope="module")
def entities(tiny_base, tmp_path_factory):
    rows = entity_rows(40)
    ready = prepare(Ner(("person",)), str(tiny_base), rows, QUICK)
    model = ready.train(rows, rows[:10], tmp_path_factory.mktemp("run"))[0]
    return exported(model, rows, tmp_path_factory.mktemp("entities") / "export")


def numbers(value):
    """Labels and spans with every number left out, and the numbers."""
    if isinstance(value, dict):
        parts = {key: numbers(each) for key, each in value.items()}
        return {key: part[0] for key, part in parts.items()}, [n for part in parts.values() for n in part[1]]
    if isinstance(value, list):
        parts = [numbers(each) for each in value]
        return [part[0] for part in parts], [n for part in parts for n in part[1]]
    return (None, [value]) if isinstance(value, float) else (value, [])


def far(one, other):
    """The largest difference of two lists of predictions whose labels and spans are the same."""
    (ours, first), (theirs, second) = numbers(one), numbers(other)
    assert ours == theirs
    return float(np.abs(np.subtract(first, second)).max(initial=0.0))


@pytest.mark.parametrize("kind", ["intents", "entities", "remembering"])
def test_fp32_answers_as_torch_does(kind, request):
    model, rows, found = request.getfixturevalue(kind)
    texts = [*({"text": text} for text in SENTENCES[kind]), *rows]
    before = model.predictor()(texts)
    assert far(before, variant_predictor(model, "onnx-fp32", found.folder)(texts)) < 1e-5
    assert found.checks["onnx-fp32"]["difference"] < 1e-4 and found.checks["onnx-fp32"]["refused"] is None
    assert found.checks["onnx-fp32"]["operators"]["Attention"] == 2, "attention is one operator a layer"


@pytest.mark.parametrize("variant", sorted(BOUND))
@pytest.mark.parametrize("kind", ["intents", "entities", "remembering"])
def test_no_neighbour_moves_an_answer(kind, variant, request):
    model, rows, found = request.getfixturevalue(kind)
    answers = variant_predictor(model, variant, found.folder)
    loud = [{"text": "!? " * 12 + "卡" * n} for n in range(9)]
    alone = [answers([row])[0] for row in rows[:12]]
    for seed in range(3):
        crowd = [*rows[:12], *loud]
        order = random.Random(seed).sample(range(len(crowd)), len(crowd))
        told = answers([crowd[i] for i in order])
        together = [told[order.index(i)] for i in range(12)]
        assert far(alone, together) <= BOUND[variant]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["intents", "entities", "remembering"])
def test_predictions_and_vectors_come_out_of_one_pass(kind, variant, request, monkeypatch):
    model, _, found = request.getfixturevalue(kind)
    rows = [{"text": text} for text in SENTENCES[kind]]
    answers = variant_predictor(model, variant, found.folder)
    before, vectors = answers(rows), answers.vectors(rows)
    counted = Counted(answers.run)
    predictions, together = described(answers.through(counted), rows)
    windows = [w for w in model.task.encode(rows, model.encoder) if model.encoder.size(w)]
    assert sum(counted.passes) == len(windows)
    assert (max(counted.passes) == 1) == (variant == "onnx-int8")
    assert far(before, predictions) < 1e-5 and np.allclose(vectors, together, atol=1e-5)


def test_int8_multiplies_in_int8_and_stays_near(intents):
    model, rows, found = intents
    assert found.checks["onnx-int8"]["operators"]["MatMulInteger"] == 12
    assert (found.folder / FILES["onnx-int8"]).stat().st_size < (found.folder / FILES["onnx-fp32"]).stat().st_size
    assert 0 < far(model.predictor()(rows), variant_predictor(model, "onnx-int8", found.folder)(rows)) < 0.02


def test_every_batch_and_length_fits_one_graph(intents):
    model, _, found = intents
    answers = variant_predictor(model, "onnx-fp32", found.folder)
    rows = [{"text": "card " * n} for n in (1, 1, 2, 5, 20)]
    assert far(model.predictor()(rows), answers(rows)) < 1e-5
    assert far([model.predictor()(rows[:1])], [answers(rows[:1])]) < 1e-5


def test_the_fastest_is_measured_among_all_that_there_are(intents):
    model, rows, found = intents
    assert usable_variants(model, found.folder) == list(VARIANTS) == list(found.seconds)
    assert usable_variants(model) == ["torch-fp32", "torch-bf16"]
    chosen, seconds = fastest(model, found.folder, rows[:4], rounds=1)
    assert seconds[chosen] == min(seconds.values()) and set(seconds) == set(VARIANTS)
    with pytest.raises(ExportError, match=r"no variant 'onnx-fp32'.*tunewheel export"):
        variant_predictor(model, "onnx-fp32")


@pytest.fixture
def copied(intents, tmp_path):
    return intents[0], shutil.copytree(intents[2].folder, tmp_path / "export")


def test_an_altered_graph_is_not_run(copied):
    model, folder = copied
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"model\.onnx was altered"):
        variant_predictor(model, "onnx-fp32", folder)
    path.unlink()
    with pytest.raises(ExportError, match=r"model\.onnx is missing"):
        usable_variants(model, folder)


def test_a_file_that_nothing_declares_is_refused(copied):
    (copied[1] / "custom_ops.so").write_bytes(b"")
    with pytest.raises(ExportError, match=r"custom_ops\.so"):
        usable_variants(*copied)


@pytest.mark.parametrize("name", ["../model.onnx", "custom_ops.so"])
def test_only_graphs_may_be_declared(copied, name):
    model, folder = copied
    declared = json.loads((folder / NAME).read_text())
    (folder / NAME).write_text(json.dumps({**declared, "files": {name: "0" * 64}}))
    with pytest.raises(ExportError, match="is no graph of an export"):
        usable_variants(model, folder)


def test_a_link_is_no_graph(copied, tmp_path):
    model, folder = copied
    (folder / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(ExportError, match="is no graph of an export"):
        usable_variants(model, folder)


def test_an_export_of_another_model_is_refused(entities, intents):
    with pytest.raises(ExportError, match="export of another model"):
        variant_predictor(entities[0], "onnx-fp32", intents[2].folder)


def test_tensors_in_other_files_and_operators_from_elsewhere_are_refused(copied):
    model, folder = copied
    graph = onnx.load(folder / "model.onnx")
    graph.graph.node[0].domain = "com.example"
    onnx.save(graph, folder / "model.onnx")
    declare(folder, fingerprint(model), {})
    with pytest.raises(ExportError, match=r"operators of 'com\.example'"):
        variant_predictor(model, "onnx-fp32", folder)
    small = onnx.load(folder / "model.int8.onnx")
    onnx.save(small, folder / "out.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(ExportError, match="tensors from other files"):
        check_graph(folder / "out.onnx")


def elsewhere():
    """A tensor that says its numbers are in another file."""
    tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return tensor


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (onnx.helper.make_node("Constant", [], ["y"], value=elsewhere()), "tensors from other files"),
        (onnx.helper.make_node("Run", [], ["y"], domain="evil.ops"), "operators of 'evil.ops'"),
    ],
)
@pytest.mark.parametrize("within", [False, True])
def test_nothing_strange_hides_in_a_node_or_in_a_graph_within_the_graph(tmp_path, node, told, within):
    out = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])]
    nodes = [node]
    if within:
        inner = onnx.helper.make_graph([node], "inner", [], out)
        nodes = [onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    inputs = [onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "outer", inputs, out))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ExportError, match=told):
        check_graph(tmp_path / "model.onnx")


def test_what_does_not_answer_as_torch_does_is_refused_unless_forced(intents, tmp_path):
    model, rows, _ = intents
    options = {"dev_rows": rows[:4], "variants": ["onnx-fp32"], "tolerance": 0.0}
    found = export(model, folder=tmp_path / "one", **options)
    assert "differ from torch's" in found.checks["onnx-fp32"]["refused"]
    assert usable_variants(model, found.folder) == ["torch-fp32", "torch-bf16"]
    forced = export(model, folder=tmp_path / "two", force=True, **options)
    assert forced.forced == ["onnx-fp32"] == read_export(forced.folder)["forced"]
    assert "onnx-fp32" in usable_variants(model, forced.folder)


def test_a_bi_encoder_gives_its_vectors(tiny_base, tmp_path):
    rows = [
        {"id": str(i), "text": f"{row['text']}\t{other['text']}", "label": "same" if i % 2 else "other"}
        for i, (row, other) in enumerate(zip(intent_rows(16), intent_rows(17)[1:], strict=True))
    ]
    task = Matching(("other", "same"))
    model = prepare(task, str(tiny_base), rows, QUICK, method="bi-encoder").train(rows, rows, tmp_path / "run")[0]
    found = export(model, dev_rows=rows, folder=tmp_path / "export")
    answers = variant_predictor(model, "onnx-fp32", found.folder)
    assert far(model.predictor()(rows), answers(rows)) < 1e-5
    predictions, vectors = described(answers, rows)
    assert far(predictions, answers(rows)) == 0 and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_no_network_is_served_as_it_is():
    rows = intent_rows(40)
    model = prepare(Classification(("balance", "lost")), None, rows, QUICK, method="tfidf")
    with pytest.raises(ExportError, match=r"'tfidf' is no network.*served as it is"):
        check_exportable(model.train(rows, rows, None)[0])


def test_what_an_export_says_of_itself_is_json(intents):
    found: Exported = intents[2]
    declared = read_export(found.folder, intents[0])
    assert {name: declared[name] for name in found.summary} == found.summary
    assert found.rows == 40 and found.machine and found.fastest in found.seconds
