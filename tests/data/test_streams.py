"""Streams past a model: every row comes out, in order, good or bad, at bounded memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data import DataError
from tunewheel.data.passage import Passage
from tunewheel.data.streams import Stream, Unfit, write_stream

Write = Callable[[str, Any], Path]


def answer(size: int) -> Callable[[Iterator[dict[str, Any]]], Iterator[Mapping[str, Any]]]:
    """A model that answers ``size`` rows at a time, as the real one does."""

    def predict(texts: Iterator[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
        chunk: list[dict[str, Any]] = []
        for text in texts:
            chunk.append(text)
            if len(chunk) == size:
                yield from chunk
                chunk = []
        yield from chunk

    return predict


def passed(path: Path, form: Any, size: int = 3) -> list[Any]:
    return list(Passage(iter(Stream(path, form)), None, str(path), skip=True).rejoin(answer(size)))


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_all_rows_come_out_in_order(good: list[bool], size: int, waiting: int) -> None:
    rows = [{"text": str(i)} if ok else {"no": i} for i, ok in enumerate(good)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tunewheel.data.passage._WAITING", waiting)
        passage = Passage(enumerate(rows, 1), "text", skip=True)  # type: ignore[arg-type]
        found = list(passage.rejoin(answer(size)))
    assert [one.row if isinstance(one, Unfit) else one[0] for one in found] == rows
    assert [not isinstance(one, Unfit) for one in found] == good
    assert all(isinstance(one, Unfit) or one[1] == one[0] for one in found)
    assert passage.bad == good.count(False)


def test_bad_rows_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunewheel.data.passage._WAITING", 10)
    rows = ((i, {"text": "a"} if i == 0 else {"no": i}) for i in range(1000))
    passage, most = Passage(rows, "text", skip=True), 0
    for _ in passage.rejoin(answer(100)):
        most = max(most, len(passage._waiting))
    assert most <= 11


def test_every_kind_of_bad_row_is_told_with_its_line(write: Write) -> None:
    told = json.dumps({"text": "好" * 30}, ensure_ascii=False)  # else one bad byte would make it Latin-1
    lines = ['{"text": "a"}', "{broken", "", "[7]", '{"text": 5}', '{"text": "\\ud83d"}', told]
    path = write("a.jsonl", "\n".join(lines).encode() + b'\n{"text": "caf\xe9"}\n')
    found = passed(path, "jsonl")
    bad = [one for one in found if isinstance(one, Unfit)]
    assert [one.told["row"] for one in bad] == [2, 4, 5, 6, 8]
    assert bad[0].row == {"raw": "{broken"}
    assert bad[1].row == {"raw": [7]}
    assert bad[2].row == {"text": 5}
    assert "0xe9" in bad[4].told["found"]
    for row in range(len(bad)):
        with pytest.raises(DataError, match=f"a.jsonl:{bad[row].told['row']}:"):
            raise bad[row]
    with pytest.raises(DataError, match=r"a\.jsonl:2: expected a JSON object"):
        list(Passage(iter(Stream(path)), None, str(path)).rejoin(answer(3)))


FORMS = {
    "gb.csv": "text,n\n卡丢了,1\n余额多少,2\n".encode("gb18030"),
    "latin.csv": "text;n\ncaf\xe9;1\nd\xe9j\xe0;2\n".encode("latin-1"),
    "wide.tsv": "text\tn\n卡丢了\t1\nmy card\t2\n".encode("utf-16"),
    "array.json": b'[{"text": "a"}, {"text": "b"}]',
    "people.conll": "Anna B-PER\nleft O\n\n北 B-LOC\n京 I-LOC\n".encode(),
    "notes.txt": "卡丢了\n\n my card \n".encode(),
    "empty.jsonl": b"",
}
TEXTS = {
    "gb.csv": ["卡丢了", "余额多少"],
    "latin.csv": ["café", "déjà"],
    "wide.tsv": ["卡丢了", "my card"],
    "array.json": ["a", "b"],
    "people.conll": ["Anna left", "北京"],
    "notes.txt": ["卡丢了", "my card"],
    "empty.jsonl": [],
}


@pytest.mark.parametrize("name", FORMS)
def test_files_are_read_as_datasets_are(write: Write, name: str) -> None:
    found = passed(write(name, FORMS[name]), None)
    assert [read["text"] for _, read in found] == [row["text"] for row, _ in found] == TEXTS[name]
    if name == "people.conll":
        assert found[0][1]["tokens"] == [{"start": 0, "end": 4}, {"start": 5, "end": 9}]
        assert found[0][0]["tags"] == ["B-PER", "O"]
    if name in ("gb.csv", "latin.csv", "wide.tsv"):
        assert [row["n"] for row, _ in found] == ["1", "2"]


def test_rows_of_tables_that_have_other_columns(write: Write) -> None:
    path = write("a.csv", b'text,n\n"two\nlines",1\na,b,c\n' + b"\xff,2\n" + f"{'末' * 30},3\n".encode())
    found = passed(path, "csv")
    assert [one.told["row"] if isinstance(one, Unfit) else one[0]["n"] for one in found] == ["1", 4, 5, "3"]


def test_half_characters_beside_the_text_are_written(tmp_path: Path, write: Write) -> None:
    path = write("a.jsonl", '{"text": "好", "other": "\\ud83d"}\n')
    with write_stream(tmp_path / "out.jsonl", "jsonl") as put:
        for found in passed(path, "jsonl"):
            put(found[0])
    assert json.loads((tmp_path / "out.jsonl").read_text("utf-8")) == {"text": "好", "other": "\ud83d"}


def test_output_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_stream(tmp_path / "out.jsonl", "jsonl") as put:
        put({"text": "a"})
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


class Piped(io.TextIOWrapper):
    def __init__(self, content: str) -> None:
        super().__init__(io.BytesIO(content.encode()), encoding="ascii")


@pytest.mark.parametrize(
    ("form", "content"),
    [(None, '{"text": "卡丢了"}\n\n'), ("csv", "text\n卡丢了\n"), ("tsv", "text\n卡丢了\n"), ("lines", " 卡丢了 \n\n")],
)
def test_what_is_piped_in_is_read_as_it_is_said_to_be(form: Any, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Piped(content))
    assert [row for _, row in Stream(None, form)] == [{"text": "卡丢了"}]


def test_a_table_that_is_piped_in_unsaid_is_told_how_to_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Piped("id,text\n1,卡丢了\n"))
    (_, first), *_ = Stream(None, None)
    assert isinstance(first, Unfit) and "say --format csv, tsv or lines" in str(first)
    with pytest.raises(DataError, match="expected jsonl, csv, tsv or lines, found conll; fix: write it to a file"):
        Stream(None, "conll")
