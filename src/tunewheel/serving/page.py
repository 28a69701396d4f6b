"""The page at ``/``: a text in, what a model says of it out; and what it shares with the page at ``/review``."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache

from tunewheel.pages import Lang
from tunewheel.pages.style import CSS

WORDS: dict[Lang, dict[str, str]] = {
    "en": {
        "title": "Try a model",
        "lead": "Text in, what the model says of it out. This page keeps nothing; the service may record it, masked.",
        "model": "Model",
        "text": "Text",
        "first": "First text",
        "second": "Second text",
        "ask": "Ask",
        "stop": "Stop",
        "key": "Key",
        "key_hint": "Only where the service asks for one; it stays in this tab's memory.",
        "answer": "Answer",
        "answered": "answered by",
        "none": "No entity found.",
        "no_models": "No model is served.",
        "empty": "Write a text first.",
        "away": "The service does not answer.",
        "need_key": "This service asks for a key: enter one that it knows.",
        "similarity": "similarity",
        "other": "中文",
    },
    "zh": {
        "title": "试用模型",
        "lead": "输入文本，查看模型的回答。本页面本身不保存任何内容；服务可能会记录问答，个人信息先行遮蔽。",
        "model": "模型",
        "text": "文本",
        "first": "第一段文本",
        "second": "第二段文本",
        "ask": "提问",
        "stop": "停止",
        "key": "密钥",
        "key_hint": "仅在服务要求时填写；密钥只保留在本标签页的内存中。",
        "answer": "回答",
        "answered": "回答版本",
        "none": "未找到实体。",
        "no_models": "没有可用的模型。",
        "empty": "请先输入文本。",
        "away": "服务没有响应。",
        "need_key": "本服务需要密钥：请输入有效的密钥。",
        "similarity": "相似度",
        "other": "English",
    },
}

STYLE = (
    CSS
    + """
main { max-width: 820px; }
header { display: flex; justify-content: space-between; align-items: flex-start; gap: 18px; }
form { display: grid; gap: 14px; }
label { display: grid; gap: 5px; font-size: 13.5px; color: var(--soft); }
[hidden] { display: none !important; }
select, textarea, input { font: inherit; color: var(--ink); background: var(--page); border: 1px solid var(--line);
  border-radius: 8px; padding: 9px 12px; width: 100%; }
textarea { min-height: 112px; resize: vertical; }
button { font: inherit; font-weight: 550; border-radius: 8px; border: 1px solid var(--accent); padding: 8px 20px;
  background: var(--accent); color: var(--card); cursor: pointer; }
button.plain { background: none; color: var(--accent); border-color: var(--line); padding: 5px 14px; font-size: 14px;
  white-space: nowrap; }
button:disabled { opacity: .55; cursor: default; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.row { display: flex; gap: 10px; align-items: center; }
.bar { display: grid; grid-template-columns: minmax(90px, 30%) 1fr 62px; gap: 12px; align-items: center;
  margin-top: 9px; font-size: 14px; }
.bar > span:first-child { overflow-wrap: anywhere; }
.bar .track { margin: 0; height: 10px; border-radius: 5px; }
.bar .track i { left: 0; border-radius: 5px; min-width: 2px; }
.bar.best { font-weight: 650; }
.bar.best .track i { background: var(--accent); }
.out { margin-top: 10px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15.5px; line-height: 1.9; }
.bad { color: var(--bad); }
"""
)

COMMON = """
const words = JSON.parse(document.getElementById("words").textContent);
const at = id => document.getElementById(id);
let lang = document.documentElement.lang === "zh-CN" ? "zh" : "en", models = [];
const w = name => words[lang][name];
const make = (tag, kind, text) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;   // never as HTML: texts and labels are other people's
  return made;
};
const number = value => value.toLocaleString("en", {maximumFractionDigits: 3, minimumFractionDigits: 3});
const chosen = () => models.find(model => model.name === at("model").value);

function translate() {
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  document.title = w("title") + " · Tunewheel";
  document.querySelectorAll("[data-word]").forEach(node => { node.textContent = w(node.dataset.word); });
  shape();
}
function say(text, bad) {
  at("status").textContent = text;
  at("status").className = bad ? "bad" : "soft";
}
async function call(path, options = {}) {
  const headers = {...options.headers};
  if (at("key").value.trim()) headers.authorization = "Bearer " + at("key").value.trim();
  let reply;
  try { reply = await fetch(path, {...options, headers, credentials: "omit"}); }
  catch (error) { if (error.name === "AbortError") throw error; throw new Error(w("away")); }
  if (reply.ok) return reply;
  if (reply.status === 401) throw new Error(w("need_key"));
  let message = String(reply.status);
  try { message = (await reply.json()).error.message; } catch (error) { /* not ours: the number has to do */ }
  throw Object.assign(new Error(message), {status: reply.status});
}
function entities(text, found) {
  // Offsets are characters; a string in this language counts some characters as two.
  const letters = Array.from(text), out = make("div", "out");
  let end = 0;
  for (const entity of [...found].sort((a, b) => a.start - b.start)) {
    if (entity.start < end) continue;
    out.append(letters.slice(end, entity.start).join(""));
    const mark = make("mark", "", letters.slice(entity.start, entity.end).join(""));
    const sure = entity.confidence === undefined ? "" : " " + entity.confidence.toFixed(2);
    mark.append(make("small", "", entity.label + sure));
    out.append(mark);
    end = entity.end;
  }
  out.append(letters.slice(end).join(""));
  return found.length ? [out] : [out, make("p", "soft", w("none"))];
}
at("lang").addEventListener("click", () => { lang = lang === "zh" ? "en" : "zh"; translate(); });
"""
"""What both pages do alike; a page adds ``shape``, which draws what depends on the language."""

_SCRIPT = (
    COMMON
    + """
let running = null;
function shape() {
  const pair = chosen()?.task === "matching";
  at("second-field").hidden = !pair;
  at("text-word").textContent = w(pair ? "first" : "text");
}
async function load() {
  try {
    models = (await (await call("v1/models")).json()).models;
    const before = at("model").value;
    at("model").replaceChildren(...models.map(model => {
      const option = make("option", "", `${model.name} (${model.version})`);
      option.value = model.name;
      return option;
    }));
    if (models.some(model => model.name === before)) at("model").value = before;
    say(models.length ? "" : w("no_models"), !models.length);
  } catch (error) { say(error.message, true); }
  at("ask").disabled = !models.length;
  shape();
}
function bars(answer) {
  const likely = Object.entries(answer.probabilities ?? {[answer.label]: answer.confidence ?? answer.score ?? 1});
  const best = new Set(answer.labels ?? [answer.label]);
  likely.sort((a, b) => b[1] - a[1]);
  const lines = likely.slice(0, 12).map(([label, p]) => {
    const line = make("div", best.has(label) ? "bar best" : "bar"), track = make("span", "track"), fill = make("i");
    fill.style.width = `${Math.max(0, Math.min(1, p)) * 100}%`;
    track.append(fill);
    line.append(make("span", "", label), track, make("span", "number", number(p)));
    return line;
  });
  if (answer.label !== undefined && !likely.some(([label]) => label === answer.label))
    lines.unshift(make("div", "bar best", answer.label));
  if (answer.similarity !== undefined)
    lines.push(make("p", "soft gap", `${w("similarity")} ${number(answer.similarity)}`));
  return lines;
}
function show(nodes, version) {
  at("answer").hidden = false;
  at("out").replaceChildren(...nodes);
  at("by").textContent = version ? `${w("answered")} ${version}` : "";
}
function request(model, text) {
  const body = model.task === "matching"
    ? {rows: [{sentence1: text, sentence2: at("second").value}]} : {text};
  return {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body),
    signal: running.signal};
}
async function predict(model, text) {
  const reply = await call(`v1/models/${encodeURIComponent(model.name)}/predict`, request(model, text));
  const {predictions: [answer], version} = await reply.json();
  show(answer.entities ? entities(text, answer.entities)
    : answer.text !== undefined ? [make("div", "out", answer.text)] : bars(answer), version);
}
async function stream(model, text) {
  const reply = await call(`v1/models/${encodeURIComponent(model.name)}/stream`, request(model, text));
  const out = make("div", "out"), reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  show([out], "");
  for (let held = "";;) {
    const {done, value} = await reader.read();
    if (done) return;
    const events = (held + value).split("\\n\\n");
    held = events.pop();
    for (const event of events) {
      const kind = /^event: (.*)$/m.exec(event)?.[1], data = /^data: (.*)$/m.exec(event)?.[1];
      const told = data ? JSON.parse(data) : {};
      if (kind === "piece") out.append(told.text);
      if (kind === "done") at("by").textContent = `${w("answered")} ${told.version}`;
      if (kind === "error") throw new Error(told.error.message);
    }
  }
}
at("form").addEventListener("submit", async event => {
  event.preventDefault();
  const model = chosen(), text = at("text").value;
  if (!model) return;
  if (!text.trim()) { say(w("empty"), true); at("text").focus(); return; }
  running?.abort();
  const mine = running = new AbortController();
  say("", false);
  at("stop").hidden = !model.writes;
  at("out").setAttribute("aria-busy", "true");
  try { await (model.writes ? stream : predict)(model, text); }
  catch (error) { if (error.name !== "AbortError") say(error.message, true); }
  if (mine !== running) return;
  at("stop").hidden = true;
  at("out").removeAttribute("aria-busy");
});
at("text").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
});
at("stop").addEventListener("click", () => running?.abort());
at("model").addEventListener("change", () => { shape(); at("answer").hidden = true; });
at("key").addEventListener("change", load);
translate();
load();
"""
)

_BODY = """
<header><div><h1 data-word="title"></h1><p class="soft" data-word="lead"></p></div>
<button type="button" class="plain" id="lang" data-word="other"></button></header>
<section><form id="form">
<label><span data-word="model"></span><select id="model"></select></label>
<label><span id="text-word"></span><textarea id="text" maxlength="100000" dir="auto"></textarea></label>
<label id="second-field" hidden><span data-word="second"></span><textarea id="second" maxlength="100000" dir="auto">
</textarea></label>
<div class="row"><button type="submit" id="ask" data-word="ask" disabled></button>
<button type="button" class="plain" id="stop" data-word="stop" hidden></button></div>
<p id="status" class="soft" role="status"></p>
<label><span data-word="key"></span><input id="key" type="password" autocomplete="off" spellcheck="false"
 aria-describedby="key-hint"></label><p class="soft" id="key-hint" data-word="key_hint"></p>
</form></section>
<section id="answer" aria-live="polite" hidden><h2 data-word="answer"></h2><div id="out"></div>
<p class="soft gap" id="by"></p></section>
"""


@cache
def page(lang: Lang) -> str:
    """The whole page; its language is where it starts, the other one is a button away."""
    return whole(lang, WORDS, STYLE, _BODY, _SCRIPT)


@cache
def policy() -> str:
    """What the page may do; see `allowed`."""
    return allowed(_SCRIPT, STYLE)


def whole(lang: Lang, words: Mapping[Lang, Mapping[str, str]], style: str, body: str, script: str) -> str:
    """A page in one file."""
    embedded = json.dumps(words, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if lang == "zh" else "en"}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{words[lang]['title']} · Tunewheel</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<main>{body}</main>\n<script type="application/json" id="words">{embedded}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def allowed(script: str, style: str) -> str:
    """What a page may do: run its own script in its own style, and ask the service that it came from."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def chosen(accepted: str) -> Lang:
    """English or Chinese, whichever a browser would rather have.

    >>> chosen("zh-CN,zh;q=0.9,en;q=0.8"), chosen("de, en;q=0.7, zh;q=0.3"), chosen("")
    ('zh', 'en', 'en')
    """
    best: tuple[float, Lang] = (0.0, "en")
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        lang = name.strip().lower()[:2]
        try:
            share = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if lang in ("en", "zh") and share > best[0]:
            best = (share, "zh" if lang == "zh" else "en")
    return best[1]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
