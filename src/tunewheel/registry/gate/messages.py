"""What the page and the terminal say of a decision, in English and Chinese."""

from __future__ import annotations

from tunewheel.evaluation.messages import slice_name
from tunewheel.pages import Lang, Messages
from tunewheel.registry.gate.nouns import Check, Decision

TEXT: dict[str, tuple[str, str]] = {
    "title": ("{challenger} against {champion}", "{challenger} 对比 {champion}"),
    "promote": ("promote", "晋升"),
    "refuse": ("refuse", "拒绝"),
    "undecided": ("undecided", "未决"),
    "promote why": (
        "No check found {challenger} worse beyond its margin, and the test set shows that it is not.",
        "没有任何一项检查发现 {challenger} 超出容限变差，测试集也证实了这一点。",
    ),
    "refuse why": ("{challenger} is measurably worse: {what}.", "{challenger} 明显变差：{what}。"),
    "undecided why": (
        "Neither shown to keep within the margin nor to be worse: {what}. Nothing is promoted on hope.",
        "既未证实在容限之内，也未证实变差：{what}。没有把握就不晋升。",
    ),
    "needed": ("about {n} more rows would tell", "约需再有 {n} 行才能判定"),
    "needed none": ("no difference seen, so no telling how many rows would do", "未见差异，无法估计所需行数"),
    "promoted": ("The champion was moved with this decision.", "冠军别名已随此决定移动。"),
    "kept": ("No alias was moved.", "没有移动任何别名。"),
    "checks": ("What was looked at", "检查项目"),
    "checks note": (
        "The interval is that of the difference, {challenger} minus the other version; each border is passed by the "
        "true difference with probability {alpha}. p is the probability of such a loss between equals, corrected for "
        "the number of slices (Holm).",
        "区间为差值（{challenger} 减去对方）的区间，真实差值越过每一端的概率为 {alpha}。"
        "p 为两者相当时出现如此损失的概率，已按切片数校正（Holm）。",
    ),
    "check": ("check", "检查"),
    "state": ("result", "结果"),
    "against": ("against", "对比"),
    "rows": ("rows", "行数"),
    "figures": ("before → after", "之前 → 之后"),
    "difference": ("difference", "差值"),
    "margin": ("margin", "容限"),
    "note": ("note", "说明"),
    "passed": ("passed", "通过"),
    "worse": ("worse", "变差"),
    "open": ("open", "未决"),
    "small": ("too small", "样本过少"),
    "absent": ("not there", "无"),
    "test": ("frozen test set", "固定测试集"),
    "former": ("former champion", "曾任冠军"),
    "new": ("new data", "新数据"),
    "earlier": ("earlier test set", "早先的测试集"),
    "slice": ("slice", "切片"),
    "label": ("label", "标签"),
    "calibration": ("calibration", "校准"),
    "latency": ("latency", "延迟"),
    "parity": ("export", "导出"),
    "no new data": ("no new data: not worse on the frozen test set has to do", "没有新数据：以固定测试集上不变差为准"),
    "no earlier test set": ("no earlier test set in the lineage", "谱系中没有早先的测试集"),
    "no slices": ("no slices", "没有切片"),
    "no confidences": ("no confidences are known", "没有置信度"),
    "not timed": ("not timed", "未计时"),
    "no export": ("no export to compare with", "没有可供对比的导出"),
    "export": ("what was exported answers alike", "导出模型回答一致"),
    "export worse": ("what was exported answers otherwise", "导出模型回答不一致"),
    "time a row": ("time a row", "每行用时"),
    "Brier score": ("Brier score", "Brier 分数"),
    "calibration error": ("calibration error", "校准误差"),
    "resolves": (
        "so few rows rule out losses from {points} points on, no smaller ones",
        "行数过少：只能排除 {points} 个百分点以上的损失",
    ),
    "apart": ("{share} of the rows right in one alone", "{share} 的行仅一方正确"),
    "uses": ("Use of this test set", "测试集的使用"),
    "more": ("and {n} more", "另有 {n} 项"),
    "first use": (
        "The first decision on this test set. A challenger that loses a whole margin passes with probability {alpha} "
        "at most.",
        "这是在此测试集上的第一个决定。损失达到容限的挑战者通过的概率至多为 {alpha}。",
    ),
    "used": (
        "Earlier decisions on this test set: {uses}. Each passes a challenger that loses a whole margin with "
        "probability {alpha} at most; that any of {all} did so has probability {rate} at most. To keep that at "
        "{alpha}, each would need alpha {share}; a fresh test set starts anew.",
        "此前已在该测试集上做过 {uses} 个决定。每次让损失达到容限者通过的概率至多为 {alpha}；"
        "{all} 次中至少一次出错的概率至多为 {rate}。若要总体保持 {alpha}，每次的 alpha 须为 {share}；"
        "换用新的测试集则重新计数。",
    ),
    "facts": ("How this was decided", "决定的依据"),
    "metric": ("metric", "指标"),
    "seed": ("seed, resamples", "种子、重抽样次数"),
    "data": ("data of the champion", "冠军的数据"),
    "by": ("decided by, at", "决定人、时间"),
    "again": ("the same decision again", "重做此决定"),
    "small slices": ("{n} slices too small to decide", "{n} 个切片样本过少，无法判定"),
    "not looked at": ("not looked at: {what}", "未检查：{what}"),
    "self title": ("The gate on trial: {champion}, {rows} test rows", "准入门自检：{champion}，{rows} 行测试数据"),
}
message = Messages(TEXT)


_NAMED = 4
"""Checks that a verdict's reason names."""


def points(share: float) -> str:
    """A share of 1 in points of a hundred.

    >>> points(0.0125), points(-0.003)
    ('1.25', '-0.3')
    """
    return f"{100 * share:.2f}".rstrip("0").rstrip(".")


def subject(check: Check, lang: Lang) -> str:
    """What a check is about."""
    if check.kind == "slice" and check.state != "absent":
        name, _, value = check.of.partition(" ")
        shown = (message("label", lang), value) if name == "label" else slice_name(name, value, lang)
        return " ".join((message("slice", lang), *shown))
    if check.kind == "earlier" and check.state != "absent":
        return f"{message('earlier', lang)} ({check.of.rpartition(' ')[2]})"
    if check.kind == "calibration" and check.state != "absent":
        return message(check.of, lang)
    return message(check.kind, lang)


def figures(check: Check, digits: int = 4) -> tuple[str, str, str]:
    """Before and after, the difference with its interval, and the margin; empty where there is none."""
    if check.before is None or check.after is None or check.value is None or check.low is None or check.high is None:
        return "", "", ""
    if check.kind == "latency":
        times = f"{1000 * check.before:.2f} → {1000 * check.after:.2f} ms"
        return times, f"× [{check.low:.2f}, {check.high:.2f}]", f"× {check.margin:g}"
    value, low, high = (f"{each:+.{digits}f}" for each in (check.value, check.low, check.high))
    sign = "+" if check.kind == "calibration" or (check.margin or 0) <= 0 else "−"
    margin = "" if check.margin is None else f"{sign}{abs(check.margin):g}"
    return f"{check.before:.{digits}f} → {check.after:.{digits}f}", f"{value} [{low}, {high}]", margin


def remark(check: Check, lang: Lang) -> str:
    """What else there is to say of a check."""
    if check.state == "absent":
        return message(check.of, lang)
    told = []
    if check.kind == "parity":
        told.append(message("export" if check.state == "passed" else "export worse", lang))
    if check.state == "open":
        told.append(rows_told(check.needed, lang))
    if check.resolves is not None:
        told.append(message("resolves", lang, points=points(check.resolves)))
    if check.p is not None and check.state == "worse":
        told.append(f"p {check.p:.3g}")
    if check.apart is not None and check.kind in ("test", "former", "new"):
        told.append(message("apart", lang, share=f"{check.apart:.1%}"))
    return "；".join(told) if lang == "zh" else "; ".join(told)


def rows_told(needed: int | None, lang: Lang) -> str:
    """How many more rows would tell."""
    return message("needed none", lang) if needed is None else message("needed", lang, n=f"{needed:,}")


def reason(decision: Decision, lang: Lang) -> str:
    """The verdict's reason in a sentence or two."""
    settled = decision.reasons()
    named = [subject(check, lang) for check in settled[:_NAMED]]
    if decision.verdict == "undecided":
        brackets = "（{}）" if lang == "zh" else " ({})"
        needs = [brackets.format(rows_told(check.needed, lang)) for check in settled[:_NAMED]]
        named = [f"{name}{need}" for name, need in zip(named, needs, strict=True)]
    if len(settled) > _NAMED:
        named.append(message("more", lang, n=len(settled) - _NAMED))
    what = ("、" if lang == "zh" else ", ").join(named)
    return message(f"{decision.verdict} why", lang, challenger=decision.challenger, what=what)


def use(decision: Decision, lang: Lang) -> str:
    """What the reuse of the test set does to the error rate."""
    alpha = f"{decision.margins.alpha:.1%}"
    if not decision.uses:
        return message("first use", lang, alpha=alpha)
    share = decision.margins.alpha / (decision.uses + 1)
    values = {"uses": decision.uses, "all": decision.uses + 1, "rate": f"{decision.error_rate:.1%}"}
    return message("used", lang, alpha=alpha, share=f"{share:.2g}", **values)
