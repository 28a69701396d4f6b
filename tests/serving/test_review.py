"""Review over HTTP: the queue, decisions by whom a key lets in, and conflicts; and the page, by keyboard alone."""

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as bounded
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import insert

from front import Desk, error, listening
from serving.test_fuzz import hostile
from tunewheel.feedback.given import give, list_feedback
from tunewheel.feedback.review import Queue
from tunewheel.feedback.settling import settle
from tunewheel.serving.guard import Guard
from tunewheel.serving.keys import add_key, list_keys
from tunewheel.serving.review_page import WORDS, page
from tunewheel.store import StoreError, Workspace
from tunewheel.store.schema import exchanges

CHROMIUM = Path("/usr/bin/chromium")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def answered(workspace, name, *told):
    """Recorded answers: an id, a row and a prediction each; the first is the least sure."""
    rows = [
        {
            **{"id": id, "name": name, "number": 3, "role": "live", "row": row, "prediction": prediction},
            **{"label": prediction.get("label"), "confidence": 0.4 + place / 100, "language": "en", "characters": 9},
            **{"variant": "torch-fp32", "seconds": 0.01, "at": NOW},
        }
        for place, (id, row, prediction) in enumerate(told)
    ]
    with workspace.begin() as connection:
        connection.execute(insert(exchanges), rows)


def lost(id, text="my card is gone"):
    return id, {"text": text}, {"label": "lost", "confidence": 0.4}


def everything(workspace, name="tickets"):
    with workspace.read() as connection:
        return list_feedback(connection, name, limit=None)


def learned(workspace, name="tickets"):
    with workspace.read() as connection:
        return settle(connection, name).rows


def desk_of(workspace, **options):
    return Desk(review=partial(Queue, workspace), give=partial(give, workspace), **options)


def decide(desk, name="tickets", headers=None, **body):
    return desk.ask("POST", f"/v1/review/{name}", json=body, headers=headers)


def test_what_waits_is_read_decided_on_and_taken_back(workspace):
    answered(workspace, "tickets", lost("e1"), lost("e2", "another"))
    give(workspace, "tickets", [{"exchange": "e2", "label": "stolen"}], source="web")
    desk = desk_of(workspace)
    told = desk.ask("GET", "/v1/review/tickets?n=5").json()
    assert (told["task"], told["target"], told["waiting"]) == ("classification", "label", 1)
    assert told["labels"] == ["lost", "charged twice", "余额"]
    first, second = told["items"]
    assert (first["id"], first["why"], first["sides"][0]["sources"]) == ("e2", "said", ["web"])
    assert (second["id"], second["answer"], second["version"]) == ("e1", {"label": "lost"}, "tickets:3")
    made = decide(desk, item="e1", decision="accept", value={"label": "found"}).json()
    assert (made["by"], made["value"], made["repeated"]) == ("reviewer", {"label": "found"}, False)
    assert decide(desk, item="e1", decision="accept", value={"label": "found"}).json()["repeated"]
    assert [row["label"] for row in learned(workspace)] == ["found"]
    assert decide(desk, undo=made["id"]).status_code == 200 and learned(workspace) == []
    assert decide(desk, item="e2", decision="skip").json()["action"] == "skip"
    last = desk.ask("GET", "/v1/review/tickets").json()["items"][-1]
    assert (last["id"], last["skipped"]) == ("e2", True)


def test_keys_of_feedback_and_admin_review_and_the_second_is_told_who_was_first(workspace):
    answered(workspace, "tickets", lost("e1"))
    keys = {scope: add_key(workspace, scope, scopes=[scope]) for scope in ("feedback", "admin", "predict")}
    guard = Guard(partial(list_keys, workspace))
    guard.load()
    desk = desk_of(workspace, guard=guard)
    bearer = {scope: {"Authorization": f"Bearer {secret}"} for scope, (_, secret) in keys.items()}
    assert error(desk.ask("GET", "/v1/review/tickets"))[0] == 401
    assert error(desk.ask("GET", "/v1/review/tickets", headers=bearer["predict"])) == (403, "scope")
    assert error(decide(desk, headers=bearer["predict"], item="e1", decision="accept")) == (403, "scope")
    assert decide(desk, headers=bearer["admin"], item="e1", decision="accept").status_code == 200
    reply = decide(desk, headers=bearer["feedback"], item="e1", decision="reject")
    assert (
        error(reply) == (409, "decided") and f"{keys['admin'][0].id} accepted this" in reply.json()["error"]["message"]
    )
    assert [one.source for one in everything(workspace)] == [keys["admin"][0].id]
    assert desk.ask("GET", "/review").status_code == 200  # the empty page asks for no key


def test_what_cannot_be_taken_is_refused_in_the_form_of_all_errors(workspace):
    answered(workspace, "tickets", lost("e1"))
    desk = desk_of(workspace)
    assert error(desk.ask("GET", "/v1/review/none")) == (404, "unknown_model")
    assert error(decide(desk, item="e9", decision="accept")) == (404, "no_item")
    assert error(decide(desk, undo=9)) == (404, "no_item")
    assert error(decide(desk, item="e1", decision="accept", value={"labels": ["x"]})) == (422, "bad_value")
    for n in ("0", "101", "x", "", "-1", "１"):
        assert error(desk.ask("GET", "/v1/review/tickets", params={"n": n})) == (422, "bad_request")
    for body in ([], {}, {"item": "e1"}, {"undo": True}, {"undo": 0}, {"item": "e1", "decision": "delete"}):
        assert error(desk.ask("POST", "/v1/review/tickets", json=body)) == (422, "bad_request")
    assert error(decide(desk, item="e1", decision="reject", value={"label": "x"}))[0] == 422
    assert error(decide(desk, item="x" * 65, decision="skip"))[0] == 422
    assert everything(workspace) == []


def test_a_database_away_and_a_rate_that_is_used_up_are_told(workspace):
    class Away:
        def __getattr__(self, _):
            def fails(*_, **__):
                raise StoreError("the server went away")

            return fails

    desk = Desk(review=lambda name, target: Away())
    for reply in (desk.ask("GET", "/v1/review/tickets"), decide(desk, item="e1", decision="skip")):
        assert error(reply) == (503, "store") and reply.headers["retry-after"] == "5"
    slow = desk_of(workspace, guard=Guard(local=False, rate=1))
    assert [slow.ask("GET", "/v1/review/tickets").status_code for _ in range(2)] == [200, 429]


def test_without_a_queue_there_is_no_review():
    taken = Desk(review=lambda name, target: Standing()).ask("DELETE", "/v1/review/tickets")
    assert error(taken) == (405, "method") and taken.headers["allow"] == "GET, POST"
    assert [Desk().ask("GET", path).status_code for path in ("/review", "/v1/review/tickets")] == [404, 404]


def test_no_text_of_an_item_is_logged(workspace):
    answered(workspace, "tickets", lost("e1", "a secret matter"))
    desk = desk_of(workspace)
    desk.ask("GET", "/v1/review/tickets")
    decide(desk, item="e1", decision="accept", value={"label": "private word"})
    logged = str(desk.logged())
    assert "review" in logged and "secret" not in logged and "private" not in logged


class Standing:
    """A queue in memory that takes everything."""

    def items(self, n, *, by):
        from tunewheel.feedback.review import Item

        return [Item("e1", "unsure", {"text": "卡丢了"}, answer={"label": "lost"}, confidence=0.4)][:n]

    def waiting(self):
        return 0

    def decide(self, item, action, value=None, *, by):
        from tunewheel.feedback.review import Decided

        return Decided(1, item, action, by, NOW, value)

    def withdraw(self, decision, *, by):
        from tunewheel.feedback.review import Decided

        return Decided(decision, "e1", "accept", by, NOW)


document = schemathesis.openapi.from_asgi("/openapi.json", Desk(review=lambda name, target: Standing()).app)


@document.include(path_regex="review").parametrize()
@bounded(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_the_openapi_document_says_what_review_answers(case):
    # Of models nobody serves the document cannot tell.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])


def test_hostile_bodies_end_in_no_500_and_change_nothing(workspace):
    answered(workspace, "tickets", lost("e1"))
    desk, draw = desk_of(workspace), random.Random(3)
    for _ in range(60):
        path = f"/v1/review/{draw.choice(['tickets', 'x', '%00', '%ff'])}"
        reply = desk.ask("POST", path, content=hostile(draw), headers={"content-type": "application/json"})
        assert reply.status_code in (404, 413, 422), reply.text
        item = draw.choice(["e1\0", "\ud800", "row-1", "row-999999999", "' OR 1=1 --", "../e1", "row-" + "9" * 30])
        body = {"item": item, "decision": "accept", "value": {"label": draw.choice(["\0", "\ud800", "x"])}}
        reply = desk.ask(
            "POST", "/v1/review/tickets", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert reply.status_code in (404, 422), reply.text
    assert everything(workspace) == []


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium at /usr/bin/chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def shop(sqlite_workspace: Workspace) -> Iterator[Workspace]:
    """Models of every kind with answers that wait, and words of people."""
    text = "昨天 🧠 王芳 paid Tom Hill in full"
    answered(sqlite_workspace, "tickets", *(lost(f"t{i}", f"my card is gone, {i}") for i in range(4)))
    span = {"start": 5, "end": 7, "label": "person", "confidence": 0.5}
    answered(sqlite_workspace, "people", ("p0", {"text": text}, {"entities": [span]}))
    pair = {"sentence1": "卡丢了", "sentence2": "lost card", "text": "卡丢了\tlost card"}
    answered(sqlite_workspace, "same", ("s0", pair, {"label": "same", "confidence": 0.6, "score": 0.6}))
    answered(sqlite_workspace, "answers", ("a0", {"text": "what now?"}, {"text": "Please block it."}))
    answered(sqlite_workspace, "topics", ("m0", {"text": "fees"}, {"labels": ["cost"], "confidence": 0.4}))
    yield sqlite_workspace


def opened(browser, url, **options):
    """The page with a queue on it; its errors and what it asked for are kept."""
    shown = browser.new_context(**{"viewport": {"width": 900, "height": 1000}, **options}).new_page()
    shown.asked, shown.wrong = [], []
    shown.on("request", lambda request: shown.asked.append(request.url))
    shown.on("console", lambda line: shown.wrong.append(line.text) if line.type == "error" else None)
    shown.on("pageerror", lambda error: shown.wrong.append(str(error)))
    shown.goto(f"{url}/review")
    shown.wait_for_selector("#card:not([hidden])")
    return shown


def pressed(shown, *keys):
    for key in keys:
        shown.keyboard.press(key)


def said(shown, text):
    shown.wait_for_function("text => document.getElementById('status').textContent.includes(text)", arg=text)


def picture(shown, name):
    if folder := os.environ.get("TUNEWHEEL_PICTURES"):
        shown.screenshot(path=f"{folder}/review-{name}.png", full_page=True)


@pytest.mark.parametrize(("locale", "lang"), [("en-US", "en"), ("zh-CN", "zh")])
def test_labels_are_accepted_edited_rejected_skipped_and_taken_back_by_keys_alone(browser, shop, locale, lang):
    words = WORDS[lang]
    give(shop, "tickets", [{"exchange": "t3", "label": "stolen"}], source="ann")
    give(shop, "tickets", [{"exchange": "t3", "label": "余额"}], source="ben")
    with listening(desk_of(shop).app) as url:
        shown = opened(browser, url, locale=locale, color_scheme="dark" if lang == "zh" else "light")
        assert shown.inner_text("#why") == words["contradictory"] and shown.is_disabled("#accept")
        assert "2 " + words["waiting"] in shown.inner_text("#progress")
        late = {"en": "said more than 90 days after the answer", "zh": "在回答 90 天之后才提出"}
        assert shown.inner_text("#reasons") == late[lang]
        picture(shown, f"contradictory-{lang}")
        pressed(shown, "Enter")
        said(shown, words["choose"])
        pressed(shown, "2", "Enter")
        said(shown, f"{words['accepted_']} · 余额")
        assert shown.inner_text("#why") == words["unsure"] and "0.400" in shown.inner_text("#sure")
        pressed(shown, "a")
        said(shown, f"{words['accepted_']} · lost")
        pressed(shown, "e")
        shown.keyboard.type("余")
        picture(shown, f"edit-{lang}")
        pressed(shown, "Enter", "Enter")
        said(shown, f"{words['accepted_']} · 余额")
        pressed(shown, "s")
        said(shown, words["skipped_"])
        assert words["skipped"] in shown.inner_text("#why")
        pressed(shown, "r")
        said(shown, words["rejected_"])
        shown.wait_for_selector("#empty:not([hidden])")
        assert "4 " + words["done"] in shown.inner_text("#progress")
        pressed(shown, "u")
        said(shown, words["undone_"])
        pressed(shown, "e")
        pressed(shown, "2")
        assert shown.inner_text("#proposal") == "charged twice"
        pressed(shown, "e")
        shown.keyboard.type("level 2 as arrears")
        pressed(shown, "Enter", "Enter")
        said(shown, f"{words['accepted_']} · level 2 as arrears")
        pressed(shown, "?")
        assert shown.is_visible("#keys")
        labels = {row["exchange"]: row["label"] for row in learned(shop)}
        assert labels == {"t3": "余额", "t0": "lost", "t1": "余额", "t2": "level 2 as arrears"}
        assert not shown.wrong and all(asked.startswith(url) for asked in shown.asked)


def test_spans_are_marked_with_shift_and_the_arrows(browser, shop):
    with listening(desk_of(shop).app) as url:
        shown = opened(browser, url, locale="en-US")
        shown.select_option("#model", "people")
        shown.wait_for_selector("#proposal mark")
        assert shown.inner_text("#proposal mark").startswith("王芳")
        shown.focus("#card")
        pressed(shown, "e", *["ArrowRight"] * 13, *["Shift+ArrowRight"] * 8)
        picture(shown, "spans")
        pressed(shown, "1")
        marks = "marks => marks.map(mark => mark.firstChild.data)"
        assert shown.eval_on_selector_all("#proposal mark", marks) == ["王芳", "Tom Hill"]
        pressed(shown, "x", "Backspace")
        assert shown.input_value("#marking") == "昨天 🧠 王芳 paid Tom Hill in full"
        assert shown.eval_on_selector_all("#proposal mark", marks) == ["王芳"]
        pressed(shown, "1", "Home", *["ArrowRight"] * 7, "Delete")
        assert shown.eval_on_selector_all("#proposal mark", marks) == ["Tom Hill"]
        pressed(shown, "Enter", "Enter")
        said(shown, "Tom Hill (person)")
        (row,) = learned(shop, "people")
        assert [row["text"][span["start"] : span["end"]] for span in row["entities"]] == ["Tom Hill"]
        assert not shown.wrong


def test_a_text_is_rewritten_and_pairs_are_labelled(browser, shop):
    with listening(desk_of(shop).app) as url:
        shown = opened(browser, url, locale="zh-CN", viewport={"width": 375, "height": 800})
        shown.select_option("#model", "answers")
        shown.wait_for_function("() => document.getElementById('proposal').textContent === 'Please block it.'")
        shown.focus("#card")
        pressed(shown, "e", "Control+A")
        shown.keyboard.type("Call us at once, please: a r s")
        picture(shown, "write-375")
        pressed(shown, "Control+Enter", "Enter")
        said(shown, "Call us at once")
        assert [row["answer"] for row in learned(shop, "answers")] == ["Call us at once, please: a r s"]
        shown.select_option("#model", "same")
        shown.wait_for_function("() => document.getElementById('shown').textContent.includes('lost card')")
        shown.focus("#card")
        pressed(shown, "Enter")
        said(shown, "same")
        assert [row["label"] for row in learned(shop, "same")] == ["same"]
        wide = shown.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0 and not shown.wrong


def test_several_labels_are_taken_and_left_out_and_a_score_is_written(browser, shop, monkeypatch):
    import front

    monkeypatch.setitem(front.TARGETS, "same", "score")
    desk = desk_of(shop)
    topics = front.served("topics")
    desk.service.versions["topics"] = topics.__class__(
        **{**vars(topics), "target": "labels", "labels": ("cost", "speed", "people")}
    )
    same = front.served("same")
    desk.service.versions["same"] = same.__class__(**{**vars(same), "labels": ("other", "same")})
    with listening(desk.app) as url:
        shown = opened(browser, url, locale="en-US")
        shown.select_option("#model", "topics")
        shown.wait_for_function("() => document.getElementById('proposal').textContent === 'cost'")
        shown.focus("#card")
        pressed(shown, "e", "2", "1")
        shown.keyboard.type("peo")
        pressed(shown, "Enter", "Enter", "Enter")
        said(shown, "speed, people")
        assert [row["labels"] for row in learned(shop, "topics")] == [["speed", "people"]]
        shown.select_option("#model", "same")
        shown.wait_for_function("() => document.getElementById('proposal').textContent === '0.6 (same)'")
        shown.focus("#card")
        pressed(shown, "e", "Control+A")
        shown.keyboard.type("1.3")
        pressed(shown, "Enter")
        said(shown, WORDS["en"]["bad_score"])
        pressed(shown, "Control+A")
        shown.keyboard.type("0.25")
        pressed(shown, "Enter", "Enter")
        said(shown, "0.25 (other)")
        assert [(row["label"], row["score"]) for row in learned(shop, "same")] == [("other", 0.25)]
        assert not shown.wrong


def test_what_another_decided_meanwhile_is_told_and_left(browser, shop):
    with listening(desk_of(shop).app) as url:
        shown = opened(browser, url, locale="en-US")
        Queue(shop, "tickets", "label").decide("t0", "accept", {"label": "found"}, by="ann")
        pressed(shown, "r")
        said(shown, "ann accepted this")
        shown.wait_for_function("() => document.getElementById('shown').textContent.includes(', 1')")
        assert [row["label"] for row in learned(shop)] == ["found"]


def test_what_people_wrote_is_text_and_never_markup_and_a_key_stays_in_the_tab(browser, sqlite_workspace):
    wild = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    answered(sqlite_workspace, "tickets", ("e1", {"text": wild, "note": wild}, {"label": wild, "confidence": 0.4}))
    give(sqlite_workspace, "tickets", [{"exchange": "e1", "label": f"{wild}!", "source": wild}], source="web")
    _, secret = add_key(sqlite_workspace, "desk", scopes=["feedback"])
    guard = Guard(partial(list_keys, sqlite_workspace))
    guard.load()
    with listening(desk_of(sqlite_workspace, guard=guard).app) as url:
        shown = browser.new_context(locale="en-US").new_page()
        shown.goto(f"{url}/review")
        shown.wait_for_selector("#status.bad")
        assert shown.inner_text("#status") == WORDS["en"]["need_key"]
        shown.fill("#key", secret)
        shown.press("#key", "Tab")
        shown.wait_for_selector("#card:not([hidden])")
        shown.focus("#card")
        pressed(shown, "e")
        shown.keyboard.type(wild)
        assert shown.query_selector("main img") is None and shown.title() == "Review · Tunewheel"
        assert wild in shown.inner_text("#shown") and wild in shown.inner_text("#choices")
        picture(shown, "hostile")
        kept = shown.evaluate("() => JSON.stringify([{...localStorage}, document.cookie, location.href])")
        assert secret not in kept
        shown.reload()
        shown.wait_for_selector("#card:not([hidden])")
        pressed(shown, "Enter")
        said(shown, "accepted")
        assert [one.status for one in everything(sqlite_workspace)] == ["accepted"]


def test_every_field_has_a_name_and_both_languages_have_every_word(browser, shop):
    assert set(WORDS["en"]) == set(WORDS["zh"]) and all(WORDS["zh"].values())
    assert "http" not in page("en").replace("http-equiv", "")
    with listening(desk_of(shop).app) as url:
        shown = opened(browser, url, locale="en-US")
        pressed(shown, "e")
        unnamed = shown.evaluate(
            "() => [...document.querySelectorAll('select,textarea,input')].filter(f => !f.labels.length).length"
        )
        assert unnamed == 0 and shown.get_attribute("#status", "role") == "status"
        focused = "() => getComputedStyle(document.activeElement).outlineStyle"
        assert shown.evaluate(focused) == "solid"
        pressed(shown, "Escape")
        assert shown.evaluate("() => document.activeElement.id") == "card"
