"""The command `tunewheel collect` and `tunewheel.collect`: what they tell, and personal data masked on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import tunewheel as tw
from sites import article, serving
from tunewheel.cli import app


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


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks what looks like a telephone number."""

    class Masker:
        def __init__(self, mode: str) -> None:
            assert mode == "redact"

        def mask(self, text: str) -> SimpleNamespace:
            return SimpleNamespace(text=re.sub(r"\d{3}-\d{4}", "[PHONE]", text))

    module = ModuleType("tunewheel.data.privacy")
    module.Masker = Masker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tunewheel.data.privacy", module)


def test_personal_data_is_masked_before_anything_is_kept(notes: Path, tmp_path: Path, masked: None) -> None:
    (notes / "c.md").write_text("# Ask 555-0102\n\nNow.", encoding="utf-8")
    found = tw.collect([notes], tmp_path / "raw.jsonl", redact=True)
    assert (found.added, found.failed) == (3, 0)
    kept = "".join(path.read_text("utf-8") for path in (tmp_path / "raw.jsonl", tmp_path / ".raw.jsonl.collected.json"))
    assert "555-01" not in kept
    assert kept.count("[PHONE]") == 4
    with pytest.raises(tw.DataError, match="expected an output begun with whole documents, found masked"):
        tw.collect([notes], tmp_path / "raw.jsonl")


def test_the_command_loads_nothing_heavy(notes: Path, tmp_path: Path) -> None:
    code = (
        "import sys, tunewheel as tw\n"
        "tw.collect([sys.argv[1]], sys.argv[2])\n"
        "print(*{'torch', 'transformers', 'trafilatura', 'pypdf', 'feedparser'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(notes), str(tmp_path / "raw.jsonl")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == ""
