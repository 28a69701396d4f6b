"""The page holds every rung, what is left out, the advice and the curve, in both languages, and loads nothing."""

import json
import re
from dataclasses import replace

import pytest

from english import english_in
from made import CLOCK, TASK, install, made, refusing, rows_of
from tunewheel.evaluation import score_predictions
from tunewheel.models import Recipe, prepare
from tunewheel.models.methods import method_class, method_names, refusal
from tunewheel.tasks import task_class
from tunewheel.tuning.climbing.fits import Bench
from tunewheel.tuning.climbing.ladder import Ladder, Left
from tunewheel.tuning.climbing.page import render_html
from tunewheel.tuning.climbing.subsets import Fold
from tunewheel.tuning.climbing.terminal import climb_view

METHODS = ["blind", "cheap", "good"]


@pytest.fixture
def climb(monkeypatch, tmp_path):
    blind = made("blind", learns=False, wrong=60)
    install(monkeypatch, blind, made("cheap", wrong=10, curved=True), made("good", curved=True), refusing("counts"))

    def ready(method, rows, recipe):
        return prepare(TASK, "base", rows, recipe or Recipe(), method=method)

    bench = Bench(ready, TASK, [Fold(rows_of(160, "a"), rows_of(200, "b"))], tmp_path, seed=13, clock=CLOCK)
    left = [Left("counts", "refused", "it counts <words>"), Left("slow", "time", seconds=5000.0), Left("both", "texts")]
    return Ladder(bench, METHODS, left, minutes=10).climb()


@pytest.fixture
def report():
    rows = rows_of(50, "test")
    return score_predictions(TASK, rows, [{"label": row["label"]} for row in rows], resamples=50)


@pytest.mark.parametrize(
    ("lang", "wanted"),
    [
        (
            "en",
            (
                "Roads compared: intents",
                "judged on 200 dev rows",
                "good: the best score",
                "score against",
                "about 83 min",
                "learns from texts without labels too",
            ),
        ),
        (
            "zh",
            (
                "方法比较：intents",
                "以 200 条开发集样本评判",
                "good：得分最高",
                "学习曲线",
                "约需 83 分钟",
                "还要从无标签文本中学习",
            ),
        ),
    ],
)
def test_the_page_holds_every_rung(climb, report, lang, wanted):
    told = {"data": "intents", "command": "tunewheel train intents --method good", "earlier": ["cheap"]}
    html = render_html(climb, report, lang=lang, **told)
    for line in (*wanted, *METHODS, "it counts &lt;words&gt;", "slow", "tunewheel train intents --method good"):
        assert line.casefold() in html.casefold()
    assert not re.search(r"<(link|iframe|img|form)\b|\bsrc=", html.split('<script type="application/json"')[0])
    charts = {c["id"]: c for c in json.loads(re.search(r'id="charts">(.*?)</script>', html, re.S)[1])}
    assert [trace["uid"] for trace in charts["costs"]["data"]] == METHODS
    assert [trace["uid"] for trace in charts["curve"]["data"]] == ["band", "law", "cheap", "good"]
    assert all(f'id="{place}"' in html for place in charts)
    english = ("rows", "labelled", "difference", "Recommendation", "interval")
    if lang == "zh":
        seen = re.sub(r"<style.*?</style>|<script.*", "", html, flags=re.S).replace("--unlabelled", "")
        assert not any(word in seen for word in english)


def test_a_chinese_page_has_no_english_and_says_of_every_method_why_it_is_of_no_use(climb, report):
    refused = {
        (name, task, found.reason)
        for name in {*method_names()} - {"counts"}
        for task in ("classification", "matching", "ner", "generation")
        if (found := refusal(method_class(name), task_class(task)))
    }
    assert len({reason for *_, reason in refused}) >= 8
    left = tuple(Left(f"{name}-{task}", "refused", reason) for name, task, reason in sorted(refused))
    html = render_html(replace(climb, left=left), report, data="工单", lang="zh")
    assert english_in(html) == [] and '<p class="soft">分类 · ' in html
    assert english_in(render_html(replace(climb, left=left), report, data="工单"))


def test_the_terminal_names_every_rung_and_what_is_left_out(climb, report):
    from tunewheel.evaluation.terminal import plain

    shown = plain(climb_view(climb, report), width=80)
    for line in (*METHODS, "of no use for this task: it counts <words>", "about 83 min needed", "looked at once"):
        assert line in " ".join(shown.split())
    assert "There is no test split" in plain(climb_view(climb, None))
