"""Sentences that were made in English, said in Chinese where a page needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from string import Formatter
from typing import NamedTuple

from tunewheel.pages.shell import Lang

_FILLS = {"d": r"([\d,.]+)"}
"""What stands for a brace of a kind; ``(.*?)`` for all others."""

_LISTED = re.compile(", | and ")


class _Template(NamedTuple):
    pattern: re.Pattern[str]
    kinds: tuple[str, ...]
    chinese: str


class Sentences:
    """Finds the template that an English sentence was made from, and fills its Chinese.

    A brace stands for what was filled in, as it is: ``{:d}`` for a number, ``{:said}`` for a sentence of its own, and
    ``{:each}`` for several with commas or an "and" between them. Of templates that fit the one with most words wins.

    Args:
        table: Chinese by English; ``{}`` there, or ``{0}`` and ``{1}`` where their order is another.

    >>> sentences = Sentences({"{:d} rows {:said}": "{1}有 {0} 行", "are gone": "已移除的"})
    >>> sentences("1,200 rows are gone"), sentences("some rows are gone")
    ('已移除的有 1,200 行', 'some rows are gone')
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def __call__(self, sentence: str, lang: Lang = "zh") -> str:
        """The sentence in a language; as it is where no template fits."""
        if lang == "en":
            return sentence
        if whole := self._whole.get(sentence):
            return whole
        for template in self._made:
            if found := template.pattern.fullmatch(sentence):
                return template.chinese.format(*map(self._filled, found.groups(), template.kinds))
        return sentence

    def _filled(self, value: str, kind: str) -> str:
        if kind == "each":
            return "、".join(map(self, _LISTED.split(value)))
        return self(value) if kind == "said" else value

    @cached_property
    def _whole(self) -> dict[str, str]:
        """The sentences that nothing is filled into."""
        return {english.format(): chinese.format() for english, chinese in self._table.items() if not _kinds(english)}

    @cached_property
    def _made(self) -> list[_Template]:
        templates = ((english, chinese) for english, chinese in self._table.items() if _kinds(english))
        order = sorted(templates, key=lambda pair: -sum(len(words) for words, *_ in Formatter().parse(pair[0])))
        return [_Template(re.compile(_pattern(english), re.DOTALL), _kinds(english), zh) for english, zh in order]


def _kinds(english: str) -> tuple[str, ...]:
    return tuple(kind or "" for _, name, kind, _ in Formatter().parse(english) if name is not None)


def _pattern(english: str) -> str:
    def parts() -> Iterator[str]:
        for words, name, kind, _ in Formatter().parse(english):
            yield re.escape(words)
            if name is not None:
                yield _FILLS.get(kind or "", "(.*?)")

    return "".join(parts())
