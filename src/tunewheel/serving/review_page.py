"""The page at ``/review``: what waits for a person, decided on with the keyboard."""

from __future__ import annotations

from functools import cache

from tunewheel.pages import Lang
from tunewheel.serving.page import allowed, whole
from tunewheel.serving.review_script import SCRIPT, STYLE

WORDS: dict[Lang, dict[str, str]] = {
    "en": {
        "title": "Review",
        "lead": "What people said and answers the model is unsure of. What you accept, the next update learns from.",
        "model": "Model",
        "key": "Key",
        "key_hint": "A key of scope feedback, where the service asks for one; kept until this tab is closed.",
        "need_key": "This service asks for a key: enter one that it knows.",
        "away": "The service does not answer.",
        "no_models": "No model is served.",
        "nothing": "Nothing waits.",
        "look": "Look again",
        "done": "decided here",
        "waiting": "words of people wait",
        "contradictory": "People contradict each other",
        "said": "Somebody said this, and nobody has looked at it",
        "quarantined": "Set aside: it looks like an attack",
        "unsure": "The model is unsure",
        "skipped": "You passed over it before",
        "sure": "confidence",
        "answers": "Answers",
        "says": "says",
        "to_accept": "Answer to accept",
        "none_chosen": "None yet: choose one, or edit.",
        "none": "No entity.",
        "no_labels": "No label.",
        "edit_label": "A number key takes a label; or type to find one, and Enter takes the first",
        "edit_labels": "A number key takes or drops a label; or type to find one, then Enter; Enter on nothing ends",
        "edit_entities": "Select with the mouse or Shift and the arrows, then a number key; Delete unmarks; Enter ends",
        "edit_answer": "The right answer; Ctrl+Enter ends",
        "edit_score": "Score from 0 to 1; Enter ends",
        "other_label": "A label: type to find",
        "marking": "Text to mark",
        "new_label": "new label",
        "bad_score": "A score is a number from 0 to 1.",
        "choose": "Choose an answer first.",
        "select": "Select the words first.",
        "accept": "Accept",
        "edit": "Edit",
        "reject": "Reject",
        "skip": "Skip",
        "undo": "Undo",
        "help": "Keys",
        "keys": "Enter or a: accept · 1 to 9: choose an answer · e: edit · Esc: leave editing · r: reject "
        "(nothing is learned from it) · s: skip (it comes last) · u: undo · ?: this line",
        "accepted_": "accepted",
        "rejected_": "rejected",
        "skipped_": "skipped",
        "undone_": "taken back",
        "no_undo": "There is nothing to undo.",
        "other": "中文",
    },
    "zh": {
        "title": "审核",
        "lead": "人们的反馈，以及模型没有把握的回答。您采纳的内容将用于下一次更新。",
        "model": "模型",
        "key": "密钥",
        "key_hint": "密钥需有 feedback 权限，仅在服务要求时填写；保留到本标签页关闭为止。",
        "need_key": "本服务需要密钥：请输入有效的密钥。",
        "away": "服务没有响应。",
        "no_models": "没有可用的模型。",
        "nothing": "没有待审核的内容。",
        "look": "再看一次",
        "done": "条已在此处理",
        "waiting": "条反馈待处理",
        "contradictory": "反馈互相矛盾",
        "said": "有人反馈，尚未处理",
        "quarantined": "已搁置：疑似攻击",
        "unsure": "模型没有把握",
        "skipped": "您之前跳过了这一条",
        "sure": "置信度",
        "answers": "可选答案",
        "says": "认为",
        "to_accept": "将采纳的答案",
        "none_chosen": "尚未选择：请选择一个答案，或自行修改。",
        "none": "没有实体。",
        "no_labels": "没有标签。",
        "edit_label": "按数字键选定标签；也可输入查找，按回车选定第一个",
        "edit_labels": "按数字键选中或取消标签；也可输入查找后按回车；输入为空时按回车结束",
        "edit_entities": "用鼠标或 Shift 加方向键选中文字，再按数字键标注；Delete 取消标注；回车结束",
        "edit_answer": "正确的回答；Ctrl+回车结束",
        "edit_score": "0 到 1 之间的分数；回车结束",
        "other_label": "标签：输入以查找",
        "marking": "待标注文本",
        "new_label": "新标签",
        "bad_score": "分数应为 0 到 1 之间的数。",
        "choose": "请先选择一个答案。",
        "select": "请先选中文字。",
        "accept": "采纳",
        "edit": "修改",
        "reject": "驳回",
        "skip": "跳过",
        "undo": "撤销",
        "help": "按键",
        "keys": "回车或 a：采纳 · 1 至 9：选择答案 · e：修改 · Esc：退出修改 · r：驳回（不会从中学习）· "
        "s：跳过（排到最后）· u：撤销 · ?：显示本行",
        "accepted_": "已采纳",
        "rejected_": "已驳回",
        "skipped_": "已跳过",
        "undone_": "已撤销",
        "no_undo": "没有可撤销的操作。",
        "other": "English",
    },
}

_BODY = """
<header><div><h1 data-word="title"></h1><p class="soft" data-word="lead"></p></div>
<button type="button" class="plain" id="lang" data-word="other"></button></header>
<section id="card" tabindex="-1" role="group" aria-labelledby="why" hidden>
<div class="row spread"><h2 id="why"></h2><span class="soft" id="sure"></span></div>
<p class="soft" id="reasons"></p>
<div id="shown"></div>
<fieldset id="sides"><legend data-word="answers"></legend><div id="choices"></div></fieldset>
<div class="gap" role="group" aria-labelledby="to-accept"><p class="name" id="to-accept" data-word="to_accept"></p>
<div id="proposal" aria-live="polite"></div></div>
<div id="editor" class="gap" hidden>
<p class="soft" id="how"></p>
<label id="marking-field"><span data-word="marking"></span>
<textarea id="marking" aria-describedby="how" spellcheck="false" dir="auto"></textarea></label>
<label id="filter-field"><span data-word="other_label"></span><input id="filter" autocomplete="off" spellcheck="false"
 aria-describedby="how" aria-controls="options"></label>
<div id="options"></div>
<label id="writing-field"><span data-word="to_accept"></span>
<textarea id="writing" aria-describedby="how" dir="auto" maxlength="100000"></textarea></label>
<label id="scoring-field"><span data-word="to_accept"></span>
<input id="scoring" inputmode="decimal" autocomplete="off" aria-describedby="how"></label>
</div>
<div class="row gap acts">
<button type="button" id="accept" aria-keyshortcuts="Enter a"><span data-word="accept"></span> <kbd>↵</kbd></button>
<button type="button" class="plain" id="edit" aria-keyshortcuts="e"><span data-word="edit"></span> <kbd>e</kbd></button>
<button type="button" class="plain" id="reject" aria-keyshortcuts="r"><span data-word="reject"></span>
 <kbd>r</kbd></button>
<button type="button" class="plain" id="skip" aria-keyshortcuts="s"><span data-word="skip"></span> <kbd>s</kbd></button>
</div></section>
<section id="empty" hidden><div class="row spread"><h2 data-word="nothing"></h2>
<button type="button" class="plain" id="look" data-word="look"></button></div></section>
<section><div class="row spread acts"><p id="progress" class="soft"></p><div class="row">
<button type="button" class="plain" id="undo" aria-keyshortcuts="u"><span data-word="undo"></span> <kbd>u</kbd></button>
<button type="button" class="plain" id="help" aria-keyshortcuts="?" aria-expanded="false" aria-controls="keys">
<span data-word="help"></span> <kbd>?</kbd></button></div></div>
<p id="keys" class="soft gap" data-word="keys" hidden></p>
<p id="status" class="soft" role="status"></p>
<div class="fields gap"><label><span data-word="model"></span><select id="model"></select></label>
<label><span data-word="key"></span><input id="key" type="password" autocomplete="off" spellcheck="false"
 aria-describedby="key-hint"></label></div><p class="soft" id="key-hint" data-word="key_hint"></p></section>
"""


@cache
def page(lang: Lang) -> str:
    """The whole page; its language is where it starts, the other one is a button away."""
    return whole(lang, WORDS, STYLE, _BODY, SCRIPT)


@cache
def policy() -> str:
    """What the page may do; see `tunewheel.serving.page.allowed`."""
    return allowed(SCRIPT, STYLE)
