"""Rows in English and Chinese whose labels can be told from their words, for tests that spoil some of them."""

import numpy as np

_INTENTS = {
    "en": {
        "lost": (["my card is", "the card went", "I think my card is"], ["lost", "missing", "stolen", "gone for good"]),
        "fee": (["why is there a", "please explain this", "I was charged a"], ["fee", "extra fee", "monthly charge"]),
        "hours": (["when do you", "on which days do you", "until when do you"], ["open", "close", "open the branch"]),
    },
    "zh": {
        "lost": (["我的银行卡", "那张卡", "卡片好像"], ["丢了", "不见了", "被偷了", "找不到了"]),
        "fee": (["为什么要收", "请解释这笔", "账单上多了一笔"], ["手续费", "年费", "服务费"]),
        "hours": (["你们几点", "周末何时", "网点什么时候"], ["开门", "关门", "营业"]),
    },
}
_PEOPLE = {
    "en": (["Anna Berg", "Tom Hill", "Maria Stone", "Paul Reed"], ["Oslo", "Lisbon", "Quito", "Riga"]),
    "zh": (["王小芳", "李志强", "陈大明", "赵文静"], ["杭州", "昆明", "大连", "厦门"]),
}
_NEWS = {
    "en": [
        "{n}: yesterday {who} came from {where} by train",
        "{n}: {who} lives near {where} now",
        "{n}: in {where} it rained",
    ],
    "zh": ["{n}号：昨天{who}从{where}坐车来", "{n}号：{who}现在住在{where}附近", "{n}号：{where}今天下雨"],
}


def intents(lang: str, n: int) -> tuple[list[str], list[str]]:
    """Texts, no two alike, and their labels."""
    draw = np.random.default_rng(5)
    texts, labels = [], []
    for i in range(n):
        label = list(_INTENTS[lang])[i % 3]
        starts, ends = _INTENTS[lang][label]
        texts.append(
            f"{draw.choice(starts)} {draw.choice(ends)} {i}"
            if lang == "en"
            else f"{draw.choice(starts)}{draw.choice(ends)}{i}"
        )
        labels.append(label)
    return texts, labels


def news(lang: str, n: int) -> list[dict]:
    """Rows with persons and places marked."""
    draw = np.random.default_rng(5)
    rows = []
    for i in range(n):
        who, where = (str(draw.choice(names)) for names in _PEOPLE[lang])
        text = str(draw.choice(_NEWS[lang])).format(n=i, who=who, where=where)
        marked = [(who, "person"), (where, "place")]
        entities = [
            {"start": text.index(name), "end": text.index(name) + len(name), "label": label}
            for name, label in marked
            if name in text
        ]
        rows.append({"text": text, "entities": sorted(entities, key=lambda entity: entity["start"])})
    return rows
