"""Erasure through the command: rows leave the data, the models and, on request, every file of the workspace."""

import importlib
import json
import shutil
from html import escape
from types import SimpleNamespace

import pytest

from test_cli import FAST, run, told
from tiny import intent_rows
from tunewheel import loop
from tunewheel.data import DataError, Dataset
from tunewheel.data.erased import Erased, without_erased
from tunewheel.data.gather import text_key
from tunewheel.evaluation import Report, compare
from tunewheel.feedback.exchanges import Exchange, count_exchanges, exchange_id, list_exchanges
from tunewheel.feedback.recorder import Recorder
from tunewheel.lineage import TraceError
from tunewheel.loop.again import recorded_settings
from tunewheel.loop.turn import _revised
from tunewheel.models.model import Model, Origin
from tunewheel.models.prompted import Plan, Prompted, Server
from tunewheel.registry import Registry, keep_dataset, kept_dataset
from tunewheel.store import Workspace, fail_run, list_datasets, list_erasures, start_run
from tunewheel.tasks.classification import Classification

SAID = {"en": 'please tell Mr Brown <where> my "gold" card went', "zh": "请告诉布朗先生我的“金卡”去哪了 & 为何"}


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(tiny_base, tmp_path_factory):
    """Two versions of a classifier whose train and test split hold what one person said, mistaken in test."""
    folder = tmp_path_factory.mktemp("forget")
    rows = intent_rows(70)
    train = [{"id": f"train-{lang}", "text": text, "label": "balance", "who": "b"} for lang, text in SAID.items()]
    test = [{"id": f"test-{lang}", "text": f" {text}", "label": "lost", "who": "b"} for lang, text in SAID.items()]
    near = {"id": "near", "text": SAID["en"].upper(), "label": "lost"}
    put(folder / "cards" / "train.jsonl", [*rows[:48], *train, near, {"text": SAID["zh"]}])
    put(folder / "cards" / "dev.jsonl", rows[48:56])
    put(folder / "cards" / "test.jsonl", [*test, *rows[56:]])
    command = ["train", str(folder / "cards"), "--base", str(tiny_base), *FAST, "--on-error", "skip"]
    for seed in ("1", "2"):
        result = run(folder, *command, "--seed", seed, "--set", "robustness=case")
        assert result.exit_code == 0, result.output
    run(folder, "trace", "cards:1", "--row", "test-en")  # leaves vectors in the cache
    return folder


@pytest.fixture
def workplace(made, tmp_path):
    shutil.copytree(made / "home", tmp_path / "home", symlinks=True)
    return tmp_path


def forgotten(workplace, *arguments):
    result = run(workplace, "forget", *arguments, "--why", "Mr B. asked", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def forms(text):
    return {
        f.encode()
        for f in (
            text,
            escape(text),
            escape(text, quote=False),
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
        )
    }


def holding(home, text):
    """Every file of a workspace that has a text in it, however it is written."""
    found = (path for path in home.rglob("*") if path.is_file())
    return sorted(str(p.relative_to(home)) for p in found if any(form in p.read_bytes() for form in forms(text)))


def ids(dataset):
    return {row["id"]: split for split in dataset.splits for row in dataset[split]}


def test_rows_leave_the_newest_data_and_everyone_who_used_them_is_named(workplace):
    found = forgotten(workplace, "train-en")
    assert [path.rpartition("/")[2] for path in found["files"]] == ["test.jsonl", "train.jsonl"]
    assert {(row["id"], row["split"]) for row in found["rows"]} == {("train-en", "train"), ("test-en", "test")}
    assert [(near["id"], near["split"]) for near in found["near"]] == [("near", "train")]
    assert {v["ref"]: v["parts"] for v in found["versions"]} == {
        "cards:1": {"learned": 1, "tested": 1},
        "cards:2": {"learned": 1, "tested": 1},
    }
    [(old, new)] = found["datasets"].items()
    with Workspace.open(workplace / "home") as workspace:
        before, after = ids(kept_dataset(workspace, old)), ids(kept_dataset(workspace, new))
        assert after == {key: split for key, split in before.items() if key not in ("train-en", "test-en")}
        [erasure] = list_erasures(workspace)
        assert (erasure.why, erasure.purged, len(erasure.rows)) == ("Mr B. asked", None, 2)
        assert "train-en" not in str(erasure)
    traced = json.loads(run(workplace, "trace", new[:10], "--json").stdout)
    assert [parent["fingerprint"] for parent in traced["parents"]] == [old]
    again = forgotten(workplace, "train-en")
    assert (again["datasets"], again["erasure"]) == (found["datasets"], found["erasure"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_after_a_purge_the_text_is_nowhere(workplace, lang):
    home = workplace / "home"
    with Workspace.open(home) as workspace:
        key = start_run(workspace, "cut", command="train", settings={}).key
        fail_run(workspace, key, f"TaskError: {SAID[lang]} " * 300)  # more than a page of the database
        asked = {"row": {"text": SAID[lang]}, "prediction": {"label": "lost"}, "variant": "torch-fp32", "seconds": 0.01}
        with Recorder(workspace, every=0.01) as recorder:
            recorder.record([Exchange(exchange_id(), "cards", 1, **asked)])
        assert recorder.counts["recorded"] == 1
    put(
        home / "collected" / "raw.jsonl",
        [{"body": SAID[lang]}, {"body": SAID[lang].replace(" ", "\u2028")}, {"body": "stays"}],
    )
    (home / "reports" / "check.html").write_text(f"<p>{escape(SAID[lang])}</p>", encoding="utf-8")
    before = holding(home, SAID[lang])
    for place in ("artifacts", "cache", "reports", "collected", "tunewheel.db"):
        assert any(place in file for file in before), (place, before)
    with Workspace.open(home):  # somebody else has the database open, so that nothing tidies it up by closing it
        found = forgotten(workplace, f"test-{lang}", "--purge")
        assert holding(home, SAID[lang]) == []
    with Workspace.open(home) as workspace, workspace.read() as connection:
        assert count_exchanges(connection, "cards") == 0
    assert not list((home / "cache" / "vectors").iterdir())
    assert (home / "collected" / "raw.jsonl").read_text() == '{"body": "stays"}\n'
    other = SAID["zh" if lang == "en" else "en"]
    assert holding(home, other)
    registry = Registry(Workspace.open(home))
    for version in registry.versions():
        registry.verify(version.ref)
        assert not kept_dataset(registry.workspace, version.dataset)["test"]["id"][:].count(f"test-{lang}")
    [old] = found["datasets"]
    shown = run(workplace, "trace", "cards:1").stdout
    assert "Mr B. asked" in " ".join(shown.split())
    assert found["datasets"][old][:12] in shown
    again = forgotten(workplace, f"test-{lang}", "--purge")
    assert (again["rows"], again["erasure"]) == ([], found["erasure"])


def test_reports_keep_their_figures_and_lose_the_row(workplace):
    registry = Registry(Workspace.open(workplace / "home"))
    before = json.loads((registry.resolve("cards:1").report / "report.json").read_text("utf-8"))
    forgotten(workplace, "test-en", "--purge")
    folder = registry.resolve("cards:1").report
    after = json.loads((folder / "report.json").read_text("utf-8"))
    assert after["metrics"] == before["metrics"]
    assert {m["id"] for m in before["worst"]} - {m["id"] for m in after["worst"]} == {"test-en"}
    assert "<h2>" in (folder / "report.html").read_text("utf-8")
    both = compare(*(Report.load(registry.resolve(f"cards:{n}").report) for n in (1, 2)))
    assert both.as_dict()["rows"] == after["rows"] == before["rows"]


def test_examples_that_a_prompt_shows_go_with_their_text(workplace):
    registry, phoned = Registry(Workspace.open(workplace / "home")), "call me: 13812345678"
    keep_dataset(registry.workspace, Dataset.from_rows({"train": [{"text": phoned, "label": "lost"}]}), "desk")
    plan = Plan("m", Server("http://127.0.0.1:9"), lang="en", default={"label": "lost"}, shots=2)
    task, origin = Classification(("lost", "balance")), Origin("few-shot", "m", "")
    shown = [{"text": text, "label": "lost"} for text in (*SAID.values(), "call me: [PHONE]", "stays")]
    for number, rows in enumerate((shown, shown[1:2])):
        folder = Model(Prompted(plan, rows, parameters=0), task, origin).save(workplace / f"prompt-{number}")
        registry.register(folder, name="desk", task="classification", method="few-shot")
    other = registry.resolve("desk:2")
    forgotten(workplace, SAID["en"], phoned, "--purge")
    model = Model.load(registry.verify("desk:1").path)
    assert [row["text"] for row in model.body.rows] == [SAID["zh"], "stays"]
    assert (model.body.plan, model.origin, registry.resolve("desk:2")) == (plan, origin, other)


def test_the_champion_is_trained_again_without_the_rows(workplace):
    found = forgotten(workplace, "--where", "who=b", "--retrain", "--purge")
    assert found["retrained"] == ["cards:3"]
    registry = Registry(Workspace.open(workplace / "home"))
    champion = registry.resolve("cards@champion")
    assert champion.ref == "cards:3"
    assert "Mr B. asked" in registry.history("cards")[-1].why
    settings = registry.lineage("cards:3")["run"]["settings"]
    old = registry.lineage("cards:1")["run"]["settings"]
    assert {k: settings[k] for k in ("epochs", "seed", "robustness", "base")} == {
        k: old[k] for k in ("epochs", "seed", "robustness", "base")
    }
    left = kept_dataset(registry.workspace, champion.dataset)
    assert not {"train-en", "train-zh", "test-en", "test-zh"} & ids(left).keys()
    assert all(holding(workplace / "home", text) == [] for text in SAID.values())


def test_a_retrained_champion_keeps_its_text_column_and_how_it_writes():
    """`predict` looks for the column by its name; a writer cut at another length is another model."""
    wanted = {"text": "body", "max_new_tokens": 7, "temperature": 0.5, "top_p": 0.9}
    again = recorded_settings({**wanted, "method": "full"})
    assert {key: again.get(key) for key in wanted} == wanted


@pytest.fixture
def desk(tmp_path):
    """A linear classifier whose train and test rows, in two splits of one file, hold what two people said."""
    said = [{"text": text, "label": "lost", "topic": text[:9]} for text in SAID.values()]
    put(tmp_path / "desk.jsonl", [*said, *intent_rows(60)])
    result = run(tmp_path, "train", str(tmp_path / "desk.jsonl"), "--method", "tfidf")
    assert result.exit_code == 0, result.output
    return tmp_path


def texts_of(workplace, version):
    registry = Registry(Workspace.open(workplace / "home"))
    learned = kept_dataset(registry.workspace, registry.resolve(version).dataset)
    return {row["text"] for split in learned.splits for row in learned[split]}


@pytest.mark.parametrize("purge", [[], ["--purge"]])
def test_an_erased_text_is_left_out_of_all_that_is_read_later(desk, purge):
    forgotten(desk, SAID["zh"], *purge)
    for settings in (["--seed", "9"], ["--group", "topic", "--parent", "none"], []):
        result = run(desk, "train", str(desk / "desk.jsonl"), "--method", "tfidf", *settings)
        assert result.exit_code == 0, result.output
        assert "1 left out: the text was erased from this workspace" in " ".join(result.output.split())
        made = Registry(Workspace.open(desk / "home")).versions("desk")[-1]
        assert made.number > 1 and SAID["zh"] not in texts_of(desk, made.ref) and SAID["en"] in texts_of(desk, made.ref)
    saved = Dataset.read(desk / "desk.jsonl").save(desk / "saved")
    assert run(desk, "clean", str(saved), "-o", str(desk / "clean"), "--drop-empty").exit_code == 0
    assert len(Dataset.load(desk / "clean")) == 61
    put(desk / "only.jsonl", [{"text": SAID["zh"] + " ", "label": "lost"}])
    with pytest.raises(DataError, match="1 left out"):
        run(desk, "train", str(desk / "only.jsonl"), "--method", "tfidf")


def test_after_a_purge_later_erasures_still_find_who_learned(desk):
    forgotten(desk, SAID["zh"], "--purge")
    found = forgotten(desk, SAID["en"], "--dry-run")
    assert [version["ref"] for version in found["versions"]] == ["desk:1"]
    found = forgotten(desk, SAID["en"], "--retrain")
    assert found["retrained"] == ["desk:2"]
    assert not texts_of(desk, "desk:2").intersection(SAID.values())


def test_what_was_forgotten_and_not_purged_is_not_learned_with_the_next(desk):
    forgotten(desk, SAID["zh"])
    assert forgotten(desk, SAID["en"], "--retrain")["retrained"] == ["desk:2"]
    assert not texts_of(desk, "desk:2").intersection(SAID.values())
    assert texts_of(desk, "desk:1").issuperset(SAID.values())


def test_a_purge_takes_along_what_was_forgotten_before(desk):
    """The dataset that it removes is the last that could tell of it."""
    forgotten(desk, SAID["zh"])
    (desk / "home" / "reports" / "check.html").write_text(f"<p>{escape(SAID['zh'])}</p>", encoding="utf-8")
    forgotten(desk, SAID["en"], "--purge")
    assert [holding(desk / "home", text) for text in SAID.values()] == [[], []]


def test_a_turn_does_not_learn_again_what_was_forgotten(desk):
    forgotten(desk, SAID["zh"])
    with Workspace.open(desk / "home") as workspace:
        version = Registry(workspace).resolve("desk")
        again = [{"id": "e1", "text": SAID["zh"], "label": "lost"}, {"id": "e2", "text": "another", "label": "lost"}]
        revised = _revised(kept_dataset(workspace, version.dataset), again, workspace)
    texts = {row["text"] for split in revised.splits for row in revised[split]}
    assert SAID["zh"] not in texts and texts.issuperset({SAID["en"], "another"})


def trained(workplace, name, rows, *options):
    path = put(workplace / f"{name}.jsonl", rows)
    result = run(workplace, "train", str(path), "--method", "tfidf", *options)
    assert result.exit_code == 0, result.output
    return path


def test_an_id_in_two_data_sets_is_two_erasures(tmp_path):
    said = {"id": "x1", "text": SAID["en"], "label": "lost"}
    for name in "ab":
        trained(tmp_path, name, [said, *({**row, "text": f"{row['text']} {name}"} for row in intent_rows(40))])
    first = forgotten(tmp_path, "x1", "--model", "a")
    second = forgotten(tmp_path, "x1", "--model", "b", "--purge", "--retrain")
    assert (first["erasure"], second["erasure"], second["retrained"]) == (1, 2, ["b:2"])
    with Workspace.open(tmp_path / "home") as workspace:
        assert [erasure.purged is None for erasure in list_erasures(workspace)] == [True, False]
    assert SAID["en"] in texts_of(tmp_path, "a:1")


def test_feedback_on_what_was_erased_begins_no_turn(desk):
    forgotten(desk, SAID["zh"], "--retrain")
    given = put(desk / "given.jsonl", [{"text": SAID["zh"], "label": "balance"}])
    assert run(desk, "feedback", "import", "desk", str(given)).exit_code == 0
    turn = loop.update("desk", home=desk / "home")
    assert (turn.status, Registry(Workspace.open(desk / "home")).resolve("desk").ref) == ("idle", "desk:2")


def test_rows_that_a_file_gives_to_test_stay_there_though_others_are_left_out(desk):
    forgotten(desk, SAID["zh"])
    new = [{"text": f"something new {i}", "label": "lost"} for i in range(20)]
    kept = Dataset.from_rows({"train": [{"text": SAID["zh"], "label": "lost"}, *intent_rows(40)], "test": new})
    for data in (str(kept.save(desk / "saved")), kept):
        turn = loop.train(data, name="desk", method="tfidf", home=desk / "home")
        left = kept_dataset(Workspace.open(desk / "home"), turn.version.dataset)
        assert {row["text"] for row in new} <= {*left["test"]["text"]}
        assert SAID["zh"] not in left["train"]["text"][:]


def test_half_of_a_pair_and_an_answer_are_texts_too():
    pairs = {
        "train": [
            {"sentence1": SAID["en"], "sentence2": "why", "label": "same"},
            {"sentence1": "why", "sentence2": SAID["en"], "label": "not"},
            {"sentence1": "why", "sentence2": "how", "label": "not"},
        ]
    }
    chats = {"train": [{"prompt": "why", "answer": SAID["en"]}, {"prompt": "how", "answer": "so"}]}
    for rows, task in ((pairs, "matching"), (chats, "generation")):
        data = Dataset.from_rows(rows, task, targets=("label",) if task == "matching" else None)
        left = without_erased(data, {text_key(SAID["en"])})
        assert len(left) == 1 and "how" in left["train"]["text"][0]
    gone = Erased([SAID["en"]], ())
    assert gone.is_text(f"why\t{SAID['en']} ") and not gone.is_text("why\thow")


def test_a_champion_that_cannot_be_trained_again_keeps_nothing_from_being_purged(tmp_path):
    rows = [{"text": text, "label": "lost"} for text in SAID.values()]
    rows += [row for row in intent_rows(40) if row["label"] == "balance"]
    trained(tmp_path, "desk", rows, "--set", "test=0", "--set", "dev=0")
    found = run(tmp_path, "forget", *SAID.values(), "--why", "asked", "--retrain", "--purge", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["retrained"], told["untrained"]) == (1, [], ["desk:1"])
    assert "at least two labels" in " ".join(found.stderr.split())
    assert [holding(tmp_path / "home", text) for text in SAID.values()] == [[], []]
    again = run(tmp_path, "forget", *SAID.values(), "--why", "asked", "--retrain", "--json")
    assert (again.exit_code, json.loads(again.stdout)["untrained"]) == (1, ["desk:1"])


def test_a_retrained_version_that_is_worse_leaves_the_one_that_knows_in_front_and_says_so(desk, monkeypatch):
    verb = importlib.import_module("tunewheel.loop.forget")
    trained_again = verb.train

    def worse(*arguments, **options):
        made = trained_again(*arguments, **options)
        return SimpleNamespace(version=made.version, champion=SimpleNamespace(verdicts={"accuracy": "worse"}))

    monkeypatch.setattr(verb, "train", worse)
    found = run(desk, "forget", SAID["en"], "--why", "asked", "--retrain", "--json")
    told = json.loads(found.stdout)
    assert (found.exit_code, told["retrained"], told["untrained"]) == (1, [], ["desk:1"])
    assert "desk:2 is measurably worse" in " ".join(found.stderr.split())


def test_a_file_of_nothing_but_erased_texts_keeps_no_other_from_being_read(desk):
    forgotten(desk, SAID["zh"])
    put(desk / "parts" / "train.jsonl", intent_rows(40))
    put(desk / "parts" / "dev.jsonl", [{"text": SAID["zh"], "label": "lost"}])
    result = run(desk, "train", str(desk / "parts"), "--method", "tfidf")
    assert (result.exit_code, texts_of(desk, "parts:1")) == (0, {row["text"] for row in intent_rows(40)}), result.output


def test_readings_leave_nothing_in_a_purged_workspace(desk):
    forgotten(desk, SAID["zh"], "--purge")
    rows = [{"text": SAID["zh"], "label": "lost"}, {"text": SAID["zh"], "label": 7.5}, *intent_rows(40)]
    path = put(desk / "new.jsonl", rows)
    result = run(desk, "train", str(path), "--method", "tfidf", "--on-error", "skip")
    assert result.exit_code == 0, result.output
    predicted = put(desk / "out.jsonl", [{"label": "lost"} for _ in range(42)])
    rows[1]["label"] = "lost"
    put(path, rows)
    assert run(desk, "evaluate", str(path), "--predictions", str(predicted)).exit_code == 0
    assert (desk / "home" / "reports" / "new.rejected.jsonl").is_file()
    assert holding(desk / "home", SAID["zh"]) == []


def test_a_purge_by_text_again_takes_what_came_to_show_it_since(desk):
    erasure = forgotten(desk, SAID["zh"], "--purge")["erasure"]
    put(desk / "home" / "reports" / "late.jsonl", [{"text": SAID["zh"]}, {"text": "stays"}])
    again = forgotten(desk, SAID["zh"], "--purge")
    assert (again["erasure"], again["rows"], len(again["purged"])) == (erasure, [], 1)
    assert holding(desk / "home", SAID["zh"]) == []


def test_rows_of_other_data_that_are_called_alike_keep_their_mistakes(workplace):
    """`train-en` of other data is somebody else; its report keeps the line."""
    registry = Registry(Workspace.open(workplace / "home"))
    folder = workplace / "home" / "reports" / "other"
    shutil.copytree(registry.resolve("cards:1").report, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    stored = json.loads((folder / "report.json").read_text("utf-8"))
    stored["dataset"] = "0" * 64
    stored["worst"] = [{**mistake, "text": f"other {i}"} for i, mistake in enumerate(stored["worst"])]
    (folder / "report.json").write_text(json.dumps(stored), encoding="utf-8")
    assert "test-en" in {mistake["id"] for mistake in stored["worst"]}
    forgotten(workplace, "test-en", "--purge")
    assert json.loads((folder / "report.json").read_text("utf-8"))["worst"] == stored["worst"]


@pytest.mark.parametrize("lang", SAID)
def test_what_clean_wrote_is_named_where_it_shows_the_text(tmp_path, lang, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said, other = SAID[lang], SAID["zh" if lang == "en" else "en"]
    copies = [{"id": str(number), "text": text, "label": "a"} for number, text in enumerate((said, said, other))]
    put(tmp_path / "desk" / "train.jsonl", [*copies, *intent_rows(4)])
    for out in ("kept", "rows.jsonl"):
        assert run(tmp_path, "clean", "desk", "-o", out, "--dedupe").exit_code == 0
    monkeypatch.chdir("/")
    named = ["desk/train.jsonl", "kept", "kept/removed.jsonl", "rows.jsonl", "rows.removed.jsonl"]
    assert forgotten(tmp_path, said)["files"] == [str(tmp_path / name) for name in named]
    found = [*named[:2], "rows.jsonl"]  # it went from no data
    assert forgotten(tmp_path, other)["files"] == [str(tmp_path / name) for name in found]


def test_what_cannot_be_meant_is_told(workplace, capfd, monkeypatch):
    home = ["--home", workplace / "home"]
    for arguments, expected in (
        (["forget", "no such row", "--why", "x"], "no dataset"),
        (["forget", "--why", "x"], "say which rows"),
        (["forget", "--contains", " ", "--why", "x"], "every text contains a blank one"),
        (["forget", "train-en"], "say why"),
    ):
        code, error = told(capfd, monkeypatch, *arguments, *home)
        assert (code, expected in " ".join(error.split())) == (2, True), error
    data = Dataset.from_rows({"train": [{"id": "train-en", "text": "somebody else", "label": "a"}]})
    with Workspace.open(workplace / "home") as workspace:
        keep_dataset(workspace, data, "other.jsonl")
    code, error = told(capfd, monkeypatch, "forget", "train-en", "--why", "x", *home)
    assert (code, "names different rows" in " ".join(error.split())) == (2, True), error
    assert len(forgotten(workplace, "train-en", "--model", "cards", "--dry-run")["rows"]) == 2


KILLED = """
import itertools, os, sys
from pathlib import Path
import shutil
from tunewheel import loop
from tunewheel.store import artifacts, files
from sqlalchemy import event
from sqlalchemy.engine import Engine
steps, last = itertools.count(1), int(sys.argv[3])
def step(*_, **__):
    if next(steps) == last:
        os._exit(9)
def dying(name, module):
    real = getattr(module, name)
    def wrapped(*arguments, **options):
        step()
        return real(*arguments, **options)
    setattr(module, name, wrapped)
for name in ("rename", "replace", "unlink"):
    dying(name, Path)
dying("rmtree", shutil)
event.listen(Engine, "commit", step)
loop.forget("b", why="asked", purge=True, home=sys.argv[1], database=sys.argv[2] or None)
print(next(steps))
"""


def small(workspace):
    """A workspace with a dataset that holds the texts, a version with a report of a sort, and a revision."""
    rows = [
        {"id": key, "text": text, "label": "ab"[i % 2]}
        for i, (key, text) in enumerate([("a", "stays"), ("b", SAID["zh"]), ("c", "留下"), ("d", f"{SAID['zh']} ")])
    ]
    data = Dataset.from_rows({"train": rows, "test": [{"id": "t", "text": SAID["zh"], "label": "a"}]})
    keep_dataset(workspace, data, "rows.jsonl")
    put(workspace.reports_dir / "rows.rejected.jsonl", [{"record": rows[1]}, {"record": rows[0]}])
    return data


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_at_any_step_the_same_command_finishes(kind, request, start, tmp_path):
    workspace = request.getfixturevalue(f"{kind}_workspace")
    data = small(workspace)
    workspace.close()
    saved, at = tmp_path / "saved", 0
    if kind == "sqlite":
        shutil.copytree(workspace.home, saved)
    while True:
        at += 1 if kind == "sqlite" else 4
        process = start(KILLED, workspace, at)
        process.wait()
        assert process.returncode in (0, 9), process.stderr.read()
        loop.forget("b", why="asked", purge=True, home=workspace.home, database=workspace.database)
        assert holding(workspace.home, SAID["zh"]) == [], at
        with Workspace.open(workspace.home, workspace.database) as opened:
            [erasure] = list_erasures(opened)
            assert erasure.purged is not None
            left = kept_dataset(opened, data.fingerprint)
            assert ids(left) == {"a": "train", "c": "train"}
            assert len(list_datasets(opened)) == 2
            if process.returncode == 0:
                return
        if kind == "postgres":
            return
        shutil.rmtree(workspace.home)
        shutil.copytree(saved, workspace.home)


ASKED = "please cancel the card of Mrs Penhale 的卡"


def asked(workplace, text):
    """An exchange that a service recorded; its id."""
    with Workspace.open(workplace / "home") as workspace, Recorder(workspace, every=0.05) as recorder:
        told = {"prediction": {"label": "lost"}, "variant": "torch-fp32", "seconds": 0.01}
        made = Exchange(exchange_id(), "cards", 1, {"text": text}, **told)
        recorder.record([made])
    return made.id


def test_a_text_that_stands_in_exchanges_alone_is_forgotten_at_once(workplace):
    asked(workplace, ASKED)
    stays = asked(workplace, "another text")
    looked = forgotten(workplace, ASKED, "--dry-run")
    assert (looked["exchanges"], looked["rows"]) == (1, [])
    assert "Penhale" not in json.dumps(looked)
    found = forgotten(workplace, ASKED)
    assert (found["exchanges"], found["datasets"]) == (1, {}) and found["erasure"] is not None
    with Workspace.open(workplace / "home") as workspace, workspace.read() as connection:
        assert [one.id for one in list_exchanges(connection, "cards")] == [stays]
    with pytest.raises(TraceError, match="no dataset and no exchange"):
        run(workplace, "forget", "--contains", "penhale", "--why", "again")


def test_a_row_and_the_exchanges_that_show_it_go_together(workplace):
    asked(workplace, SAID["zh"])
    found = forgotten(workplace, "train-zh")
    assert found["exchanges"] == 1 and found["rows"]
    with Workspace.open(workplace / "home") as workspace, workspace.read() as connection:
        assert count_exchanges(connection, "cards") == 0


def test_what_was_not_purged_takes_its_exchanges_along_with_the_next(desk):
    forgotten(desk, SAID["zh"])
    asked(desk, SAID["zh"])
    forgotten(desk, SAID["en"], "--purge")
    with Workspace.open(desk / "home") as workspace, workspace.read() as connection:
        assert count_exchanges(connection, "cards") == 0


def test_exchanges_of_another_model_stay(workplace):
    asked(workplace, SAID["zh"])
    trained(workplace, "other", [{"text": SAID["zh"], "label": "lost"}, *intent_rows(40)])
    found = forgotten(workplace, SAID["zh"], "--model", "other")
    with Workspace.open(workplace / "home") as workspace, workspace.read() as connection:
        assert (found["exchanges"], count_exchanges(connection, "cards")) == (0, 1)


def test_the_name_of_a_label_is_nobodys_word(workplace):
    asked(workplace, "another text")
    with pytest.raises(TraceError, match="no dataset and no exchange"):
        run(workplace, "forget", "lost", "--why", "asked")


def test_what_is_named_and_not_there_is_told(desk, capfd, monkeypatch):
    assert forgotten(desk, SAID["zh"], "nosuch", "--dry-run")["missing"] == ["nosuch"]
    both = ["--where", "topic=a", "--where", "label=lost", "--why", "x", "--home", desk / "home"]
    code, error = told(capfd, monkeypatch, "forget", *both)
    assert (code, "name one column" in error) == (2, True)
    column = ["--where", "topics=a", "--why", "x", "--home", desk / "home"]
    code, error = told(capfd, monkeypatch, "forget", *column)
    assert (code, "no dataset here has a column 'topics'; did you mean 'topic'?" in error) == (2, True)


def kept(folder, rows, task, name):
    """The rows as a dataset of the workspace in a folder."""
    put(folder / name, rows)
    with Workspace.open(folder / "home") as workspace:
        data = loop.read_dataset(folder / name, workspace, task=task, dev=0.0, test=0.0)
        keep_dataset(workspace, data, name)
    return data


@pytest.mark.parametrize("means", [["--contains", "MR BROWN"], ["--where", "reply={said}"]])
def test_an_answer_that_was_forgotten_comes_back_under_no_other_prompt(tmp_path, means):
    said = SAID["en"]
    rows = [{"prompt": p, "reply": r} for p, r in (("why", said), ("how", "so"), ("when", "now"))]
    put(tmp_path / "chat.jsonl", rows)
    how = {"task": "generation", "text": "prompt", "label": "reply", "dev": 0.0, "test": 0.0}
    with Workspace.open(tmp_path / "home") as workspace:
        keep_dataset(workspace, loop.read_dataset(tmp_path / "chat.jsonl", workspace, **how), "chat.jsonl")
    found = forgotten(tmp_path, *(part.format(said=said) for part in means))
    assert len(found["rows"]) == 1
    put(tmp_path / "again.jsonl", [{"prompt": "another", "reply": said}, *rows])
    with Workspace.open(tmp_path / "home") as workspace:
        left = loop.read_dataset(tmp_path / "again.jsonl", workspace, **how)
    assert left["train"]["text"][:] == ["how", "when"]


def test_half_of_a_pair_that_was_forgotten_comes_back_in_no_other_pair(tmp_path):
    pairs = [("why", SAID["zh"], "same"), ("how", "so", "same"), ("how", "not so", "not")]
    rows = [dict(zip(("premise", "hypothesis", "label"), pair, strict=True)) for pair in pairs]
    kept(tmp_path, rows, "matching", "pairs.jsonl")
    assert len(forgotten(tmp_path, "--contains", "布朗")["rows"]) == 1
    rows[0]["premise"] = "another"
    put(tmp_path / "again.jsonl", rows)
    with Workspace.open(tmp_path / "home") as workspace:
        left = loop.read_dataset(tmp_path / "again.jsonl", workspace, task="matching", dev=0.0, test=0.0)
    assert left["train"]["text"][:] == ["how\tso", "how\tnot so"]


def test_a_column_goes_by_its_name_in_the_file(tmp_path):
    rows = [{"text": SAID["zh"], "label": "lost"}, *intent_rows(6)]
    rows = [{"Body": row["text"], "Intent": row["label"]} for row in rows]
    put(tmp_path / "desk.jsonl", rows)
    with Workspace.open(tmp_path / "home") as workspace:
        data = loop.read_dataset(tmp_path / "desk.jsonl", workspace, label="Intent", dev=0.0, test=0.0)
        keep_dataset(workspace, data, "desk.jsonl")
    assert len(forgotten(tmp_path, "--where", f"Body={SAID['zh']}", "--dry-run")["rows"]) == 1
    lost = sum(row["Intent"] == "lost" for row in rows)
    assert len(forgotten(tmp_path, "--where", "Intent=lost", "--dry-run")["rows"]) == lost


@pytest.mark.parametrize(
    ("text", "content", "stands"),
    [
        ("hi", "<p>this and that</p>", False),
        ("hi", "<p>hi, this</p>", True),
        ("hi", "history, delhi", False),
        ("hi", json.dumps({"text": "no\thi"}), True),
        ("hi", json.dumps({"text": "没\u2028hi"}), True),
        ("卡丢了", "我的卡丢了吗", True),
        ("卡 hi", "丢卡 hi丢", True),
        ("Ärger", "Verärgert, Ärgernis", False),
    ],
)
def test_a_page_is_not_taken_for_the_middle_of_its_words(text, content, stands):
    assert Erased([text], ()).stands_in(content) is stands
