"""Folders and files: what is read, what is passed over, and what hostile ones cannot do."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from sites import article
from tunewheel.data import Dataset
from tunewheel.data.collect import Limits
from tunewheel.data.collect.documents import Document
from tunewheel.data.collect.extracting import Foreign
from tunewheel.data.collect.sandbox import Sandbox

Write = Callable[[str, Any], Path]


def word(*texts: str) -> bytes:
    import docx

    document = docx.Document()
    for text in texts:
        document.add_paragraph(text)
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "费用", "5"
    document.core_properties.title = "说明"
    target = BytesIO()
    document.save(target)
    return target.getvalue()


def pdf(*pages: str, password: str | None = None) -> bytes:
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})
    for text in pages:
        page = writer.add_blank_page(300, 300)
        fonts = DictionaryObject({NameObject("/F1"): named})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(content)
    writer.add_metadata({"/Title": "Terms"})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    target = BytesIO()
    writer.write(target)
    return target.getvalue()


def test_a_folder_of_all_kinds(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    write("in/a.txt", "One line.\r\n\r\n\r\n\r\nAnother.\0")
    write("in/b.md", "# 挂失\n\n请打电话。")
    write("in/c.html", article("银行卡丢失以后，请马上打电话挂失。", title="卡"))
    write("in/deep/d.docx", word("Call us.", "尾段"))
    write("in/deep/e.pdf", pdf("First page.", "Second page."))
    write("in/deep/f.log", "one\ntwo\n")
    write("in/g.png", b"\x89PNG")
    write("in/h.jsonl", '{"text": "nobody named this file"}\n')
    write("in/.hidden.txt", "hidden")
    write("in/.git/x.txt", "hidden")
    found = gather(tmp_path / "in")
    assert found.failures == []
    assert found.sources[0].passed_over == {".png": 1, ".jsonl": 1}
    assert [(Path(row["source"]).name, row["text"], row["title"]) for row in rows()] == [
        ("a.txt", "One line.\n\nAnother.", None),
        ("b.md", "# 挂失\n\n请打电话。", "挂失"),
        ("c.html", "银行卡丢失以后，请马上打电话挂失。", "卡"),
        ("d.docx", "Call us.\n\n尾段\n\n费用\t5", "说明"),
        ("e.pdf", "First page.\n\nSecond page.", "Terms"),
        ("f.log", "one", None),
        ("f.log", "two", None),
    ]


def test_what_was_collected_is_read_as_unlabelled_rows(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    write("in/a.txt", "A lost card.")
    write("in/b.txt", "丢了卡。")
    gather(tmp_path / "in", licence="ours")
    found = [(row["id"], row["text"]) for row in rows()]
    from tunewheel.data.streams import Stream

    streamed = [row for _, row in Stream(tmp_path / "raw.jsonl")]
    assert [(row["id"], row["text"]) for row in streamed] == found  # type: ignore[index]
    labelled = write("labelled/train.jsonl", [{"id": "1", "text": "x", "label": "a"}, {"text": "y", "label": "b"}])
    unlabelled = labelled.with_name("unlabelled.jsonl")
    unlabelled.write_bytes((tmp_path / "raw.jsonl").read_bytes())
    dataset = Dataset.read({"train": labelled, "unlabelled": unlabelled}, cache=tmp_path / "cache")
    assert [(row["id"], row["text"]) for row in dataset["unlabelled"]] == found


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("a.txt", "银行卡丢了怎么办", "gbk"),
        ("b.txt", "信用卡遺失了怎麼辦", "big5"),
        ("c.md", "# 信用卡遺失了怎麼辦", "big5"),
        ("d.txt", "银行卡丢了怎么办", "utf-16"),
        ("e.txt", "The café's card – lost", "cp1252"),
        ("f.html", article("銀行會在五個工作天之內寄出新的信用卡。"), "big5"),
    ],
)
def test_encodings(write: Write, gather: Any, rows: Any, name: str, text: str, encoding: str) -> None:
    assert gather(write(name, text.encode(encoding))).failures == []
    assert rows()[0]["text"] in text


def test_unchanged_files_are_not_read_again_and_changed_ones_are_new_rows(
    write: Write, gather: Any, rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("in/a.txt", "First version.")
    write("in/b.txt", "Stays.")
    gather(tmp_path / "in")
    path = write("in/a.txt", "Second version, longer.")
    again = gather(tmp_path / "in")
    assert (again.added, again.sources[0].unchanged) == (1, 1)
    assert [row["text"] for row in rows()] == ["First version.", "Stays.", "Second version, longer."]
    assert {row["source"] for row in rows() if "version" in row["text"]} == {str(path)}
    monkeypatch.setattr(Sandbox, "read", lambda *_: pytest.fail("read again"))
    assert gather(tmp_path / "in").sources[0].unchanged == 2


def test_the_output_is_no_source(write: Write, gather: Any, tmp_path: Path) -> None:
    write("a.txt", "One.")
    output = tmp_path / "raw.log"
    gather(tmp_path, output=output)
    again = gather(tmp_path, output=output).sources[0]
    assert (again.added, again.known, again.unchanged) == (0, 0, 1)


def test_links_do_not_lead_in_circles_or_out(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    write("in/a.txt", "Inside.")
    secret = write("out/secret.txt", "Outside.")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.txt").symlink_to(tmp_path / "in" / "self.txt")
    (tmp_path / "in" / "leak.txt").symlink_to(secret)
    (tmp_path / "in" / "outside").symlink_to(secret.parent)
    os.mkfifo(tmp_path / "in" / "pipe.txt")
    found = gather(tmp_path / "in")
    assert found.failures == []
    assert [row["text"] for row in rows()] == ["Inside."]


def test_a_file_whose_name_is_no_text(gather: Any, rows: Any, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in ((b"\xff.txt", b"Read."), (b"\xfe.pdf", b"junk"), (b"x.\xfd", b"")):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)
    found = gather(folder)
    assert [row["text"] for row in rows()] == ["Read."]
    assert str(found.failures[0]).encode()


def zip_bomb() -> bytes:
    """A document of Word whose text unpacks to 20 MB of white space."""
    source, target = BytesIO(word("x")), BytesIO()
    with zipfile.ZipFile(source) as plain, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for item in plain.infolist():
            content = plain.read(item)
            packed.writestr(item, content.replace(b"</w:body>", b" " * 20_000_000 + b"</w:body>"))
    return target.getvalue()


def liar() -> bytes:
    """The same, whose directory says that it is small."""
    data = bytearray(zip_bomb())
    with zipfile.ZipFile(BytesIO(bytes(data))) as archive:
        size = archive.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    return bytes(data.replace(size, (1000).to_bytes(4, "little")))


def entities() -> bytes:
    """A document of Word whose entities multiply."""
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    source, target = BytesIO(word("x")), BytesIO()
    with zipfile.ZipFile(source) as plain, zipfile.ZipFile(target, "w") as packed:
        for item in plain.infolist():
            content = plain.read(item)
            if item.filename == "word/document.xml":
                doctype = f'<!DOCTYPE d [<!ENTITY l0 "lol">{levels}]><w:document'.encode()
                content = content.replace(b"<w:document", doctype, 1).replace(b"<w:t>x", b"<w:t>&l9;x")
            packed.writestr(item, content)
    return target.getvalue()


def traversal() -> bytes:
    target = BytesIO(word("Sound all the same."))
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("../../escaped.txt", "out")
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.pdf", bytes(range(256)) * 40, "expected a PDF"),
        ("a.pdf", b"", "expected a PDF"),
        ("a.pdf", pdf("x")[:300], "expected a PDF"),
        ("a.pdf", pdf("x", password="secret"), "one with a password"),
        ("a.pdf", pdf(*["x"] * 11), "expected at most 10 pages, found 11"),
        ("a.pdf", pdf(""), "scanned pages are pictures"),
        ("a.docx", bytes(range(256)) * 40, "expected a Word document"),
        ("a.docx", b"PK\x03\x04 and no more", "expected a Word document"),
        ("a.docx", word("x")[:2000], "expected a Word document"),
        ("a.docx", zip_bomb, "bytes unpacked"),
        ("a.docx", liar, "expected a Word document"),
        ("a.html", b"<html>" + b"<div>" * 200_000, "fix:"),
        ("a.html", b"\0\1\2\3" * 100, "found binary data"),
        ("a.txt", b"", "expected text, found none"),
        ("a.txt", b"MZ\0\0\1\2\0\0" * 50, "found binary data"),
        ("a.txt", b"x" * 2_000_001, "expected at most 2,000,000 bytes"),
        ("a.log.gz", b"no gzip at all", "expected a gzip file"),
        ("a.xyz", b"x", "expected a file that ends in .txt"),
    ],
)
def test_hostile_files_are_told_and_the_others_read(
    write: Write, gather: Any, rows: Any, name: str, content: Any, expected: str
) -> None:
    bad = write(name, content() if callable(content) else content)
    found = gather(bad, write("good.txt", "Good."), limits=Limits(bytes=2_000_000, pages=10, seconds=20))
    assert expected in str(found.failures[0])
    assert str(bad) in str(found.failures[0])
    assert [row["text"] for row in rows()] == ["Good."]


def test_entities_of_word_do_not_multiply(write: Write, gather: Any, tmp_path: Path) -> None:
    gather(write("a.docx", entities()))
    assert (tmp_path / "raw.jsonl").stat().st_size < 1000


def test_an_archive_cannot_write_outside(write: Write, gather: Any, rows: Any, tmp_path: Path) -> None:
    gather(write("in/a.docx", traversal()))
    assert rows()[0]["text"].startswith("Sound")
    assert list(tmp_path.rglob("escaped.txt")) == list(tmp_path.parent.glob("escaped.txt")) == []


def test_a_reader_that_hangs_or_dies_ends_alone(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    hang = write("hooks/sitecustomize.py", _HANGS)
    monkeypatch.setenv("PYTHONPATH", f"{hang.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    good = write("good.txt", "Good.")
    with Sandbox(Limits(seconds=2.0)) as sandbox:
        for name, expected in (("hang", "expected a file read within 2 s"), ("die", "ended the reading process")):
            started = time.monotonic()
            with pytest.raises(Exception, match=expected):
                sandbox.read("text", Foreign(write(name, "x"), name))
            assert time.monotonic() - started < 6
            assert sandbox.read("text", Foreign(good, "good")) == [Document("Good.", "good")]


_HANGS = """
import os, time
from pathlib import Path
read = Path.read_bytes
def slow(path):
    if path.name == "hang":
        time.sleep(60)
    if path.name == "die":
        os.abort()
    return read(path)
Path.read_bytes = slow
"""


def test_memory_of_the_reader_is_bounded(write: Write, gather: Any) -> None:
    # Each byte becomes one character of four bytes, and there are several copies.
    path = write("a.txt", "😀".encode() * 12_000_000)
    found = gather(path, write("b.txt", "Good."), limits=Limits(memory=300 << 20, seconds=30))
    assert (found.failed, found.added) == (1, 1)


def test_a_missing_extra_is_answered_by_the_command_that_installs_it(
    write: Write, gather: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewheel.data.collect.sandbox.find_spec", lambda name: None)
    found = gather(write("a.pdf", pdf("x")), write("b.txt", "Read all the same."))
    assert "pip install 'tunewheel[collect]'" in str(found.failures[0])
    assert found.added == 1
