"""The page, the terminal and JSON: every sentence in both languages, whatever stands in the data."""

from __future__ import annotations

import json
import re
import string
from io import StringIO

import pytest
from rich.console import Console

from inspections import inspect
from tunewheel.data.check.charts import charts
from tunewheel.data.check.findings import Finding
from tunewheel.data.check.inspect import FAMILIES
from tunewheel.data.check.messages import KINDS, TEXT, sentence, title
from tunewheel.data.check.page import render_html
from tunewheel.data.check.repairs import REPAIRS
from tunewheel.data.check.terminal import commands, inspection_view

EVIL = "<script>alert('x')</script> & <img src=http://evil.example/x>"


def evil_inspection():
    rows = [{"text": f"{EVIL} {i % 20}", "label": EVIL if i else "rare"} for i in range(60)]
    return inspect({"train": rows, "test": rows[:5]}, data=EVIL)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_whatever_stands_in_the_data_the_page_shows_it_and_runs_nothing_of_it(lang):
    inspection = evil_inspection()
    assert {"leak", "repeats", "rare_labels", "conflicts"} <= {finding.kind for finding in inspection.findings}
    html = render_html(inspection, lang)
    assert "<script>alert" not in html and "<img" not in html
    assert "&lt;script&gt;alert" in html
    for number, finding in enumerate(inspection.findings):
        assert f'href="#finding-{number}"' in html and f'id="finding-{number}"' in html
        assert title(finding, lang).split("{")[0][:6] in html
    drawn = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.S)[1])
    assert [chart["id"] for chart in drawn] == ["labels", "lengths", "languages", "clusters"]


def test_every_sentence_is_said_in_both_languages_with_the_same_figures():
    def figures(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for kind, says in KINDS.items():
        for english, chinese in says:
            assert figures(english) == figures(chinese), kind
            assert re.search("[\u4e00-\u9fff]", chinese), kind
    for key, (english, chinese) in TEXT.items():
        assert figures(english) == figures(chinese), key
    assert set(REPAIRS) <= set(KINDS)


def test_figures_are_written_to_be_read():
    finding = Finding("schema", "rejected", "error", 1, {"total": 1200, "share": 1 / 1200})
    assert sentence(finding) == "1 row of 1,200 cannot be used (0.083%) and would stop a training."
    assert sentence(finding, "zh").startswith("1,200 行中有 1 行无法使用（0.083%）")


def test_the_terminal_says_what_costs_what_and_how_to_mend_it():
    console = Console(width=100, file=StringIO())
    console.print(inspection_view(evil_inspection()))
    text = console.file.getvalue()
    assert "Texts of test that stand in train" in text
    [(heading, command)] = commands(evil_inspection())
    assert heading == "repair" and {"--drop-leaks", "--dedupe"} <= set(command.split())


def test_data_without_a_fault_says_so_and_what_was_looked_for():
    rows = [{"text": f"question {'abcdefghijklmnopqrst'[i]}{i * 7919}", "label": "xy"[i % 2]} for i in range(20)]
    inspection = inspect(rows, *FAMILIES[:8])
    assert inspection.findings == []
    assert "Nothing was found" in render_html(inspection)
    assert "未发现问题" in render_html(inspection, "zh")
    assert not inspection.fails("info")


def test_json_holds_every_finding_with_its_sentence_and_repair():
    told = json.loads(json.dumps(evil_inspection().as_dict()))
    leak = next(finding for finding in told["findings"] if finding["kind"] == "leak")
    assert leak["count"] == 5 and "5 rows of test" in leak["says"]
    assert leak["repair"].endswith("--drop-leaks")
    assert told["lengths"]["train"]["longest"] >= told["lengths"]["train"]["median"]


def test_the_last_bar_of_the_lengths_holds_all_longer_texts():
    rows = [{"text": "x" * (10 + i % 50) + str(i), "label": "a"} for i in range(200)] + [
        {"text": "y" * 9000, "label": "a"}
    ]
    drawn = charts(inspect(rows, "lengths"), "en")["lengths"]["data"][0]
    assert sum(drawn["y"]) == 201
    assert drawn["x"][-1].startswith("≥") and drawn["y"][-1] >= 1
