"""The language of a text, by its script."""

from __future__ import annotations

import re

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")


def language(text: str) -> str:
    """``zh``, ``en`` or ``mixed`` by the share of Chinese among Chinese characters and Latin letters, else ``other``.

    Up to a tenth of the other script is let pass: a name, a unit.

    >>> language("我的卡丢了"), language("my card is gone"), language("我的 card 丢了"), language("42")
    ('zh', 'en', 'mixed', 'other')
    """
    chinese, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    if not chinese + latin:
        return "other"
    share = chinese / (chinese + latin)
    return "zh" if share >= 0.9 else "en" if share <= 0.1 else "mixed"
