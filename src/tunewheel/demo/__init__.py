"""The wheel on the bundled sample, turned and turned on: what `tunewheel demo` shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from tunewheel import loop
from tunewheel.display import Bar, headed
from tunewheel.store import write_whole
from tunewheel.training import Turn

SPLITS = ("train", "dev", "test")


_WORDS = {
    "en": {
        "intents": "intents of an English bank help desk, on a pretrained base",
        "entities": "entities in Chinese messages, on the bundled Chinese base",
        "answers": "they answer",
        "later": "a new intent comes up: record, correct, learn on, pass the gate",
        "data": "rows written for this project, synthetic; train on yours the same way",
        "file": "YOUR_FILE",
    },
    "zh": {
        "intents": "中文银行客服的意图，用自带的中文底座",
        "entities": "中文消息里的实体，同一个底座",
        "answers": "模型作答",
        "later": "出现新意图：记录、更正、继续学习、通过闸门",
        "data": "为本项目编写的合成数据；您的数据也这样训练",
        "file": "您的文件",
    },
}
_ASKED = {
    "en": ["The machine ate my card this morning", "why was I charged twice for one coffee"],
    "zh": ["今天早上取款机把我的卡吞了", "一杯咖啡怎么扣了我两次钱"],
}


def run(home: Path, lang: Literal["en", "zh"], console: Console, database: str | None = None) -> None:
    """Train an intent classifier and a Chinese entity recogniser on the sample, let both answer, and learn on.

    The intents are English ones, or with ``lang`` zh the Chinese ones; one that is new comes later.
    """
    from tunewheel.demo.later import learn_on

    words = _WORDS[lang]
    data = unpack(home / "demo")
    console.print(Rule(words["intents"]))
    shared: dict[str, Any] = {"home": home, "database": database, "lang": lang}
    intents = _train(console, data / lang, **shared, name="intents", task="classification")
    console.print(Rule(words["entities"]))
    entities = _train(console, data / "zh", **shared, name="entities", task="ner")
    console.print(Rule(words["answers"]))
    _answers(console, intents, _ASKED[lang])
    _answers(console, entities, ["昨天我在云杉超市刷尾号4412的储蓄卡付了三百块"])
    console.print(Rule(words["later"]))
    later = data / f"later-{lang}.jsonl"
    learn_on(intents, later, lang, console, home=home, database=database, progress=Bar(console))
    console.print(Rule())
    headed(console, "reports", f"{intents.folder / 'report.html'}\n{entities.folder / 'report.html'}")
    headed(console, "data", f"{data}   {words['data']}")
    where = "" if home == Path(".tunewheel") else f" --home {home}"
    where += " --database …" if database else ""  # which may hold a password
    headed(console, "next", f"tunewheel models{where} · tunewheel train {words['file']}{where}")


def unpack(folder: Path) -> Path:
    """Write the bundled sample by language, ``folder/en`` and ``folder/zh``, as a user's own files would stand.

    What came later, with a new intent, stands beside them: ``folder/later-en.jsonl`` and ``folder/later-zh.jsonl``.
    """
    for lang in ("en", "zh"):
        target = folder / lang
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for split in SPLITS:
            lines = (json.dumps(row, ensure_ascii=False) for row in sample(split) if row["language"] == lang)
            write_whole(target / f"{split}.jsonl", "\n".join(lines) + "\n")
        later = (json.dumps(_labelled(row), ensure_ascii=False) for row in sample("later") if row["language"] == lang)
        write_whole(folder / f"later-{lang}.jsonl", "\n".join(later) + "\n")
    return folder


def sample(split: str) -> Iterator[dict[str, Any]]:
    """Rows of the bundled sample: ``train``, ``dev``, ``test``, or ``later`` (a new intent, shifted wording)."""
    source = files("tunewheel.data") / "sample" / f"{split}.jsonl"
    for line in source.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _labelled(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people label one that they saw: its text and its intent."""
    return {key: row[key] for key in ("text", "label", "language")}


def _train(console: Console, data: Path, **options: Any) -> Turn:
    from tunewheel.evaluation.terminal import comparison_view, report_view

    turn = loop.train(
        data,
        progress=Bar(console),
        say=lambda heading, line: headed(console, heading, line),
        **options,
    )
    if turn.report:
        console.print(report_view(turn.report))
    if turn.comparison:
        console.print(comparison_view(turn.comparison))
    return turn


def _answers(console: Console, turn: Turn, texts: list[str]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for text, prediction in zip(texts, turn.model.predict(list(texts)), strict=True):
        if "label" in prediction:
            table.add_row(text, f"{prediction['label']}  {prediction['confidence']:.2f}")
        else:
            table.add_row(text, "\n".join(_entities(text, prediction["entities"])))
    console.print(table)


def _entities(text: str, entities: Iterable[dict[str, Any]]) -> Iterator[str]:
    for e in entities:
        yield f"{e['label']}: {text[e['start'] : e['end']]}  {e['confidence']:.2f}"
