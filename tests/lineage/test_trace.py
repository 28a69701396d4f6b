"""Lineage both ways, through the command, on a tiny base."""

import json
import re
import shutil
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from tiny import entity_rows, intent_rows
from tunewheel import loop
from tunewheel.cli import app, main
from tunewheel.data import Dataset
from tunewheel.feedback.exchanges import Exchange, exchange_id
from tunewheel.feedback.given import give
from tunewheel.feedback.recorder import Recorder
from tunewheel.feedback.settling import Policy, settle
from tunewheel.lineage.nearest import _nearest, trace_errors
from tunewheel.models.predictor import Predictor
from tunewheel.registry import keep_dataset
from tunewheel.store import Workspace

FAST = ["--set", "batch_tokens=128", "--set", "window=48", "--learning-rate", "0.005", "--epochs", "4"]
TWIN = {"en": "please tell me where my card went", "zh": "请问我的卡去哪了"}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def run(folder, *arguments):
    command = [*map(str, arguments), "--home", str(folder / "home")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def traced(folder, *arguments):
    return json.loads(run(folder, "trace", *arguments, "--json"))


@pytest.fixture(scope="module")
def workplace(tiny_base, tmp_path_factory):
    """Two versions of one classifier with a mislabelled twin of a test row in train, and an entity recogniser."""
    folder = tmp_path_factory.mktemp("work")
    rows = intent_rows(70)
    noise = [{"id": f"noise-{lang}", "text": text, "label": "balance"} for lang, text in TWIN.items()]
    tests = [{"id": f"twin-{lang}", "text": text, "label": "lost"} for lang, text in TWIN.items()]
    write(folder / "cards" / "train.jsonl", [*rows[:48], *noise])
    write(folder / "cards" / "dev.jsonl", rows[48:56])
    write(folder / "cards" / "test.jsonl", [*tests, *rows[56:]])
    write(folder / "people.jsonl", entity_rows(60))
    for seed in (1, 2):
        run(folder, "train", folder / "cards", "--base", tiny_base, *FAST, "--seed", seed)
    run(folder, "train", folder / "people.jsonl", "--base", tiny_base, *FAST)
    return folder


def told(capfd, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["tunewheel", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    return " ".join(capfd.readouterr().err.split())


def test_a_version_tells_its_run_data_files_report_aliases_and_siblings(workplace):
    found = traced(workplace, "cards:1")
    assert found["version"]["ref"] == "cards:1"
    assert found["run"]["settings"]["epochs"] == 4
    assert found["dataset"]["summary"]["splits"] == {"train": 50, "dev": 8, "test": 16}
    sources = {source["split"]: source for source in found["dataset"]["summary"]["sources"]}
    assert sources["train"]["path"] == str((workplace / "cards" / "train.jsonl").resolve())
    assert {source["state"] for source in sources.values()} == {"unchanged"}
    assert [sibling["ref"] for sibling in found["siblings"]] == ["cards:2"]
    assert found["report"]["split"] == "test"
    assert set(found["report"]["metrics"]) == {"accuracy", "macro_f1"}
    assert [(move["action"], move["number"]) for move in found["history"]] == [("promote", 1)]
    shown = run(workplace, "trace", "cards@champion")
    for part in ("cards:1", "epochs 4", "train.jsonl", "unchanged", "accuracy", "the first version", "cards:2"):
        assert part in shown


def test_a_file_is_found_by_content_and_by_path_and_told_to_have_changed(workplace, tmp_path):
    path = workplace / "cards" / "train.jsonl"
    found = traced(workplace, path)
    assert [(d["source"]["now"], [v["ref"] for v in d["versions"]]) for d in found["datasets"]] == [
        ("same", ["cards:1", "cards:2"])
    ]
    copy = shutil.copy(path, tmp_path / "elsewhere.jsonl")
    assert traced(workplace, copy)["datasets"][0]["source"]["now"] == "same content at another path"
    before = path.read_bytes()
    try:
        path.write_bytes(before + b'{"id": "z", "text": "new", "label": "lost"}\n')
        assert traced(workplace, path)["datasets"][0]["source"]["now"] == "changed"
        assert "the file has changed since" in " ".join(run(workplace, "trace", path).split())
        assert "changed" in run(workplace, "trace", "cards:2")
        path.unlink()
        gone = traced(workplace, "cards/train.jsonl")
        assert (gone["exists"], gone["datasets"][0]["source"]["now"]) == (False, "gone")
    finally:
        path.write_bytes(before)


def test_another_file_with_the_same_rows_is_found_too(workplace, tiny_base, tmp_path):
    shutil.copytree(workplace / "cards", tmp_path / "cards")
    again = tmp_path / "cards" / "train.jsonl"
    again.write_text(again.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    run(workplace, "train", tmp_path / "cards", "--base", tiny_base, *FAST, "--seed", 1)
    [dataset] = traced(workplace, again)["datasets"]
    assert dataset["source"]["now"] == "same"
    assert [version["ref"] for version in dataset["versions"]] == ["cards:1", "cards:2"]


@pytest.mark.parametrize(
    ("row", "split", "part"), [("noise-zh", "train", "learned"), ("50", "dev", "chosen"), ("twin-en", "test", "tested")]
)
def test_a_row_tells_who_learned_from_it_and_who_was_tested_on_it(workplace, row, split, part):
    for arguments in ([row], ["--row", row]):
        [found] = [row for row in traced(workplace, *arguments)["rows"] if "cards" in row["dataset"]["name"]]
        assert (found["id"], found["split"]) == (row, split)
        assert found["file"].endswith(f"{split}.jsonl")
        assert [(version["ref"], version["part"]) for version in found["versions"]] == [
            ("cards:1", part),
            ("cards:2", part),
        ]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_text_is_found_wherever_it_stands(workplace, lang):
    found = traced(workplace, "--text", f"  {TWIN[lang]} ")
    assert found["total"] == 2
    assert {(row["id"], row["split"]) for row in found["rows"]} == {
        (f"noise-{lang}", "train"),
        (f"twin-{lang}", "test"),
    }
    assert "was tested on it" in run(workplace, "trace", "--text", TWIN[lang])


def test_a_dataset_by_the_beginning_of_its_fingerprint(workplace):
    fingerprint = traced(workplace, "people")["dataset"]["fingerprint"]
    found = traced(workplace, fingerprint[:8])
    assert found["dataset"]["fingerprint"] == fingerprint
    assert [version["ref"] for version in found["versions"]] == ["people:1"]
    assert "people.jsonl" in run(workplace, "trace", fingerprint[:8])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_an_error_leads_to_the_training_row_that_taught_it(workplace, lang):
    found = traced(workplace, "cards:1", "--row", f"twin-{lang}", "--nearest", 3)
    [error] = found["errors"]
    assert (error["gold"], error["split"]) == ("lost", "test")
    first = error["nearest"][0]
    assert (first["id"], first["gold"], first["duplicate"]) == (f"noise-{lang}", "balance", "exact")
    assert first["agrees"] is False
    assert first["similarity"] == pytest.approx(1, abs=1e-5)
    assert first["file"].endswith("train.jsonl")
    assert len(error["nearest"]) == 3
    shown = " ".join(run(workplace, "trace", "cards:1", "--row", f"twin-{lang}").split())
    assert f"1.000 noise-{lang} exact duplicate labelled otherwise" in shown


def test_a_model_without_vectors_goes_by_words(workplace, tmp_path):
    home = {"home": tmp_path / "home"}
    loop.train(workplace / "cards", method="tfidf", **home)
    for _ in range(2):  # computed, and kept
        found = trace_errors("cards:1", row="twin-zh", **home)
        assert found["by"] == "TF-IDF"
        (error,) = found["errors"]
        assert (error["nearest"][0]["id"], error["nearest"][0]["duplicate"]) == ("noise-zh", "exact")
    shown = run(tmp_path, "trace", "cards:1", "--row", "twin-zh")
    assert "nearest training rows, by words alone" in " ".join(shown.split())


def test_the_surest_errors_come_first_and_a_training_row_is_not_its_own_neighbour(workplace):
    worst = [m["id"] for m in json.loads((workplace / "home/reports/cards-1/report.json").read_text("utf-8"))["worst"]]
    assert worst, "the mislabelled twins should mislead the model"
    found = traced(workplace, "cards:1", "--errors", 50)["errors"]
    assert [error["id"] for error in found] == worst
    assert all(error["wrong"] for error in found)
    [own] = traced(workplace, "cards:1", "--row", "0")["errors"]
    assert own["split"] == "train"
    assert "0" not in [row["id"] for row in own["nearest"]]


def test_vectors_of_training_rows_are_computed_once(workplace, monkeypatch):
    traced(workplace, "cards:2", "--row", "twin-en")
    counted = []
    vectors = Predictor.vectors
    monkeypatch.setattr(Predictor, "vectors", lambda self, rows: counted.append(len(rows)) or vectors(self, rows))
    traced(workplace, "cards:2", "--row", "twin-en")
    assert counted == [1]
    assert not [path for path in (workplace / "home" / "cache" / "vectors").iterdir() if ".tmp-" in path.name]


def test_entities_agree_where_the_same_words_are_marked_alike(workplace):
    found = traced(workplace, "people", "--row", "4")["errors"][0]
    assert found["gold"][0]["label"] == "person"
    assert {row["agrees"] for row in found["nearest"]} == {True}
    shown = run(workplace, "trace", "people", "--row", "5")
    assert "person: 王芳" in shown


def test_what_is_ambiguous_is_answered_with_candidates(workplace, capfd, monkeypatch, tmp_path):
    home = ["--home", workplace / "home"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cards").write_text("anything", encoding="utf-8")
    error = told(capfd, monkeypatch, "trace", "cards", *home)
    assert "the file ./cards" in error
    assert "the version cards:1" in error
    error = told(capfd, monkeypatch, "trace", workplace / "cards", *home)
    assert "train.jsonl" in error


def test_what_is_not_found_is_answered_with_what_was_searched(workplace, capfd, monkeypatch, tmp_path):
    home = ["--home", workplace / "home"]
    error = told(capfd, monkeypatch, "trace", "--text", "没有这句话", *home)
    assert re.search(r"nothing is known of the text '没有这句话'; searched in .*2 datasets with 134 rows", error)
    assert "cards, people" in error
    assert "cards:2" in told(capfd, monkeypatch, "trace", "cards:7", *home)
    stray = write(tmp_path / "stray.jsonl", [])
    assert "no dataset was read from" in told(capfd, monkeypatch, "trace", stray, *home)
    assert "no row 'x'" in told(capfd, monkeypatch, "trace", "cards:1", "--row", "x", *home)
    assert "say what to trace" in told(capfd, monkeypatch, "trace", *home)


def test_blocks_do_not_change_who_is_nearest(monkeypatch):
    draw = np.random.default_rng(5)
    train, asked = (draw.normal(size=(n, 8)).astype(np.float32) for n in (50, 4))
    whole = _nearest(train, asked, [None, 3, None, None], 5)
    monkeypatch.setattr("tunewheel.lineage.nearest._BLOCK", 7)
    parts = _nearest(train, asked, [None, 3, None, None], 5)
    cosines = (asked @ train.T) / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(train, axis=1)
    assert [place for place, _ in whole[0]] == np.argsort(-cosines[0])[:5].tolist()
    for one, other in zip(whole, parts, strict=True):
        assert [place for place, _ in one] == [place for place, _ in other]
    assert 3 not in [place for place, _ in whole[1]]
    assert len(_nearest(train[:2], asked, [None] * 4, 5)[0]) == 2


def test_an_exchange_tells_what_was_answered_said_and_made_of_it(workplace, tmp_path):
    """The whole way: asked, answered, corrected, made a row, learned from."""
    shutil.copytree(workplace / "home", tmp_path / "home", symlinks=True)
    text = "my 卡 vanished in the tram"
    with Workspace.open(tmp_path / "home") as workspace:
        with Recorder(workspace, every=0.05) as recorder:
            answer = {"prediction": {"label": "balance", "confidence": 0.6}, "variant": "torch-fp32", "seconds": 0.01}
            asked = Exchange(exchange_id(), "cards", 1, {"text": text}, **answer)
            recorder.record([asked])
        give(workspace, "cards", [{"exchange": asked.id, "label": "lost"}], source="desk", vouched=True)
        with workspace.read() as connection:
            settled = settle(connection, "cards", Policy())
        rows = [*intent_rows(20), *settled.rows]
        keep_dataset(workspace, Dataset.from_rows({"train": rows}), "cards")
    found = traced(tmp_path, asked.id)
    assert (found["kind"], found["version"], found["exchange"]["row"]) == ("exchange", "cards:1", {"text": text})
    (said,) = found["feedback"]
    assert (said["value"], said["source"], said["status"]) == ({"label": "lost"}, "desk", "accepted")
    (row,) = found["rows"]
    assert (row["id"], row["gold"], found["total"]) == (f"feedback-{asked.id}", "lost", 1)
    shown = run(tmp_path, "trace", asked.id)
    assert text in shown and "desk" in shown and row["id"] in shown
    by_text = traced(tmp_path, "--text", text)
    assert by_text["exchanges"] == {"total": 1, "ids": [asked.id]} and by_text["total"] == 1
    assert asked.id in run(tmp_path, "trace", "--text", text)
