"""The page of drift: both languages, nothing of a text read as HTML, charts that draw in a browser."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from english import english_in
from traffic import START, traffic
from tunewheel.feedback.drift import Cut, Reference, Seen, cut_windows, watch
from tunewheel.feedback.drift.charts import timelines
from tunewheel.feedback.drift.found import Drifted
from tunewheel.feedback.drift.messages import TEXT
from tunewheel.feedback.drift.moved import what_moved
from tunewheel.feedback.drift.page import render_html
from tunewheel.feedback.drift.seen import joined
from tunewheel.feedback.drift.terminal import drift_view

CHROMIUM = Path("/usr/bin/chromium")


def drifted(lang="en", new=0.3):
    """Four quiet windows and two with a new topic."""
    reference = Reference(traffic(lang, 400, 1))
    rows = joined([traffic(lang, 400, 2), traffic(lang, 200, 3, new=new)])
    rows = replace(rows, times=START.timestamp() + 3600.0 * np.arange(600))
    windows = list(cut_windows(rows.times, Cut(rows=100), start=0, until=0))
    checks = tuple(watch(reference, rows, windows))
    alarm = next((each for each in reversed(checks) if each.verdict == "drift"), None)
    moved = what_moved(reference, rows.take(slice(400, 600))) if alarm else None
    return Drifted(
        "desk", 3, "100 rows", 2, "held out", checks, len(checks), 7, alarm, moved, START + timedelta(days=30)
    )


@pytest.fixture(scope="module")
def found():
    return drifted()


def test_every_sentence_is_there_in_both_languages():
    for key, (english, chinese) in TEXT.items():
        assert english and chinese, key
        assert sorted(re.findall(r"{(\w+)}", english)) == sorted(re.findall(r"{(\w+)}", chinese)), key


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_says_what_moved(found, lang):
    page = render_html(found, lang)
    assert ('lang="zh-CN"' in page) == (lang == "zh")
    for word in ("parcel", "desk:3", "drift-vectors", "rent"):
        assert word in page
    for key in ("timeline", "alarm", "moved words", "examples", "facts"):
        assert TEXT[key][lang == "zh"] in page
    assert len(timelines(found, lang)) == 8


def test_a_chinese_page_has_no_english_but_what_people_wrote():
    page = render_html(drifted("zh"), "zh")
    assert english_in(page) == [] and "窗口：100 行" in page
    assert "windows of 100 rows" in render_html(drifted("zh"))


def test_what_people_wrote_is_never_read_as_html(found):
    bad = "<img src=x onerror=alert(1)>"
    moved = what_moved(Reference(traffic("en", 100, 1)), Seen.of([bad] * 60, labels=[bad] * 60))
    page = render_html(Drifted(**{**vars(found), "moved": moved, "name": bad}), "en")
    assert bad not in page and "&lt;img src=x" in page


def test_a_calm_page_one_without_a_window_and_one_whose_rows_are_gone(found):
    calm = Drifted(**{**vars(found), "checks": found.checks[:1], "new": 1, "alarm": None, "moved": None})
    assert calm.verdict == "calm" and TEXT["moved"][0] not in render_html(calm)
    empty = Drifted(**{**vars(found), "checks": (), "new": 0, "alarm": None, "moved": None})
    assert (
        empty.verdict == "undecided"
        and "timeline" not in empty.as_dict()
        and TEXT["undecided"][0] in render_html(empty)
    )
    gone = Drifted(**{**vars(found), "moved": None})
    assert TEXT["gone"][0] in render_html(gone)
    for each in (found, calm, empty, gone):
        json.dumps(each.as_dict())
        assert drift_view(each).renderables


def test_dots_above_the_line_are_the_alarms(found):
    for chart in timelines(found, "en"):
        colours = chart["paint"]["dots"]["marker"]["color"]
        border = chart["layout"]["shapes"][0]["y0"]
        heights = chart["data"][0]["y"]
        assert len(colours) == len(heights) == len(found.checks)
        # Holm's first step is the line: what stands above it fires, its effect provided.
        assert not any(
            "--bad" in colour and height < border / 3 for colour, height in zip(colours, heights, strict=True)
        )
    fired = {
        chart["id"] for chart in timelines(found, "en") if "css:--bad" in chart["paint"]["dots"]["marker"]["color"]
    }
    assert fired == {f"drift-{name}" for check in found.checks for name in check.fired} and fired


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium in /usr/bin/chromium")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_draws_in_a_browser_and_loads_nothing(tmp_path, lang):
    from playwright.sync_api import sync_playwright

    path = drifted(lang).write_html(tmp_path / "drift.html", lang)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        told, asked = [], []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("#drift-vectors .point")
        assert page.locator(".chart .main-svg").count() >= 8
        dots = page.locator("#drift-vectors .point").count()
        assert dots == 10  # six windows, three blocks of two, one of four
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
        browser.close()
    assert not told and asked == [path.as_uri()]
