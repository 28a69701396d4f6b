"""The growing file: killed at any moment it loses nothing, repeats nothing and holds no half row."""

from __future__ import annotations

import json
import os
import random
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data import DataError
from tunewheel.data.collect import output as module
from tunewheel.data.collect.documents import Mark
from tunewheel.data.collect.output import Keys, Output
from tunewheel.store.errors import LockedError

Write = Callable[[str, Any], Path]
SOURCE = {"source": "s", "title": None, "time": None, "licence": None, "collected": "now"}


def fill(path: Path, *texts: str) -> list[bool]:
    with Output(path, {}) as kept:
        return [kept.add(text, **SOURCE) for text in texts]


def lines(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_bytes().splitlines()]


def test_a_text_is_added_once(tmp_path: Path) -> None:
    assert fill(tmp_path / "raw.jsonl", "一", "b", "一") == [True, True, False]
    assert fill(tmp_path / "raw.jsonl", "b", "c") == [False, True]
    assert lines(tmp_path / "raw.jsonl") == ["一", "b", "c"]


def test_a_folder_holds_the_file(tmp_path: Path) -> None:
    fill(tmp_path / "raw", "a")
    assert lines(tmp_path / "raw" / "texts.jsonl") == ["a"]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "raw.jsonl"
    fill(path, "first", "第二")
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole[: len(whole) - len(last) + cut])
    assert fill(path, "第二", "third") == [True, True]
    assert lines(path) == ["first", "第二", "third"]


@pytest.mark.parametrize(
    "content",
    ["a note of mine, one line long", "一行笔记", '{"text": "a", "label": "b"', '{"id": 7, "text": "a"}'],
)
def test_a_file_of_another_kind_is_never_cut(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"notes.txt:1: expected a row that was collected"):
        fill(path, "first")
    assert path.read_text("utf-8") == content


def test_a_row_that_was_erased_is_not_added_again(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    with Output(path, {}, lambda text: text == "我的卡丢了") as kept:
        assert [kept.add(text, **SOURCE) for text in ("我的卡丢了", "kept", "我的卡丢了")] == [False, True, False]
    assert lines(path) == ["kept"]


def test_a_tail_of_zeros_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    fill(path, "first")
    path.write_bytes(path.read_bytes() + bytes(500))
    fill(path, "second")
    assert lines(path) == ["first", "second"]


def test_a_last_row_that_lacks_only_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    fill(path, "first")
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert fill(path, "first", "second") == [False, True]
    assert lines(path) == ["first", "second"]


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    path.write_text('{"text": "a", "label": "b"}\n{"text": "half', encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"tickets\.jsonl:1: expected a row that was collected.*-o"):
        fill(path, "x")
    assert path.read_bytes() == before


def test_an_output_begun_otherwise_is_refused(tmp_path: Path) -> None:
    with Output(tmp_path / "raw.jsonl", {"max_chars": 100}):
        pass
    with (
        pytest.raises(DataError, match="begun with whole documents, found max_chars 100"),
        Output(tmp_path / "raw.jsonl", {"max_chars": None}),
    ):
        pass


def test_two_runs_do_not_write_at_once(tmp_path: Path) -> None:
    with Output(tmp_path / "raw.jsonl", {}), pytest.raises(LockedError, match="another run"):
        fill(tmp_path / "raw.jsonl", "x")


def test_a_source_is_remembered_only_after_its_rows_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "raw.jsonl", list[str]()
    fsync, write = os.fsync, module.write_whole

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        steps.append("rows" if b"new" in path.read_bytes() else "-")

    def written(target: Path, data: str) -> Path:
        steps.append("mark" if "key" in data else "-")
        return write(target, data)

    monkeypatch.setattr(module, "write_whole", written)
    with Output(path, {}) as kept:
        monkeypatch.setattr(os, "fsync", synced)
        steps.clear()
        kept.add("new", **SOURCE)
        kept.mark(Mark("key", 1))
    assert steps[:2] == ["rows", "mark"]


def test_a_lost_output_is_collected_again(write: Write, gather: Any, tmp_path: Path) -> None:
    source = write("a.txt", "One.")
    gather(source)
    (tmp_path / "raw.jsonl").unlink()
    assert gather(source).added == 1


def test_a_lost_memory_repeats_no_row(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    source = write("a.txt", "One.")
    gather(source)
    (tmp_path / ".raw.jsonl.collected.json").write_text("{broken")
    assert (gather(source).added, len(rows())) == (0, 1)


FULL = """
import resource, sys
from tunewheel.data.collect import collect
from tunewheel.store.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    collect([sys.argv[1]], sys.argv[2])
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_the_same_command_goes_on(tmp_path: Path, start: Any, gather: Any) -> None:
    source, path = tmp_path / "a.log", tmp_path / "raw.jsonl"
    source.write_text("".join(f"entry {i}\n" for i in range(2500)), encoding="utf-8")
    told, errors = start(FULL, source, path).communicate()
    assert (told, errors) == (f"{path}: File too large; make room, and the same command goes on where it stood\n", "")
    found = gather(source)
    assert found.failed == 0
    assert 0 < found.sources[0].known < 2500
    assert lines(path) == [f"entry {i}" for i in range(2500)]


def test_keys_are_known_in_either_form() -> None:
    keys = Keys()
    keys.load(array("Q", [5, 3, 1 << 63, (1 << 64) - 1]))
    assert [keys.add(key) for key in (3, 4, 4, 1 << 63, (1 << 64) - 1, 0)] == [False, True, False, False, False, True]


COLLECT = """
import sys
from tunewheel.data.collect import collect
collect([sys.argv[1]], sys.argv[2])
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_rows(tmp_path: Path, start: Any) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    expected = set()
    for i in range(20):
        entries = [f"entry {j} of file {i}, 第 {j} 条" for j in range(1000)]
        expected.update(entries)
        (folder / f"{i:02}.log").write_text("\n".join(entries) + "\n", encoding="utf-8")
    chance, path, killed = random.Random(7), tmp_path / "raw.jsonl", 0
    for _ in range(8):
        process = start(COLLECT, folder, path)
        goal = (path.stat().st_size if path.exists() else 0) + chance.randrange(400_000)
        while process.poll() is None and not (path.exists() and path.stat().st_size >= goal):
            time.sleep(0.001)
        time.sleep(chance.random() / 50)
        killed += process.poll() is None
        process.kill()
        process.wait()
    process = start(COLLECT, folder, path)
    assert process.communicate()[1] == ""
    found = lines(path)
    assert killed >= 2
    assert len(found) == len(expected)
    assert set(found) == expected


def test_killed_between_rows_and_memory_nothing_is_lost_or_repeated(tmp_path: Path, start: Any, gather: Any) -> None:
    source = tmp_path / "a.log"
    source.write_text("".join(f"entry {i}\n" for i in range(2500)), encoding="utf-8")
    script = (
        "import os, sys\nfrom tunewheel.data.collect import output\n"
        "output.Output._remember = lambda kept: os._exit(9) if kept.marks else None\n"
        "from tunewheel.data.collect import collect\ncollect([sys.argv[1]], sys.argv[2])\n"
    )
    process = start(script, source, tmp_path / "raw.jsonl")
    assert (process.communicate()[1], process.returncode) == ("", 9)
    assert gather(source).sources[0].known == 2500
    assert lines(tmp_path / "raw.jsonl") == [f"entry {i}" for i in range(2500)]
