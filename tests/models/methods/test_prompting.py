import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from causal import TEMPLATE, causal_model
from chats import Chat, Fault, chatting
from tiny import entity_rows, intent_rows
from tunewheel import loop
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.language import LanguageModelError, endpoint
from tunewheel.models.methods import check_pair, method_class
from tunewheel.tasks import Task, TaskError, task_class
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.ner import Ner

TASK = Classification(("balance", "lost"))
SECRET = "sk-never-to-be-seen-4712"


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.001)
    monkeypatch.setenv(endpoint.KEY, SECRET)
    with chatting() as running:
        yield running


@pytest.fixture(scope="module")
def causal(tmp_path_factory) -> str:
    return str(causal_model(tmp_path_factory.mktemp("lm"), template=TEMPLATE))


def model_of(method, base, task, rows, folder: Path, dev=(), **options) -> Model:
    ready = prepare(task, base, rows, Recipe(), method=method, options=options)
    assert ready.untrained is None and method in ready.described()
    model, trained = ready.train(rows, dev, folder)
    assert trained is None
    return model


def answer_of(chat: Chat, **said: str) -> None:
    """Answer with the label whose key stands in the question."""
    chat.reply = lambda messages: next(
        (json.dumps({"label": label}) for key, label in said.items() if key in messages[-1]["content"]), "no idea"
    )


def test_a_server_is_told_the_task_and_its_answers_are_labels(chat, tmp_path):
    answer_of(chat, 丢="lost", balance="balance")
    model = model_of("prompt", "small", TASK, [], tmp_path / "run", endpoint=chat.url, lang="zh", workers=1)
    assert model.predict(["卡丢了", "my balance"]) == [{"label": "lost"}, {"label": "balance"}]
    system, question = chat.asked[0]["messages"]
    assert "- balance\n- lost" in system["content"] and question["content"] == "文本：卡丢了\n回答："
    assert chat.asked[0]["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"] == [
        "balance",
        "lost",
    ]
    assert model.parameters == 0


def test_an_answer_that_is_no_label_is_asked_for_once_more_and_then_counted(chat, tmp_path):
    heard = []

    def reply(messages):
        heard.append([m["role"] for m in messages])
        if "sure" in messages[1]["content"]:
            return '{"label": "lost"}' if len(messages) > 2 else "maybe lost"
        return "" if "silent" in messages[1]["content"] else "no idea"

    chat.reply = reply
    rows = [{"text": "b", "label": "balance"}]
    model = model_of("prompt", "small", TASK, rows, tmp_path / "run", endpoint=chat.url, workers=1)
    answers = model.predict(["sure", "never", "silent"])
    default = {"label": "balance", "confidence": 0.0, "unparsed": True}
    assert answers == [{"label": "lost"}, default, default]
    assert heard.count(["system", "user"]) == 4 and heard.count(["system", "user", "assistant", "user"]) == 2
    assert len(heard) == 6


def test_entities_come_back_as_places_in_the_text_that_was_asked_about(chat, tmp_path):
    told = [("[PHONE]", "contact"), ("王芳", "person"), ("王芳", "person"), ("李强", "person")]
    said = json.dumps({"entities": [{"text": t, "label": x} for t, x in told]}, ensure_ascii=False)
    chat.reply = lambda messages: said
    model = model_of("prompt", "small", Ner(("contact", "person")), [], tmp_path / "run", endpoint=chat.url)
    text = "请王芳打138 1234 5678，不是王芳芳，是王芳"
    (answer,) = model.predict([text])
    found = [(text[e["start"] : e["end"]], e["label"]) for e in answer["entities"]]
    assert found == [("王芳", "person"), ("138 1234 5678", "contact"), ("王芳", "person"), ("王芳", "person")]
    assert answer["dropped"] == 1 and "138 1234 5678" not in chat.heard


def test_nothing_personal_and_no_key_stands_in_the_model_folder_or_reaches_the_server(chat, tmp_path):
    rows = [
        {"text": "mail li@example.com or 13812345678", "entities": [{"start": 5, "end": 19, "label": "contact"}]},
        {"text": "身份证11010519491231002X丢了", "entities": [{"start": 3, "end": 21, "label": "contact"}]},
    ]
    chat.reply = lambda messages: '{"entities": []}'
    model = model_of("few-shot", "small", Ner(("contact",)), rows, tmp_path / "run", endpoint=chat.url, examples=2)
    model.predict(["write to zhao@example.org"])
    folder = model.save(tmp_path / "model")
    kept = "".join(path.read_text(encoding="utf-8") for path in folder.iterdir()) + chat.heard
    for secret in (SECRET, "li@example.com", "13812345678", "11010519491231002X", "zhao@example.org"):
        assert secret not in kept
    shown = [message["content"] for message in chat.asked[0]["messages"]]
    assert "[EMAIL]" in shown[3] + shown[1] and any('{"text": "[ID_CARD]"' in content for content in shown)
    assert chat.keys == [f"Bearer {SECRET}"]


def test_what_is_not_to_be_masked_is_sent_as_it_is(chat, tmp_path):
    model = model_of("prompt", "small", TASK, [], tmp_path / "run", endpoint=chat.url, mask=False)
    model.predict(["li@example.com"])
    assert "li@example.com" in chat.heard


def test_a_folder_loads_without_its_server_and_says_when_it_is_away(chat, tmp_path):
    rows = intent_rows(12)
    model = model_of("few-shot", "small", TASK, rows, tmp_path / "run", endpoint=chat.url, examples=3, retries=0)
    model.predict(["卡丢了"])
    again = Model.load(model.save(tmp_path / "model"))
    assert again.body.plan == model.body.plan and again.body.rows == model.body.rows
    assert again.predict(["卡丢了"]) == model.predict(["卡丢了"])
    assert chat.asked[0]["messages"] == chat.asked[1]["messages"]
    away = json.loads((tmp_path / "model" / "prompt.json").read_text(encoding="utf-8"))
    assert away["plan"]["server"]["url"] == chat.url
    chat.faults = [Fault(500)]
    with pytest.raises(LanguageModelError, match="no answer from 'small' after 1 tries"):
        again.predict(["another"])


def test_examples_are_like_the_text_the_likest_last_and_as_many_as_fit(chat, tmp_path):
    rows = [
        {"text": f"{'card lost' if i % 2 else 'balance'} {i}", "label": ("balance", "lost")[i % 2]} for i in range(8)
    ]
    options = {"endpoint": chat.url, "examples": 4}
    model_of("few-shot", "small", TASK, rows, tmp_path / "a", **options).predict(["card lost 3"])
    turns = chat.asked[0]["messages"][1:-1]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 4
    assert turns[-2]["content"] == "Text: card lost 3\nAnswer:" and turns[-1]["content"] == '{"label": "lost"}'
    model_of("few-shot", "small", TASK, rows, tmp_path / "b", **options, tokens=100).predict(["card lost 3"])
    fewer = chat.asked[1]["messages"][1:-1]
    assert 0 < len(fewer) < 8 and fewer == turns[-len(fewer) :]


@pytest.mark.parametrize("method", ["prompt", "few-shot"])
def test_a_model_on_this_machine_scores_every_label(method, causal, tmp_path):
    rows = intent_rows(30)
    dev = [{**row, "label": ("lost", "balance")[i % 2]} for i, row in enumerate(intent_rows(60))]
    options = {} if method == "prompt" else {"examples": 2, "balance": True, "tokens": 600}
    model = model_of(method, causal, TASK, rows, tmp_path / "run", dev=dev, **options)
    (answer,) = model.predict(["卡丢了"])
    assert set(answer["probabilities"]) == {"balance", "lost"} and 0.5 <= answer["confidence"] <= 1
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert model.task.temperature is not None and "ece" in model.origin.dev
    again = Model.load(model.save(tmp_path / "model"))
    (told,) = again.predict(["卡丢了"])
    assert told["label"] == answer["label"] and told["confidence"] == pytest.approx(answer["confidence"], abs=1e-5)
    assert again.parameters == model.parameters > 1000
    assert not list((tmp_path / "model").glob("*.safetensors"))


def test_several_labels_are_scored_each(causal, tmp_path):
    task = MultiLabel(("a", "b", "c"))
    model = model_of("prompt", causal, task, [], tmp_path / "run")
    (answer,) = model.predict(["text"])
    assert set(answer["probabilities"]) == {"a", "b", "c"} and "unparsed" not in answer


def test_a_model_that_writes_no_json_is_counted(causal, tmp_path):
    model = model_of("prompt", causal, Ner(("person",)), entity_rows(4), tmp_path / "run", answer_tokens=5)
    assert model.predict(["paid 王芳"]) == [{"entities": [], "unparsed": True}]


def test_contextual_scores_leave_out_what_the_model_says_anyway(causal, tmp_path):
    plain = model_of("prompt", causal, TASK, [], tmp_path / "a")
    fair = model_of("prompt", causal, TASK, [], tmp_path / "b", contextual=True)
    odds = {}
    for name, model in (("plain", plain), ("fair", fair)):
        told = [answer["probabilities"] for answer in model.predict(["", "N/A", "[MASK]"])]
        odds[name] = np.array([np.log(p["lost"] / p["balance"]) for p in told])
    shift = odds["plain"] - odds["fair"]
    assert shift == pytest.approx(shift[0] * np.ones(3), abs=1e-3) and abs(shift[0]) > 1e-3
    assert odds["fair"].min() < 0 < odds["fair"].max()
    shown = {"examples": 1, "contextual": True}
    few = model_of("few-shot", causal, TASK, intent_rows(6), tmp_path / "c", **shown)
    assert few.predict(["a", "b"])[::-1] == few.predict(["b", "a"])


@pytest.mark.parametrize(
    ("base", "options", "said"),
    [
        ("minilm", {}, "base 'minilm' writes no text; name a causal language model"),
        ("x/y", {"budget": 3.0, "mask": False}, r"options\.mask, options\.budget need options\.endpoint"),
        ("small", {"endpoint": "http://a/v1", "contextual": True}, "contextual needs scores"),
        ("small", {"endpoint": "http://a/v1", "retries": -1}, r"options\.retries: .*greater than or equal to 0"),
    ],
)
def test_options_that_would_do_nothing_are_refused(base, options, said):
    with pytest.raises(MethodError, match=said):
        prepare(TASK, base, [], Recipe(), method="prompt", options=options)


def test_examples_need_rows_and_balance_needs_a_label_each():
    options = {"endpoint": "http://a/v1"}
    with pytest.raises(MethodError, match="there are none; use 'prompt'"):
        prepare(TASK, "small", [], Recipe(), method="few-shot", options=options)
    with pytest.raises(MethodError, match="one label each"):
        balanced = {**options, "balance": True}
        prepare(Ner(("person",)), "small", entity_rows(4), Recipe(), method="few-shot", options=balanced)
    with pytest.raises(TaskError, match="no label is called 'x'"):
        prepare(TASK, "small", [], Recipe(), method="prompt", options={**options, "descriptions": {"x": "y"}})


def test_a_task_that_cannot_be_asked_for_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(task_class("ner"), "prompt", Task.prompt)
    with pytest.raises(MethodError, match="does not say how a language model is asked"):
        check_pair("few-shot", "ner")
    assert not method_class("prompt").learns and method_class("few-shot").learns


def trained(chat: Chat, tmp_path: Path, **options):
    file = tmp_path / "intents.jsonl"
    if not file.exists():
        file.write_text("".join(json.dumps(row) + "\n" for row in intent_rows(40)), encoding="utf-8")
    told = {"endpoint": chat.url, "retries": 0, "workers": 1, "examples": 2, **options}
    return loop.train(file, base="small", method="few-shot", options=told, home=tmp_path / "home")


def test_a_run_that_was_cut_off_asks_only_what_it_had_not(chat, tmp_path):
    answer_of(chat, card="lost", 丢="lost", balance="balance", 余="balance")
    chat.faults = []
    count = len(intent_rows(40)) // 10  # of test
    usual, asked = chat.reply, []

    def breaking(messages):
        asked.append(messages[-1]["content"])
        if len(asked) == 3:
            chat.faults.append(Fault(500))
        return usual(messages)

    chat.reply = breaking
    with pytest.raises(LanguageModelError, match="the same command goes on"):
        trained(chat, tmp_path)
    assert len(asked) == 3 < count
    chat.faults = []
    turn = trained(chat, tmp_path)
    assert len(asked) == len(set(asked)) == count
    assert turn.report.metrics["accuracy"].value == 1.0 and turn.version.method == "few-shot"
    everything = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert everything and not any(SECRET.encode() in path.read_bytes() for path in everything)


def test_a_cache_that_is_named_outlives_its_run(chat, tmp_path):
    answer_of(chat, card="lost", 丢="lost", balance="balance", 余="balance")
    cache = tmp_path / "kept"
    trained(chat, tmp_path, cache=str(cache))
    asked = len(chat.asked)
    turn = trained(chat, tmp_path, cache=str(cache), budget=1e6)
    assert len(chat.asked) == asked and turn.model.body.language.budget.spent == asked * 15
