import bz2
import gzip
import json
import lzma

import numpy as np
import pytest

from tunewheel.data import DataError
from tunewheel.models.pretraining.text import Kept, KeptOut, cleaned, paragraphs


def test_reads_plain_and_compressed_text_alike(tmp_path):
    text = "第一段。\n\n  second paragraph \r\n第三段"
    (tmp_path / "a.txt").write_bytes(text.encode())
    for ending, pack in ((".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)):
        (tmp_path / f"a.txt{ending}").write_bytes(pack(text.encode()))
        assert list(paragraphs(tmp_path / f"a.txt{ending}")) == ["第一段。", "second paragraph", "第三段"]
    assert list(paragraphs(tmp_path)) == 4 * ["第一段。", "second paragraph", "第三段"]


def test_reads_a_column_of_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"body": text}) for text in ("one\ntwo", "三")), encoding="utf-8")
    assert list(paragraphs(path, "body")) == ["one", "two", "三"]


def test_halves_of_surrogate_pairs_are_replaced(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "卡\\ud83d丢了"}', encoding="utf-8")
    (found,) = paragraphs(tmp_path / "a.jsonl")
    assert found == "卡�丢了"
    assert not KeptOut([found]).holds(found)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"other": 1}\n', ":2:"),
        ("a.jsonl", b'{"text": 3}\n', "int"),
        ("a.txt", ("卡丢了\n" * 4000).encode() + b"\xff\n", ":4001: expected UTF-8 text, found the byte 0xff"),
        ("a.txt.gz", gzip.compress("好的".encode("gb18030"), mtime=0), ":1: expected UTF-8 text.*unpack it first"),
        ("a.txt", b"", "an empty file"),
        ("a.txt.gz", gzip.compress(b" \n", mtime=0), "expected text, found none in it"),
        ("a.txt.gz", b"no archive", "gz"),
        ("a.txt.gz", gzip.compress(b"hello world", mtime=0)[:10] + b"\xff" * 20, "gz"),
    ],
)
def test_says_which_file_and_row_cannot_be_read(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told) as error:
        list(paragraphs(tmp_path / name))
    assert name in str(error.value)


def test_plain_text_is_read_in_its_encoding_and_an_empty_file_among_others_is_passed_over(tmp_path):
    for name, encoding in [("a.txt", "gb18030"), ("b.txt", "utf-16"), ("c.jsonl", "gb18030")]:
        (tmp_path / name).write_text('{"text": "卡丢了"}\n' if "json" in name else "卡丢了\n", encoding=encoding)
    (tmp_path / "d.txt").touch()
    assert list(paragraphs(tmp_path)) == 3 * ["卡丢了"]


def test_a_missing_file_and_an_empty_folder_are_told(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        list(paragraphs(tmp_path / "none.txt"))
    with pytest.raises(DataError, match="none in it"):
        list(paragraphs(tmp_path))


def test_what_shares_a_passage_with_a_test_text_is_kept_out():
    guard = KeptOut(["这家酒店的早餐很丰富而且服务员态度非常好", "short"])
    assert guard.holds("他说：这家酒店的早餐，很丰富；而且服务员态度还行。")  # 16 in a row, punctuation aside
    assert not guard.holds("这家酒店的早餐很丰富，服务员态度非常好")
    assert not guard.holds("short")
    assert guard.holds("ＸＸ这家酒店的早餐很丰富而且服务员态度")


def test_every_run_of_sixteen_is_found_wherever_it_stands():
    rng = np.random.default_rng(3)
    letters = [chr(c) for c in range(0x4E00, 0x4E00 + 500)]
    kept = ["".join(rng.choice(letters, 40)) for _ in range(50)]
    guard = KeptOut(kept)
    for _ in range(200):
        text, at = kept[rng.integers(50)], rng.integers(24)
        noise = "".join(rng.choice(letters, 30))
        assert guard.holds(noise[:10] + text[at : at + 16] + noise[10:])
        assert not guard.holds(noise[:10] + text[at : at + 15] + "。甲" + noise[10:])


def test_what_is_left_out_is_counted():
    kept = Kept()
    texts = ["这家酒店的早餐很丰富而且服务员态度非常好", "二二二", "三三三三"]
    left = list(cleaned(texts, KeptOut(texts[:1]), np.array([False, True, False]), kept))
    assert left == ["三三三三"]
    assert kept == Kept(paragraphs=1, characters=4, duplicates=1, kept_out=1)
