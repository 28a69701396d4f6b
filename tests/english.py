"""English on a page, where there should be none."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

RUN = re.compile(r"[A-Za-z]+(?:[ ,;:][ ]?[a-z]+){2,}")
"""Three English words or more; names, commands and the like are shorter, or have other signs in them."""


def english_in(page: str) -> list[str]:
    """The runs of English that people see on a page and in its charts, commands aside."""
    seen = re.sub(r"(?s)<(script|style|pre)\b.*?</\1>", "", page)
    texts = [html.unescape(text) for text in re.split(r"<[^>]+>", seen)]
    if charts := re.search(r'(?s)id="charts">(.*?)</script>', page):
        texts += _strings(json.loads(charts[1]))
    return [found[0] for text in texts for found in RUN.finditer(text)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
