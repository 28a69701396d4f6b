"""What the page and the terminal say of drift, in English and Chinese."""

from __future__ import annotations

from tunewheel.pages import Lang, Messages

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Drift of {ref}", "{ref} 的漂移"),
    "compared": ("compared with {reference}", "对照：{reference}"),
    "held out": ("the held-out rows of its dataset", "其数据集的留出样本"),
    "first": ("its first {n} exchanges", "最初的 {n} 次交互"),
    "cut": ("windows of {window}", "窗口：{window}"),
    "cut rows": ("{n} rows", "{n} 行"),
    "verdict": ("verdict", "结论"),
    "calm": ("no drift", "未见漂移"),
    "drift": ("drift", "已漂移"),
    "undecided": ("undecided", "无法判断"),
    "empty": ("no traffic", "无流量"),
    "calm note": (
        "Nothing beyond chance in the newest window, nor in the blocks that end with it.",
        "最新窗口及以其结尾的窗口组均未超出偶然范围。",
    ),
    "drift note": (
        "What the model is asked or answers is no longer what it was compared with.",
        "模型收到的问题或给出的回答已与对照不同。",
    ),
    "undecided note": (
        "Too few rows to tell: {needed} more are needed in a window. {waiting} wait for theirs to be whole.",
        "行数太少，无法判断：一个窗口还需 {needed} 行；另有 {waiting} 行所在的窗口尚未结束。",
    ),
    "empty note": ("The newest window has no exchanges.", "最新窗口没有任何交互。"),
    "judged": ("windows judged", "已判断窗口"),
    "judged note": ("{rows} rows; {waiting} wait for a whole window", "共 {rows} 行；{waiting} 行所在的窗口尚未结束"),
    "alarms": ("checks that fired", "报警次数"),
    "alarms note": (
        "of {n} checks of windows and blocks; {rate} false alarms a window are accepted",
        "共检验窗口与窗口组 {n} 次；每窗口容许误报率 {rate}",
    ),
    "expected": ("expected accuracy", "预计准确率"),
    "expected note": (
        "{low} to {high}, from calibrated confidence, no labels; too high where texts are of a new kind",
        "{low} 至 {high}，由校准后的置信度推算，无需标签；若文本属于新类型则偏高",
    ),
    "looks": (
        "These exchanges were cut into windows in {n} ways, so each has a smaller share of the false alarms.",
        "这些交互曾以 {n} 种方式划分窗口，因此每种方式分得的误报份额更小。",
    ),
    "timeline": ("Over time", "随时间变化"),
    "timeline note": (
        "Each dot is a window, or a block of 2, 4 or 8 (larger dots). Height: how far beyond chance, corrected for "
        "many looks and for one reference. Above the dashed line there is an alarm if the effect is large enough, too; "
        "red dots fired.",
        "每个点是一个窗口，或 2、4、8 个窗口合成的组（较大的点）。高度：超出偶然的程度，已按多次查看与同一对照校正。"
        "高于虚线且效应足够大即报警；红点为已报警。",
    ),
    "newest": ("The newest window", "最新窗口"),
    "alarm": ("The newest alarm", "最近一次报警"),
    "alarm span": (
        "{windows} window(s), {rows} rows, {start} to {end} (UTC)",
        "{windows} 个窗口，{rows} 行，{start} 至 {end}（UTC）",
    ),
    "test": ("what", "项目"),
    "before": ("reference", "对照"),
    "now": ("now", "现在"),
    "effect": ("effect", "效应"),
    "least": ("counts from", "计入下限"),
    "p": ("p, corrected", "校正后 p"),
    "fired": ("alarm", "报警"),
    "vectors": ("meaning (sentence vectors)", "语义（句向量）"),
    "novelty": ("texts unlike any known", "与已知文本都不像的文本"),
    "words": ("unknown words", "未知词"),
    "length": ("length (characters)", "长度（字符）"),
    "language": ("language", "语言"),
    "labels": ("predicted labels", "预测标签"),
    "confidence": ("confidence", "置信度"),
    "feedback": ("right by feedback", "反馈正确率"),
    "moved": ("What moved", "变化内容"),
    "gone": (
        "The exchanges of this alarm are not kept any more.",
        "该报警涉及的交互已不再保留。",
    ),
    "moved words": ("words whose use changed most", "使用变化最大的词"),
    "moved labels": ("predicted labels that changed most", "变化最大的预测标签"),
    "moved languages": ("languages", "语言"),
    "word": ("word", "词"),
    "label": ("label", "标签"),
    "examples": ("Rows to read", "示例"),
    "examples note": (
        "Those far from everything in the reference first, then those answered with the least confidence. Personal "
        "data was masked when they were recorded.",
        "先列出与对照都不相近的，再列置信度最低的。个人信息在记录时已遮盖。",
    ),
    "far": ("far from all known", "远离已知"),
    "text": ("text", "文本"),
    "answered": ("answered", "回答"),
    "facts": ("How this was judged", "判断方法"),
    "fact tests": ("tests of a window, jointly", "窗口内各项检验"),
    "fact tests value": ("Holm's method", "Holm 校正"),
    "fact rate": ("false alarms accepted", "容许误报"),
    "fact rate value": (
        "{rate} a window, all tests and blocks together, under 19 references of 20",
        "每窗口 {rate}（含全部检验与窗口组），对 20 个对照中的 19 个成立",
    ),
    "fact looks": ("ways of cutting into windows", "划分方式数"),
    "created": ("created", "生成时间"),
    "en": ("English", "英文"),
    "zh": ("Chinese", "中文"),
    "mixed": ("mixed", "混合"),
    "other": ("other", "其他"),
}
message = Messages(TEXT)


def said_reference(reference: str, lang: Lang) -> str:
    """What windows are compared with, in its language.

    >>> said_reference("first 1000", "en"), said_reference("held out", "zh")
    ('its first 1,000 exchanges', '其数据集的留出样本')
    """
    if reference.startswith("first "):
        return message("first", lang, n=f"{int(reference.split()[1]):,}")
    return message("held out", lang)


def said_window(window: str, lang: Lang) -> str:
    """How wide windows are, in its language.

    >>> said_window("500 rows", "zh"), said_window("7d", "zh")
    ('500 行', '7d')
    """
    number, _, unit = window.partition(" ")
    return message("cut rows", lang, n=number) if unit == "rows" else window
