"""Chinese texts with personal data in known places, and what looks like it: written by a seeded generator.

Identity numbers have area codes that there are, and every checksum is right, or wrong on purpose. What is personal has
its kind; what only looks so has none: numbers of orders, times, amounts, goods, devices, versions, near misses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from stdnum import iban, luhn
from stdnum.cn import ric, uscc

Piece = tuple[str, str, str | None]  # words before, value, kind

AREAS = [
    *("110101", "110108", "310115", "320102", "330106", "340104", "350203", "370202"),
    *("410105", "420106", "430102", "440305", "500112", "510107", "610113", "650102"),
]
PLACES = [
    *(
        ("北京市", "朝阳区"),
        ("上海市", "浦东新区"),
        ("浙江省杭州市", "西湖区"),
        ("广东省深圳市", "南山区"),
        ("四川省成都市", "武侯区"),
    ),
    *(("湖北省武汉市", "洪山区"), ("南京市", "玄武区"), ("陕西西安市", "雁塔区"), ("", "昆山市"), ("重庆", "渝北区")),
]
ROADS = [
    "建国路",
    "世纪大道",
    "文三路",
    "科技园南街",
    "人民南路",
    "珞喻路",
    "中山东路",
    "小寨西路",
    "长江北路",
    "龙山大道",
    "学院路",
    "梧桐巷",
]
USERS = ["lin.hao", "zhao_mei", "chen88", "wangxiaoyu", "sales-cn", "qq1024", "liu.yang+shop"]
HOSTS = ["example.com", "mail.example.cn", "example.org", "corp.example.net"]


class Writer:
    """Draws values; one seed gives the same texts on every machine."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def digits(self, many: int) -> str:
        return "".join(self.random.choices("0123456789", k=many))

    def pick(self, values: list[str] | str) -> str:
        return self.random.choice(values)

    def day(self) -> date:
        return date(1945, 1, 1) + timedelta(days=self.random.randrange(27_000))

    def id_card(self) -> str:
        number = f"{self.pick(AREAS)}{self.day():%Y%m%d}{self.digits(3)}0"
        return number[:-1] + ric.calc_check_digit(number)

    def old_id_card(self) -> str:
        return f"{self.pick(AREAS)}{self.day():%y%m%d}{self.digits(3)}"

    def card(self) -> str:
        start, length = self.random.choice(
            [("622202", 19), ("621700", 19), ("625090", 16), ("4563", 16), ("5187", 16), ("955880", 19)]
        )
        body = start + self.digits(length - len(start) - 1)
        return body + luhn.calc_check_digit(body)

    def credit_code(self) -> str:
        body = f"9{self.pick('12')}{self.pick(AREAS)}{self.digits(2)}MA{self.digits(4)}{self.pick('ABCDEFGHJK')}"
        return body + uscc.calc_check_digit(body + "0")

    def iban(self) -> str:
        body = self.random.choice([("DE", self.digits(18)), ("GB", "WEST" + self.digits(14)), ("CH", self.digits(17))])
        return f"{body[0]}{iban.calc_check_digits(body[0] + '00' + body[1])}{body[1]}"

    def mobile(self) -> str:
        return f"1{self.pick('3456789')}{self.digits(9)}"

    def landline(self) -> str:
        code = self.pick(["010", "021", "0571", "0755", "028"])
        return code + self.pick(["-", "", "－"]) + self.pick("2345678") + self.digits(7)

    def plate(self) -> str:
        start = self.pick("京沪粤浙苏川陕鄂渝鲁") + self.pick("ABCDEFGH")
        return start + self.random.choice(
            [self.digits(5), "D" + self.digits(5), self.pick("ABCKLMX") + self.digits(3) + self.pick("ABCXYZ")]
        )

    def address(self) -> str:
        city, district = self.random.choice(PLACES)
        end = self.random.choice(
            [
                "号",
                f"号{self.digits(1)}号楼{self.random.randint(1, 9)}单元{self.random.randint(101, 999)}室",
                f"弄{self.random.randint(1, 99)}号",
            ]
        )
        return f"{city}{district}{self.pick(ROADS)}{self.random.randint(1, 999)}{end}"

    def token(self, many: int) -> str:
        return "".join(self.random.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=many))

    def mac(self) -> str:
        return ":".join(f"{self.random.randrange(256):02X}" for _ in range(6))

    def ip(self) -> str:
        if self.random.random() < 0.3:
            return "2001:db8:" + ":".join(f"{self.random.randrange(1, 65536):x}" for _ in range(6))
        return ".".join(str(self.random.randrange(1, 255)) for _ in range(4))

    def wrong(self, number: str) -> str:
        """A number whose last character is another digit."""
        return number[:-1] + self.pick([digit for digit in "0123456789" if digit != number[-1]])


def dressed(writer: Writer, value: str, kind: str) -> str:
    """A value as people also write it: in full width, in groups, in small letters."""
    dice = writer.random.random()
    if dice < 0.12 and kind not in ("SECRET", "URL_CREDENTIALS"):
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value)
    if dice < 0.3 and kind == "BANK_CARD" and len(value) in (16, 19):
        return writer.pick(" -").join(value[i : i + 4] for i in range(0, len(value), 4))
    if dice < 0.3 and kind == "PHONE" and len(value) == 11 and value[0] == "1":
        return writer.pick(["+86 ", "86-", ""]) + writer.pick(" -").join([value[:3], value[3:7], value[7:]])
    if dice < 0.3 and kind == "IBAN":
        return " ".join(value[i : i + 4] for i in range(0, len(value), 4))
    return value.lower() if dice < 0.4 and kind in ("ID_CARD", "PLATE", "PASSPORT", "IBAN") else value


def personal(writer: Writer) -> list[tuple[str, Callable[[], str], list[str]]]:
    """Kind, how a value is drawn, and the words that may stand before it."""
    w = writer
    return [
        ("ID_CARD", w.id_card, ["身份证", "证件号：", "我的身份证号是", ""]),
        ("ID_CARD", w.old_id_card, ["老身份证", "旧证号："]),
        ("BANK_CARD", w.card, ["卡号", "银行卡：", "请打到", "尾号见", ""]),
        ("CREDIT_CODE", w.credit_code, ["税号", "统一社会信用代码：", "公司代码是", ""]),
        ("IBAN", w.iban, ["IBAN：", "境外账户", "汇到"]),
        ("PASSPORT", lambda: w.pick("EG") + w.digits(8), ["护照", "护照号：", "证件是"]),
        ("PASSPORT", lambda: "E" + w.pick("ABCDEFGH") + w.digits(7), ["护照号码", "新护照"]),
        ("PLATE", w.plate, ["车牌", "车号是", "我的车", ""]),
        ("EMAIL", lambda: f"{w.pick(USERS)}@{w.pick(HOSTS)}", ["邮箱", "发到", "抄送", "邮件："]),
        ("IP", w.ip, ["从", "主机", "地址是", "IP："]),
        ("MAC", w.mac, ["网卡", "MAC：", "设备"]),
        (
            "URL_CREDENTIALS",
            lambda: f"mysql://{w.token(5)}:{w.token(9)}@{w.pick(HOSTS)}:3306/shop",
            ["库在", "连接串："],
        ),
        ("SECRET", lambda: w.token(7) + w.digits(2), ["密码是", "密码：", "口令=", "password="]),
        ("SECRET", lambda: "sk-" + w.token(32), ["密钥", "用了", "key："]),
        ("SECRET", lambda: "LTAI" + w.token(20), ["AccessKey ", "泄露了"]),
        ("SECRET", lambda: "ghp_" + w.token(36), ["令牌", "提交里有"]),
        ("PHONE", w.mobile, ["电话", "手机：", "请联系", "打给", ""]),
        ("PHONE", w.landline, ["座机", "电话：", "传真"]),
        ("ADDRESS", w.address, ["地址：", "寄到", "我住在", "请送往", "收货地址是"]),
    ]


def lookalikes(writer: Writer) -> list[Callable[[], str]]:
    """What a careless pattern takes for personal data."""
    w = writer

    def stamp() -> str:
        return f"{1_500_000_000 + w.random.randrange(300_000_000)}"

    return [
        lambda: "订单号" + w.card(),
        lambda: "订单编号：" + w.mobile(),
        lambda: "流水号" + f"{w.day():%Y%m%d}" + w.digits(10),
        lambda: "快递单号YT" + w.digits(13),
        lambda: "运单SF" + w.digits(12),
        lambda: "时间戳" + stamp(),
        lambda: "时间戳" + stamp() + w.digits(3),
        lambda: "纳秒" + stamp() + w.digits(9),
        lambda: f"于20{w.digits(1)}4-0{w.random.randint(1, 9)}-1{w.digits(1)} 12:3{w.digits(1)}:45",
        lambda: f"批次20240{w.random.randint(1, 9)}1{w.digits(1)}{w.digits(6)}",
        lambda: f"金额{w.random.randint(10_000, 99_999_999)}.{w.digits(2)}元",
        lambda: f"共计{w.mobile()}.00元",
        lambda: f"￥{w.random.randint(1, 999)},{w.digits(3)},{w.digits(3)}.00",
        lambda: "证件" + w.wrong(w.id_card()),
        lambda: "号码99" + w.id_card()[2:],
        lambda: "卡" + w.wrong(w.card()),
        lambda: "代码" + w.wrong(w.credit_code()),
        lambda: "账户" + w.wrong(w.iban()),
        lambda: "条码69" + w.digits(11),
        lambda: "串号35" + w.digits(13),
        lambda: "雪花" + "17" + w.digits(17),
        lambda: "号段12" + w.digits(9),
        lambda: "编码138" + w.digits(7),
        lambda: "版本" + w.ip().split(":")[0].replace("2001", "2.0.1.4"),
        lambda: f"比分{w.digits(1)}:{w.digits(1)}",
        lambda: f"乘{w.random.randint(1, 18)}号线到{w.random.randint(2, 30)}号楼",
        lambda: "型号" + w.pick("BCFJ") + w.digits(8),
        lambda: "密码错误",
        lambda: "@" + w.pick(USERS),
        lambda: f"网址https://{w.pick(HOSTS)}/a/{w.digits(4)}",
        lambda: f"尺寸{w.digits(3)}-{w.digits(3)}-{w.digits(2)}",
        lambda: "车位" + w.pick("京沪粤") + "座" + w.digits(3),
    ]


def texts(many: int, seed: int) -> Iterator[tuple[str, set[tuple[int, int, str]]]]:
    """Texts of one to four pieces, half of them personal, with the places of those."""
    writer = Writer(seed)
    kinds, others = personal(writer), lookalikes(writer)
    for _ in range(many):
        text, spans = writer.pick(["", "您好，", "客服记录：", "麻烦核实一下，", "今天"]), set()
        for _ in range(writer.random.randint(1, 4)):
            if writer.random.random() < 0.5:
                kind, draw, words = writer.random.choice(kinds)
                value = dressed(writer, draw(), kind)
                text += writer.pick(words)
                spans.add((len(text), len(text) + len(value), kind))
                text += value
            else:
                text += writer.random.choice(others)()
            text += writer.pick(["，", "。", "；", "、", "，谢谢。", " ", "（已核对）", "\n"])
        yield text, spans
