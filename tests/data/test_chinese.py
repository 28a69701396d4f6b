"""The Chinese of notes and problems: all that is said has one, and none is left of what is said no more."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import tunewheel
from english import RUN
from sentences import Sentences
from tunewheel.data import DataError, Dataset
from tunewheel.data.chinese import chinese, problem_said
from tunewheel.data.chinese.notes import NOTES
from tunewheel.data.chinese.problems import EXPECTED, FIXES, FOUND
from tunewheel.data.clean.cleaning import Repairs, clean
from tunewheel.data.clean.sets import Out
from tunewheel.data.problems import Problem
from tunewheel.data.readers.text import _PACKED
from tunewheel.data.times import FORMATS

SOURCE = Path(tunewheel.__file__).parent
TABLE = {**NOTES, **EXPECTED, **FOUND, **FIXES}
PLAIN = {re.sub(r"{:\w+}", "{}", english): english for english in TABLE}

ASIDE = {
    "collect": "it gathers texts: its failures go to the terminal, and it makes neither a dataset nor a page",
    "check": "it looks at what was read, and has its messages in both languages",
    "privacy": "its errors end a command",
    "chinese": "the table itself",
}
"""Packages of `tunewheel.data` that say nothing a page repeats."""

GIVING = (
    *("note", "notes", "oddities", "_task_note", "_notes", "_unlabelled", "_ends", "verdict", "left_out", "_how"),
    *("show", "reason", "_reason"),
)
"""Functions whose answers are such sentences, or parts of one."""

REASONS = ("relabel", "typo", "normalise", "empty", "personal data", *get_args(get_type_hints(Out)["reason"]))

ELSEWHERE: dict[str, tuple[str, str]] = {
    # a template of pieces that only running joins: the file, and the words that stand there
    "{}: {:d} left out: the text was erased from this workspace": ("data/build.py", "{item.name}: {left_out(gone)}"),
    "a key in quotes and a colon are missing": ("data/readers/jsonfile.py", "a key in quotes and a colon are missing"),
    "{:d}% zh": ("data/topics/votes.py", '("zh", "en")'),
    "{:d}% en": ("data/topics/votes.py", '("zh", "en")'),
    "base 'minilm' is not installed; get it with: pip install 'tunewheel[demo]'": (
        "models/backbones.py",
        "base 'minilm' is not installed; get it with: pip install 'tunewheel[demo]'",
    ),
}

PYTHONS = {
    "{:said}: line {:d} column {:d} (char {:d})",
    *("Expecting value", "Extra data", "Expecting ',' delimiter", "Expecting ':' delimiter"),
    *("Expecting property name enclosed in double quotes", "Unterminated string starting at"),
    *("Illegal trailing comma before end of object", "Illegal trailing comma before end of array"),
    *("Invalid control character at", "Invalid \\escape", "Invalid \\uXXXX escape"),
    *("unexpected end of data", "'{}' expected after '\"'"),
}
"""What Python's own readers say."""


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    modules = [path for path in sorted((SOURCE / "data").rglob("*.py")) if path.parent.name not in (*ASIDE, "topics")]
    modules += [SOURCE / "data/topics/votes.py", SOURCE / "loop/topics.py", SOURCE / "loop/forget.py"]
    found = Sentences(modules, GIVING, ("TagError",)).found()
    named = [*FORMATS, *(text for pair in _PACKED.values() for text in pair)]
    return {**found, **dict.fromkeys(named, "a table"), **{f"{{}} {reason}": "cleaning.py" for reason in REASONS}}


def test_all_that_is_said_has_its_chinese(said: dict[str, str]) -> None:
    lacking = [f"{place}: {english!r}" for english, place in said.items() if english not in PLAIN]
    assert not lacking, "add the Chinese to tunewheel/data/chinese:\n" + "\n".join(lacking)


def test_no_chinese_is_left_of_what_is_said_no_more(said: dict[str, str]) -> None:
    left = {english for plain, english in PLAIN.items() if plain not in said} - ELSEWHERE.keys() - PYTHONS
    assert not left, "take it out of tunewheel/data/chinese:\n" + "\n".join(left)
    for file, words in ELSEWHERE.values():
        assert words in (SOURCE / file).read_text(encoding="utf-8"), (file, words)


def test_chinese_has_every_figure_of_the_english() -> None:
    for english, told in TABLE.items():
        count = len(re.findall(r"{(:\w+)?}", english.replace("{{", "").replace("}}", "")))
        figures = [f"<{place}>" for place in range(count)]
        filled = told.format(*figures)
        assert all(filled.count(figure) == 1 for figure in figures), english


def test_a_sentence_that_tables_say_twice_is_one() -> None:
    tables = (NOTES, EXPECTED, FOUND, FIXES)
    for english in TABLE:
        assert len({table[english] for table in tables if english in table}) == 1, english


@pytest.mark.parametrize("broken", ["{", "[1,", '{"a" 1}', '{"a": 1 "b"}', '"a', '"\\x"', '"\\u12"', '"\n"', "1 2"])
def test_what_python_says_of_json_is_said_in_chinese(broken: str) -> None:
    with pytest.raises(json.JSONDecodeError) as told:
        json.loads(broken)
    assert not re.search("[A-Za-z]{3}", chinese(told.value.msg).replace("uXXXX", ""))
    assert re.search("第 [0-9]+ 行第 [0-9]+ 列", chinese(f"invalid JSON ({told.value})"))


def test_what_python_says_of_tables_is_said_in_chinese() -> None:
    for broken in ('"a', '"a"b'):
        with pytest.raises(csv.Error) as told:
            list(csv.reader([broken], strict=True))
        assert not re.search("[A-Za-z]{3}", chinese(str(told.value)))


@pytest.mark.parametrize(
    ("english", "told"),
    [
        (
            "task classification: column 'text' holds 1,200 labels, several a row; text in 'labels'",
            "任务 classification：“text”列含 1,200 种标签（每条可有多个）；文本在“labels”列",
        ),
        (
            "split: 8 train, 1 dev (stratified, groups of 'no' kept together, seed 13; dev and test taken from train)",
            "划分：8 train、1 dev（分层抽样，“no”列同组不拆分，种子 13；dev、test 取自 train）",
        ),
        ("'meet at noon' at 3:7", "3:7 处的 'meet at noon'"),
        ("'dinner at 8:30'", "'dinner at 8:30'"),
        ("'none'", "'none'"),
        ("no such column (the row has 'rows', 'text')", "没有这一列（该行有 'rows', 'text'）"),
        ("cleaned: 3 empty, 1,200 near duplicate", "已清洗：去掉没有文字的 3 条、去掉近似重复的 1,200 条"),
        ("cleaned: by hand, twice", "已清洗：by hand、twice"),
    ],
)
def test_what_is_filled_in_stays_as_it_is(english: str, told: str) -> None:
    assert chinese(english) == told


BAD: list[Any] = [
    '{"text": "卡丢了", "label"',
    [7],
    {"label": "a"},
    {"text": "", "label": "a"},
    {"text": "  ", "label": "a"},
    {"text": 5, "label": "a"},
    {"text": "\ud83d", "label": "a"},
    {"text": "卡丢了", "label": None},
    {"text": "卡丢了", "label": ["a", "b"]},
]
SPANS: list[Any] = [
    {"text": "王芳在北京", "entities": entities}
    for entities in (
        "王芳",
        [7],
        [{"start": "a", "end": 2, "label": "PER"}],
        [{"start": 0, "end": 2}],
        [{"start": 0, "end": 0, "label": "PER"}],
        [{"start": 3, "end": 1, "label": "PER"}],
        [{"start": 3, "end": 99, "label": "PER"}],
        [{"start": 0, "end": 2, "label": "PER", "text": "李伟"}],
    )
]


@pytest.mark.parametrize(
    ("task", "bad", "good"),
    [
        ("classification", BAD, [{"text": f"第{i}次查询余额", "label": "ab"[i % 2]} for i in range(8)]),
        (
            "ner",
            SPANS,
            [{"text": "王芳来了", "entities": [{"start": 0, "end": 2, "label": "PER", "text": "王芳"}]}] * 9,
        ),
    ],
)
def test_every_problem_of_a_bad_row_is_said_in_chinese(tmp_path: Path, task: str, bad: Any, good: Any) -> None:
    path = tmp_path / "rows.jsonl"
    lines = (row if isinstance(row, str) else json.dumps(row) for row in (*good, *bad))
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        Dataset.read(path, task=task)
    assert [problem.row for problem in refused.value.problems] == list(range(len(good) + 1, len(good) + len(bad) + 1))
    for problem in refused.value.problems:
        shown = problem_said(problem)
        assert not RUN.search(shown), shown
        assert re.search("应为：.+；实际：.+。", shown), shown


def test_a_problem_without_a_column_names_none() -> None:
    found = Problem("a.csv", 3, "", "rows", "an empty file", "write the rows into it or remove it")
    assert problem_said(found).startswith("应为：") and not RUN.search(problem_said(found))


ASKED = [{"text": f"第{i}次查询余额", "label": "ab"[i % 2]} for i in range(20)]
TAGGED = "".join(f"第 O\n{i} O\n次 O\n王 B-PER\n芳 E-PER\n\n" for i in range(9))
TABLE_OF_TEXTS = "".join(f"第{i}次查询余额,{'ab'[i % 2]}\n" for i in range(20))
SURE = [{"start": 0, "end": 1, "label": "PER", "text": "王芳"}]


@pytest.mark.parametrize(
    ("files", "options", "told"),
    [
        ({"a.jsonl": [{**row, "id": "1"} for row in ASKED]}, {}, "另由文本生成 id"),
        ({"a.jsonl": [{**row, "group": "客户", "label": [row["label"]]} for row in ASKED]}, {}, "同组不拆分"),
        (
            {"a.jsonl": [{**row, "day": f"2018年5月{i + 1}日"} for i, row in enumerate(ASKED)]},
            {"time": "day"},
            "按时间",
        ),
        ({"a.jsonl": [{"text": row["text"]} for row in ASKED]}, {"task": "text"}, "按纯文本处理"),
        (
            {"a.jsonl": [{"prompt": f"问{i}", "response": "请先挂失。", "rejected": "好"} for i in range(9)]},
            {},
            "为回答",
        ),
        (
            {"a.jsonl": [{"sentence1": f"问{i}", "sentence2": "答", "label": "ab"[i % 2]} for i in range(9)]},
            {},
            "合为文本",
        ),
        (
            {"a.jsonl": [{"text": f"王芳{i}", "entities": SURE} for i in range(9)]},
            {},
            "个实体文本中有 9 个表明如此；每个都加一",
        ),
        (
            {"a.jsonl": [{"text": f"王芳{i}", "entities": [*SURE, *SURE]} for i in range(9)]},
            {"ends": "inclusive"},
            "加一",
        ),
        ({"a.conll": TAGGED}, {}, "标注体系 BIOES"),
        ({"a.csv": TABLE_OF_TEXTS}, {}, "没有表头"),
        ({"a.csv": ("text,label\n" + TABLE_OF_TEXTS).encode("gb18030")}, {}, "按 gb18030 读取"),
        ({"a.tsv": "text\tlabel\n" + '"卡丢了\ta\n卡呢\tb\n' * 8}, {}, "引号不成对"),
        ({"a.json": json.dumps({"data": ASKED})}, {}, "JSON 为单个对象"),
        ({"a.txt": TABLE_OF_TEXTS.replace(",", "@")}, {}, "标签在最后一个 '@' 之后"),
        ({"a.txt": "卡丢了\n卡呢\n", "b.txt": "余额\n查询\n"}, {}, "标签均为文件名"),
        (
            {"train.jsonl": ASKED, "test.jsonl": [*ASKED, {"text": "你好", "label": "c"}], "b.md": "# 说明"},
            {},
            "没有的标签：c",
        ),
        ({"train.jsonl": ASKED, "old.jsonl": ASKED[:3]}, {}, "看不出属于哪个划分"),
    ],
)
def test_what_a_reading_assumed_is_said_in_chinese(
    tmp_path: Path, write: Any, files: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    paths = [write(name, content) for name, content in files.items()]
    notes = Dataset.read(paths[0] if len(paths) == 1 else tmp_path, **options).notes
    shown = [chinese(note) for note in notes]
    assert told in "\n".join(shown), shown
    assert not [line for line in shown if RUN.search(line)]
    assert all(re.search("[\u4e00-\u9fff]", line) for line in shown)


def test_what_was_done_to_a_dataset_is_said_in_chinese(tmp_path: Path) -> None:
    given = Dataset.from_rows({"train": [*ASKED, ASKED[0]]})
    done = clean(given, Repairs(dedupe=True, near=1), tmp_path / "record.jsonl").dataset
    again = done.revise([{"text": "新的问题", "label": "a"}, *done["train"]])
    assert "已清洗：去掉重复的 1 条" in map(chinese, done.notes)
    shown = "\n".join(map(chinese, again.notes))
    assert "修订版：20 条样本保持原划分，新增 1 条，移除 0 条" in shown and not RUN.search(shown)
