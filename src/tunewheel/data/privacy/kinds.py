"""The kinds of personal data that are looked for, in the order in which one wins over another in the same place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tunewheel.data.problems import listed, nearest


class Kind(NamedTuple):
    """What a kind is called for people; ``usual`` kinds are looked for unless others are named."""

    english: str
    chinese: str
    usual: bool = True


KINDS: dict[str, Kind] = {
    "SECRET": Kind("passwords, keys and tokens", "密码、密钥与令牌"),
    "URL_CREDENTIALS": Kind("addresses of the web with a password in them", "含密码的网址"),
    "EMAIL": Kind("e-mail addresses", "电子邮箱"),
    "ID_CARD": Kind("Chinese identity numbers", "身份证号码"),
    "CREDIT_CODE": Kind("Unified Social Credit Codes", "统一社会信用代码"),
    "BANK_CARD": Kind("bank card numbers", "银行卡号"),
    "IBAN": Kind("international bank account numbers", "国际银行账号"),
    "US_SSN": Kind("US social security numbers", "美国社会保障号码"),
    "PASSPORT": Kind("passports and travel permits", "护照与通行证号码"),
    "PLATE": Kind("Chinese vehicle plates", "车牌号码"),
    "MAC": Kind("hardware addresses", "物理网卡地址"),
    "IP": Kind("internet addresses", "网络地址（IP）"),
    "PHONE": Kind("telephone numbers", "电话号码"),
    "ADDRESS": Kind("postal addresses", "邮寄地址"),
    "PERSON": Kind("names of people, where a finder of names is given", "人名（须另给识别函数）"),
    "URL": Kind("addresses of the web, personal or not", "网址（不论是否涉及个人）", usual=False),
}
"""Every kind by its name."""

USUAL = frozenset(name for name, kind in KINDS.items() if kind.usual)
"""The kinds looked for where none are named."""


class PrivacyError(ValueError):
    """Personal data cannot be looked for or masked as asked; the message says what to do about it."""


def chosen(kinds: Iterable[str] | None) -> frozenset[str]:
    """The kinds asked for, `USUAL` for None.

    >>> sorted(chosen(["PHONE", "EMAIL"]))
    ['EMAIL', 'PHONE']

    Raises:
        PrivacyError: a kind is unknown, or there is none.
    """
    if kinds is None:
        return USUAL
    wanted = frozenset([kinds] if isinstance(kinds, str) else kinds)
    for name in sorted(wanted - KINDS.keys()):
        guess = nearest(name, KINDS)
        meant = f"did you mean '{guess}'?" if guess else f"known are {listed(KINDS)}"
        raise PrivacyError(f"unknown kind of personal data '{name}'; {meant}")
    if not wanted:
        raise PrivacyError(f"no kind of personal data is named; known are {listed(KINDS)}")
    return wanted
