from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest

from english import english_in
from tunewheel.evaluation import compare, score_predictions
from tunewheel.evaluation.charts import confusion_chart, label_chart, most_confused, weakest
from tunewheel.evaluation.html import _Page, highlight, render_html, write_html
from tunewheel.evaluation.messages import METRICS, TEXT
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.generation import Generation
from tunewheel.tasks.matching import Matching
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner

EVIL = "<script>alert('x')</script> \"quoted\" & <img src=http://evil.example/x>"


class Page(HTMLParser):
    """Tags with attributes, visible text, and scripts of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.scripts, self.styles, self._inside = [], [], [], [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._inside = self.scripts if tag == "script" else self.styles
            self._inside.append("")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data):
        if self._inside is not None:
            self._inside[-1] += data
        else:
            self.text.append(data)

    @property
    def visible(self):
        return "".join(self.text)

    def charts(self):
        return {chart["id"]: chart for chart in json.loads(self.scripts[0])}


def classified(name="tickets:2", labels=("lost card", EVIL), seed=0, **options):
    rng = np.random.default_rng(seed)
    task = Classification(labels)
    gold = np.random.default_rng(9).integers(0, len(labels), 200)
    found = np.where(rng.random(200) < 0.8, gold, rng.integers(0, len(labels), 200))
    rows = [{"id": f"r{i}", "text": f"{EVIL} {i}", "label": labels[g]} for i, g in enumerate(gold)]
    predictions = [{"label": labels[f], "confidence": 0.7} for f in found]
    return score_predictions(task, rows, predictions, name=name, resamples=50, **options)


@pytest.fixture(scope="module")
def page():
    report = classified(dataset="fingerprint-1", seen=np.arange(200) < 20, seconds=2.0, facts={"torch": "2.13.0"})
    comparison = compare(classified(name="tickets:1", seed=1), report, resamples=50)
    return Page(render_html(report, comparison=comparison, facts={"<note>": EVIL}))


def test_nothing_is_loaded_from_anywhere(page):
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "img", "form"}
        assert not {"src", "href", "srcset", "action", "background"} & attributes.keys()
        assert not any("//" in (value or "") for value in attributes.values())
    assert not re.search(r"url\(|@import", "".join(page.styles))
    (policy,) = [a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_plotly_stands_in_the_page_once(page):
    script = files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
    assert page.scripts.count(script) == 1
    assert len(page.scripts) == 3
    assert sum("plotly.js v" in text for text in page.scripts) == 1


def test_texts_are_shown_and_never_run(page):
    assert f"{EVIL} " in page.visible
    assert not any("evil.example" in str(attributes) for _, attributes in page.tags)
    # Plotly reads markup in labels: it gets them escaped.
    ticks = page.charts()["labels"]["layout"]["yaxis"]["ticktext"]
    assert any(tick.startswith("&lt;script&gt;alert") for tick in ticks)
    assert "<script" not in str(page.charts())


def test_everything_is_there(page):
    for wanted in ("95 % interval", "tickets:1 → tickets:2", "Rows not seen in training", "180 clean rows"):
        assert wanted in page.visible
    for wanted in ("fingerprint-1", "torch", "2.13.0", "<note>", "100 rows/s", "accuracy", "macro F1"):
        assert wanted in page.visible
    assert page.charts().keys() == {"labels", "confusion", "calibration"}
    assert [trace["uid"] for trace in page.charts()["labels"]["data"]] == ["before", "after"]
    places = {attributes.get("id") for _, attributes in page.tags}
    assert page.charts().keys() <= places


def test_chinese():
    html = render_html(classified(seen=np.arange(200) < 20), lang="zh")
    page = Page(html)
    assert ("html", {"lang": "zh-CN"}) in page.tags
    assert "置信区间" in page.visible
    assert "准确率" in page.visible
    assert "期望校准误差" in page.visible
    assert page.charts()["calibration"]["layout"]["xaxis"]["title"]["text"] == "平均置信度"
    assert "Noto Sans CJK SC" in page.styles[0]
    for english in ("interval", "gold", "confidence", "rows"):
        assert english not in page.visible


@pytest.mark.parametrize(
    ("task", "named", "facts"),
    [
        (Classification(["a", "b"]), "分类", {"无：须开发集给出至少 50 个判断，且有对有错，才能拟合"}),
        (Classification(["a", "b"], temperature=1.5, out_of_scope="c"), "分类", {"温度 1.500，在开发集上拟合"}),
        (
            Classification(["a", "b"], out_of_scope="其他", scope_score="energy", scope_threshold=2.0),
            "分类",
            {"能量低于 2 时判为 '其他'，在开发集上拟合"},
        ),
        (MultiLabel(["a", "b"]), "分类", set()),
        (Ner(["人"]), "实体识别", set()),
        (Ner(["人"], platt=(1.2, -0.3)), "实体识别", {"Platt 缩放，斜率 1.200，偏移 -0.300，在开发集上拟合"}),
        (Matching(("否", "是"), graded=True), "文本匹配", {"'是' 表示两段文本相匹配；学习其 'score'"}),
        (Generation(), "文本生成", {"至多 128 个词元，每步取最可能的词元"}),
        (
            Generation(temperature=0.7, perplexity=3.0, reward_accuracy=0.8),
            "文本生成",
            {
                "至多 128 个词元，按温度 0.7、top-p 1、种子 13 抽取词元",
                "开发集标准答案每词元 3",
                "开发集中有 80.0% 的样本，其选中回答的隐式奖励更高",
            },
        ),
    ],
)
def test_what_a_task_states_is_said_in_chinese(task, named, facts):
    report = replace(classified(labels=("丢卡", "余额"), name="工单"), task=task, table=[], confusion=None, worst=[])
    report = replace(report, facts={**task.facts(), "split": "test", "base": "minilm"}, metrics=report.metrics)
    for told in (report, replace(report, facts=json.loads(json.dumps(report.facts)))):
        shown = "".join(_Page(told, None, told.facts, "zh").colophon())
        assert english_in(shown) == [] and facts <= set(re.findall("<dd>(.*?)</dd>", unescape(shown)))
        assert f"<dd>{named}</dd>" in shown and "<dt>基座</dt>" in shown
    english = "".join(_Page(report, None, report.facts, "en").colophon())
    assert f"<dd>{task.name}</dd>" in english and all(fact in unescape(english) for fact in task.facts().values())


def test_a_chinese_page_has_no_english_but_what_is_the_users_own():
    options = {"labels": ("丢卡", "余额"), "seen": np.arange(200) < 20, "seconds": 2.0}
    report = replace(classified(name="工单", facts=Classification(["a", "b"]).facts(), **options), worst=[])
    before = classified(name="工单 before tuning", seed=1, **options)
    shown = render_html(report, comparison=compare(before, report, resamples=50), lang="zh")
    assert english_in(shown) == [] and "工单（训练前） → 工单" in shown and '<p class="soft">分类 · ' in shown
    assert english_in(render_html(report))


def test_what_was_never_learned_is_named_in_the_language_of_the_page():
    table = [{"label": "(never learned)", "precision": 0, "recall": 0, "f1": 0, "support": 1, "predicted": 0}]
    report = replace(classified(), table=table)
    assert "never learned" not in render_html(report, lang="zh") and "never learned" in render_html(report)


class Rated(Classification):
    name = "stars"
    chinese = "评星"


def test_a_task_of_somebody_else_is_called_what_it_calls_itself():
    report = replace(classified(), task=Rated(("lost card", EVIL)))
    assert "评星 · " in render_html(report, lang="zh") and ">stars · " in render_html(report)


def test_every_message_has_both_languages_and_the_same_braces():
    for english, chinese in TEXT.values():
        assert chinese
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese))
    assert all(english and chinese for english, chinese in METRICS.values())


def test_entities_are_marked():
    text = "Ann <b> IBM"
    ann, ibm = {"start": 0, "end": 3, "label": "PER"}, {"start": 8, "end": 11, "label": "ORG"}
    rows = [{"id": str(i), "text": text, "entities": [ann, ibm]} for i in range(40)]
    report = score_predictions(Ner(("ORG", "PER")), rows, [{"entities": [ann]}] * 40, resamples=20)
    page = Page(render_html(report))
    assert [a for tag, a in page.tags if tag == "mark"][:3] == [{}, {"class": "wrong"}, {}]
    assert "token accuracy (O counted in)" in page.visible
    assert page.charts().keys() == {"labels"}


def test_overlapping_entities_are_all_shown():
    outer, inner = {"start": 0, "end": 4, "label": "ORG"}, {"start": 1, "end": 3, "label": "LOC"}
    html = highlight("a<b>cd", [inner, outer], [inner])
    assert html == ('<mark class="wrong">a&lt;b&gt;<small>ORG</small></mark>cd <mark>&lt;b<small>LOC</small></mark>')


def test_a_perfect_small_report():
    task = Classification(("a", "b"))
    report = score_predictions(task, [{"text": "x", "label": "a"}] * 9, [{"label": "a"}] * 9, resamples=20)
    page = Page(render_html(report))
    for wanted in ("No row is wrong.", "Only 9 independent rows", "Wilson interval"):
        assert wanted in page.visible


def test_several_labels_and_no_label(tmp_path):
    task = MultiLabel(("a", "b"))
    rows = [{"text": "x", "labels": ["a", "b"]}] * 40
    report = score_predictions(task, rows, [{"labels": []}] * 40, resamples=20)
    page = Page(write_html(report, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "a, b" in page.visible
    assert "none" in page.visible


def test_the_reliability_chart_takes_its_colours_from_the_page():
    chart = Page(render_html(classified())).charts()["calibration"]
    assert {trace["uid"] for trace in chart["data"]} == chart["paint"].keys() == {"line", "bins"}
    assert chart["paint"]["bins"]["marker"]["color"].startswith("css:--")
    dots = chart["data"][1]
    assert dots["x"] == [0.7]
    assert dots["y"] == [pytest.approx(0.9, abs=0.05)]
    assert dots["customdata"] == ["200"]


def test_clean_rows_without_texts_out_of_scope():
    """Figures that only the seen rows have are not asked of the clean ones."""
    task = Classification(("a", "b"), out_of_scope="oos")
    gold = ["oos"] * 10 + ["a", "b"] * 30
    rows = [{"text": "x", "label": label} for label in gold]
    report = score_predictions(task, rows, [{"label": label} for label in gold], resamples=20, seen=np.arange(70) < 10)
    assert "out-of-scope recall" in Page(render_html(report)).visible
    assert "超出范围召回率" in Page(render_html(report, lang="zh")).visible


def test_many_labels_show_the_weakest():
    table = [
        {"label": f"l{i:03}", "precision": 1.0, "recall": 1.0, "f1": i / 200, "support": i, "predicted": 0}
        for i in range(150)
    ]
    assert [row["label"] for row in weakest(table)] == [f"l{i:03}" for i in range(40, 0, -1)]
    assert len(label_chart(table, None, "en")["data"][0]["x"]) == 40


def test_many_labels_show_the_most_confused():
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(5, 20, 60))
    busy = sorted(rng.choice(60, 30, replace=False).tolist())
    for place, label in enumerate(busy):
        counts[label, busy[(place + 1) % 30]] += 3
    assert most_confused(counts) == busy
    chart = confusion_chart(counts, [f"l{i}" for i in range(60)], "en")
    assert chart["layout"]["xaxis"]["ticktext"] == [f"l{i}" for i in busy]
    # The shade is the share of all gold rows of the label, not only of those shown.
    assert chart["data"][0]["z"][0][0] == pytest.approx(counts[busy[0], busy[0]] / counts[busy[0]].sum(), abs=1e-4)


def test_several_labels_a_row_are_labels_not_entity_types():
    rows = [{"id": str(i), "text": "x", "labels": [["a"], ["a", "b"]][i % 2]} for i in range(40)]
    report = score_predictions(MultiLabel(("a", "b")), rows, [{"labels": ["a"]}] * 40, resamples=20)
    assert "各标签 F1" in render_html(report, lang="zh")
    assert "F1 by label" in render_html(report)
