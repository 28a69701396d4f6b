"""What is found, by kind, in both languages, and what looks like it and is not."""

from __future__ import annotations

import pytest

from tunewheel.data.privacy import KINDS, Found, PrivacyError, find

GIVEN = {
    "SECRET": [
        ("密码：Lan-2024!x，别外传", "Lan-2024!x"),
        ("password=hunter22 host=a", "hunter22"),
        ("the key is sk-" + "a1B2" * 8 + " ok", "sk-" + "a1B2" * 8),
        ("我的钥匙是tw_" + "0a" * 6 + "_" + "Ab_-" * 10 + "Abc，", "tw_" + "0a" * 6 + "_" + "Ab_-" * 10 + "Abc"),
        ("AWS用AKIA" + "Q7" * 8 + "。", "AKIA" + "Q7" * 8),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", None),
        ("Authorization: Bearer abcDEF0123456789xyz", "abcDEF0123456789xyz"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", None),
        ("口令=k3w9xx（已改）", "k3w9xx"),
        ("您的验证码是482913，五分钟内有效", "482913"),
        ("password=" + "Ab3" * 100, "Ab3" * 100),
        ("密码：" + "Ab3" * 3000 + "，别外传", "Ab3" * 3000),
        ('token: "' + "a1, " * 100 + '", x', "a1, " * 100),
        ("口令是“" + "a1, " * 100 + "”，别外传", "a1, " * 100),
        ("Authorization: Bearer " + "Ab3" * 2000, "Ab3" * 2000),
        ("Authorization: Basic " + "Ab3" * 2000 + "=", "Ab3" * 2000 + "="),
        (r'{"msg": "{\"password\": \"hunter22\", \"user\": \"ann\"}"}', "hunter22"),
        (r"{\"密码\":\"甲乙\\\"丙1\"}", r"甲乙\\\"丙1"),
        (r"{\\\"api_key\\\": \\\"a, b 3\\\"}", "a, b 3"),
        (r"password=\"hunter22 and no end", "hunter22"),
        (r"{\"Authorization\": \"Basic YW5uOnB3\"}", "YW5uOnB3"),
    ],
    "URL_CREDENTIALS": [
        ("库在postgresql://ann:pw1@db.example.com:5432/shop，请看", "postgresql://ann:pw1@db.example.com:5432/shop"),
        ("see https://bo:x@example.org/a?b=c.", "https://bo:x@example.org/a?b=c"),
    ],
    "EMAIL": [
        ("邮箱zhang.san+a@mail.example.cn。", "zhang.san+a@mail.example.cn"),
        ("写信到ｌｉ＠example.com吧", "ｌｉ＠example.com"),
        ("mail josé@example.org.", "josé@example.org"),
        ("to a.very.long" + "x" * 70 + "@example.com", "a.very.long" + "x" * 70 + "@example.com"),
        ("写信到" + "li.fang-" * 2000 + "a@example.com吧", "li.fang-" * 2000 + "a@example.com"),
    ],
    "ID_CARD": [
        ("身份证11010119900307803X，", "11010119900307803X"),
        ("证号：１１０１０１１９９００３０７８０３ｘ", "１１０１０１１９９００３０７８０３ｘ"),
        ("110101 19900307 803X", None),
        ("老证号110101900307803。", "110101900307803"),
    ],
    "CREDIT_CODE": [("税号91110000600037341L的公司", "91110000600037341L")],
    "BANK_CARD": [
        ("卡号6222021234567890128丢了", "6222021234567890128"),
        ("charge 4111 1111 1111 1111 please", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111", None),
        ("amex 3782 822463 10005", "3782 822463 10005"),
    ],
    "IBAN": [
        ("pay GB82 WEST 1234 5698 7654 32 is mine", "GB82 WEST 1234 5698 7654 32"),
        ("de89370400440532013000", None),
    ],
    "US_SSN": [("my SSN: 536-22-8726", "536-22-8726"), ("social security number 536228726", "536228726")],
    "PASSPORT": [
        ("护照E12345678", "E12345678"),
        ("passport number: 512345678", "512345678"),
        ("护照号EA1234567，", "EA1234567"),
    ],
    "PLATE": [
        ("车牌京A12345", "京A12345"),
        ("粤BD12345停在门口", "粤BD12345"),
        ("沪A·1234学", "沪A·1234学"),
        ("川A12345F", None),
    ],
    "MAC": [
        ("网卡00:1A:2b:3c:4d:5e断了", "00:1A:2b:3c:4d:5e"),
        ("00-1A-2B-3C-4D-5E", None),
        ("MAC：FB:5F:EC:9D:DC:96", "FB:5F:EC:9D:DC:96"),
    ],
    "IP": [
        ("从10.20.0.1登录", "10.20.0.1"),
        ("host 2001:db8::7 down", "2001:db8::7"),
        ("地址：2001:db8::7", "2001:db8::7"),
        ("IP:::1", "::1"),
        ("１０．２０．０．１", None),
    ],
    "PHONE": [
        ("电话13812345678，", "13812345678"),
        ("手机：１３８－１２３４－５６７８。", "１３８－１２３４－５６７８"),
        ("+86 138 1234 5678", None),
        ("tel13812345678", "13812345678"),
        ("请打(010)88886666转123", "(010)88886666转123"),
        ("（０１０）88886666（总机）", "（０１０）88886666"),
        ("0571-87654321或400-820-8820", "0571-87654321", "400-820-8820"),
        ("call me at 33 93 31 tonight", "33 93 31"),
        ("+44 20 7946 0958", None),
        ("(415) 555-2671 x22", None),
        ("13812345678 13912345678", "13812345678", "13912345678"),
    ],
    "ADDRESS": [
        ("我住在北京市海淀区中关村大街27号3号楼501室，", "北京市海淀区中关村大街27号3号楼501室"),
        ("今天寄到杭州市西湖区文三路90号", "杭州市西湖区文三路90号"),
        ("上海市徐汇区漕溪路12弄3号", None),
        ("他家在人民路１２号", "人民路１２号"),
        ("she lives at 42 Maple Street, Springfield, IL 62704 now", "42 Maple Street, Springfield, IL 62704"),
        ("to P.O. Box 221", "P.O. Box 221"),
        ("PSC 120, Box 45\nAPO AE 09021", None),
    ],
    "URL": [("看https://example.com/a?b=1。", "https://example.com/a?b=1"), ("www.example.org", None)],
}
CASES = [(kind, text, wanted) for kind, cases in GIVEN.items() for text, *wanted in cases]

OTHERS = [
    "订单号13812345678",
    "order no. 4111111111111111",
    "时间戳1700000000000，毫秒",
    "20240101123045",
    "金额13812345678.50元",
    "卡号6222021234567890129",
    "110101199003078031",
    "110101199013078038",
    "990101199003078035",
    "91110000600037341M",
    "GB82 WEST 1234 5698 7654 33",
    "000-12-3456",
    "版本1.2.3.4",
    "v10.20.0.1",
    "256.1.1.1",
    "12:30:45",
    "串号356989850513202",
    "证件650102201311196631",
    "共计12345.00元；时间戳1700923071845",
    "尺寸019-126-23",
    "std::vector",
    "京A1234",
    "SN13812345678X",
    "the password is wrong",
    "密码错误，请重试",
    r"{\"password\": \"wrong\", \"密码\": \"\", \"user\": \"ann\"}",
    "password: ******",
    "乘3号线到12号楼",
    "他是第5号选手",
    "3 dogs on the street",
    "a@b",
    "@everyone",
    "2024-01-05 call at 10:30",
    "圆周率3.14159265358979",
]


@pytest.mark.parametrize(("kind", "text", "wanted"), CASES)
def test_each_kind_is_found(kind: str, text: str, wanted: list[str | None]) -> None:
    kinds = [kind] if kind == "URL" else None
    assert [(text[s:e], k) for s, e, k in find(text, kinds)] == [(value or text, kind) for value in wanted]


@pytest.mark.parametrize("text", OTHERS)
def test_what_looks_like_it_is_not_found(text: str) -> None:
    assert find(text) == []


def test_every_kind_but_names_has_an_example() -> None:
    assert {*GIVEN, "PERSON"} == set(KINDS)


@pytest.mark.parametrize("text", ["写信到li@example.com，电话13812345678", "mail li@example.com, ring 13812345678"])
def test_only_the_kinds_asked_for(text: str) -> None:
    assert [found.kind for found in find(text, ["PHONE"])] == ["PHONE"]


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    with pytest.raises(PrivacyError, match="unknown kind of personal data 'PHONES'; did you mean 'PHONE'"):
        find("x", ["PHONES"])
    with pytest.raises(PrivacyError, match="no kind"):
        find("x", [])


def test_names_come_from_a_finder_alone() -> None:
    text = "王小明的电话13812345678"
    assert Found(0, 3, "PERSON") not in find(text)
    assert find(text, find_names=lambda _: [(0, 3)]) == [Found(0, 3, "PERSON"), Found(6, 17, "PHONE")]


def test_what_overlaps_is_one_find_over_all_of_it() -> None:
    text = "小明13812345678"
    assert find(text, find_names=lambda _: [(0, 4)]) == [Found(0, 13, "PHONE")]


def test_names_outside_the_text_or_in_a_mask_are_left() -> None:
    assert find("[PERSON]来了", find_names=lambda _: [(1, 7), (9, 99), (3, 3)]) == []


def test_a_word_before_a_find_says_nothing_of_what_follows_it() -> None:
    assert [f.kind for f in find("手机：13812345678，时间戳1759364264180")] == ["PHONE"]


def test_a_pseudonym_hides_no_number() -> None:
    assert find("[PHONE:bcdfghjklmnp]") == []
    assert [found.kind for found in find("[PHONE:13812345678]")] == ["PHONE"]
