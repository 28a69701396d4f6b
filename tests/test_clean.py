"""Cleaning through the command: a revision that train takes and trace knows, or files of rows, whole or not at all."""

import json
import shutil

import pytest

from test_cli import FAST, run, told
from tiny import entity_rows, intent_rows
from tunewheel import loop
from tunewheel.data import Dataset

REACHED = {"en": "write to anna.berg@example.com about the card", "zh": "卡的事请打 13912345678 找我"}
SAID = {"en": "anna.berg@example.com", "zh": "13912345678"}


def put(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def clean(folder, *arguments):
    result = run(folder, "clean", *map(str, arguments), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path):
    """Splits with a copy in train, a test row that leaks into it, and personal data in both languages."""
    rows = intent_rows(40)
    reached = [{"id": f"reach-{lang}", "text": text, "label": "lost"} for lang, text in REACHED.items()]
    copy = {**rows[3], "id": "copy", "text": rows[3]["text"] + " ！"}
    put(tmp_path / "desk" / "train.jsonl", [*rows[:30], copy, {**rows[35], "id": "leak"}, *reached])
    put(tmp_path / "desk" / "test.jsonl", rows[30:])
    return tmp_path


def test_a_cleaned_folder_is_trained_on_and_traced_to_what_was_read(folder, tiny_base):
    told = clean(folder, folder / "desk", "-o", folder / "clean", "--dedupe", "--drop-leaks", "--near", "1")
    assert told["counts"] == {"leak": 1, "duplicate": 1}
    assert told["rows"]["test"] == 10
    record = lines(folder / "clean" / "removed.jsonl")
    assert {(row["id"], row["reason"], row["of"]["split"]) for row in record} == {
        ("copy", "duplicate", "train"),
        ("leak", "leak", "test"),
    }
    assert told["record"] == str(folder / "clean" / "removed.jsonl")
    shown = run(folder, "train", str(folder / "clean"), "--base", str(tiny_base), *FAST, "--epochs", "1", "--json")
    assert json.loads(shown.stdout)["version"]["dataset"] == told["fingerprint"]
    traced = json.loads(run(folder, "trace", "clean:1", "--json").stdout)
    assert [parent["fingerprint"] for parent in traced["parents"]] == [told["parent"]]
    assert traced["parents"][0]["name"] == str(folder / "desk")
    [found] = json.loads(run(folder, "trace", str(folder / "desk" / "test.jsonl"), "--json").stdout)["datasets"][-1:]
    assert found["dataset"]["fingerprint"] in (told["fingerprint"], told["parent"])


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("how", ["--redact", "--pseudonyms"])
def test_what_is_masked_is_neither_in_the_data_nor_in_the_record(folder, lang, how):
    masked = [how, folder / "secret.key"] if how == "--pseudonyms" else [how]
    told = clean(folder, folder / "desk", "-o", folder / "clean", *masked, "--normalise")
    assert told["counts"] == {"normalise": 1, "personal data": 2}
    for path in (folder / "clean").iterdir():
        assert SAID[lang].encode() not in path.read_bytes()
    record = [row for row in lines(folder / "clean" / "removed.jsonl") if row["reason"] == "personal data"]
    kinds = {row["id"]: [each["kind"] for each in row["before"]["found"]] for row in record}
    assert kinds == {"reach-en": ["EMAIL"], "reach-zh": ["PHONE"]}
    again = clean(folder, folder / "clean", "-o", folder / "again", *masked, "--normalise")
    assert (again["counts"], again["fingerprint"]) == ({}, told["fingerprint"])


def test_what_is_done_to_held_out_rows_is_said_aloud(folder):
    held = [
        {**intent_rows(1)[0], "id": "low", "text": "where  is it"},
        {**intent_rows(1)[0], "id": "blank", "text": "?"},
    ]
    put(folder / "desk" / "test.jsonl", [*intent_rows(40)[30:], *held])
    command = ("clean", str(folder / "desk"), "--dry-run")
    shown = run(folder, *command, "--normalise", "--drop-empty").stdout
    assert "2 of test changed or taken out" in shown
    assert "held out" not in run(folder, *command, "--drop-leaks").stdout
    whole = put(folder / "all.jsonl", [{**row, "text": f"{row['text']}  now"} for row in intent_rows(40)])
    assert clean(folder, whole, "--dry-run", "--normalise")["held"] == {}


def test_files_of_rows_for_use_elsewhere(folder):
    clean(folder, folder / "desk", "-o", folder / "out.jsonl", "--dedupe", "--near", "1")
    assert [path.name for path in sorted((folder / "out").iterdir())] == ["test.jsonl", "train.jsonl"]
    assert lines(folder / "out" / "test.jsonl") == lines(folder / "desk" / "test.jsonl")
    assert [row["id"] for row in lines(folder / "out.removed.jsonl")] == ["copy"]
    whole = put(
        folder / "all.jsonl",
        [*entity_rows(12), {"id": "x", "text": "  付给 王芳", "entities": [{"start": 5, "end": 7, "label": "person"}]}],
    )
    told = clean(folder, whole, "-o", folder / "one.jsonl", "--normalise")
    assert told["rows"] == {"train": 13}
    made = lines(folder / "one.jsonl")
    assert made[:12] == lines(whole)[:12]
    assert made[12] == {"id": "x", "text": "付给 王芳", "entities": [{"start": 3, "end": 5, "label": "person"}]}
    assert Dataset.read(folder / "one.jsonl", dev=0, test=0).fingerprint == told["fingerprint"]


def test_reviewed_suspects_are_taken_over(folder):
    suspects = put(
        folder / "suspects.jsonl",
        [
            {"id": "0", "split": "train", "given": "lost", "suggested": "balance"},
            {"id": "1", "split": "train", "given": "balance", "suggested": "lost", "accept": False},
            {"id": "30", "split": "train", "given": "lost", "suggested": "balance"},
        ],
    )
    told = clean(folder, folder / "desk", "-o", folder / "clean", "--relabel", suspects)
    assert told["counts"] == {"relabel": 1}
    labels = {row["id"]: row["label"] for row in Dataset.load(folder / "clean")["train"]}
    assert (labels["0"], labels["1"]) == ("balance", "balance")


def test_a_dry_run_writes_nothing(folder):
    before = sorted(folder.iterdir())
    result = run(folder, "clean", str(folder / "desk"), "--dry-run", "--dedupe", "--near", "1", "-o", str(folder / "x"))
    assert result.exit_code == 0
    assert "duplicate" in result.stdout
    assert "nothing was written" in result.stdout
    assert sorted(set(folder.iterdir()) - {folder / "home"}) == before
    assert not [path for path in (folder / "home" / "cache").iterdir() if "tmp" in path.name]


def test_the_same_again_is_harmless_and_another_place_is_left_alone(folder, capfd, monkeypatch):
    command = [folder / "desk", "-o", folder / "clean", "--dedupe", "--near", "1"]
    first = clean(folder, *command)
    assert clean(folder, *command) == first
    code, error = told(capfd, monkeypatch, "clean", *command, "--drop-leaks", "--home", folder / "home")
    assert (code, "something else" in " ".join(error.split())) == (2, True)
    assert Dataset.load(folder / "clean").fingerprint == first["fingerprint"]


def test_cut_off_while_writing_there_is_nothing(folder, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", stopped)
    with pytest.raises(KeyboardInterrupt):
        loop.clean(folder / "desk", folder / "clean", dedupe=True, near=1.0, home=folder / "home")
    assert {path.name for path in folder.iterdir()} == {"desk", "home"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "out"], "name a repair"),
        (["-o", "out", "--dedupe", "--near", "0.2"], "from 0.5 to 1"),
        (["-o", "out", "--redact", "--pseudonyms", "key"], "not both"),
        (["-o", "out", "--relabel", "none.jsonl"], "none.jsonl"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, expected, folder, capfd, monkeypatch):
    monkeypatch.chdir(folder)
    code, error = told(capfd, monkeypatch, "clean", "desk", *arguments, "--home", "home")
    assert (code, expected in " ".join(error.split())) == (2, True), error
