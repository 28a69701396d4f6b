"""What reports state of a model and its task, in Chinese: names of facts, and what tasks say in English."""

from __future__ import annotations

from tunewheel.pages import Lang, Sentences

NAMES = {
    "split": "所用划分",
    "run": "运行编号",
    "base": "基座",
    "variant": "导出形式",
    "calibration": "校准",
    "scope": "超出范围的判定",
    "together": "匹配标签",
    "answers": "回答方式",
    "perplexity": "困惑度",
    "rewards": "隐式奖励",
}

_TOLD = Sentences(
    {
        "none: it is fitted on dev where that brings {:d} claims, right and wrong ones": (
            "无：须开发集给出至少 {} 个判断，且有对有错，才能拟合"
        ),
        "temperature {:d}, fitted on dev": "温度 {}，在开发集上拟合",
        "Platt scaling, slope {}, shift {}, fitted on dev": "Platt 缩放，斜率 {}，偏移 {}，在开发集上拟合",
        "{} where the {:said} is below {}, fitted on dev": "{1}低于 {2} 时判为 {0}，在开发集上拟合",
        "probability": "概率",
        "logit": "logit ",
        "energy": "能量",
        "no threshold: one is fitted where {:d} dev rows are labelled {}": (
            "没有阈值：开发集中须有 {} 条样本标为 {} 才能拟合"
        ),
        "{} says that two texts belong together": "{} 表示两段文本相匹配",
        "{:said}; their {} is learned": "{}；学习其 {}",
        "at most {:d} tokens, {:said}": "至多 {} 个词元，{}",
        "the likeliest token at each step": "每步取最可能的词元",
        "tokens drawn at temperature {}, top-p {}, seed {}": "按温度 {}、top-p {}、种子 {} 抽取词元",
        "{} a token of the gold answers, on dev": "开发集标准答案每词元 {}",
        "the implicit reward of the chosen answer is higher in {} of dev": (
            "开发集中有 {} 的样本，其选中回答的隐式奖励更高"
        ),
        "{} before tuning": "{}（训练前）",
        "(never learned)": "（未学过）",
    }
)


def fact(name: str, value: str, lang: Lang) -> tuple[str, str]:
    """A fact's name and what it says, in the language of a page; what is not known stays as it is.

    >>> fact("calibration", "temperature 1.033, fitted on dev", "zh"), fact("torch", "2.13.0", "zh")
    (('校准', '温度 1.033，在开发集上拟合'), ('torch', '2.13.0'))
    """
    return (NAMES.get(name, name), _TOLD(value)) if lang == "zh" else (name, value)


def named(model: str, lang: Lang) -> str:
    """What a page calls a model: "before tuning" is no part of its name.

    >>> named("intents before tuning", "zh"), named("intents:2", "zh")
    ('intents（训练前）', 'intents:2')
    """
    return _TOLD(model, lang) if model.endswith(" before tuning") else model


def label_name(label: str, lang: Lang) -> str:
    """What a page calls a label: what stands for all that a model never learned is none of the data's."""
    return _TOLD(label, lang) if label == "(never learned)" else label
