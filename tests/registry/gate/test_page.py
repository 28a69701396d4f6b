"""What is shown of a decision, in both languages and in the terminal."""

from __future__ import annotations

import numpy as np
import pytest

from english import english_in
from tunewheel.evaluation.slices import Part
from tunewheel.evaluation.terminal import plain
from tunewheel.registry.gate import Answers, Gate, RowSet, Trial, measure
from tunewheel.registry.gate.messages import TEXT
from tunewheel.registry.gate.page import render_html
from tunewheel.registry.gate.terminal import decision_view, rates_view

RIGHT = np.arange(3000) % 10 > 0
EVIL = "<script>alert('x')</script>"


@pytest.fixture
def undecided(evidence, turned):
    parts = [Part("channel", EVIL, np.arange(3000) < 30), Part("channel", "web", np.arange(3000) >= 30)]
    old = RowSet("earlier", "test set of data 12ab", "o", np.arange(900), ("a:0",))
    answers = {"a:0": Answers(turned(RIGHT, 20, 0))}
    told = evidence(
        RIGHT, turned(RIGHT, 60, 60, among=parts[1].inside), [old], parts, answers=answers, former=("a:0",), uses=3
    )
    return Gate().decide(told)


def test_the_page_opens_offline_and_runs_nothing(undecided):
    page = render_html(undecided)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_says_why_in_both_languages(undecided):
    english, chinese = render_html(undecided), render_html(undecided, "zh")
    assert undecided.verdict == "undecided"
    for part in ("a:2 against a:1", "about 9,663 more rows would tell", "former champion", "too small", "10.0%"):
        assert part in english
    for part in ("a:2 对比 a:1", "约需再有 9,663 行才能判定", "曾任冠军", "样本过少", "10.0%", 'lang="zh-CN"'):
        assert part in chinese
    assert english_in(english) and not [run for run in english_in(chinese) if run not in EVIL]


def test_slices_are_named_in_both_languages(evidence):
    parts = [Part("language", "zh", RIGHT), Part("label", "my card", RIGHT), Part("sales channel", "app", RIGHT)]
    page = render_html(Gate().decide(evidence(RIGHT, RIGHT, slices=parts)), "zh")
    for part in ("切片 语言 中文", "切片 标签 my card", "切片 sales channel app"):
        assert part in page


def test_every_message_is_in_both_languages():
    for english, chinese in TEXT.values():
        assert english and chinese
        assert {p.split("}")[0] for p in english.split("{")[1:]} == {p.split("}")[0] for p in chinese.split("{")[1:]}


def test_the_terminal_shows_what_settled_it(undecided):
    told = " ".join(plain(decision_view(undecided)).split())
    for part in (
        "a:2 against a:1 undecided",
        "frozen test set open 3,000",
        "former champion (a:0)",
        "1 slices too small",
    ):
        assert part in told
    assert "not looked at: no new data" in told
    assert "No alias was moved." in told
    assert EVIL not in told


def test_the_terminal_shows_rates(evidence):
    told = plain(rates_view(measure(Trial(evidence(RIGHT, RIGHT), 0.08), Gate(), (-0.005,), runs=20)))
    assert "-0.5" in told
    assert "0.0% [0.0, 16.1]" in told
