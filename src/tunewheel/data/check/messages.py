"""What findings say, in English and Chinese: a title, what was found and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tunewheel.data.check.findings import Finding
from tunewheel.pages import Lang, Messages, several


class Says(NamedTuple):
    """A finding's title and its sentence, each in English and Chinese.

    A whole number ``n`` can also stand with what it counts: ``{n:row}`` is ``1 row`` or ``2 rows``.
    """

    title: tuple[str, str]
    sentence: tuple[str, str]


KINDS: dict[str, Says] = {
    "rejected": Says(
        ("Rows that cannot be read", "无法读取的行"),
        (
            "{count:row} of {total} cannot be used ({share}) and would stop a training.",
            "{total} 行中有 {count} 行无法使用（{share}），训练会因此中止。",
        ),
    ),
    "replaced": Says(
        ("Replacement characters", "替换字符"),
        (
            "{count:row} with U+FFFD: characters that a wrong encoding lost for good; read the source again.",
            "{count} 条样本含 U+FFFD：这些字符因编码错误已永久丢失，请重新读取原始数据。",
        ),
    ),
    "garbled": Says(
        ("Texts decoded in the wrong encoding", "编码错误的乱码"),
        (
            "{count:row} with pieces that were UTF-8 and were read as something else: a model learns them as noise.",
            "{count} 条样本含有被误读的 UTF-8 片段：模型只能把它们当作噪声学习。",
        ),
    ),
    "control": Says(
        ("Control and invisible characters", "控制字符与不可见字符"),
        (
            "{count:row} with characters nobody sees ({codes}): they split words and keep equal texts apart.",
            "{count} 条样本含不可见字符（{codes}）：它们会拆开词语，并使相同的文本看起来不同。",
        ),
    ),
    "wide": Says(
        ("Full-width letters and digits", "全角字母与数字"),
        (
            "{count:row} with full-width letters or digits, {narrow:row} with plain ones: one word has two spellings.",
            "{count} 条样本含全角字母或数字，{narrow} 条为半角：同一个词有两种写法。",
        ),
    ),
    "wordless": Says(
        ("Texts without a word", "没有文字的文本"),
        (
            "{count:row} without a letter or digit: nothing to learn a label from.",
            "{count} 条样本没有任何文字或数字：无从学习标签。",
        ),
    ),
    "truncated": Says(
        ("Texts cut off at {length} characters", "在 {length} 个字符处被截断的文本"),
        (
            "{count:row} ending inside a sentence at exactly {length} characters, where {usual} would be usual: "
            "a column or an export was too short, and what was said after that is lost.",
            "{count} 条样本恰好在 {length} 个字符处中断，而该长度通常只有 {usual} 条："
            "字段或导出长度不足，其后的内容已丢失。",
        ),
    ),
    "boilerplate": Says(
        ("Boiler-plate", "模板化文字"),
        (
            "Openings, endings or sentences found in many texts: {pieces}, the most frequent in {count:row} ({share}): "
            "“{piece}”. They cost time in training and say nothing.",
            "{pieces} 个开头、结尾或句子在许多文本中重复，最常见的出现在 {count} 条样本中（{share}）：“{piece}”。"
            "它们耗费训练时间而不含信息。",
        ),
    ),
    "single_label": Says(
        ("Only one label", "只有一种标签"),
        (
            "All {count:row} have “{label}”: there is nothing to tell apart.",
            "全部 {count} 条样本均为“{label}”：没有可以区分的内容。",
        ),
    ),
    "typos": Says(
        ("Misspelt labels", "疑似拼错的标签"),
        (
            "Misspelt, it seems: {labels:label}, whose {count:row} teach a class that does not exist.",
            "{labels} 个标签疑似另一标签的误写；其 {count} 条样本在训练一个不存在的类别。",
        ),
    ),
    "rare_labels": Says(
        ("Labels with too few rows", "样本过少的标签"),
        (
            "{count:label} with fewer than {few} rows ({rows:row} in all): such a score says next to nothing, "
            "and dev or test may lack the label.",
            "{count} 个标签不足 {few} 条样本（共 {rows} 条）：其得分几乎没有意义，验证集或测试集中可能缺少它们。",
        ),
    ),
    "untaught": Says(
        ("Labels of {split} that train lacks", "训练集中没有的 {split} 标签"),
        (
            "{count:row} of {split} with a label that no row of train has: {share} of {split} is wrong in any case.",
            "{split} 中有 {count} 条样本的标签在训练集中不存在：{split} 的 {share} 必然判错。",
        ),
    ),
    "imbalance": Says(
        ("Uneven labels", "标签不均衡"),
        (
            "“{often}” has {times} times as many rows as “{seldom}” ({least}); always "
            "answering it is right in {share}, "
            "so read macro F1 rather than accuracy.",
            "“{often}”的样本数是“{seldom}”（{least} 条）的 {times} 倍；始终回答它即可达到 "
            "{share} 的准确率，应看宏平均 F1。",
        ),
    ),
    "languages": Says(
        ("Texts in another language", "其他语言的文本"),
        (
            "{count:row} ({share}) in another language than most ({main}): they are few to learn from, "
            "and a base for one language reads them badly.",
            "{count} 条样本（{share}）与多数样本（{main}）语言不同：可供学习的很少，单语基座也难以读懂。",
        ),
    ),
    "long": Says(
        ("Texts longer than a backbone reads at once", "超出模型单次读取长度的文本"),
        (
            "{count:row} of more than about {pieces} word pieces: read in about {windows} windows, "
            "which takes as long as that many rows.",
            "{count} 条样本超过约 {pieces} 个词元：将分成约 {windows} 个窗口读取，耗时与同样数量的样本相当。",
        ),
    ),
    "cut_words": Says(
        ("Entities that cut a word", "切断单词的实体"),
        (
            "{count} of {entities} entities ({share}) beginning or ending inside a word: "
            "offsets are probably off by some.",
            "{entities} 个实体中有 {count} 个（{share}）在单词内部开始或结束：位置很可能有偏移。",
        ),
    ),
    "overlapping": Says(
        ("Entities that overlap", "相互重叠的实体"),
        (
            "{count:pair} of overlapping entities among {entities}: tags can keep only one of each pair, "
            "the other is not learned.",
            "{entities} 个实体中有 {count} 对相互重叠：标注序列只能保留其一，另一个学不到。",
        ),
    ),
    "blank_edges": Says(
        ("Entities with a blank or a mark at the edge", "边界含空白或标点的实体"),
        (
            "{count} of {entities} entities ({share}) beginning with a blank or a punctuation mark, "
            "or ending with a blank: a right answer without it counts as wrong.",
            "{entities} 个实体中有 {count} 个（{share}）以空白或标点开头，或以空白结尾：不含它的正确答案会被判错。",
        ),
    ),
    "repeats": Says(
        ("Repeated texts in {split}", "{split} 中的重复文本"),
        (
            "{count:row} of {split} ({share}) saying what an earlier one says, case, width and punctuation aside: "
            "such texts weigh more than once.",
            "{split} 中有 {count} 条样本（{share}）与此前的某条相同（不计大小写、全半角与标点）：它们被重复计权。",
        ),
    ),
    "near_repeats": Says(
        ("Nearly repeated texts in {split}", "{split} 中的近似重复文本"),
        (
            "{count:row} of {split} ({share}) nearly repeating an earlier one (similarity {threshold} or more).",
            "{split} 中有 {count} 条样本（{share}）与此前的某条近似重复（相似度不低于 {threshold}）。",
        ),
    ),
    "leak": Says(
        ("Texts of {held} that stand in {learned}", "{held} 与 {learned} 的重叠文本"),
        (
            "{count:row} of {held} ({share}) found in {learned} too ({identical} letter for letter, the others but for "
            "case, width, white space or punctuation): a score on {held} is partly memory, by up to {share}.",
            "{held} 中有 {count} 条样本（{share}）同时出现在 {learned} 中（{identical} 条完全相同，"
            "其余仅大小写、全半角、空白或标点不同）：{held} 的得分部分来自记忆，最多虚高 {share}。",
        ),
    ),
    "near_leak": Says(
        ("Texts of {held} nearly as in {learned}", "{held} 与 {learned} 的近似重叠文本"),
        (
            "{count:row} of {held} ({share}) nearly as in {learned} (similarity {threshold} or more): "
            "the score flatters.",
            "{held} 中有 {count} 条样本（{share}）与 {learned} 中的文本近似（相似度不低于 {threshold}）：得分偏高。",
        ),
    ),
    "conflicts": Says(
        ("Equal texts under different labels", "相同文本标签不同"),
        (
            "{texts:text} under several labels, in {count:row}: whatever a model answers, "
            "it is wrong at least {wrong:time} ({share} of all).",
            "{texts} 个文本有多种标签，共 {count} 条样本：无论模型如何回答，至少有 {wrong} "
            "条判错（占全部的 {share}）。",
        ),
    ),
    "label_errors": Says(
        ("Labels that are probably wrong", "疑似错误的标签"),
        (
            "{count:row} ({share}) whose other rows speak for another label; look at the first ones, and mend them.",
            "{count} 条样本（{share}）的标签与其余样本所示不符；请先查看排在最前的并修正。",
        ),
    ),
    "entities_too_hard": Says(
        ("Entities too hard to judge", "实体过难，无法判断"),
        (
            "A light model that learned from the other rows disputes {count} of the entities ({share}): the task is "
            "too hard for it, or the rows are too few, so it calls none of them wrong.",
            "用其余样本训练的轻量模型对 {count} 个实体（{share}）有异议：任务过难或样本过少，因此不据此判错。",
        ),
    ),
    "entity_errors": Says(
        ("Entities that are probably wrong", "疑似错误的实体标注"),
        (
            "{count:place} in {rows:row}: entities probably missed ({missed}), marked without being one ({spurious}) "
            "or of another type ({retyped}).",
            "{rows} 条样本中有 {count} 处：疑似漏标（{missed}）、误标（{spurious}）或类型错误（{retyped}）。",
        ),
    ),
    "personal": Says(
        ("Personal data", "个人信息"),
        (
            "{count:row} with personal data ({named}): it would enter models, reports and logs.",
            "{count} 条样本含个人信息（{named}）：它们会进入模型、报告与日志。",
        ),
    ),
    "outliers": Says(
        ("Texts unlike all others", "与其余文本都不相似的文本"),
        (
            "{count:row} ({share}) unlike every other: another topic, another language, or rubbish.",
            "{count} 条样本（{share}）与其他文本都不相似：可能属于其他主题、其他语言或无效内容。",
        ),
    ),
    "text_drift": Says(
        ("{right} is other text than {left}", "{right} 与 {left} 的文本分布不同"),
        (
            "The texts of {right} are not drawn as those of {left} are (p {p}): a score "
            "on one may not hold on the other. "
            "More frequent in {right}: {words}.",
            "{right} 与 {left} 的文本并非同一分布（p {p}）：一方的得分未必适用于另一方。{right} 中更常见：{words}。",
        ),
    ),
    "label_drift": Says(
        ("{right} has other label shares than {left}", "{right} 与 {left} 的标签比例不同"),
        (
            "Label shares of {right} differ from those of {left} (p {p}), most for “{label}”: {before} → {after}.",
            "{right} 与 {left} 的标签比例不同（p {p}），差异最大的是“{label}”：{before} → {after}。",
        ),
    ),
    "unreached": Says(
        ("Texts that no labelled row reaches", "已标注样本未覆盖的文本"),
        (
            "{clusters:cluster} of unlabelled text, {count:row} ({share}), far from every labelled one: "
            "label some of each next. The largest is about: {words}.",
            "{clusters} 簇未标注文本（{count} 条，{share}）远离所有已标注样本：接下来应从每簇各标注一些。"
            "最大的一簇关于：{words}。",
        ),
    ),
}

FAMILIES: dict[str, str] = {
    **{"schema": "格式", "encoding": "编码", "texts": "文本", "labels": "标签", "lengths": "长度", "spans": "实体边界"},
    **{"duplicates": "重复", "privacy": "个人信息", "suspects": "疑似错误标签"},
    **{"outliers": "离群文本", "drift": "分布漂移", "coverage": "覆盖"},
}

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Check of {data}", "{data} 的数据检查报告"),
    "rows": ("{n} rows", "{n} 条样本"),
    "dataset": ("dataset {name}", "数据集 {name}"),
    "error": ("error", "错误"),
    "warning": ("warning", "警告"),
    "info": ("note", "提示"),
    "errors": ("errors", "错误"),
    "warnings": ("warnings", "警告"),
    "infos": ("notes", "提示"),
    "findings": ("What was found", "检查结果"),
    "clean": ("Nothing was found.", "未发现问题。"),
    "plain": (
        "No labels: taken as plain text; name them with --label.",
        "没有标签：按纯文本处理；如有标签列，请用 --label 指定。",
    ),
    "looked": ("Looked for: {names}.", "检查项目：{names}。"),
    "finding": ("finding", "问题"),
    "severity": ("severity", "级别"),
    "count": ("count", "数量"),
    "sampled": ("On a sample of {n} rows (seed {seed}).", "基于 {n} 条样本的抽样（种子 {seed}）。"),
    "repair": ("Repair", "修复"),
    "repair all": ("All repairs in one go, written as a new dataset", "一次完成全部修复，写成新的数据集"),
    "examples": ("Examples ({shown} of {all})", "示例（{all} 个中的 {shown} 个）"),
    "place": ("place", "位置"),
    "text": ("text", "文本"),
    "label": ("label", "标签"),
    "note": ("found", "发现"),
    "labels": ("Labels", "标签"),
    "labels note": (
        "The {shown} most frequent of {all} labels, by split.",
        "{all} 个标签中最常见的 {shown} 个，按划分统计。",
    ),
    "lengths": ("Lengths", "长度"),
    "lengths note": (
        "Characters of a text: half of them have up to {median}, 95 of 100 up to {p95}, the longest {longest}.",
        "文本字符数：中位数 {median}，95% 分位 {p95}，最长 {longest}。",
    ),
    "characters": ("characters", "字符数"),
    "languages": ("Languages", "语言"),
    "zh": ("Chinese", "中文"),
    "en": ("English", "英文"),
    "mixed": ("mixed", "混合"),
    "other": ("other", "其他"),
    "clusters": ("Repeated texts by size of cluster", "重复文本簇的大小"),
    "cluster size": ("rows of a cluster", "簇内样本数"),
    "cluster count": ("clusters", "簇数"),
    "facts": ("Facts", "数据信息"),
    "masked": (
        "Personal data in examples is masked, as far as patterns find it.",
        "示例中可由规则识别的个人信息已遮盖。",
    ),
    "task": ("task", "任务"),
    "splits": ("splits", "划分"),
    "fingerprint": ("fingerprint", "指纹"),
    "notes": ("read as", "读取说明"),
    "sampling": ("sample, seed", "抽样数、种子"),
    "created": ("created", "生成时间"),
}
message = Messages(TEXT)


def families(names: Sequence[str], lang: Lang) -> str:
    """What was looked for, in one line."""
    return "、".join(FAMILIES[name] for name in names) if lang == "zh" else ", ".join(names)


def title(finding: Finding, lang: Lang = "en") -> str:
    """What a finding is called."""
    return KINDS[finding.kind].title[lang == "zh"].format(**_figures(finding, lang))


def sentence(finding: Finding, lang: Lang = "en") -> str:
    """What was found and what it costs, with its figures."""
    return KINDS[finding.kind].sentence[lang == "zh"].format(**_figures(finding, lang))


class Whole(int):
    """A whole number as sentences write it, by itself or with what it counts.

    >>> f"{Whole(1200)}, {Whole(1):row}, {Whole(1200):row}"
    '1,200, 1 row, 1,200 rows'
    """

    def __format__(self, noun: str) -> str:
        return several(int(self), noun) if noun else f"{int(self):,}"


def _figures(finding: Finding, lang: Lang) -> dict[str, str | Whole]:
    """The figures of a finding as they are written."""
    values: Mapping[str, Any] = {"count": finding.count, **finding.values}
    shown = {name: _written(name, value) for name, value in values.items()}
    return shown | ({"main": message(str(shown["main"]), lang)} if "main" in shown else {})


def percent(share: float) -> str:
    """A share in percent; a small one keeps two figures.

    >>> percent(0.276), percent(0.00081)
    ('27.6%', '0.081%')
    """
    return f"{100 * share:.1f}%" if share >= 0.01 else f"{100 * share:.2g}%"


def _written(name: str, value: Any) -> str | Whole:
    if name in ("share", "before", "after"):
        return percent(value)
    if isinstance(value, int):
        return Whole(value)
    if isinstance(value, float):
        return f"{value:.3g}"
    return Whole(len(value)) if isinstance(value, Mapping) else str(value)
