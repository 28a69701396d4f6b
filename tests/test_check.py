"""`tunewheel check`: the command and the verb, from files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tunewheel as tw
from english import english_in
from inspections import found
from tunewheel.cli import app, main
from tunewheel.data.check.page import render_html

ROWS = [{"text": f"my card number {i} is gone", "label": "lost"} for i in range(12)] + [
    {"text": f"第{i}次查询余额还有多少钱", "label": "balance"} for i in range(12)
]


def write(path: Path, rows: list[dict[str, object]], *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "".join(line + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def run(*arguments: object):
    return CliRunner().invoke(app, ["check", *map(str, arguments)], catch_exceptions=False)


def test_bad_rows_are_a_finding_with_line_and_remedy_and_the_others_are_checked(tmp_path):
    path = write(tmp_path / "tickets.jsonl", ROWS, '{"text": "", "label": "lost"}', "{broken", json.dumps(ROWS[0]))
    inspection = tw.check(path)
    rejected = found(inspection, "rejected")
    assert (rejected.count, rejected.values["total"], rejected.severity) == (2, 27, "error")
    assert [example.row for example in rejected.examples] == [25, 26]
    assert "fill it in or remove the row" in rejected.examples[0].note
    assert inspection.rows == {"train": 25}
    assert found(inspection, "repeats").count == 1
    assert not any("left out" in note for note in inspection.notes)
    assert not list(tmp_path.glob("*rejected*"))


def test_splits_are_those_of_the_files_and_a_single_file_is_one(tmp_path):
    write(tmp_path / "data" / "train.jsonl", ROWS)
    write(tmp_path / "data" / "test.jsonl", ROWS[:3])
    assert tw.check(tmp_path / "data").rows == {"train": 24, "test": 3}
    assert tw.check(tmp_path / "data" / "train.jsonl").rows == {"train": 24}


@pytest.mark.parametrize(("rows", "least", "code"), [(ROWS, "warning", 0), (ROWS + ROWS[:1], "error", 0)])
def test_a_gate_passes_what_is_light_enough(tmp_path, rows, least, code):
    path = write(tmp_path / "tickets.jsonl", rows)
    result = run(path, "-o", tmp_path / "report.html", "--fail-on", least)
    assert result.exit_code == code, result.output


def test_a_gate_fails_with_1_and_the_report_stands_all_the_same(tmp_path):
    path = write(tmp_path / "tickets.jsonl", ROWS + ROWS[:1])
    page = tmp_path / "out" / "report.html"
    result = run(path, "-o", page, "--fail-on", "warning", "--json", "--lang", "zh")
    assert result.exit_code == 1
    assert "repeats" in [finding["kind"] for finding in json.loads(result.stdout)["findings"]]
    assert "重复文本" in page.read_text("utf-8")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\xff\xfe", b"{", b'{"text": ""}\n', b"text,label\n"])
def test_a_file_of_which_nothing_can_be_used_is_refused_and_leaves_no_report(tmp_path, capfd, monkeypatch, content):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tunewheel", "check", str(path)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "odd.jsonl" in capfd.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["odd.jsonl"]


def test_a_family_that_is_none_is_answered_with_the_nearest(tmp_path, capfd, monkeypatch):
    path = write(tmp_path / "tickets.jsonl", ROWS)
    monkeypatch.setattr(sys, "argv", ["tunewheel", "check", str(path), "--only", "label"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "did you mean 'labels'?" in capfd.readouterr().err


def test_a_page_that_cannot_be_made_whole_leaves_the_old_one(tmp_path, monkeypatch):
    inspection = tw.check(write(tmp_path / "tickets.jsonl", ROWS), only=["labels"])
    page = inspection.write_html(tmp_path / "report.html")
    before = page.read_bytes()
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        inspection.write_html(page)
    assert page.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["report.html", "tickets.jsonl"]


def test_commands_stand_on_one_line_to_be_copied(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    path = write(tmp_path / "some tickets of last year.jsonl", [*ROWS, ROWS[0], {**ROWS[1], "label": "balance"}])
    told = tw.check(path, only=["duplicates", "labels", "privacy"])
    assert told.repair_all in run(path, "-o", tmp_path / "report.html").output


@pytest.mark.parametrize("option", ["-o", "--suspects"])
def test_a_folder_is_no_file_to_write_and_that_is_said_before_any_work(tmp_path, option, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "desk" / "train.jsonl", ROWS)
    result = run("desk", option, "desk")
    assert (result.exit_code, "is a directory" in result.output) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_a_chinese_page_says_in_chinese_what_was_read_and_what_is_wrong_with_rows(tmp_path):
    rows = [{"text": f"第{i}次查询余额还有多少钱", "label": "余额" if i % 2 else "挂失", "id": "1"} for i in range(24)]
    long = {f"很长的列名{i}": "值" for i in range(60)}
    path = write(tmp_path / "问题.jsonl", [*rows, {"text": 7, "label": "余额"}, long], "{broken", "[7]", "13912345678")
    page = tmp_path / "report.html"
    assert run(path, "-o", page, "--lang", "zh").exit_code == 0
    html = page.read_text("utf-8")
    assert english_in(html) == []
    for told in ("分类", "另由文本生成 id", "问题.jsonl:25", "text 列应为：文本", "第 2 个字符处：缺少带双引号的键"):
        assert told in html, told
    assert "没有这一列" in html and "[PHONE]" in html and "13912345678" not in html
    inspection = tw.check(path)
    assert english_in(render_html(inspection))
    assert "problem" not in inspection.as_dict()["findings"][0]["examples"][0]
    assert inspection.findings[0].examples[0].note == "text: a text ← 7 (int); write a string"
    assert "the files' ids are not one a row" in "\n".join(inspection.as_dict()["notes"])
