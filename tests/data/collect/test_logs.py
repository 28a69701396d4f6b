"""Logs and queries: where entries begin, which field holds the text, and nothing half read."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tunewheel.data.collect import Limits

Write = Callable[[str, Any], Path]


def texts(rows: Any) -> list[str]:
    return [row["text"] for row in rows()]


@pytest.mark.parametrize(
    ("first", "second", "when"),
    [
        ("2024-05-01 10:00:01,123 ERROR lost", "2024-05-01 10:00:02 ok", "2024-05-01T10:00:01.123000"),
        ("[2024-05-01T10:00:01Z] lost", "[2024-05-01T10:00:02Z] ok", "2024-05-01T10:00:01+00:00"),
        ("2024/05/01 10:00:01 lost", "2024/05/01 10:00:02 ok", "2024-05-01T10:00:01"),
        ("2024年5月1日 10:00 卡丢了", "2024年5月1日 10:01 好", "2024-05-01T10:00:00"),
        ("May  1 10:00:01 host lost", "May  1 10:00:02 host ok", None),
    ],
)
def test_entries_of_several_lines_begin_with_a_time(
    write: Write, gather: Any, rows: Any, first: str, second: str, when: str | None
) -> None:
    gather(write("a.log", f"{first}\n  at x\n\n  at y\r\n{second}\n"))
    assert texts(rows) == [f"{first}\n  at x\n\n  at y", second]
    assert rows()[0]["time"] == when


def test_without_a_time_each_line_is_an_entry(write: Write, gather: Any, rows: Any) -> None:
    gather(write("a.log", "卡丢了\n\n10.0.0.1 [10/Oct/2000:13:55:36] GET\n卡丢了\n"))
    assert texts(rows) == ["卡丢了", "10.0.0.1 [10/Oct/2000:13:55:36] GET"]


def test_a_pattern_says_where_entries_begin(write: Write, gather: Any, rows: Any) -> None:
    gather(write("chat.txt", "客户: 你好\n卡丢了\n坐席: 请稍等\n"), entry="客户:|坐席:")
    assert texts(rows) == ["客户: 你好\n卡丢了", "坐席: 请稍等"]
    with pytest.raises(Exception, match="--entry: expected a regular expression"):
        gather("chat.txt", entry="(")


def test_rotated_and_packed_logs_and_other_encodings(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    write("in/app.log", "now\n")
    write("in/app.log.1", "银行卡丢了怎么办\n".encode("gbk"))
    write("in/app.log.2.gz", gzip.compress("更早\n".encode()))
    write("in/app.log-20240501", b"older\n")
    write("in/empty.log", b"")
    assert gather(tmp_path / "in").failures == []
    assert set(texts(rows)) == {"now", "银行卡丢了怎么办", "更早", "older"}


def test_fields_of_structured_logs(write: Write, gather: Any, rows: Any) -> None:
    events = [{"@timestamp": "2024-05-01T10:00:00Z", "log": {"message": "卡丢了"}, "id": 7}, {"log": {}}, {"n": 1}]
    path = write("a.jsonl", events)
    assert gather(path, text="log.message").failures == []
    assert [(row["text"], row["source"], row["time"]) for row in rows()] == [
        ("卡丢了", f"{path}#7", "2024-05-01T10:00:00+00:00")
    ]
    found = gather(path, text="log.massage")
    assert "expected a text in 'log.massage', found '@timestamp', 'log', 'id'" in str(found.failures[0])


def test_bad_lines_of_a_structured_log_are_told_with_their_number(write: Write, gather: Any, rows: Any) -> None:
    path = write("a.log", '{"msg": "one"}\nplain\n[1]\n{"msg": "half \\ud83d"}\n{"msg"')
    os.utime(path, (1e9, 1e9))
    found = gather(path)
    assert texts(rows) == ["one", "half �"]
    assert [problem.row for problem in found.failures] == [2, 3, 5]
    assert found.failed == 3


def test_a_line_that_is_being_written_is_left_for_the_next_time(
    write: Write, gather: Any, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.log", "whole\nhal")
    gather(path)
    assert texts(rows) == ["whole"]
    path.write_text("whole\nhalf\n", encoding="utf-8")
    gather(path)
    assert texts(rows) == ["whole", "half"]
    still = write("b.log", "first\nlast")
    gather(still)
    # The file is as it was, but nobody has written to it for a while: its last line is one.
    monkeypatch.setattr("tunewheel.data.collect.logs._FRESH", 0.0)
    gather(still)
    assert texts(rows)[-2:] == ["first", "last"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.log", b"good\n" * 3 + b"x" * 2000, "entries of at most 1,000 characters"),
        ("a.log", b"2024-05-01 10:00 a\n" * 3 + b"more\n" * 500, "entries of at most 1,000 characters"),
        ("a.log", b'{"msg": "good"}\n' * 3 + b"x" * 2000, "entries of at most 1,000 characters"),
        ("a.log.gz", gzip.compress(b"good\n" * 1000, mtime=0)[:-20], "does not unpack"),
        ("a.log.gz", gzip.compress(b"\n" * 80_000_000, mtime=0), "as many bytes as a log packs"),
        ("a.log", b"good\n\0\1\2\3\n", "found a binary file"),
    ],
)
def test_of_a_log_that_is_broken_nothing_is_kept(
    write: Write, gather: Any, rows: Any, name: str, content: bytes, expected: str
) -> None:
    found = gather(write(name, content), limits=Limits(entry=1000, unpacking=10))
    assert expected in str(found.failures[0])
    assert rows() == []


def shop(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("CREATE TABLE tickets (id INTEGER, body TEXT, created_at TEXT, subject TEXT)")
        values = [
            (1, "My card is gone.", "2024-05-01 10:00:00", "Card"),
            (2, "卡丢了", None, None),
            (3, None, None, None),
        ]
        connection.executemany("INSERT INTO tickets VALUES (?, ?, ?, ?)", values)
        connection.commit()
    return f"sqlite:///{folder / 'shop.db'}"


def test_a_query_gives_its_rows(gather: Any, rows: Any, tmp_path: Path) -> None:
    source = f"{shop(tmp_path)}::SELECT * FROM tickets"
    assert gather(source).failures == []
    assert [(row["text"], row["source"], row["title"], row["time"]) for row in rows()] == [
        ("My card is gone.", f"{source}#1", "Card", "2024-05-01T10:00:00"),
        ("卡丢了", f"{source}#2", None, None),
    ]
    again = gather(source)
    assert (again.added, again.sources[0].known) == (0, 2)


def test_a_query_that_fails_tells_why_and_never_the_password(gather: Any, tmp_path: Path) -> None:
    url = shop(tmp_path)
    queries = [f"{url}::SELECT body FROM nowhere", f"{url}::SELECT id, created_at FROM tickets"]
    found = gather(*queries, "postgresql://ann:s3cret@127.0.0.1:9/x::SELECT 1", "https://ann:s3cret@127.0.0.1:9/")
    told = json.dumps(found.as_dict())
    assert found.failed == 4
    assert "no such table" in told
    assert "--text" in told
    assert "s3cret" not in told
