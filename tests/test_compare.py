"""`compare`: from a file to an advised, registered model; test is looked at once, a killed command goes on."""

import json
import re
import sys

import pytest
from typer.testing import CliRunner

import tunewheel as tw
from made import ASKED, LEARNED, install, made, unfit
from tiny import intent_rows
from tunewheel.cli import app, main
from tunewheel.loop import LoopError
from tunewheel.registry import Registry
from tunewheel.tuning.climbing.advice import Rung
from tunewheel.tuning.climbing.fits import Bench


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "intents.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(400)), encoding="utf-8")
    return path


@pytest.fixture
def quick(monkeypatch):
    install(monkeypatch, made("good"), made("same"), made("bad", wrong=40), unfit("picky"))


def climbed(data, workspace, methods, **options):
    return tw.climb(data, methods=methods, home=workspace.home, base="textcnn", **options)


def looks_at_test(data, **options):
    """How often each test row was predicted."""
    rows = tw.Dataset.read(data, **options)["test"]
    return {ASKED.count(row["text"]) for row in rows}


def test_only_the_advised_method_is_scored_on_test_and_once(data, sqlite_workspace, quick):
    found = climbed(data, sqlite_workspace, ["bad", "good"], register="helper")
    assert found.climb.advice.method == "good"
    assert found.report.rows == 40 and found.report.facts["split"] == "test"
    assert looks_at_test(data) == {1}
    assert (found.version.ref, found.version.method, found.version.aliases) == ("helper:1", "good", ("champion",))
    again = climbed(data, sqlite_workspace, ["bad", "good"], register="helper")
    assert looks_at_test(data) == {1}
    assert again.version.ref == "helper:1" and again.climb.as_dict() == found.climb.as_dict()


def test_a_second_look_at_test_is_owned_up_to(data, sqlite_workspace, quick):
    assert climbed(data, sqlite_workspace, ["bad"]).earlier == ()
    later = climbed(data, sqlite_workspace, ["bad", "good"])
    assert (later.climb.advice.method, later.earlier) == ("good", ("bad",))
    assert "An earlier call scored bad on test too" in later.page.read_text(encoding="utf-8")


def test_what_compare_registers_is_what_train_would_have_made(data, sqlite_workspace, quick):
    found = climbed(data, sqlite_workspace, ["good"], register="helper")
    before = list(LEARNED)
    turn = tw.train(data, name="helper", method="good", base="textcnn", home=sqlite_workspace.home)
    assert turn.version == Registry(sqlite_workspace).resolve("helper:1") and before == LEARNED
    assert found.version.run == turn.version.run


def test_a_killed_command_goes_on(data, sqlite_workspace, quick, monkeypatch):
    fit = Bench.fit

    def killed(self, method, part, *rest):
        if method == "good":
            raise KeyboardInterrupt
        return fit(self, method, part, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            climbed(data, sqlite_workspace, ["bad", "good"])
    assert [method for method, _ in LEARNED] == ["bad", "bad"]
    climbed(data, sqlite_workspace, ["bad", "good"])
    assert len(LEARNED) == len(set(LEARNED)) == 8


def test_without_dev_it_is_judged_by_cross_fitting(data, sqlite_workspace, quick, monkeypatch):
    trained = []
    monkeypatch.setattr(
        Bench, "model", lambda self, method, of=Bench.model: trained.append(self.rows) or of(self, method)
    )
    found = climbed(data, sqlite_workspace, ["bad", "good"], dev=0.0, register="helper")
    assert trained == [list(tw.Dataset.read(data, dev=0.0)["train"])], (
        "in another order it is another model than train's"
    )
    assert found.climb.crossed and found.climb.rows == 360
    assert ("good", 360) in LEARNED and ("bad", 360) not in LEARNED
    assert looks_at_test(data, dev=0.0) == {1}
    assert found.version.method == "good"


def test_a_tiny_dev_tells_nothing_and_test_stays_unseen(data, sqlite_workspace, quick):
    found = climbed(data, sqlite_workspace, ["bad", "good"], dev=0.05, register="helper")
    assert found.climb.units < 30
    assert (found.climb.advice.why, found.report, found.version, found.command) == ("tiny", None, None, None)
    assert Registry(sqlite_workspace).versions() == []
    rows = tw.Dataset.read(data, dev=0.05)["test"]
    assert not {row["text"] for row in rows} & set(ASKED)


def test_texts_without_labels_reach_the_methods(data, sqlite_workspace, tmp_path, monkeypatch):
    seen = []

    def prepare(self, job):
        seen.append([row["text"] for row in job.unlabelled])
        return Good.prepare(self, job)

    Good = made("good")
    install(monkeypatch, made("curious", prepare=prepare, unlabelled="used"), made("good"))
    more = tmp_path / "more.csv"
    more.write_text("text\nwhere is my card\n余额还有多少\n", encoding="utf-8")
    climbed(data, sqlite_workspace, ["curious"], unlabelled=more)
    assert set(map(tuple, seen)) == {("where is my card", "余额还有多少")}
    with pytest.raises(LoopError, match="none of good makes use of texts without labels"):
        climbed(data, sqlite_workspace, ["good"], unlabelled=more)
    seen.clear()
    run(data, sqlite_workspace, "--methods", "curious,good", "--unlabelled", str(more), "--seed", "14")
    assert set(map(tuple, seen)) == {("where is my card", "余额还有多少")}


def test_what_fits_no_comparison_is_said(data, sqlite_workspace, quick, tmp_path):
    with pytest.raises(LoopError, match="options: not for compare"):
        climbed(data, sqlite_workspace, ["good"], options={"r": 8})
    plain = tmp_path / "plain.jsonl"
    plain.write_text("".join(json.dumps({"text": f"words {i}"}) + "\n" for i in range(50)), encoding="utf-8")
    with pytest.raises(LoopError, match="no labels to learn from"):
        climbed(plain, sqlite_workspace, None, task="text")


def run(data, workspace, *arguments):
    command = ["compare", str(data), "--home", str(workspace.home), "--base", "textcnn", *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False)


def test_the_command_tells_and_names_the_line_that_trains(data, sqlite_workspace, quick, monkeypatch, capfd):
    shown = run(data, sqlite_workspace, "--methods", "picky,bad,good", "--set", "epochs=2")
    told = " ".join(shown.stdout.split())
    assert "picky cannot be used here: no base of the kind it needs" in told
    assert "good: the best score" in told and "looked at once" in told
    line = re.search(r"next +(tunewheel train .*)", shown.stdout)[1]
    assert line.endswith("--method good --set epochs=2")
    monkeypatch.setattr(sys, "argv", [*line.split(), "--home", str(sqlite_workspace.home)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert Registry(sqlite_workspace).resolve("intents").method == "good"


def test_json_holds_all_of_it(data, sqlite_workspace, quick, monkeypatch):
    monkeypatch.setattr(Rung, "cost", 1.0)  # as it is measured, either may be the cheaper one
    found = json.loads(run(data, sqlite_workspace, "--methods", "bad,good", "--json").stdout)
    assert [rung["method"] for rung in found["rungs"]] == ["bad", "good"]
    assert found["rungs"][0]["difference"]["verdict"] == "worse"
    assert found["advice"] == {"method": "good", "why": "cheapest", "best": "good", "others": []}
    assert {curve["method"]: curve["rows"] for curve in found["curves"]}["good"] == [40, 80, 160, 320]
    assert found["test"]["rows"] == 40 and found["command"].endswith("--method good")
    assert found["minutes"] == 10
