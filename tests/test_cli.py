"""The commands, from labelled text to a registered, answering model, on a tiny base."""

import contextlib
import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from tiny import entity_rows, intent_rows
from tunewheel.cli import app, main
from tunewheel.loop import LoopError
from tunewheel.loop.score import evaluate

FAST = ["--set", "batch_tokens=128", "--set", "window=48", "--learning-rate", "0.005", "--epochs", "4"]


@pytest.fixture(scope="module")
def workplace(tiny_base, tmp_path_factory):
    """A workspace with one classifier and one entity recogniser, both trained by the command."""
    folder = tmp_path_factory.mktemp("work")
    for name, rows in (("intents", intent_rows(80)), ("people", entity_rows(80))):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        result = run(folder, "train", str(path), "--base", str(tiny_base), *FAST)
        assert result.exit_code == 0, result.output
    return folder


def run(folder, *arguments, **options):
    return CliRunner().invoke(app, [*arguments, "--home", str(folder / "home")], catch_exceptions=False, **options)


def told(capfd, monkeypatch, *arguments):
    """Run `main` as a shell would; returns exit code and standard error."""
    monkeypatch.setattr(sys, "argv", ["tunewheel", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code, capfd.readouterr().err


def test_training_registers_a_champion_with_its_report(workplace):
    found = json.loads(run(workplace, "models", "--json").stdout)
    assert [(v["ref"], v["aliases"], v["task"]) for v in found] == [
        ("intents:1", ["champion"], "classification"),
        ("people:1", ["champion"], "ner"),
    ]
    assert found[0]["metrics"]["accuracy"] > 0.8
    for ref in ("intents-1", "people-1"):
        assert (workplace / "home" / "reports" / ref / "report.html").is_file()
    assert not any((workplace / "home" / "runs").iterdir())


def test_the_same_work_is_not_done_twice_and_again_makes_a_second_version(workplace, tiny_base):
    arguments = ["train", str(workplace / "intents.jsonl"), "--base", str(tiny_base), *FAST, "--json"]
    started = time.perf_counter()
    first = json.loads(run(workplace, *arguments).stdout)
    assert first["version"]["ref"] == "intents:1"
    assert first["seconds"] is None
    again = json.loads(run(workplace, *arguments, "--again").stdout)
    assert again["version"]["ref"] == "intents:2"
    # Equal data and seed give the equal model: nothing is better, so the champion stays.
    assert again["version"]["aliases"] == []
    assert again["champion"]["differences"]["accuracy"]["verdict"] == "undecided"
    assert time.perf_counter() - started < 120


def test_promote_adds_an_alias(workplace):
    run(workplace, "promote", "people:1", "--alias", "trial", "--why", "a look")
    aliases = json.loads(run(workplace, "models", "people", "--json").stdout)[0]["aliases"]
    assert aliases == ["champion", "trial"]


def test_settings_reach_the_task(workplace, tiny_base):
    arguments = ["train", str(workplace / "people.jsonl"), "--base", str(tiny_base), *FAST, "--name", "chain"]
    result = run(workplace, *arguments, "--set", "context=40", "--set", "crf=true", "--json")
    path = json.loads(result.stdout)["version"]["path"]
    declared = json.loads((workplace / path / "tunewheel.json").read_text(encoding="utf-8"))
    assert declared["task"]["config"].items() >= {"types": ["person"], "crf": True, "context": 40}.items()
    assert declared["settings"]["context"] == 40


def test_training_on_a_query_is_named_after_the_database_and_tells_no_option_of_its_url(workplace, tiny_base):
    with contextlib.closing(sqlite3.connect(workplace / "desk.db")) as connection:
        connection.execute("CREATE TABLE tickets (text TEXT, label TEXT)")
        rows = [(row["text"], row["label"]) for row in intent_rows(40)]
        connection.executemany("INSERT INTO tickets VALUES (?, ?)", rows)
        connection.commit()
    data = f"sqlite:///{workplace / 'desk.db'}?timeout=77::SELECT text, label FROM tickets"
    result = run(workplace, "train", data, "--base", str(tiny_base), *FAST, "--epochs", "1", "--json")
    version = json.loads(result.stdout)["version"]
    assert version["ref"] == "desk:1"
    declared = json.loads((workplace / version["path"] / "tunewheel.json").read_text(encoding="utf-8"))
    assert declared["settings"]["data"] == data.replace("?timeout=77", "")


def scope_file(workplace, outside):
    """Intents, and as many rows about something else."""
    away = [{"id": f"o{i}", "text": f"窗外下雨 rain outside {i}", "label": outside} for i in range(150)]
    path = workplace / f"scope-{outside}.jsonl"
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in [*intent_rows(150), *away])
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("outside", ["oos", "超出范围"])
def test_texts_out_of_scope_are_inferred_told_and_answered(workplace, tiny_base, outside):
    path = scope_file(workplace, outside)
    arguments = ["train", str(path), "--base", str(tiny_base), *FAST, "--name", "scope", "--json"]
    result = run(workplace, *arguments)
    assert re.search(rf"scope +'{outside}' means out of scope: \d+ train", result.stderr)
    assert re.search(rf"scope +'{outside}' where the (probability|logit|energy) is below", result.stderr)
    turn = json.loads(result.stdout)
    assert {"in_scope_accuracy", "oos_recall", "oos_precision"} <= turn["report"]["metrics"].keys()
    assert {"auroc", "auprc", "oos_auroc", "oos_fpr95"} <= turn["report"]["figures"].keys()
    assert [row["label"] for row in turn["report"]["table"]] == ["balance", "lost", outside]
    declared = json.loads((workplace / turn["version"]["path"] / "tunewheel.json").read_text(encoding="utf-8"))
    assert declared["task"]["config"]["labels"] == ["balance", "lost"]
    assert declared["settings"]["out_of_scope"] == outside


def test_a_label_named_so_can_be_learned_like_any_other(workplace, tiny_base):
    arguments = ["train", str(scope_file(workplace, "oos")), "--base", str(tiny_base), *FAST, "--name", "plain"]
    result = run(workplace, *arguments, "--set", "out_of_scope=false", "--json")
    assert "means out of scope" not in result.stderr
    path = workplace / json.loads(result.stdout)["version"]["path"] / "tunewheel.json"
    declared = json.loads(path.read_text(encoding="utf-8"))
    assert declared["task"]["config"]["labels"] == ["balance", "lost", "oos"]
    assert declared["settings"]["out_of_scope"] is False


def test_a_scope_label_that_is_not_there_is_named(workplace, tiny_base, capfd, monkeypatch):
    arguments = ["train", scope_file(workplace, "oos"), "--set", "out_of_scope=oss", "--base", tiny_base]
    code, error = told(capfd, monkeypatch, *arguments, "--home", workplace / "home")
    assert code == 2
    assert "did you mean 'oos'" in " ".join(error.split())


def test_a_comparison_that_decides_nothing_says_so(workplace, tiny_base):
    shown = run(workplace, "train", str(workplace / "intents.jsonl"), "--base", str(tiny_base), *FAST, "--again")
    assert "undecided, the same test rows show no difference" in shown.stdout
    assert "would resolve 1.0" in shown.stdout


def test_predict_keeps_columns_order_and_rows(workplace):
    rows = intent_rows(50)
    source, target = workplace / "new.jsonl", workplace / "out.jsonl"
    source.write_text("".join(json.dumps({**row, "extra": i}) + "\n" for i, row in enumerate(rows)), encoding="utf-8")
    assert run(workplace, "predict", "intents", str(source), "-o", str(target)).exit_code == 0
    out = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [row["extra"] for row in out] == list(range(50))
    assert all(set(row["prediction"]) == {"label", "confidence", "probabilities"} for row in out)
    assert not target.with_name("out.jsonl.part").exists()
    scored = run(workplace, "evaluate", str(source), "--predictions", str(target), "--json")
    ours = run(workplace, "evaluate", str(source), "--model", "intents", "--json")
    a, b = (json.loads(result.stdout)["reports"][0]["metrics"] for result in (scored, ours))
    assert a["accuracy"] == b["accuracy"]


def test_rows_that_carry_two_tasks_labels_are_scored_by_the_one_asked_for(workplace):
    rows = [{**row, "entities": [{"start": 0, "end": 1, "label": "x"}]} for row in intent_rows(20)]
    source, target = workplace / "both.jsonl", workplace / "both-out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run(workplace, "predict", "intents", str(source), "-o", str(target))
    arguments = ["evaluate", str(source), "--task", "classification", "--predictions", str(target), "--json"]
    assert json.loads(run(workplace, *arguments).stdout)["reports"][0]["rows"] == 20


def test_predict_reads_and_writes_tables_and_streams(workplace):
    table = workplace / "new.csv"
    table.write_text('no,text\n1,"my card is gone, help"\n2,余额多少\n', encoding="utf-8-sig")
    result = run(workplace, "predict", "intents:1", str(table))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["no"] for row in rows] == ["1", "2"]
    assert set(rows[0]) == {"no", "text", "prediction", "confidence"}
    piped = run(workplace, "predict", "people@champion", input='{"text": "3 times paid Anna Berg in full"}\n')
    assert "entities" in json.loads(piped.stdout)["prediction"]


@pytest.mark.parametrize("model", ["intents", "people"])
def test_a_table_of_predictions_is_scored_as_the_model_is(workplace, model):
    source, target = workplace / f"{model}.jsonl", workplace / f"{model}-out.csv"
    assert run(workplace, "predict", model, str(source), "-o", str(target)).exit_code == 0
    task = ["--task", "ner"] if model == "people" else []
    scored = run(workplace, "evaluate", str(source), *task, "--predictions", str(target), "--json")
    ours = run(workplace, "evaluate", str(source), *task, "--model", model, "--json")
    a, b = (json.loads(result.stdout)["reports"][0] for result in (scored, ours))
    assert a["rows"] == b["rows"]
    figure = "f1" if model == "people" else "accuracy"
    assert a["metrics"][figure] == b["metrics"][figure]


def test_columns_that_have_the_name_of_an_answer_are_kept(workplace):
    line = '{"text": "my card is gone", "prediction": "old", "confidence": 7}\n'
    answered = json.loads(run(workplace, "predict", "intents", input=line).stdout)
    assert (answered["original_prediction"], answered["confidence"]) == ("old", 7)
    assert answered["prediction"]["label"] in ("lost", "balance")
    again = json.loads(run(workplace, "predict", "intents", input=json.dumps(answered) + "\n").stdout)
    assert (again["original_prediction"], again["original_original_prediction"]) == ("old", answered["prediction"])
    assert again["prediction"] == answered["prediction"]


def test_predict_reads_the_column_that_train_took(workplace, tiny_base, tmp_path):
    lines = [f"{row['label']},{row['text']}\n" for row in intent_rows(60)]
    (tmp_path / "plain.csv").write_text("".join(lines), encoding="utf-8")
    command = ["train", str(tmp_path / "plain.csv"), "--text", "column2", "--label", "column1", "--method", "tfidf"]
    turn = json.loads(run(workplace, *command, "--name", "headless", "--json").stdout)
    declared = json.loads((workplace / turn["version"]["path"] / "tunewheel.json").read_text(encoding="utf-8"))
    assert declared["columns"] == {"text": "column2", "label": "column1"}
    told = run(workplace, "predict", "headless", str(tmp_path / "plain.csv"), "-o", str(tmp_path / "out.csv"))
    assert "60 rows predicted" in told.stderr
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == [row["column1"] for row in rows]


def test_bad_rows_are_told_with_the_way_past_them(workplace, capfd, monkeypatch, tmp_path):
    (tmp_path / "new.jsonl").write_text('{"text": "my card"}\n{"text": 7}\n', encoding="utf-8")
    command = ["predict", "intents", tmp_path / "new.jsonl", "--home", workplace / "home"]
    code, error = told(capfd, monkeypatch, *command)
    assert (code, "new.jsonl:2" in error, "--on-error skip goes on without such rows" in error) == (2, True, True)
    command = ["predict", "intents", tmp_path / "none.jsonl", "--home", workplace / "home"]
    assert "--on-error" not in told(capfd, monkeypatch, *command)[1]


def test_rows_that_both_commands_pass_by_are_scored_without(workplace, tmp_path):
    rows = [{**row, "id": None} for row in intent_rows(20)]
    rows[3] = {"text": 7, "label": "lost"}
    lines = [json.dumps({key: value for key, value in row.items() if key != "id"}) + "\n" for row in rows]
    (tmp_path / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    source, target = str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl")
    run(workplace, "predict", "intents", source, "-o", target, "--on-error", "skip")
    scored = run(workplace, "evaluate", source, "--predictions", target, "--on-error", "skip", "--json")
    ours = run(workplace, "evaluate", source, "--model", "intents", "--on-error", "skip", "--json")
    a, b = (json.loads(result.stdout)["reports"][0] for result in (scored, ours))
    assert (a["rows"], a["metrics"]["accuracy"]) == (19, b["metrics"]["accuracy"])


def test_labels_of_another_column_are_not_scored(workplace, capfd, monkeypatch, tmp_path):
    rows = [{"text": row["text"], "channel": ("web", "phone")[i % 2]} for i, row in enumerate(intent_rows(20))]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ["evaluate", tmp_path / "rows.jsonl", "--model", "intents", "--home", workplace / "home"]
    code, error = told(capfd, monkeypatch, *command)
    assert (code, "has none of the labels that intents gives: it has phone, web where" in error) == (2, True)


def test_labels_that_a_model_does_not_know_are_told(workplace, tmp_path):
    rows = [*intent_rows(20), {"text": "something else", "label": "zzz"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    told_of = run(workplace, "evaluate", str(tmp_path / "rows.jsonl"), "--model", "intents").stderr
    assert "intents does not know zzz" in " ".join(told_of.split())


def test_evaluate_compares_two_models_and_writes_the_page(workplace):
    result = run(
        workplace,
        *["evaluate", str(workplace / "people.jsonl"), "--task", "ner"],
        *["--model", "people:1", "--model", "people:1", "-o", str(workplace / "report")],
    )
    assert result.exit_code == 0
    assert "undecided" in result.stdout
    assert "FB1" in result.stdout
    assert (workplace / "report" / "report.html").is_file()


def test_evaluate_tells_apart_what_the_model_learned_from(workplace):
    learned = json.loads(run_report(workplace, "intents-1"))
    source = workplace / "again.jsonl"
    for change, near in ((str, 0), (str.upper, 64)):
        rows = [{**row, "text": change(row["text"])} for row in intent_rows(120)]
        source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        report = json.loads(run(workplace, "evaluate", str(source), "--model", "intents:1", "--json").stdout)[
            "reports"
        ][0]
        assert (report["rows"], report["seen_rows"], report["near_rows"]) == (120, 64, near)
        assert report["clean"].keys() == learned["metrics"].keys()


def test_evaluate_slices_and_changes_rows(workplace):
    source, target = workplace / "sliced.jsonl", workplace / "sliced"
    rows = [{**row, "desk": f"desk {i % 13}", "kind": "ab"[i % 2]} for i, row in enumerate(entity_rows(60))]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["evaluate", str(source), "--model", "people"]
    shown = run(workplace, *arguments, "--slice", "desk", "--robustness", "case", "--robustness", "entities")
    assert "slices by length, language, desk:" in shown.stdout
    assert "all upper case" in shown.stdout
    assert "other entities" in shown.stdout
    given = ["--robustness", "all", "-o", str(target), "--lang", "zh", "--json"]
    report = json.loads(run(workplace, *arguments, *given).stdout)["reports"][0]
    assert {part["name"] for part in report["slices"]} == {"length", "language", "kind"}
    assert [each["name"] for each in report["robustness"]][-1] == "entities"
    # The names come from the rows the model learned from, so the swapped rows are still ones it knows.
    assert report["robustness"][-1]["rows"] == 60
    assert "扰动后的结果" in (target / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_sliced_or_changed_is_told(workplace, capfd, monkeypatch):
    arguments = ["evaluate", workplace / "intents.jsonl", "--model", "intents", "--home", workplace / "home"]
    code, error = told(capfd, monkeypatch, *arguments, "--slice", "desk")
    assert (code, "no slices by 'desk'" in error) == (2, True)
    code, error = told(capfd, monkeypatch, *arguments, "--robustness", "typo")
    assert (code, "did you mean 'typos'" in error) == (2, True)
    scored = ["evaluate", workplace / "intents.jsonl", "--predictions", workplace / "intents.jsonl"]
    assert told(capfd, monkeypatch, *scored, "--robustness", "all")[0] == 2


def test_training_measures_what_its_settings_ask_for(workplace, tiny_base, capfd, monkeypatch):
    table = workplace / "desks.jsonl"
    rows = [{**row, "desk": f"desk {i % 20}"} for i, row in enumerate(intent_rows(80))]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ["train", str(table), "--base", str(tiny_base), *FAST]
    wanted = ["--set", "slices=desk", "--set", "robustness=[typos, case]"]
    report = json.loads(run(workplace, *arguments, *wanted, "--json").stdout)["report"]
    assert "desk" in {part["name"] for part in report["slices"]}
    assert [each["name"] for each in report["robustness"]] == ["typos", "case", "case"]
    wanted = ["--set", "robustness=entities", "--home", str(workplace / "home")]
    code, error = told(capfd, monkeypatch, *arguments, *wanted)
    assert (code, "'entities' needs rows with entities" in error, "updates" in error) == (2, True, False)
    wanted = ["--set", "slices=dsek", "--home", str(workplace / "home")]
    code, error = told(capfd, monkeypatch, *arguments, *wanted)
    assert (code, "no slices by 'dsek'" in error, "updates" in error) == (2, True, False)


def test_errors_are_told_with_place_and_remedy(workplace, capfd, monkeypatch, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a", "label": "x"}\n{"text": "b"}\n{"text": "", "label": "y"}\n', encoding="utf-8")
    home = ["--home", str(tmp_path / "home")]
    code, error = told(capfd, monkeypatch, "train", bad, *home)
    assert code == 2
    assert "bad.jsonl:2" in error
    assert "bad.jsonl:3" in error
    code, error = told(capfd, monkeypatch, "predict", "intens", "--home", workplace / "home")
    assert code == 2
    assert "intents" in error
    code, error = told(capfd, monkeypatch, "train", bad, "--set", "epoch=3", *home)
    assert code == 2
    assert "did you mean 'epochs'" in error
    code, error = told(capfd, monkeypatch, "train", bad, "--set", "dropout=2", "--epochs", "0", *home)
    assert "dropout" in error
    assert "epochs" in error
    file = tmp_path / "run.yaml"
    file.write_text("epoch: 3\ndropout: 2\n", encoding="utf-8")
    code, error = told(capfd, monkeypatch, "train", bad, "--settings", file, "--set", "dropout=3", *home)
    assert f"{file}: epoch: no such setting" in error and f"{file}: dropout" not in error
    code, error = told(capfd, monkeypatch, "train", *home)
    assert (code, "data: not given" in error, "Recipe" in error) == (2, True, False)
    code, error = told(capfd, monkeypatch, "train", workplace / "intents.jsonl", "--base", "minilmm", *home)
    assert (code, "did you mean 'minilm'" in error) == (2, True)
    file.write_bytes("base: minilm  # 默认\n".encode("gb18030"))
    code, error = told(capfd, monkeypatch, "train", workplace / "intents.jsonl", "--settings", file, *home)
    assert (code, f"{file}: not UTF-8 (the byte 0x" in error) == (2, True)
    pairs = (("context=1", "ner"), ("positive=lost", "matching"), ("temperature=1", "generation"))
    for given, fits in (*pairs, ("packing=True", "generation")):
        code, error = told(capfd, monkeypatch, "train", workplace / "intents.jsonl", "--set", given, *home)
        assert (code, f"'classification' makes no use of {given}" in error, f"for {fits}" in error) == (2, True, True)
    for search, fits in (("context=1", "ner"), ("crf=true", "ner"), ("packing=true,false", "generation")):
        code, error = told(capfd, monkeypatch, "tune", workplace / "intents.jsonl", "--search", search, *home)
        assert (code, "'classification' makes no use of" in error, f"for {fits}" in error) == (2, True, True)
    code, error = told(capfd, monkeypatch, "pretrain", tmp_path / "shop.csv", "-o", tmp_path / "base")
    assert (code, "tunewheel clean" in error) == (2, True)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a"}\n{"text": \n', encoding="utf-8")
    code, error = told(capfd, monkeypatch, "predict", "intents", broken, "--home", workplace / "home")
    assert code == 2
    assert "broken.jsonl:2" in error
    assert "Traceback" not in error


def test_a_place_that_cannot_be_written_is_told_in_a_line(capfd, monkeypatch, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "my card is gone", "label": "lost"}\n' * 4, encoding="utf-8")
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    page = tmp_path / "file" / "page.html"
    assert told(capfd, monkeypatch, "check", tmp_path / "rows.jsonl", "-o", page) == (
        2,
        f"error {tmp_path / 'file'}: File exists\n",
    )


def test_trackers_are_checked_before_any_work(workplace, capfd, monkeypatch):
    for name, remedy in (("wandb", r"pip install 'tunewheel[wandb]'"), ("notebook", "expected one of")):
        arguments = ["train", workplace / "intents.jsonl", "--report-to", name, "--home", workplace / "home"]
        code, error = told(capfd, monkeypatch, *arguments)
        assert code == 2
        assert remedy in " ".join(error.split())


def test_rollback_takes_a_promotion_back(workplace):
    run(workplace, "promote", "intents:1", "--alias", "trial", "--why", "first")
    assert "intents:1 already is trial" in run(workplace, "promote", "intents:1", "--alias", "trial").stdout
    run(workplace, "promote", "intents:2", "--alias", "trial", "--why", "second")
    assert "intents:1 is trial again" in run(workplace, "rollback", "intents", "--alias", "trial").stdout


def test_a_run_can_be_repeated_from_its_settings_file(workplace, tiny_base, tmp_path):
    from tunewheel.settings import train_settings, write_settings
    from tunewheel.store import Workspace, get_run

    version = json.loads(run(workplace, "models", "intents", "--json").stdout)[0]
    declared = json.loads((workplace / "home").joinpath(version["path"], "tunewheel.json").read_text("utf-8"))
    path = tmp_path / "run.yaml"
    asked = {k: v for k, v in declared["settings"].items() if k in train_settings({"data": "x"}).flat()}
    write_settings(asked, path)
    again = json.loads(run(workplace, "train", "--settings", str(path), "--name", "intents", "--json").stdout)
    assert again["report"]["metrics"] == json.loads(run_report(workplace, "intents-1"))["metrics"]
    with Workspace.open(workplace / "home") as workspace:
        assert get_run(workspace, "nothing") is None


def test_the_database_may_be_postgresql(postgres, tiny_base, tmp_path, monkeypatch):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(40)), encoding="utf-8")
    url = postgres.create()
    assert run(tmp_path, "train", str(path), "--base", str(tiny_base), *FAST, "--database", url).exit_code == 0
    monkeypatch.setenv("TUNEWHEEL_DATABASE", url)
    assert [v["ref"] for v in json.loads(run(tmp_path, "models", "--json").stdout)] == ["intents:1"]
    assert run(tmp_path, "promote", "intents:1", "--alias", "试用").stdout.startswith("intents:1 is 试用")
    rows = run(tmp_path, "predict", "intents@试用", input='{"text": "卡丢了"}\n').stdout
    assert "label" in json.loads(rows)["prediction"]
    scored = json.loads(run(tmp_path, "evaluate", str(path), "--model", "intents", "--json").stdout)
    assert scored["reports"][0]["rows"] == 40
    assert not (tmp_path / "home" / "tunewheel.db").exists()


def test_a_database_that_cannot_be_reached_is_told_without_its_password(workplace, capfd, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("TUNEWHEEL_DATABASE", "postgresql://li:s3cret@127.0.0.1:1/base")
    for arguments in (
        ["models"],
        ["train", workplace / "intents.jsonl"],
        ["evaluate", workplace / "intents.jsonl", "--model", "intents"],
        ["predict", "intents", workplace / "intents.jsonl"],
        ["promote", "intents:1"],
        ["rollback", "intents"],
        ["demo"],
    ):
        code, error = told(capfd, monkeypatch, *arguments, "--home", workplace / "home")
        assert code == 2
        assert "postgresql+psycopg://li:***@127.0.0.1:1/base cannot be opened" in " ".join(error.split())
        assert "s3cret" not in error


def run_report(workplace, name):
    return (workplace / "home" / "reports" / name / "report.json").read_text(encoding="utf-8")


def imports(statement):
    code = f"import sys, time; t = time.perf_counter(); {statement}; took = time.perf_counter() - t\n"
    code += "print(took); print(*[m for m in ('torch', 'transformers', 'fastapi') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return out.splitlines()[-2:]


@pytest.mark.parametrize(
    "module",
    [
        "tunewheel",
        "tunewheel.data",
        "tunewheel.store",
        "tunewheel.registry",
        "tunewheel.lineage",
        "tunewheel.loop",
        "tunewheel.cli",
    ],
)
def test_importing_is_light(module):
    assert imports(f"import {module}")[1] == ""


def test_help_is_light_and_names_every_command():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom tunewheel.cli import app\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "assert not {'torch', 'transformers', 'sqlalchemy'} & set(sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("demo", "train", "evaluate", "predict", "models", "trace", "promote", "rollback"):
        assert re.search(rf"\b{command}\b", out)


def test_nothing_is_sent_anywhere(workplace, tiny_base, monkeypatch):
    """Training, evaluating and predicting open no connection."""
    import socket

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    arguments = ["train", str(workplace / "people.jsonl"), "--base", str(tiny_base), *FAST, "--seed", "99"]
    assert run(workplace, *arguments).exit_code == 0


def test_models_of_several_tasks_are_not_scored_on_the_same_rows(tmp_path, monkeypatch):
    tasks = {"tickets": SimpleNamespace(does="classification"), "people": SimpleNamespace(does="ner")}
    monkeypatch.setattr("tunewheel.loop.score.load", lambda name, **_: SimpleNamespace(task=tasks[name]))
    with pytest.raises(LoopError, match=r"tickets of classification, people of ner\); evaluate them apart"):
        evaluate("rows.jsonl", ["tickets", "people"], home=tmp_path)
