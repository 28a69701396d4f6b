"""Postal addresses: Chinese ones from the region to the room, English ones from the house to the post code.

An address is what patterns know worst: one that has neither a road nor a number is not found.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from tunewheel.data.privacy.numbers import Spans

_REGIONS = re.findall(
    "黑龙江|内蒙古|..",
    "北京天津上海重庆河北山西辽宁吉林黑龙江江苏浙江安徽福建江西山东河南湖北湖南"
    "广东海南四川贵州云南陕西甘肃青海台湾内蒙古广西西藏宁夏新疆香港澳门",
)
_DIGIT = "0-9一二三四五六七八九十百"
# From the house's number on: 27号, 12弄3号, 5号楼2单元301室, 3栋B座.
_HOUSE = re.compile(
    rf"[{_DIGIT}](?<![{_DIGIT}].)[{_DIGIT}]{{0,5}}(?:[-至之][0-9]{{1,4}})?(?:号院?|弄|栋|幢|座|单元|室)"
    rf"(?:[ ,]?(?:[A-Za-z{_DIGIT}]{{1,5}}(?:[-至][0-9]{{1,4}})?(?:号楼|号|弄|栋|幢|座|单元|层|楼|室)|[A-Z]座)){{0,5}}"
    r"(?:[ ]?[0-9]{3,4}(?![0-9]))?"
)
_ROAD = re.compile(
    r"(?:路|街|大道|道|巷|弄|胡同|里|村|镇|乡|屯|组|条|段|线|园|苑|城|庄|厦|小区|花园|公寓|广场|大厦|新村|楼)[ ]?\Z"
)
_CERTAIN = re.compile(r"(?:路|街|大道|巷|胡同|[东西南北中]里|[一二三四五六七八九十东西南北中]段)[ ]?\Z")
_HEAD = re.compile(r"[\u4e00-\u9fffA-Za-z0-9 ]{0,48}[\u4e00-\u9fff][ ]?\Z")
_BREAKS = re.compile(r"[在住到去于往址是为给寄送我你他她们了请:]")
_LONGEST_ROAD = 8  # characters from where a road's name is thought to begin when nothing tells

_SUFFIXES = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Place|Pl|Square|Sq|Terrace|Ter"
    "|Trail|Trl|Parkway|Pkwy|Highway|Hwy|Way|Crescent|Close|Mews"
)
_STREET = re.compile(
    r"[0-9](?<![0-9A-Za-z.,-].)[0-9]{0,5}[A-Za-z]?(?:-[0-9]{1,5})?[ ](?:[0-9]{1,5}[ ])?(?:[NSEW]\.?[ ])?"
    r"(?:(?:[^\W\d_][\w'’.-]{0,23}|[0-9]{1,3}(?:st|nd|rd|th))[ ]){1,3}?"
    rf"(?:{_SUFFIXES})\b\.?(?:[ ][NSEW]{{1,2}}\b)?"
    r"(?:,?[ \n]{1,2}(?:Apartment|Apt|Suite|Ste|Unit|Floor|Room|#)\.?[ ]?#?[0-9A-Za-z-]{1,6}\b)?"
    r"(?:,?[ \n]{1,2}[A-Z][\w'-]{1,20}(?:[ ][A-Z][\w'-]{1,20}){0,2},?[ \n]{1,2}"
    r"(?:[A-Z]{2}[ \n]{1,2}[0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]?[ ][0-9][A-Z]{2})\b)?"
)
_BOX = re.compile(r"\bP\.?[ ]?O\.?[ ]?Box[ ][0-9]{1,6}\b|\bPSC[ ][0-9]{1,5},?[ ]Box[ ][0-9]{1,5}\b", re.I)


def addresses(text: str) -> Spans:
    """Postal addresses in Chinese and in English."""
    if not text.isascii():
        yield from _chinese(text)
    for found in _STREET.finditer(text):
        if re.search(r"[A-Z]", found[0]):
            yield found.span()
    if "ox " in text.lower():
        for found in _BOX.finditer(text):
            yield found.span()


def _chinese(text: str) -> Spans:
    """From each house's number back to where its address begins, never over the one before."""
    last = 0
    for house in _HOUSE.finditer(text):
        window = text[max(last, house.start() - 48) : house.start()]
        last = house.end()
        head = _HEAD.search(window) if _ROAD.search(window) else None
        if head is None:
            continue
        start = _beginning(head[0])
        if start is not None:
            yield house.start() - len(head[0]) + start, house.end()


def _beginning(head: str) -> int | None:
    """Where an address begins in what stands before its house: at a place that is known, else at its road's name."""
    if len(head.rstrip()) < 2:
        return None
    known = _places()
    for at in range(len(head)):
        if any(head[at : at + size] in known for size in range(2, 12)):
            return at
    if not _CERTAIN.search(head):
        return None
    begin = max(0, len(head) - _LONGEST_ROAD)
    for found in _BREAKS.finditer(head, begin):
        begin = found.end()
    return begin if len(head.rstrip()) - begin > 1 else None


@cache
def _places() -> frozenset[str]:
    """Provinces, cities and counties of today and before, as python-stdnum's table of GB/T 2260 has them."""
    table = (resources.files("stdnum.cn") / "loc.dat").read_text(encoding="utf-8")
    counties = {
        re.sub(r"^\[[^]]*\]", "", name)
        for names in re.findall(r'(?:county|province)="([^"]+)"', table)
        for name in names.split(",")
    }
    general = {"市辖区", "县", "郊区", "城区", "矿区"}
    return frozenset({*_REGIONS, *(name for name in counties - general if len(name) > 1)})
