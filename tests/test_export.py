"""`tunewheel export`, from the command to a report on the variant that is served."""

import json

import pytest
from typer.testing import CliRunner

from tiny import intent_rows
from tunewheel import loop
from tunewheel.cli import app
from tunewheel.loop.export import Through, _Judge, export_of
from tunewheel.models import Model, Recipe
from tunewheel.models.exporting.folder import ExportError, beside
from tunewheel.registry import Registry
from tunewheel.registry.exports import find_export
from tunewheel.store import Workspace
from tunewheel.tasks.classification import Classification

pytestmark = pytest.mark.slow

QUICK = Recipe(epochs=3, learning_rate=5e-3, batch_tokens=128, window=24)


@pytest.fixture(scope="module")
def place(tiny_base, tmp_path_factory):
    """A workspace with a trained version, and the file it learned from."""
    folder = tmp_path_factory.mktemp("place")
    data = folder / "tickets.jsonl"
    data.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in intent_rows(80)), encoding="utf-8")
    loop.train(data, home=folder / "home", base=str(tiny_base), name="tickets", recipe=QUICK)
    return folder


def run(place, *arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--home", str(place / "home")], catch_exceptions=False)


def test_a_version_is_exported_recorded_and_served_by_variant(place):
    told = run(place, "export", "tickets", "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert set(found["checks"]) == {"onnx-fp32", "onnx-int8"} and found["fastest"] in found["seconds"]
    workspace = Workspace.open(place / "home")
    record = find_export(workspace, Registry(workspace).resolve("tickets"))
    assert record.summary["checks"] == found["checks"] and str(record.path) == found["folder"]
    shown = {}
    for variant in ("torch-fp32", "torch-bf16", "onnx-fp32", "onnx-int8"):
        told = run(place, "evaluate", place / "tickets.jsonl", "--model", "tickets", "--variant", variant, "--json")
        [report] = json.loads(told.stdout)["reports"]
        shown[variant] = report["metrics"]["accuracy"]["value"]
        assert report["facts"].get("variant", "torch-fp32") == variant
        told = run(
            place, "predict", "tickets", place / "tickets.jsonl", "-o", place / "out.jsonl", "--variant", variant
        )
        assert told.exit_code == 0 and len((place / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 80
    assert len(set(shown.values())) == 1


def test_a_model_folder_is_exported_beside_itself(place):
    folder = Registry(Workspace.open(place / "home")).resolve("tickets").path
    mine = Model.load(folder).save(place / "mine")
    data = place / "tickets.jsonl"
    with pytest.raises(loop.LoopError, match="--data"):
        loop.export(mine, home=place / "elsewhere")
    found = loop.export(mine, data=data, variants=["onnx-fp32"], home=place / "home")
    assert found.folder == beside(mine) == export_of(mine, Workspace.open(place / "home"))
    assert loop.predict(mine, data, place / "out.jsonl", variant="onnx-fp32", home=place / "home") == 80
    with pytest.raises(ExportError, match="there is no variant 'onnx-int8'"):
        loop.predict(mine, data, place / "out.jsonl", variant="onnx-int8", home=place / "home")
    with pytest.raises(ExportError, match="not empty"):
        loop.export(mine, data=data, home=place / "home")
    with pytest.raises(ExportError, match="no variant 'int4'"):
        loop.export(mine, data=data, variants=["int4"], home=place / "home")


class Erring:
    """Answers rightly but for a share of the rows."""

    def __init__(self, every):
        self.every = every

    def __call__(self, rows):
        swapped = {"lost": "balance", "balance": "lost"}
        return [
            {"label": swapped[row["label"]] if self.every and i % self.every == 0 else row["label"], "confidence": 0.9}
            for i, row in enumerate(rows)
        ]


class Right:
    task = Classification(("balance", "lost"))

    def predictor(self):
        return Erring(0)


@pytest.mark.parametrize("every, refused", [(4, True), (100, False), (0, False)])
def test_a_significant_drop_is_refused_with_its_figures(every, refused):
    judge = _Judge(Right(), intent_rows(100))
    told = judge("onnx-int8", Erring(every))
    assert bool(told["refused"]) == refused
    assert not refused or "accuracy 1.0000 → 0.7500" in told["refused"]
    assert told["differences"]["accuracy"]["before"] == 1.0


def test_a_model_answers_through_a_variant_for_a_report(place):
    workspace = Workspace.open(place / "home")
    model = loop.load("tickets", home=place / "home")
    through = Through.variant(model, "tickets", "torch-bf16", workspace)
    assert through.task is model.task and len(through.predict(intent_rows(3))) == 3
