"""The characters of bytes whose encoding is declared wrongly, or not at all."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Browsers take the older name for its larger successor as well.
_SUCCESSORS = {
    **{"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"},
    **{"iso8859-1": "cp1252", "ascii": "cp1252", "latin-1": "cp1252"},
}
_TEXT_CODECS = re.compile(r"(utf|gb|big5|cp|iso|euc|shift|koi8|mac|hz|johab|tis|ascii|latin)[-_\d]?")
_META = re.compile(rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w:.-]+)", re.IGNORECASE)
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1f]")
_HEAD = 4096
# The commonest characters of each script that the other writes otherwise or seldom, and those of both.
_COMMON = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文"
    "這來國個說們為時會著過學對裡後麼沒於還發當樣開經頭問長機見現點種錢進與無電東車馬實從業員門題請間關買賣"
    "，。、：；？！（）「」“”"
)


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode text of any encoding: its mark, UTF-8, what is ``declared``, UTF-16, GB 18030 or Big5, cp1252.

    What is declared is believed only where it holds to the last byte. Single broken bytes of UTF-8 become �. Raises
    `ValueError` for what is no text.

    >>> decode("银行卡丢了怎么办".encode("gbk"), "utf-8"), decode("信用卡遺失了怎麼辦".encode("big5"))
    ('银行卡丢了怎么办', '信用卡遺失了怎麼辦')
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if (wide := _utf16(data)) is not None:
        return wide
    if (nuls := data.count(b"\0")) and (nuls * 10 > len(data) or _CONTROLS.search(data[:_HEAD])):
        raise ValueError("binary data")
    named = declared or (found[1].decode() if (found := _META.search(data[:_HEAD])) else None)
    for name in ("utf-8", *_known(named)):
        if (text := _strict(data, name)) is not None:
            return text
    text = data.decode("utf-8", "replace")
    if text.count("�") * 20 < sum(character > "\x7f" for character in text):
        return text
    return _chinese(data) or _strict(data, "cp1252") or data.decode("latin-1")


def _known(name: str | None) -> list[str]:
    """The codec of a declared name: of text, and known."""
    if name is None:
        return []
    try:
        codec = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        return []
    return [_SUCCESSORS.get(codec, codec)] if _TEXT_CODECS.match(codec) else []


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return None


def _utf16(data: bytes) -> str | None:
    """UTF-16 without its mark: nearly every NUL stands at an even or at an odd place, and there are many."""
    head = data[:_HEAD]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even + odd < max(2, len(head) // 100) or max(even, odd) < 10 * min(even, odd):
        return None
    text = _strict(data, "utf-16-be" if even > odd else "utf-16-le")
    return None if text is None or re.search(r"[\0-\x08\x0e-\x1f]", text[:_HEAD]) else text


def _chinese(data: bytes) -> str | None:
    """GB 18030 or Big5: nearly all of what is valid in one is valid in the other, but reads as rare characters."""
    runs = re.findall(rb"[\x80-\xff][\x40-\xff]?", data[: 1 << 16])
    if sum(len(run) == 2 and run[1] >= 0x80 for run in runs) * 3 < len(runs):
        return None  # accented letters stand alone
    found = [text for codec in ("gb18030", "big5hkscs") if (text := _strict(data, codec)) is not None]
    return max(found, key=lambda text: sum(character in _COMMON for character in text[: 1 << 16]), default=None)
