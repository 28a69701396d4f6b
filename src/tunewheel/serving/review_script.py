"""Style and script of the page at ``/review``."""

from __future__ import annotations

from tunewheel.serving.page import COMMON
from tunewheel.serving.page import STYLE as _STYLE

STYLE = (
    _STYLE
    + """
.spread { justify-content: space-between; flex-wrap: wrap; }
.acts { flex-wrap: wrap; }
.acts button.plain { padding: 7px 14px; font-size: 15px; }
kbd { font: inherit; font-size: 12px; opacity: .75; border: 1px solid currentColor; border-radius: 4px;
  padding: 0 5px; }
fieldset { border: 0; margin: 14px 0 0; padding: 0; min-width: 0; }
legend { padding: 0; color: var(--soft); font-size: 13.5px; }
#choices label { display: flex; gap: 10px; align-items: baseline; color: var(--ink); font-size: 15px; margin-top: 6px; }
#choices label > span { overflow-wrap: anywhere; min-width: 0; white-space: pre-wrap; }
#choices input { width: auto; flex: none; }
#choices .who { color: var(--soft); font-size: 13px; }
#proposal { margin-top: 2px; font-weight: 550; white-space: pre-wrap; overflow-wrap: anywhere; }
#proposal .out { font-weight: 400; }
#editor { display: grid; gap: 12px; border-left: 3px solid var(--accent); padding-left: 14px; }
#options { display: flex; flex-wrap: wrap; gap: 8px; max-height: 260px; overflow-y: auto; padding: 3px; }
#options:empty { display: none; }
#options button { padding: 4px 12px; font-size: 14px; background: none; color: var(--ink); border-color: var(--line);
  font-weight: 500; max-width: 100%; overflow-wrap: anywhere; text-align: left; }
#options button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); font-weight: 650; }
.fields { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 14px; }
#card:focus { outline: none; }
#card:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 640px) { .acts button { flex: 1 1 auto; } }
"""
)

SCRIPT = (
    COMMON
    + """
const BATCH = 20, FEW = 5, KEPT = "tunewheel-review-key";
let queue = null, items = [], value = null, editing = false, busy = false, done = 0, past = [], picked = [];
let gone = new Set();   // decided here: a list that was asked for before may still have them
const REASONS = [   // as they are recorded, in words of the other language
  [/^said more than (\\d+) days after the answer$/, "在回答 $1 天之后才提出"],
  [/^its exchange is not known .yet.$/, "提出时尚未找到对应的交互"],
  [/^(\\d+) within (\\d+) minutes of each other$/, "同一来源在 $2 分钟之内提交了 $1 条"],
  [/^(\\d+) of (\\d+) corrections contradict confident answers, where (\\d+%) are expected$/,
    "该来源的 $2 条更正中有 $1 条与高置信度的回答矛盾，预期为 $3"],
];
const reason = told => lang === "zh" ? REASONS.reduce((text, [form, words]) => text.replace(form, words), told) : told;
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const item = () => items[0];
const post = body => call(`v1/review/${encodeURIComponent(queue.model)}`,
  {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)});

async function load() {
  const key = at("key").value.trim();
  if (key) sessionStorage.setItem(KEPT, key); else sessionStorage.removeItem(KEPT);
  try {
    models = (await (await call("v1/models")).json()).models;
    const before = at("model").value;
    at("model").replaceChildren(...models.map(model => {
      const option = make("option", "", model.name);
      option.value = model.name;
      return option;
    }));
    if (models.some(model => model.name === before)) at("model").value = before;
    say(models.length ? "" : w("no_models"), !models.length);
  } catch (error) { say(error.message, true); return; }
  begin();
}
async function begin() {
  items = []; past = []; queue = null; gone = new Set();
  await more();
  shape();
}
async function more() {
  const model = at("model").value;
  if (!model) return;
  try {
    const found = await (await call(`v1/review/${encodeURIComponent(model)}?n=${BATCH}`)).json();
    if (model !== at("model").value) return;   // another was chosen meanwhile
    const here = new Set(items.map(one => one.id));
    queue = found;
    items.push(...found.items.filter(one => !here.has(one.id) && !gone.has(one.id)));
    const [head, ...rest] = items;   // what is being looked at stays; what was passed over comes last
    if (head) items = [head, ...rest.sort((a, b) => a.skipped - b.skipped)];
  } catch (error) { say(error.message, true); }
}
function shape() {   // the whole page anew, as after each decision
  at("card").hidden = !item();
  at("empty").hidden = Boolean(item()) || !queue;
  progress();
  at("undo").disabled = !past.length;
  if (!item()) return;
  const one = item();
  at("why").textContent = w(one.why) + (one.skipped ? ` · ${w("skipped")}` : "");
  const sure = one.confidence === null ? "" : `${w("sure")} ${number(one.confidence)}`;
  at("sure").textContent = [one.version, sure].filter(Boolean).join(" · ");
  at("reasons").textContent = one.reasons.map(reason).join(" · ");
  at("shown").replaceChildren(...columns(one.row));
  choices(one);
  propose();
}
function progress() {
  const waiting = queue?.waiting.toLocaleString("en");
  at("progress").textContent = queue ? `${done} ${w("done")} · ${waiting} ${w("waiting")}` : "";
}
function columns(row) {
  const pair = row.sentence1 !== undefined && row.sentence2 !== undefined;
  const told = Object.entries(row).filter(([name, cell]) => cell !== null && !(pair && name === "text"));
  return told.map(([name, cell]) => {
    const text = typeof cell === "string" ? cell : JSON.stringify(cell, null, 1);
    if (name === "text") return make("div", "out", text);
    const line = make("div", "line gap");
    line.append(make("span", "", name), make("div", "text", text));
    return line;
  });
}
function choices(one) {
  const told = one.sides.map(side => ({value: side.value, who: `${side.sources.join(", ")} ${w("says")}`}));
  if (one.answer && !told.some(each => same(each.value, one.answer)))
    told.push({value: one.answer, who: `${one.version ?? w("model")} ${w("says")}`});
  if (value === null && (one.sides.length === 1 || told.length === 1)) value = told[0].value;
  at("sides").hidden = told.length < 2 && !one.sides.length;
  at("choices").replaceChildren(...told.map((each, place) => {
    const label = make("label"), radio = make("input");
    radio.type = "radio"; radio.name = "side"; radio.checked = same(each.value, value);
    radio.addEventListener("change", () => { value = each.value; propose(); });
    label.append(radio, make("kbd", "", String(place + 1)), make("span", "who", each.who),
      make("span", "", inWords(each.value)));
    return label;
  }));
}
function inWords(given) {
  if (given.entities) {
    const letters = Array.from(item().row.text ?? "");
    const told = given.entities.map(one => `${letters.slice(one.start, one.end).join("")} (${one.label})`);
    return told.join(", ") || w("none");
  }
  if (given.labels) return given.labels.join(", ") || w("no_labels");
  if (given.score !== undefined) return `${given.score}${given.label === undefined ? "" : ` (${given.label})`}`;
  return String(given.label ?? given.answer ?? "");
}
function propose() {
  const nodes = value === null ? [make("span", "soft", w("none_chosen"))]
    : value.entities ? entities(item().row.text ?? "", value.entities) : [inWords(value)];
  at("proposal").replaceChildren(...nodes);
  at("accept").disabled = value === null;
  if (editing) options();
}

function edit() {
  const target = queue.target;
  editing = true;
  at("editor").hidden = false;
  at("how").textContent = w(`edit_${target}`);
  const fields = {label: ["filter"], labels: ["filter"], entities: ["marking", "filter"], answer: ["writing"],
    score: ["scoring"]}[target];
  for (const name of ["marking", "filter", "writing", "scoring"]) at(`${name}-field`).hidden = !fields.includes(name);
  at("filter").value = "";
  at("marking").value = item().row.text ?? "";
  at("writing").value = value?.answer ?? "";
  at("scoring").value = value?.score ?? "";
  if (target === "labels" && !value) value = {labels: []};
  if (target === "entities" && !value) value = {entities: []};
  propose();
  options();
  at(fields[0]).focus();
  if (target === "entities") at("marking").setSelectionRange(0, 0);
}
function leave() {
  editing = false;
  at("editor").hidden = true;
  choices(item());
  at("card").focus();
}
function options() {
  const target = queue.target, typed = at("filter").value.trim(), low = typed.toLowerCase();
  if (target === "answer" || target === "score") { at("options").replaceChildren(); return; }
  const used = target === "labels" ? value.labels : target === "entities" ? value.entities.map(one => one.label)
    : value ? [value.label] : [];
  const known = [...new Set([...queue.labels, ...used])];
  picked = known.filter(label => label.toLowerCase().includes(low));
  picked.sort((a, b) => (b === typed) - (a === typed));   // what is typed in full is what Enter takes
  if (typed && !known.includes(typed)) picked.push(typed);
  at("options").replaceChildren(...picked.map((label, place) => {
    const button = make("button", "", "");
    button.type = "button";
    const key = typed ? (place ? "" : "↵") : place < 9 ? String(place + 1) : "";
    if (key) button.append(make("kbd", "", key), " ");
    button.append(known.includes(label) ? label : `${w("new_label")}: ${label}`);
    if (target !== "entities") button.setAttribute("aria-pressed", String(used.includes(label)));
    button.addEventListener("mousedown", event => event.preventDefault());   // the selection stays where it is
    button.addEventListener("click", () => pick(label));
    return button;
  }));
}
function pick(label) {
  const target = queue.target;
  if (target === "label") { value = {label}; propose(); leave(); return; }
  if (target === "labels") {
    const has = value.labels.includes(label);
    value = {labels: has ? value.labels.filter(one => one !== label) : [...value.labels, label]};
  } else if (!mark(label)) return;
  at("filter").value = "";
  propose();
}
function mark(label) {   // null takes marks away
  const box = at("marking"), units = box.value;
  const count = end => Array.from(units.slice(0, end)).length;
  let start = count(box.selectionStart), end = count(box.selectionEnd);
  const letters = Array.from(units);
  while (label !== null && start < end && !letters[start].trim()) start++;
  while (label !== null && start < end && !letters[end - 1].trim()) end--;
  if (label !== null && start === end) { say(w("select"), true); return false; }
  const apart = one => start === end ? one.end < start || one.start > start : one.end <= start || one.start >= end;
  const kept = value.entities.filter(apart);
  if (label !== null) kept.push({start, end, label});
  value = {entities: kept.sort((a, b) => a.start - b.start)};
  say("", false);
  box.focus();
  return true;
}
function score() {
  const given = Number(at("scoring").value);
  if (!at("scoring").value.trim() || !(given >= 0 && given <= 1)) { say(w("bad_score"), true); return false; }
  value = {label: queue.labels[given >= 0.5 ? 1 : 0], score: given};
  say("", false); propose(); leave();
  return true;
}
function write() {
  if (!at("writing").value.trim()) { say(w("choose"), true); return false; }
  value = {answer: at("writing").value};
  say("", false); propose(); leave();
  return true;
}

async function decide(decision) {
  if (!item() || busy) return;
  if (decision === "accept" && editing && queue.target === "answer" && !write()) return;
  if (decision === "accept" && editing && queue.target === "score" && !score()) return;
  if (decision === "accept" && value === null) { say(w("choose"), true); return; }
  busy = true;
  const one = item(), chosen = value, model = queue.model;
  try {
    const body = {item: one.id, decision, ...(decision === "accept" ? {value} : {})};
    const reply = await (await post(body)).json();
    if (queue?.model !== model) return;
    const words = one.sides.flatMap(side => side.ids).length, counts = decision !== "skip";
    past.push({one, id: reply.id, value: chosen, words, counts});
    done += counts;
    queue.waiting = Math.max(0, queue.waiting - (counts ? words : 0));   // as good as known until the next answer
    const told = {accept: "accepted_", reject: "rejected_", skip: "skipped_"}[decision];
    say(w(told) + (decision === "accept" ? ` · ${inWords(chosen)}` : ""), false);
  } catch (error) {
    say(error.message, true);
    if (error.status !== 409 && error.status !== 404) return;   // else somebody else was first
  } finally { busy = false; }
  if (items[0] !== one) return;
  items.shift();
  if (decision === "skip") items.push({...one, skipped: true}); else gone.add(one.id);
  await next();
}
async function next() {
  value = null; editing = false;
  at("editor").hidden = true;
  shape();
  at(item() ? "card" : "look").focus();
  if (items.filter(one => !one.skipped).length >= FEW) return;
  const before = item();
  await more();   // whoever is at work already must not be disturbed
  if (item() === before) progress(); else if (!before && !editing) { shape(); at("card").focus(); }
}
async function undo() {
  const last = past.pop();
  if (!last) { say(w("no_undo"), true); return; }
  try {
    await post({undo: last.id});
    items = [last.one, ...items.filter(one => one.id !== last.one.id)];
    gone.delete(last.one.id);
    done -= last.counts;
    queue.waiting += last.counts ? last.words : 0;
    say(w("undone_"), false);
  } catch (error) { say(error.message, true); shape(); return; }
  value = last.value; editing = false;
  at("editor").hidden = true;
  shape();
  at("card").focus();
}
function help() {
  at("keys").hidden = !at("keys").hidden;
  at("help").setAttribute("aria-expanded", String(!at("keys").hidden));
}

function editorKey(event) {
  const from = event.target.id, digit = /^[1-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.isComposing) return;   // an input method is at work
  if (event.key === "Escape") { event.preventDefault(); leave(); return; }
  // With a text in it a number is part of a label: what follows it must not fall on the page as commands.
  if (digit && (from === "marking" || (from === "filter" && !at("filter").value))) {
    event.preventDefault();
    if (picked[event.key - 1] !== undefined) pick(picked[event.key - 1]);
  } else if (from === "marking" && (event.key === "Delete" || event.key === "Backspace")) {
    event.preventDefault(); mark(null); propose();
  } else if (event.key === "Enter" && from === "filter") {
    event.preventDefault();
    if (at("filter").value.trim() && picked.length) pick(picked[0]); else leave();
  } else if (event.key === "Enter" && from === "marking") { event.preventDefault(); leave();
  } else if (event.key === "Enter" && from === "scoring") { event.preventDefault(); score();
  } else if (event.key === "Enter" && from === "writing" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault(); write();
  }
}
document.addEventListener("keydown", event => {
  if (at("editor").contains(event.target)) { editorKey(event); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  const kind = event.target.tagName, radio = event.target.type === "radio";
  if (kind === "SELECT" || kind === "TEXTAREA" || (kind === "INPUT" && !radio)) return;
  if (kind === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;   // it is pressed itself
  const acts = {Enter: () => decide("accept"), a: () => decide("accept"), e: () => item() && edit(),
    r: () => decide("reject"), s: () => decide("skip"), u: undo, "?": help};
  const act = acts[event.key] ?? (/^[1-9]$/.test(event.key)
    ? () => at("choices").querySelectorAll("input")[event.key - 1]?.click() : null);
  if (act) { event.preventDefault(); act(); }
});
at("marking").addEventListener("beforeinput", event => event.preventDefault());   // a caret, and no writing
at("filter").addEventListener("input", options);
at("accept").addEventListener("click", () => decide("accept"));
at("edit").addEventListener("click", () => editing ? leave() : edit());
at("reject").addEventListener("click", () => decide("reject"));
at("skip").addEventListener("click", () => decide("skip"));
at("undo").addEventListener("click", undo);
at("help").addEventListener("click", help);
at("look").addEventListener("click", async () => {
  gone = new Set();
  await more();
  shape();
  if (item()) at("card").focus();
});
at("model").addEventListener("change", () => { value = null; begin(); });
at("key").addEventListener("change", load);
at("key").value = sessionStorage.getItem(KEPT) ?? "";
translate();
load();
"""
)
