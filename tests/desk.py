"""Texts of a few plain topics, English and Chinese, no two nearly the same."""

import itertools
import random

PLACES = {
    "en": [
        "kitchen",
        "garage",
        "attic",
        "cellar",
        "hallway",
        "balcony",
        "office",
        "library",
        "garden",
        "lobby",
        "studio",
        "workshop",
    ],
    "zh": ["厨房", "车库", "阁楼", "地下室", "走廊", "阳台", "办公室", "图书馆", "花园", "大厅", "画室", "车间"],
}
TOPICS = {
    "en": {
        "lift": (
            "the elevator {}",
            "stuck between floors|stopped moving|door jammed|cabin shakes|button broken|lift slow",
        ),
        "heat": ("the radiator {}", "stays cold|leaks water|heating failed|boiler noisy|no warm water|valve blocked"),
        "rent": ("my rent {}", "invoice wrong|payment returned|deposit missing|amount doubled|bill late|price rises"),
    },
    "zh": {
        "lift": ("电梯{}", "卡在两层之间|停止运行了|电梯门打不开|轿厢摇晃|电梯按钮失灵|电梯太慢"),
        "heat": ("暖气{}", "暖气片冰凉|暖气漏水|锅炉噪音|暖气没有热水|暖气阀门堵塞|暖气温度太低"),
        "rent": ("房租{}", "账单有误|房租付款退回|押金不见|房租金额翻倍|账单迟到|房租上涨"),
    },
}
END = {"en": ("in the {} near the {}", " "), "zh": ("在{}旁边的{}", "，")}


def desk(lang: str, each: int = 30, seed: int = 5) -> list[tuple[str, str]]:
    """Pairs of a topic and a text about it."""
    draw, found = random.Random(seed), []
    ending, between = END[lang]
    for topic, (about, faults) in TOPICS[lang].items():
        every = list(itertools.product(faults.split("|"), PLACES[lang], PLACES[lang]))
        for fault, place, beside in draw.sample(every, each):
            found.append((topic, about.format(fault) + between + ending.format(place, beside)))
    return found
