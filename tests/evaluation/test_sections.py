"""The parts of the page and of the terminal that take the rows apart."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tunewheel.evaluation import score_predictions
from tunewheel.evaluation.html import render_html
from tunewheel.tasks.classification import Classification

EVIL = "<b>branch</b>"


@pytest.fixture(scope="module")
def report():
    """Weak on one channel in both languages; one channel has too few rows."""
    rng = np.random.default_rng(3)
    channels = ["app"] * 200 + ["mail"] * 90 + [EVIL] * 10
    rows = [
        {
            "id": str(i),
            "text": "我的卡丢了，请帮我看看怎么办吧" if i % 2 else "my card is gone",
            "label": "yes",
            "channel": channel,
        }
        for i, channel in enumerate(channels)
    ]
    right = rng.random(300) < np.where(np.array(channels) == "mail", 0.4, 0.95)
    predictions = [{"label": "yes" if ok else "no"} for ok in right]
    return score_predictions(Classification(("no", "yes")), rows, predictions, resamples=100)


def charts(html):
    return {chart["id"]: chart for chart in json.loads(re.search(r'id="charts">(.*?)</script>', html, re.S)[1])}


@pytest.mark.parametrize(
    ("lang", "title", "language", "few"),
    [("en", "Parts of the rows", "language: zh", "too few"), ("zh", "分组结果", "语言: 中文", "样本过少")],
)
def test_slices_on_the_page(report, lang, title, language, few):
    html = render_html(report, lang=lang)
    section = html[html.index(f"<h2>{title}") :].split("</section>")[0]
    assert language in section
    assert "channel: &lt;b&gt;branch" in section
    assert EVIL not in html
    (mail,) = re.findall(r"<tr>(?:(?!<tr).)*channel: mail.*?</tr>", section, re.S)
    assert 'class="verdict worse"' in mail
    assert re.search(r"\d\d\.\d \[\d\d\.\d, \d\d\.\d\]", mail)
    (grey,) = re.findall(r'<tr class="grey">.*?</tr>', section, re.S)
    assert few in grey


def test_slices_are_drawn_with_their_intervals(report):
    chart = charts(render_html(report))["slices"]
    (trace,) = chart["data"]
    paint = chart["paint"]["slices"]
    assert trace["x"] == [part.metrics["accuracy"].value for part in report.slices]
    first = report.slices[0].metrics["accuracy"]
    assert trace["x"][0] + paint["error_x"]["array"][0] == pytest.approx(first.high)
    assert trace["x"][0] - paint["error_x"]["arrayminus"][0] == pytest.approx(first.low)
    colours = {part.value: colour for part, colour in zip(report.slices, paint["marker"]["color"], strict=True)}
    assert (colours["mail"], colours["app"], colours[EVIL]) == ("css:--bad", "css:--good", "css:--grey")
    assert chart["layout"]["shapes"][0]["x0"] == report.metrics["accuracy"].value


def test_the_terminal_names_the_worse_slices_only(report):
    lines = [line.strip() for line in str(report).splitlines()]
    at = lines.index("slices by language, channel: 1 of 5 measurably worse than the other rows")
    assert re.match(r"channel: mail  90 rows  0\.\d{3} \[.*\]  -0\.\d{3}  p 0\.\d{3}$", lines[at + 1])
    assert lines[at + 2 :] == []
