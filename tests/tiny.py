"""Rows that a tiny model can learn."""


def intent_rows(n: int) -> list[dict]:
    phrases = {"lost": ["my card is gone", "I lost the card", "卡丢了"], "balance": ["what is my balance", "余额多少"]}
    rows = []
    for i in range(n):
        label = ("lost", "balance")[i % 2]
        rows.append({"id": str(i), "text": f"{phrases[label][i % len(phrases[label])]} number {i}", "label": label})
    return rows


def entity_rows(n: int) -> list[dict]:
    people = ["Anna Berg", "王芳", "Tom Hill", "李强"]
    rows = []
    for i in range(n):
        who = people[i % len(people)]
        text = f"{i} times paid {who} in full"
        start = text.index(who)
        entity = {"start": start, "end": start + len(who), "label": "person"}
        rows.append({"id": str(i), "text": text, "entities": [entity]})
    return rows
