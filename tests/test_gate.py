"""The gate through the command: versions of a workspace, their test sets, the record, the page, the self-test."""

import json
import random
import shutil

import pytest

from test_cli import run, told
from tunewheel import loop
from tunewheel.loop import LoopError
from tunewheel.registry import Registry, parent_of
from tunewheel.registry.exports import record_export
from tunewheel.registry.gate import Margins, list_decisions
from tunewheel.store import Workspace

WORDS = {"lost": ["card is gone", "卡丢了", "cannot find it"], "fee": ["why a fee", "charged twice", "为什么扣费"]}


def rows(n, start, labels=("lost", "fee"), noise=0.0):
    draw = random.Random(start)
    made = []
    for i in range(start, start + n):
        label = labels[i % len(labels)]
        text = f"{WORDS[label][i % 3]} number {i}"
        given = draw.choice(labels) if draw.random() < noise else label
        made.append({"id": f"r{i}", "text": text, "label": given, "channel": ("app", "web")[i % 4 == 0]})
    return made


def put(path, given):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in given), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three versions of one name: a champion, a revision of it with more rows, and one that learned nonsense."""
    folder = tmp_path_factory.mktemp("gate")
    first, second = rows(1200, 0, noise=0.05), rows(600, 1200, noise=0.05)
    put(folder / "one.jsonl", first)
    put(folder / "two.jsonl", first + second)
    test = [row["id"] for row in _train(folder, "one.jsonl")]
    _train(folder, "two.jsonl")
    spoilt = [
        row if row["id"] in test else {**row, "label": {"lost": "fee", "fee": "lost"}[row["label"]]} for row in first
    ]
    put(folder / "three.jsonl", spoilt)
    _train(folder, "three.jsonl")
    return folder


def _train(folder, file):
    result = run(folder, "train", str(folder / file), "--name", "desk", "--method", "tfidf", "--json")
    assert result.exit_code == 0, result.output
    with Workspace.open(folder / "home") as workspace:
        return list(parent_of(workspace, json.loads(result.stdout)["version"]["ref"]).dataset["test"])


def test_labels_of_another_kind_are_no_challenge(tmp_path, capfd, monkeypatch):
    one = [{"text": row["text"], "label": row["label"]} for row in rows(120, 0)]
    put(tmp_path / "one.jsonl", one)
    put(tmp_path / "several.jsonl", [{"text": row["text"], "labels": [row["label"], "desk"]} for row in one])
    for file in ("one", "several"):
        command = ["train", str(tmp_path / f"{file}.jsonl"), "--name", "desk", "--method", "tfidf", "--parent", "none"]
        assert run(tmp_path, *command).exit_code == 0
    several = "classification with several labels a text"
    code, error = told(capfd, monkeypatch, "gate", "desk:2", "--home", tmp_path / "home")
    assert (code, f"desk:1 does classification, desk:2 does {several}" in error) == (2, True)
    for file, version, has in (("several", "desk:1", "several labels"), ("one", "desk:2", "one label")):
        command = ["evaluate", tmp_path / f"{file}.jsonl", "--model", version, "--home", tmp_path / "home"]
        code, error = told(capfd, monkeypatch, *command)
        assert (code, f"{file}.jsonl has {has} a row where {version} gives" in " ".join(error.split())) == (2, True)
    command = [
        "evaluate",
        tmp_path / "one.jsonl",
        "--model",
        "desk:1",
        "--model",
        "desk:2",
        "--home",
        tmp_path / "home",
    ]
    code, error = told(capfd, monkeypatch, *command)
    assert (code, f"desk:2 of {several}" in " ".join(error.split())) == (2, True)


def gated(folder, *arguments):
    result = run(folder, "gate", *arguments, "--json")
    return result.exit_code, json.loads(result.stdout), result.stderr


def of(decision, kind):
    return [check for check in decision["checks"] if check["kind"] == kind]


def test_a_challenger_is_decided_about_and_the_decision_kept(trained):
    code, decision, stderr = gated(trained, "desk:2")
    assert (decision["challenger"], decision["champion"]) == ("desk:2", "desk:1")
    assert code == {"promote": 0, "refuse": 1, "undecided": 3}[decision["verdict"]]
    assert of(decision, "test")[0]["rows"] == 120
    assert of(decision, "new")[0]["rows"] > 30  # test rows that came with the second file
    assert {check["state"] for check in of(decision, "latency")} <= {"passed", "worse"}
    assert "label fee" in {check["of"] for check in of(decision, "slice")}
    assert "channel web" in {check["of"] for check in of(decision, "slice")}
    page = trained / "home" / "reports" / f"desk-2-gate-{decision['id']}.html"
    assert str(page) in stderr.replace("\n", "")
    assert "desk:2 against desk:1" in page.read_text(encoding="utf-8")
    with Workspace.open(trained / "home") as workspace:
        assert Registry(workspace).aliases("desk") == {"champion": 1}
        assert list_decisions(workspace, "desk")[-1].id == decision["id"]


def test_the_recorded_decision_is_made_again(trained):
    _, decision, _ = gated(trained, "desk:2")
    result = run(trained, "gate", "--again", str(decision["id"]), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["same"]) == (0, True)
    assert found["again"] == decision
    assert "to the last digit" in run(trained, "gate", "--again", str(decision["id"])).stdout


def test_a_worse_challenger_is_refused_even_when_promotion_is_asked_for(trained):
    code, decision, _ = gated(trained, "desk:3", "--promote")
    assert (code, decision["verdict"], decision["promoted"]) == (1, "refuse", False)
    shown = run(trained, "gate", "desk:3")
    assert "measurably worse: frozen test set" in " ".join(shown.stdout.split())
    with Workspace.open(trained / "home") as workspace:
        assert Registry(workspace).aliases("desk") == {"champion": 1}


def test_uses_of_the_test_set_are_counted_and_shown(trained):
    before = gated(trained, "desk:3")[1]
    after = gated(trained, "desk:3")[1]
    assert after["uses"] == before["uses"] + 1
    assert after["error_rate"] == pytest.approx(min(1, 0.025 * (after["uses"] + 1)))
    assert f"Earlier decisions on this test set: {after['uses'] + 1}" in run(trained, "gate", "desk:3").stdout


def test_new_data_leaves_out_what_the_challenger_learned_from(trained, tmp_path):
    learned = rows(100, 0)
    mixed = put(tmp_path / "mixed.jsonl", learned + rows(60, 5000))
    _, decision, stderr = gated(trained, "desk:2", "--data", str(mixed))
    [check] = of(decision, "new")
    assert 60 <= check["rows"] < 110
    assert "of the new data left out: desk:2 learned from their text" in stderr
    with Workspace.open(trained / "home") as workspace:
        known = [dict(row) for row in list(parent_of(workspace, "desk:2").dataset["train"])[:6]]
    with pytest.raises(LoopError, match="learned from every row"):
        loop.gate("desk:2", data=put(tmp_path / "known.jsonl", known), home=trained / "home")


@pytest.fixture
def copied(trained, tmp_path):
    """The workspace, to move aliases in."""
    return shutil.copytree(trained / "home", tmp_path / "home")


@pytest.mark.parametrize("margins", [None, Margins(test=0.2, new=-0.2, slices=0.9, latency=9)])
def test_former_champions_are_looked_at_beside_the_champion(copied, margins):
    with Workspace.open(copied) as workspace:
        registry = Registry(workspace)
        registry.promote("desk:3", why="a mistake")
        decision = loop.gate("desk:2", home=copied, promote=True, margins=margins, by="li").decision
        kinds = {check.kind: check for check in decision.checks if check.state != "absent"}
        assert (kinds["test"].against, kinds["former"].against) == ("desk:3", "desk:1")
        assert (decision.verdict == "promote") == decision.promoted == (margins is not None)
        assert registry.aliases("desk") == {"champion": 2 if margins else 3}


def test_earlier_test_sets_of_the_lineage_are_looked_at(copied):
    with Workspace.open(copied) as workspace:
        Registry(workspace).promote("desk:2", why="more data")
    decision = loop.gate("desk:3", home=copied).decision
    [earlier] = [check for check in decision.checks if check.kind == "earlier" and check.against == "desk:2"]
    assert (earlier.rows, earlier.state) == (120, "worse")
    assert next(check for check in decision.checks if check.kind == "test").rows > 150


def test_what_cannot_be_compared_is_answered_with_what_can(trained, capfd, monkeypatch):
    place = ("--home", trained / "home")
    code, error = told(capfd, monkeypatch, "gate", "desk:1", *place)
    assert (code, "compared with itself" in error, "desk:2, desk:3" in error) == (2, True, True)
    code, error = told(capfd, monkeypatch, "gate", "desk:2", "--metric", "bleu", *place)
    assert (code, "no metric 'bleu'" in error, "macro_f1" in error) == (2, True, True)
    assert told(capfd, monkeypatch, "gate", *place)[0] == 2
    code, error = told(capfd, monkeypatch, "gate", "desk:2", "--margin", "tset=0.1", *place)
    assert (code, "expected NAME=SHARE" in error) == (2, True)
    code, error = told(capfd, monkeypatch, "gate", "desk:2", "--margin", "test=0", *place)
    assert (code, "margin test" in error) == (2, True)
    code, error = told(capfd, monkeypatch, "gate", "--again", "999", *place)
    assert (code, "there is no decision 999" in error) == (2, True)


def test_any_metric_may_count(trained):
    _, decision, _ = gated(trained, "desk:3", "--metric", "macro_f1")
    assert (decision["metric"], decision["verdict"]) == ("macro_f1", "refuse")
    assert of(decision, "test")[0]["apart"] is None


def test_the_self_test_tells_the_gates_rates_on_this_data(trained):
    result = run(trained, "gate", "--self-test", "desk", "--runs", "30", "--rows", "3000", "--json")
    found = json.loads(result.stdout)
    assert (found["champion"], found["rows"], found["measured"]) == ("desk:1", 120, "desk:3")
    rates = {rate["effect"]: rate for rate in found["rates"]}
    assert rates[-0.03]["promoted"] == rates[-0.02]["promoted"] == 0
    assert all(rate["promoted"] + rate["refused"] + rate["undecided"] == 30 for rate in found["rates"])
    assert "differ in" in run(trained, "gate", "--self-test", "desk", "--runs", "3").stdout
    with Workspace.open(trained / "home") as workspace:
        count = len(list_decisions(workspace, "desk"))
    swapped = loop.self_test("desk", runs=5, metric="macro_f1", home=trained / "home")
    assert (swapped.discordance, swapped.rates[0].effect, swapped.rates[0].runs) == (None, 0.0, 5)
    with Workspace.open(trained / "home") as workspace:
        assert len(list_decisions(workspace, "desk")) == count


@pytest.mark.parametrize(("forced", "state", "verdict"), [([], "passed", None), (["onnx-int8"], "worse", "refuse")])
def test_what_was_forced_into_the_export_stands_in_the_way(copied, tmp_path, forced, state, verdict):
    with Workspace.open(copied) as workspace:
        version = Registry(workspace).resolve("desk:2")
        (tmp_path / "export").mkdir()
        (tmp_path / "export" / "export.json").write_text("{}", encoding="utf-8")
        record_export(workspace, version, tmp_path / "export", {"forced": forced})
    decision = loop.gate("desk:2", home=copied).decision
    [check] = [check for check in decision.checks if check.kind == "parity"]
    assert check.state == state and (verdict is None or decision.verdict == verdict)
