"""Plain text on its way: collected, checked, cleaned, and refused by what learns from labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tunewheel as tw
from inspections import found
from test_clean import lines, put
from test_cli import run
from tunewheel.cli import app
from tunewheel.data import Dataset
from tunewheel.data.check.inspect import CheckError
from tunewheel.data.check.page import render_html
from tunewheel.loop import LoopError

TEXTS = [f"the lift on floor {i} stands still since {i + 2} o'clock" for i in range(12)] + [
    f"{i}号楼的电梯从{i + 2}点起就不动了" for i in range(12)
]
REACHED = {"en": "ask anna.berg@example.com about the lift", "zh": "电梯的事请打 13912345678 找我"}
MASKED = {"en": "anna.berg@example.com", "zh": "13912345678"}


def called(*arguments: object):
    """Run a command that has no workspace."""
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def raw(*texts: str) -> list[dict[str, object]]:
    about = {"source": "lift.log", "licence": "CC0-1.0", "collected": "2026-03-01"}
    return [{"id": f"r{i}", "text": text, **about} for i, text in enumerate(texts)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows as `collect` writes them, with a copy and personal data in both languages."""
    return put(tmp_path / "raw.jsonl", raw(*TEXTS, TEXTS[0], TEXTS[12], *REACHED.values()))


def test_what_was_collected_is_checked_as_the_next_line_says_and_cleaned(tmp_path):
    for name, text in {"en.txt": TEXTS[0], "zh.txt": TEXTS[12]}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    source = tmp_path / "out" / "raw.jsonl"
    gathered = called("collect", tmp_path, "-o", source, "--licence", "CC0-1.0")
    assert f"tunewheel check {source}" in " ".join(gathered.stdout.split())
    called("check", source, "-o", tmp_path / "page.html")
    target = tmp_path / "clean.jsonl"
    assert run(tmp_path, "clean", str(source), "-o", str(target), "--normalise").exit_code == 0
    before, after = lines(source), lines(target)
    assert [(row["text"], row["source"], row["collected"]) for row in after] == [
        (row["text"], row["source"], row["collected"]) for row in before
    ]


@pytest.mark.parametrize("task", [None, "text"])
def test_check_finds_what_needs_no_labels_and_says_that_there_are_none(path, task):
    inspection = tw.check(path, task=task)
    assert (inspection.task, inspection.rows) == ("text", {"train": 28})
    assert found(inspection, "repeats").count == 2
    assert found(inspection, "personal").count == 2
    assert not {"labels", "spans", "suspects", "coverage"} & set(inspection.families)
    assert inspection.repair_all == f"tunewheel clean {path} --task text -o raw-clean --dedupe --redact"
    for lang, said in {"en": "taken as plain text", "zh": "按纯文本处理"}.items():
        assert said in render_html(inspection, lang)


def test_a_file_with_labels_that_is_taken_as_plain_text_is_repaired_as_such(tmp_path):
    rows = [{**row, "label": "lift"} for row in raw(*TEXTS, TEXTS[0])]
    inspection = tw.check(put(tmp_path / "desk.jsonl", [*rows, {"text": "", "label": "lift"}]), task="text")
    assert inspection.repair(found(inspection, "repeats")).endswith(
        "--task text --on-error skip -o desk-clean --dedupe"
    )
    assert inspection.repair(found(inspection, "rejected")).endswith("--task text --on-error skip -o desk-clean")


def test_check_says_aloud_what_it_took_the_file_for(path, tmp_path):
    said = " ".join(called("check", path, "-o", tmp_path / "page.html").stdout.split())
    assert "No labels: taken as plain text; name them with --label." in said
    assert "Looked for: schema, encoding, texts, lengths, duplicates, privacy, outliers, drift." in said


def test_splits_of_plain_text_leak_and_odd_ones_stand_out(tmp_path):
    put(tmp_path / "raw" / "train.jsonl", raw(*TEXTS))
    put(tmp_path / "raw" / "test.jsonl", raw(TEXTS[3], TEXTS[15], "a text of test alone"))
    assert found(tw.check(tmp_path / "raw"), "leak").count == 2
    cleaned = tw.clean(tmp_path / "raw", tmp_path / "out", drop_leaks=True, near=1.0, home=tmp_path / "home")
    assert cleaned.counts == {"leak": 2}
    assert cleaned.dataset.rows == {"train": 22, "test": 3}


def test_outliers_are_looked_for_in_all_rows(tmp_path):
    odd = "zxqv 7f3a9 kwyp 00x1 !!"
    inspection = tw.check(put(tmp_path / "raw.jsonl", raw(*TEXTS * 4, odd)), only=["outliers"])
    assert odd in [example.text for example in found(inspection, "outliers").examples]


def test_what_asks_after_labels_is_refused(path):
    with pytest.raises(CheckError, match="'suspects': nothing to see in plain text"):
        tw.check(path, only=["suspects", "texts"])
    with pytest.raises(CheckError, match="'--unlabelled'"):
        tw.check(path, unlabelled=path)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_clean_repairs_texts_into_a_folder_that_is_not_divided(path, tmp_path, lang):
    out = tmp_path / "clean"
    result = run(tmp_path, "clean", str(path), "-o", str(out), "--dedupe", "--near", "1", "--redact")
    assert result.exit_code == 0, result.output
    assert "no labels: taken as plain text" in " ".join(result.stderr.split())
    assert f"tunewheel check {out}" in " ".join(result.stdout.split())
    dataset = Dataset.load(out)
    assert (dataset.task, dataset.rows) == ("text", {"train": 26})
    assert not any(MASKED[lang] in text for text in dataset["train"]["text"])
    assert {"source", "licence", "collected"} <= set(dataset["train"].column_names)
    assert tw.check(out).rows == {"train": 26}


def test_clean_refuses_repairs_of_labels(path, tmp_path):
    suspects = put(tmp_path / "suspects.jsonl", [{"id": "r0", "given": "a", "suggested": "b"}])
    for repair, flag in {"typos": True, "conflicts": "drop", "relabel": suspects}.items():
        with pytest.raises(LoopError, match=f"--{repair}: plain text has no labels to repair"):
            tw.clean(path, tmp_path / "out", home=tmp_path / "home", dedupe=True, **{repair: flag})
    assert not (tmp_path / "out").exists()


def test_a_task_that_is_named_needs_its_labels(path, tmp_path):
    with pytest.raises(tw.DataError, match="plainly the label"):
        tw.clean(path, tmp_path / "out", dedupe=True, task="classification", home=tmp_path / "home")
    with pytest.raises(tw.DataError, match="plainly the label"):
        tw.check(path, task="classification")


def test_train_says_that_there_is_nothing_to_learn_from(path, tmp_path):
    stored = Dataset.read(path, task="text").save(tmp_path / "stored")
    for data, task in ((stored, None), (path, "text")):
        with pytest.raises(LoopError, match=r"has no labels to learn from: .*check LABELLED --unlabelled FILE"):
            tw.train(data, task=task, home=tmp_path / "home")
    with pytest.raises(tw.DataError, match="--task text"):
        tw.train(path, home=tmp_path / "home")


def test_findings_as_json_name_the_task(path, tmp_path):
    told = json.loads(called("check", path, "-o", tmp_path / "page.html", "--json").stdout)
    assert (told["task"], told["labels"]) == ("text", {})
    assert any("name them with --label" in note for note in told["notes"])
