"""What the page and the terminal say of topics, in English and Chinese."""

from __future__ import annotations

from tunewheel.data.topics.topics import DOUBTFUL, STABLE
from tunewheel.pages import Messages

TEXT: dict[str, tuple[str, str]] = {
    "title": ("Topics in {data}", "{data} 中的主题"),
    "rows": ("{n} rows", "{n} 行"),
    "texts": ("{n} distinct texts, near repeats counted once", "{n} 条不同文本（近似重复只计一次）"),
    "by": ("vectors: {by}", "向量：{by}"),
    "topics": ("topics", "主题"),
    "other": ("belong nowhere", "不属于任何主题"),
    "agreement": ("agreement of resamples", "重抽样一致性"),
    "agreement note": (
        "adjusted Rand index over {n} resamples, {low} to {high}; 1: the same again, 0: chance",
        "{n} 次重抽样的调整兰德指数，{low} 至 {high}；1 表示完全重现，0 表示纯属偶然",
    ),
    "firm": (
        "Most texts fall into the same topics when others are drawn.",
        "换一批文本重新聚类，多数文本仍落入相同的主题。",
    ),
    "loose": (
        "Borders between topics move when other texts are drawn: trust the topics marked stable, and read the others "
        "before you use them.",
        "换一批文本重新聚类，主题之间的边界会移动：标为“稳定”的主题可以信赖，其余请先阅读再使用。",
    ),
    "chance": (
        "Hardly anything is found again when other texts are drawn: these topics are one way among many to part them.",
        "换一批文本重新聚类，几乎无法重现：这些主题只是众多划分方式中的一种。",
    ),
    "map": ("Map", "主题地图"),
    "map note": (
        "{n} of the texts by t-SNE: what stands together is alike; what stands apart need not be unlike, and sizes of "
        "gaps mean nothing. Grey belongs nowhere.",
        "其中 {n} 条文本的 t-SNE 投影：靠近的文本相似；相距远的未必不相似，间隔大小没有意义。灰色不属于任何主题。",
    ),
    "list": ("Topics", "主题"),
    "list note": (
        "The name is made of the words that tell a topic from the others. Stability is how much of a topic was found "
        "again, from 0 to 1: below {doubtful} it may well be chance. Personal data in texts is masked.",
        "名称取自最能区分该主题的词。稳定性为主题被重新找到的程度（0 至 1），低于 {doubtful} 很可能只是偶然。"
        "文本中的个人信息已遮盖。",
    ),
    "topic": ("topic", "主题"),
    "words": ("words", "关键词"),
    "size": ("rows", "行数"),
    "share": ("share", "占比"),
    "stability": ("stability", "稳定性"),
    "stable": ("stable", "稳定"),
    "doubtful": ("doubtful", "存疑"),
    "loose topic": ("may be chance", "可能是偶然"),
    "examples": ("most central texts", "最典型的文本"),
    "notes": ("notes", "备注"),
    "facts": ("How this was made", "生成信息"),
    "fingerprint": ("dataset", "数据集"),
    "sampling": ("texts that topics were made of, seed", "用于聚类的文本数、种子"),
    "created": ("created", "生成时间"),
}
message = Messages(TEXT)


def standing(stability: float) -> str:
    """The message that says what a topic's stability is worth.

    >>> standing(0.9), standing(0.7), standing(0.2)
    ('stable', 'doubtful', 'loose topic')
    """
    return "stable" if stability >= STABLE else "doubtful" if stability >= DOUBTFUL else "loose topic"


def verdict(agreement: float) -> str:
    """The message that says what the agreement of resamples is worth.

    >>> verdict(0.8), verdict(0.5), verdict(0.1)
    ('firm', 'loose', 'chance')
    """
    return "firm" if agreement >= STABLE else "loose" if agreement >= _CHANCE else "chance"


_CHANCE = 0.3
