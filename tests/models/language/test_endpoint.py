import json
import logging
import threading
import traceback

import pytest

from chats import Chat, Fault
from tunewheel.data.privacy import Masker
from tunewheel.models.language import BudgetError, LanguageModelError, Message
from tunewheel.models.language.budget import Budget
from tunewheel.models.language.endpoint import KEY, Endpoint, check_server

SECRET = "sk-never-to-be-seen-4711"


def ask(text: str):
    return (Message("system", "Say what it is."), Message("user", text))


def endpoint(chat: Chat, **options) -> Endpoint:
    return Endpoint("small", chat.url, **{"masker": None, "timeout": 5.0, "retries": 3, "workers": 2, **options})


def texts(model: Endpoint, *asked: str, **options) -> list[str]:
    return [answer.text for answer in model.complete([ask(text) for text in asked], most=20, **options)]


def test_answers_come_in_order_and_a_prompt_that_stands_twice_is_asked_once(chat):
    chat.reply = lambda messages: messages[-1]["content"].upper()
    assert texts(endpoint(chat), "a", "b", "c", "a") == ["A", "B", "C", "A"]
    assert sorted(request["messages"][-1]["content"] for request in chat.asked) == ["a", "b", "c"]
    assert all(request["temperature"] == 0 and request["max_tokens"] == 20 for request in chat.asked)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, headers={"Retry-After": "0.01"}),
        Fault(500),
        Fault(503, "<html>busy</html>", {"Content-Type": "text/html"}),
        Fault(200, '{"choices": ['),
        Fault(200, '{"choices": []}'),
        Fault(200, "<html>ok</html>", {"Content-Type": "text/html"}),
    ],
)
def test_what_may_pass_is_tried_again(chat, fault):
    chat.faults = [fault, fault]
    assert texts(endpoint(chat), "a") == ['{"label": "lost"}']
    assert len(chat.asked) == 3


def test_a_server_that_asks_for_time_gets_it(chat, monkeypatch):
    waits = []
    monkeypatch.setattr("tunewheel.models.language.endpoint.time.sleep", waits.append)
    chat.faults = [Fault(429, headers={"Retry-After": "7"}), Fault(429, headers={"Retry-After": "9999"})]
    texts(endpoint(chat), "a")
    assert [wait for wait in waits if wait] == [7.0, 60.0]  # the server sleeps too, by no time


def test_tries_are_bounded_and_a_timeout_counts_as_one(chat):
    chat.faults = [Fault(seconds=1.0), Fault(seconds=1.0)]
    with pytest.raises(LanguageModelError, match=r"no answer from 'small' after 2 tries: nothing within 0\.1 s"):
        texts(endpoint(chat, timeout=0.1, retries=1), "a")
    assert len(chat.asked) == 2


def test_a_server_that_is_away_is_told_in_a_line():
    model = Endpoint("small", "http://127.0.0.1:9/v1", masker=None, retries=0)
    with pytest.raises(LanguageModelError, match=r"127\.0\.0\.1:9/v1: no answer .* it cannot be reached"):
        texts(model, "a")


def test_a_wrong_key_or_an_empty_account_is_not_tried_again(chat):
    chat.faults = [Fault(401)]
    with pytest.raises(LanguageModelError, match=f"status 401.*set {KEY}"):
        texts(endpoint(chat), "a")
    chat.faults = [Fault(429, '{"error": {"message": "pay first", "code": "insufficient_quota"}}')]
    with pytest.raises(LanguageModelError, match=r"status 429, .*pay first"):
        texts(endpoint(chat), "a")
    assert len(chat.asked) == 2


def test_settings_that_a_server_does_not_take_are_left_out_from_then_on(chat):
    def refuse(request):
        if "response_format" in request:
            return "json_schema?"
        if "temperature" in request:
            return "temperature is not supported with this model"
        return "Unsupported parameter: max_tokens, use max_completion_tokens" if "max_tokens" in request else None

    chat.refuse = refuse
    model = endpoint(chat)
    assert texts(model, "a", schema={"type": "object"}) == ['{"label": "lost"}']
    assert len(chat.asked) == 4 and "response_format" in chat.asked[0]
    texts(model, "b", schema={"type": "object"})
    assert len(chat.asked) == 5 and set(chat.asked[4]) == {"model", "messages", "max_completion_tokens"}
    chat.refuse = lambda request: "this is longer than max_tokens allow"
    with pytest.raises(LanguageModelError, match="status 400"):
        texts(endpoint(chat), "c")


def test_what_was_answered_is_never_asked_again(chat, tmp_path):
    chat.reply = lambda messages: "电话：" + messages[-1]["content"]
    first = texts(endpoint(chat, answers=tmp_path / "kept"), "a", "b")
    asked = len(chat.asked)
    again = endpoint(chat, answers=tmp_path / "kept")
    assert texts(again, "a", "b") == first and len(chat.asked) == asked
    assert again.budget.spent == 30  # what stands in the folder was paid once
    again.complete([ask("a")], most=21)
    Endpoint("other", chat.url, masker=None, answers=tmp_path / "kept").complete([ask("a")], most=20)
    assert len(chat.asked) == asked + 2
    for path in (tmp_path / "kept").glob("*/*.json"):
        path.write_text("{", encoding="utf-8")
    assert texts(again, "a") == first[:1]


def test_a_run_that_ends_half_way_keeps_what_it_has(chat, tmp_path):
    chat.reply = lambda messages: messages[-1]["content"]
    chat.faults = [Fault(200, '{"choices": [{"message": {"content": "a"}}]}'), Fault(401)]
    with pytest.raises(LanguageModelError):
        texts(endpoint(chat, answers=tmp_path / "kept", workers=1), "a", "b", "c")
    asked = len(chat.asked)
    assert texts(endpoint(chat, answers=tmp_path / "kept", workers=1), "a", "b", "c") == ["a", "b", "c"]
    again = [request["messages"][-1]["content"] for request in chat.asked[asked:]]
    assert "b" in again and "a" not in again


KILLED = """
import sys
from pathlib import Path
from tunewheel.models.language import Message
from tunewheel.models.language.endpoint import Endpoint
model = Endpoint("small", sys.argv[1], masker=None, answers=Path(sys.argv[2]), workers=1)
model.complete([(Message("user", text),) for text in "abcdef"], most=20)
"""


@pytest.mark.slow
def test_a_run_that_is_killed_pays_for_nothing_twice(chat, tmp_path, start):
    process = None

    def reply(messages):
        if messages[-1]["content"] == "d" and process.poll() is None:
            process.kill()
            process.wait()
        return messages[-1]["content"]

    chat.reply = reply
    process = start(KILLED, chat.url, tmp_path / "kept")
    assert process.wait(60) != 0
    model = endpoint(chat, answers=tmp_path / "kept")
    told = model.complete([(Message("user", text),) for text in "abcdef"], most=20)
    assert [answer.text for answer in told] == list("abcdef")
    assert [answer.cached for answer in told] == [True] * 3 + [False] * 3
    assert len(chat.asked) == 7  # d was on its way when the process died


def test_a_folder_that_was_removed_is_not_made_again(chat, tmp_path):
    model = endpoint(chat, answers=tmp_path / "kept")
    (tmp_path / "kept").rmdir()
    assert texts(model, "a") and not (tmp_path / "kept").exists()


def test_a_budget_stops_before_it_is_passed(chat, tmp_path):
    bound = 16 * 2 + len("Say what it is.") + len("0") + 20  # the most one answer can take
    model = endpoint(chat, budget=bound + 3 * 15, workers=4, answers=tmp_path / "kept")
    with pytest.raises(BudgetError, match=r"of 113 tokens are spent .* raise options\.budget .*options\.cache=.*kept"):
        texts(model, *map(str, range(9)))
    assert len(chat.asked) == 4 and model.budget.spent == 60
    more = endpoint(chat, budget=bound + 8 * 15, answers=tmp_path / "kept")
    assert len(texts(more, *map(str, range(9)))) == 9 and len(chat.asked) == 9


def test_a_budget_is_money_where_prices_are_known(chat):
    model = endpoint(chat, prices=(1000.0, 2000.0), budget=1.0)
    texts(model, "a")
    assert model.budget.spent == pytest.approx(10 * 1000 / 1e6 + 5 * 2000 / 1e6)
    chat.usage = None  # a server that does not tell is taken to have used all it could
    texts(model, "b")
    assert model.budget.spent == pytest.approx(0.02 + (16 * 2 + 15 + 1) * 1e-3 + 20 * 2e-3)


def test_a_refused_request_costs_nothing_and_a_lost_one_all(chat):
    chat.faults = [Fault(500), Fault(seconds=1.0)]
    model = endpoint(chat, timeout=0.2)
    texts(model, "a")
    assert model.budget.spent == 15 + (16 * 2 + 15 + 1) + 20


def test_threads_wait_for_answers_on_their_way_before_they_give_up():
    budget, inside, done = Budget(100), threading.Event(), []

    def slow():
        with budget.bill(60, 0) as bill:
            inside.set()
            threading.Event().wait(0.2)
            bill.prompt_tokens = 10

    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait()
    with budget.bill(60, 0):
        done.append(budget.spent)
    thread.join()
    assert done == [10] and budget.spent == 70


PERSONAL = "身份证11010519491231002X，邮箱 wang.fang@example.com，电话13812345678"


def test_personal_data_stays_here_and_comes_back_in_the_answer(chat):
    chat.reply = lambda messages: json.dumps({"said": messages[-1]["content"], "at": ["[EMAIL]"]}, ensure_ascii=False)
    (answer,) = texts(endpoint(chat, masker=Masker()), PERSONAL)
    assert json.loads(answer) == {"said": PERSONAL, "at": ["wang.fang@example.com"]}
    for secret in ("11010519491231002X", "wang.fang", "13812345678"):
        assert secret not in chat.heard
    assert "[ID_CARD]" in chat.heard and "[PHONE]" in chat.heard


def test_two_values_of_a_kind_are_told_apart_and_known_in_every_message(chat):
    chat.reply = lambda messages: "call [PHONE_2], not [PHONE]"
    prompt = (Message("user", "电话13812345678或13987654321"), Message("user", "x13812345678x [EMAIL] a@example.com"))
    (answer,) = endpoint(chat, masker=Masker()).complete([prompt], most=9)
    assert answer.text == "call 13987654321, not 13812345678"
    assert [m["content"] for m in chat.asked[0]["messages"]] == [
        "电话[PHONE]或[PHONE_2]",
        "x[PHONE]x [EMAIL] [EMAIL_2]",
    ]


def test_the_key_is_sent_and_stands_nowhere_else(chat, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(KEY, SECRET)
    caplog.set_level(logging.DEBUG)
    model = endpoint(chat, answers=tmp_path / "kept")
    texts(model, "a")
    assert chat.keys == [f"Bearer {SECRET}"]
    told = []
    for fault in (Fault(401, json.dumps({"error": {"message": f"Incorrect key {SECRET}"}})), Fault(500, SECRET)):
        chat.faults = [fault]
        with pytest.raises(LanguageModelError) as caught:
            texts(endpoint(chat, retries=0), "b")
        told.append("".join(traceback.format_exception(caught.value)))
    kept = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    for place in [*told, *kept, caplog.text, repr(model), repr(vars(model))]:
        assert SECRET not in place


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://a/v1", "https://me:secret@a/v1", "https://a/v1?key=secret"])
def test_a_url_that_is_none_or_may_hold_a_secret_is_refused(url):
    with pytest.raises(LanguageModelError) as caught:
        check_server(url)
    assert "secret" not in str(caught.value)
