"""Texts and ids of rows that are to be forgotten, and whether something still holds them."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cached_property
from html import escape


class Erased:
    """What must be nowhere any more.

    >>> gone = Erased(["我的卡丢了", 'my "card"'], ["17"])
    >>> gone.is_text("my  \\"card\\" "), gone.is_text("my card"), gone.stands_in('{"text": "my \\\\"card\\\\""}')
    (True, False, True)
    """

    def __init__(self, texts: Collection[str], ids: Collection[str]) -> None:
        self.texts, self.ids = frozenset(texts), frozenset(ids)
        self._bare = {" ".join(text.split()) for text in texts}

    def is_text(self, text: str) -> bool:
        """Whether this is one of the texts, white space aside."""
        return " ".join(text.split()) in self._bare

    def stands_in(self, content: str) -> bool:
        """Whether one of the texts is part of some content: as it is, or as JSON or HTML writes it."""
        bare = " ".join(content.split())
        return any(form in content or form in bare for form in self._forms)

    @cached_property
    def _forms(self) -> list[str]:
        forms = set[str]()
        for text in self.texts | self._bare:
            inner = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
            forms.update((text, escape(text), escape(text, quote=False), *inner))
        return sorted(forms)
