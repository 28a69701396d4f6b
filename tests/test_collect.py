"""The command `tunewheel collect` and `tunewheel.collect`: what they tell, and personal data masked on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tunewheel as tw
from sites import article, serving
from tunewheel.cli import app
from tunewheel.data.gather import text_key
from tunewheel.store import Workspace, record_erasure


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["collect", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("My card is gone.\n\nCall 555-0100.", encoding="utf-8")
    (folder / "b.txt").write_text("卡丢了。\n\n请打 555-0101。", encoding="utf-8")
    return folder


def test_what_was_done_is_told_and_a_second_run_adds_nothing(notes: Path, tmp_path: Path) -> None:
    output = tmp_path / "raw.jsonl"
    result = run(notes, "-o", output, "--split-paragraphs", "--licence", "ours")
    assert result.exit_code == 0
    assert "4 new rows" in result.stdout
    assert f"{notes}: 4 new" in result.stderr
    found = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert [row["text"] for row in found] == ["My card is gone.", "Call 555-0100.", "卡丢了。", "请打 555-0101。"]
    assert {row["licence"] for row in found} == {"ours"}
    again = json.loads(run(notes, "-o", output, "--split-paragraphs", "--json").stdout)
    assert (again["added"], again["sources"][0]["unchanged"]) == (0, 2)


def test_a_source_that_fails_ends_with_1_and_keeps_no_other_from_being_read(notes: Path, tmp_path: Path) -> None:
    with serving("127.0.0.1") as site:
        page = site.page("/a", article("A page with a text of its own, long enough to be one."))
        sources = (site.url + "/missing", tmp_path / "nowhere", notes, page)
        result = run(*sources, "-o", tmp_path / "raw", "--delay", 0, "--allow-private")
    assert result.exit_code == 1
    assert "3 new rows" in result.stdout
    assert re.search(r"failed +http.*/missing: expected a page, found status 404.*fix:", result.stderr)
    assert "nowhere: expected a file or a folder, found nothing there; fix: check the path" in result.stderr
    assert len((tmp_path / "raw" / "texts.jsonl").read_text("utf-8").splitlines()) == 3


def test_limits_reach_the_sources(notes: Path, tmp_path: Path) -> None:
    (notes / "large.txt").write_bytes(b"x" * (1 << 20) + b"x")
    result = run(notes, "-o", tmp_path / "raw.jsonl", "--limit", 1, "--max-chars", 20)
    assert result.exit_code == 1
    assert "expected at most 1,048,576 bytes" in result.stderr
    longest = max(len(json.loads(line)["text"]) for line in (tmp_path / "raw.jsonl").read_text("utf-8").splitlines())
    assert longest <= 20


def test_personal_data_is_masked_before_anything_is_kept_or_told(notes: Path, tmp_path: Path) -> None:
    (notes / "c.md").write_text("# Ask 13812345678\n\nNow.", encoding="utf-8")
    (notes / "d.txt").write_text("请打 021-55551234 找李先生。", encoding="utf-8")
    events = tmp_path / "events.jsonl"
    events.write_text('{"text": "fine"}\n{"text": "mail ann@example.com\n', encoding="utf-8")
    found = tw.collect([notes, events], tmp_path / "raw.jsonl", redact=True)
    assert (found.added, found.failed) == (5, 1)
    state = tmp_path / ".raw.jsonl.collected.json"
    kept = "".join(path.read_text("utf-8") for path in (tmp_path / "raw.jsonl", state)) + json.dumps(found.as_dict())
    assert not [one for one in ("13812345678", "55551234", "ann@example.com") if one in kept]
    assert (kept.count("[PHONE]"), kept.count("[EMAIL]")) == (4, 1)
    with pytest.raises(tw.DataError, match="expected an output begun with whole documents, found masked"):
        tw.collect([notes], tmp_path / "raw.jsonl")


@pytest.mark.parametrize("said", ["My card is gone.", "卡丢了。"])
def test_a_row_that_was_erased_is_not_collected_again(notes: Path, tmp_path: Path, said: str) -> None:
    output, home = tmp_path / "raw.jsonl", tmp_path / "home"
    tw.collect([notes], output, split_paragraphs=True, home=home)
    assert not home.exists()
    rows = output.read_text("utf-8").splitlines()
    gone = next(json.loads(row)["id"] for row in rows if json.loads(row)["text"] == said)
    with Workspace.open(home) as workspace:
        record_erasure(workspace, [gone], [text_key(said)], {}, why="asked", by="ann")
    output.write_text("".join(row + "\n" for row in rows if gone not in row), encoding="utf-8")
    for note in notes.iterdir():  # longer, so both are read again
        note.write_text(note.read_text("utf-8") + "\n\nMore.", encoding="utf-8")
    assert run(notes, "-o", output, "--split-paragraphs", "--home", home).exit_code == 0
    texts = [json.loads(line)["text"] for line in output.read_text("utf-8").splitlines()]
    assert said not in texts
    assert len(texts) == 4


def test_the_command_loads_nothing_heavy(notes: Path, tmp_path: Path) -> None:
    code = (
        "import sys, tunewheel as tw\n"
        "tw.collect([sys.argv[1]], sys.argv[2])\n"
        "print(*{'torch', 'transformers', 'trafilatura', 'pypdf', 'feedparser'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(notes), str(tmp_path / "raw.jsonl")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == ""
