"""Sentences in English and Chinese, by key."""

from __future__ import annotations

from collections.abc import Mapping

from tunewheel.pages.shell import Lang


def several(count: int, noun: str) -> str:
    """A number of things in English.

    >>> several(1, "row"), several(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


class Messages:
    """What a page or a command says, called with a key, a language and what fills the braces.

    Args:
        texts: English and Chinese by key.

    >>> message = Messages({"rows": ("{n} rows", "{n} 条样本")})
    >>> message("rows", "en", n=3), message("rows", "zh", n=3)
    ('3 rows', '3 条样本')
    """

    def __init__(self, texts: Mapping[str, tuple[str, str]]) -> None:
        self._texts = texts

    def __call__(self, key: str, lang: Lang, **values: object) -> str:
        """The text for ``key``, its braces filled."""
        return self._texts[key][lang == "zh"].format(**values)
