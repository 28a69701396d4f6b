"""The page at `/`, as a browser shows it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import front
from front import Desk, listening
from tunewheel.serving.guard import Guard
from tunewheel.serving.keys import Key, hashed
from tunewheel.serving.page import WORDS, page

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '<img src=x onerror="document.title=1"></textarea><script>document.title=2</script>王芳 🧠 王芳'


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium at /usr/bin/chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def opened(browser, url, **options):
    """The page, with everything it asked for and complained of."""
    context = browser.new_context(viewport={"width": 900, "height": 900}, **options)
    shown = context.new_page()
    shown.asked, shown.wrong = [], []
    shown.on("request", lambda request: shown.asked.append(request.url))
    shown.on("console", lambda line: shown.wrong.append(line.text) if line.type == "error" else None)
    shown.on("pageerror", lambda error: shown.wrong.append(str(error)))
    shown.goto(url)
    shown.wait_for_selector("#ask:not([disabled])")
    return shown


def picture(shown, name):
    if folder := os.environ.get("TUNEWHEEL_PICTURES"):
        shown.screenshot(path=f"{folder}/{name}.png", full_page=True)


def ask(shown, model, text):
    shown.select_option("#model", model)
    shown.fill("#text", text)
    shown.click("#ask")
    shown.wait_for_selector("#by:not(:empty)")
    return shown.inner_text("#out")


def test_labels_are_bars_entities_are_marks_and_written_answers_stream(browser):
    desk = Desk()
    with listening(desk.app) as url:
        shown = opened(browser, url, locale="en-US")
        told = ask(shown, "tickets", "my card is gone")
        assert "lost" in told and "0.700" in told and "余额" in told
        widths = shown.eval_on_selector_all(".track i", "bars => bars.map(bar => bar.style.width)")
        assert widths == ["70%", "20%", "10%"]
        picture(shown, "labels")
        ask(shown, "people", "昨天 🧠 王芳来了")
        assert shown.eval_on_selector_all("mark", "marks => marks.map(mark => mark.firstChild.data)") == ["王芳"]
        picture(shown, "entities")
        shown.select_option("#model", "same")
        assert shown.is_visible("#second")
        shown.fill("#second", "lost card")
        ask(shown, "same", "卡丢了")
        assert desk.service.asked[-1][1] == [{"sentence1": "卡丢了", "sentence2": "lost card"}]
        assert "现在" in ask(shown, "answers", "what now?") and "answers:3" in shown.inner_text("#by")
        picture(shown, "answers")
        assert not shown.wrong and all(asked.startswith(url) for asked in shown.asked)


def test_what_is_typed_and_answered_is_text_and_never_markup(browser, monkeypatch):
    answer = {"label": HOSTILE, "probabilities": {HOSTILE: 1.0}}
    told = front._answer
    monkeypatch.setattr(front, "_answer", lambda task, text: answer if task == "classification" else told(task, text))
    with listening(Desk().app) as url:
        shown = opened(browser, url)
        said = ask(shown, "people", HOSTILE)
        assert "<img src=x onerror=" in said and "王芳" in said
        assert shown.query_selector("#out img") is None and shown.title() == "Try a model · Tunewheel"
        picture(shown, "hostile")
        assert "<img src=x onerror=" in ask(shown, "tickets", "hi") and shown.query_selector("#out img") is None
        refused = shown.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            " document.body.append(s); return window.ran; }"
        )
        assert refused is None  # the page's policy lets in no script but its own


def test_it_speaks_chinese_where_the_browser_does_and_english_at_a_click(browser):
    with listening(Desk().app) as url:
        shown = opened(browser, url, locale="zh-CN", color_scheme="dark")
        assert shown.inner_text("h1") == WORDS["zh"]["title"]
        ask(shown, "tickets", "昨天被扣了两次款，请尽快退回")
        assert "回答版本 tickets:3" in shown.inner_text("#by")
        picture(shown, "chinese-dark")
        shown.click("#lang")
        assert shown.inner_text("h1") == WORDS["en"]["title"] and shown.get_attribute("html", "lang") == "en"


def test_a_key_is_asked_for_and_kept_in_memory_only(browser):
    secret = "s" * 43
    key = Key("0123456789ab", hashed(secret), "desk", ("predict",), None, datetime.now(UTC))
    guard = Guard(lambda: [key])
    guard.load()
    with listening(Desk(guard=guard).app) as url:
        shown = browser.new_context(locale="en-US").new_page()
        shown.goto(url)
        shown.wait_for_selector("#status.bad")
        assert shown.inner_text("#status") == WORDS["en"]["need_key"]
        picture(shown, "no-key")
        shown.fill("#key", f"tw_{key.id}_{secret}")
        shown.press("#key", "Tab")
        shown.wait_for_selector("#ask:not([disabled])")
        assert "lost" in ask(shown, "tickets", "hi")
        kept = shown.evaluate(
            "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
        )
        assert secret not in kept and shown.get_attribute("#key", "type") == "password"


def test_every_field_has_a_name_and_both_languages_have_every_word(browser):
    assert set(WORDS["en"]) == set(WORDS["zh"]) and all(WORDS["zh"].values())
    with listening(Desk().app) as url:
        shown = opened(browser, url)
        unnamed = shown.evaluate(
            "() => [...document.querySelectorAll('select,textarea,input')].filter(f => !f.labels.length)"
        )
        assert unnamed == [] and shown.get_attribute("#status", "role") == "status"
        assert "http" not in page("en").replace("http-equiv", "")
