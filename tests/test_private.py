"""`train` under differential privacy, from a file to a registered version."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tiny import intent_rows
from tunewheel import loop
from tunewheel.cli import app
from tunewheel.evaluation import Report
from tunewheel.loop.reading import LoopError
from tunewheel.models import MethodError, Model, Recipe
from tunewheel.models.private import Privacy
from tunewheel.registry import kept_dataset
from tunewheel.settings import SettingsError, train_settings
from tunewheel.store import get_run
from tunewheel.training import Training

RECIPE = Recipe(epochs=2, batch_tokens=256, window=48, learning_rate=0.005)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path):
    rows = [{**row, "customer": f"c{i // 2}"} for i, row in enumerate(intent_rows(160))]
    return write(tmp_path / "intents.jsonl", rows)


@pytest.fixture
def given(tiny_base, sqlite_workspace):
    return {"base": str(tiny_base), "recipe": RECIPE, "home": sqlite_workspace.home, "test": 0.3}


def test_a_version_tells_what_was_promised_what_it_cost_and_what_an_attack_finds(data, given, sqlite_workspace):
    said = []
    turn = loop.train(data, privacy=Privacy(8.0, unit="customer"), say=lambda *line: said.append(line), **given)
    assert any(heading == "privacy" and "units (customer)" in line for heading, line in said)
    spent = turn.model.origin.privacy
    assert spent["epsilon"] <= 8.0 and spent["unit"] == "customer"
    told = turn.report.protection
    assert told.spent == spent
    assert told.attack.members > told.attack.others > 0
    assert told.unprotected is not None and told.cost.keys() == turn.report.headline.keys()
    assert Report.load(turn.version.report).protection == told
    kept = kept_dataset(sqlite_workspace, turn.version.dataset)
    customers = {split: set(kept[split]["customer"]) for split in kept.splits}
    assert not customers["train"] & (customers["dev"] | customers["test"])
    # The registry knows the rows, the folder does not.
    assert turn.version.dataset
    folder = "".join((turn.version.path / name).read_text("utf-8") for name in ("tunewheel.json", "README.md"))
    assert turn.version.dataset[:12] not in folder
    assert json.loads((turn.version.path / "tunewheel.json").read_text("utf-8"))["split"] == {}
    run = get_run(sqlite_workspace, turn.version.run)
    assert run.settings["dp_epsilon"] == 8.0 and run.settings["dp_unit"] == "customer"
    # Nothing of the secret or of the unprotected model is left.
    assert list(sqlite_workspace.runs_dir.iterdir()) == []


@pytest.mark.slow
def test_the_same_promise_is_not_spent_twice_by_the_same_command(data, given):
    first = loop.train(data, privacy=Privacy(8.0, beside=False), **given)
    assert first.report.protection.unprotected is None and not first.report.protection.cost
    again = loop.train(data, privacy=Privacy(8.0, beside=False), **given)
    assert again.version == first.version
    other = loop.train(data, **given)
    assert other.version != first.version
    assert not other.model.origin.privacy and other.report.protection is None
    assert Model.load(other.version.path).origin.dataset == other.version.dataset


@pytest.mark.slow
def test_a_model_that_was_cut_off_while_scored_is_the_same_one(data, given, monkeypatch):
    """It is trained again from its last checkpoint with the noise that it began with."""
    recipe = replace(RECIPE, checkpoint_seconds=0.0, epochs=4)
    asked = {**given, "recipe": recipe, "privacy": Privacy(8.0, beside=False)}
    weights = []
    registered = Training._registered

    def noted(self, model, *rest):
        weights.append({name: value.clone() for name, value in model.network.state_dict().items()})
        if len(weights) == 1:
            raise InterruptedError
        return registered(self, model, *rest)

    monkeypatch.setattr(Training, "_registered", noted)
    with pytest.raises(InterruptedError):
        loop.train(data, **asked)
    loop.train(data, **asked)
    one, other = weights
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"method": "setfit"}, MethodError, "use one of"),
        ({"base": "bilstm"}, MethodError, "vocabulary"),
        ({"class_weights": "balanced"}, MethodError, "class_weights"),
        ({"report_to": ["tensorboard"]}, LoopError, "not private"),
    ],
)
def test_what_would_break_the_promise_is_refused_before_any_work(data, given, changes, error, said, sqlite_workspace):
    with pytest.raises(error, match=said):
        loop.train(data, **{**given, "privacy": Privacy(8.0), **changes})
    assert list(sqlite_workspace.runs_dir.iterdir()) == []


def test_a_customer_who_stands_in_dev_too_is_refused(tmp_path, given):
    folder = tmp_path / "given"
    folder.mkdir()
    rows = [{**row, "customer": f"c{i % 20}"} for i, row in enumerate(intent_rows(80))]
    for split, part in (("train", rows[:40]), ("dev", rows[40:60]), ("test", rows[60:])):
        write(folder / f"{split}.jsonl", part)
    with pytest.raises(LoopError, match=r"20 of its values stand in dev as well as in train"):
        loop.train(folder, privacy=Privacy(8.0, unit="customer"), **given)
    lacking = [{key: value for key, value in row.items() if key != "customer" or i % 4} for i, row in enumerate(rows)]
    write(folder / "train.jsonl", lacking[:40])
    with pytest.raises(MethodError, match="10 of 40 training rows have no 'customer'"):
        loop.train(folder, privacy=Privacy(8.0, unit="customer"), **given)


def test_verbs_that_train_many_models_refuse_it(data, given):
    for verb in (loop.tune, loop.climb):
        with pytest.raises(LoopError, match="what each spends adds up"):
            verb(data, privacy=Privacy(8.0), home=given["home"])


def test_settings_promise_by_their_epsilon():
    told = train_settings(
        {"data": "x", "dp_epsilon": 2}, changes=["dp_unit=customer", "dp_clip=0.5", "dp_compare=false"]
    )
    assert told.arguments()["privacy"] == Privacy(2.0, unit="customer", clip=0.5, beside=False)
    assert told.flat()["dp_clip"] == 0.5
    assert "privacy" not in train_settings({"data": "x"}).arguments()
    with pytest.raises(SettingsError, match="dp_unit: without dp_epsilon nothing is private"):
        train_settings({"data": "x"}, changes=["dp_unit=customer"])
    for wrong in ("dp_epsilon=0", "dp_delta=1", "dp_clip=0", "dp_batch=0"):
        with pytest.raises(SettingsError, match=wrong.split("=")[0]):
            train_settings({"data": "x"}, changes=[wrong])
    assert train_settings(told.flat() | {"data": "x"}).arguments()["privacy"] == told.arguments()["privacy"]


def test_the_command_tells_it(data, given):
    asked = ["train", str(data), "--base", given["base"], "--home", str(given["home"]), "--dp-epsilon", "8"]
    asked += ["--dp-unit", "customer", "--no-dp-compare", "--set", "test=0.3", "--set", "window=48", "--epochs", "1"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    assert "differential privacy: ε" in shown.output and "membership" in shown.output
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert told["privacy"]["unit"] == "customer"
    assert told["report"]["privacy"]["membership"]["auc"]["value"] == pytest.approx(0.5, abs=0.3)
