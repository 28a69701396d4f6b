"""From the English of notes and problems to their Chinese; terminal, errors and files keep the English."""

from __future__ import annotations

from tunewheel.data.chinese.notes import NOTES
from tunewheel.data.chinese.problems import EXPECTED, FIXES, FOUND
from tunewheel.data.problems import Problem
from tunewheel.pages import Lang, Sentences

_SENTENCES = Sentences({**NOTES, **EXPECTED, **FOUND, **FIXES})

TASKS = {
    "classification": "分类",
    "ner": "实体识别",
    "matching": "文本匹配",
    "generation": "文本生成",
    "text": "无标签文本",
}
"""What tasks are called, and what stands in place of one."""


def chinese(sentence: str) -> str:
    """A note, or what a problem says, in Chinese; as it is where it is none that is known.

    >>> chinese("texts of test that also stand in train: 12")
    'test 中有 12 条文本也出现在 train 中'
    >>> chinese("cleaned by hand")
    'cleaned by hand'
    """
    return _SENTENCES(sentence)


def in_language(sentence: str, lang: Lang) -> str:
    """A note, or what a problem says, in the language of a page."""
    return _SENTENCES(sentence, lang)


def problem_said(problem: Problem) -> str:
    """What is wrong with a row in Chinese, without its place.

    >>> problem_said(Problem("a.csv", 7, "label", "a label", "nothing", "fill it in or remove the row"))
    'label 列应为：标签；实际：空。请补上内容，或删除该行'
    """
    expected, found, fix = map(chinese, (problem.expected, problem.found, problem.fix))
    column = f"{problem.column} 列" if problem.column else ""
    return f"{column}应为：{expected}；实际：{found}。{fix}"


def task_name(name: str, lang: Lang, own: str = "") -> str:
    """What a page calls a task; ``own`` is its Chinese name where it is none of ours.

    >>> task_name("ner", "zh"), task_name("ner", "en"), task_name("stars", "zh", "评星")
    ('实体识别', 'ner', '评星')
    """
    return (TASKS.get(name) or own or name) if lang == "zh" else name
