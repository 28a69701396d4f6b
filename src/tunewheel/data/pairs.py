"""Rows of two texts made of what people keep: questions with their answers, and groups of questions that mean one thing.

What comes out is read by ``Dataset.from_rows({"train": rows}, "matching", targets=("label",), group="group")``: all rows
of one question stand on one side of a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tunewheel.data.problems import DataError, Problem, show

SAME, NOT = "same", "not"
"""The labels of texts that belong together and of those that do not."""


def query_pairs(rows: Iterable[Mapping[str, Any]], name: str = "rows") -> Iterator[dict[str, Any]]:
    """Pairs of rows {"query", "positive", "negatives"}: the query with every positive, and apart from every negative.

    ``positive`` and ``negatives`` are a text or a list of texts, ``negatives`` may be missing. A row's ``group`` is kept,
    else its query is the group. Raises `DataError` naming row and column.

    >>> [pair["label"] for pair in query_pairs([{"query": "卡丢了", "positive": "挂失", "negatives": ["开户"]}])]
    ['same', 'not']
    """
    for number, row in enumerate(rows, 1):
        query = _texts(row.get("query"))
        if len(query) != 1:
            raise _bad(name, number, "query", "one text", row.get("query"))
        if not _texts(row.get("positive")):
            raise _bad(name, number, "positive", "a text that answers the query, or several", row.get("positive"))
        if row.get("negatives") and not _texts(row["negatives"]):
            raise _bad(name, number, "negatives", "texts that do not answer the query", row["negatives"])
        group = row.get("group", query[0])
        for column, label in (("positive", SAME), ("negatives", NOT)):
            for text in _texts(row.get(column)):
                yield {"sentence1": query[0], "sentence2": text, "label": label, "group": str(group)}


def group_pairs(groups: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Every two texts of a group, together: of a question and its rewordings, as an FAQ keeps them.

    >>> [(p["sentence1"], p["sentence2"]) for p in group_pairs({"fee": ["what does it cost", "the fee?", "多少钱"]})][0]
    ('what does it cost', 'the fee?')
    """
    for group, texts in groups.items():
        distinct = list(dict.fromkeys(texts))
        for i, first in enumerate(distinct):
            for second in distinct[i + 1 :]:
                yield {"sentence1": first, "sentence2": second, "label": SAME, "group": group}


def _texts(value: Any) -> list[str]:
    """One text or several; nothing where any is no text."""
    listed = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return list(listed) if all(isinstance(text, str) and text.strip() for text in listed) else []


def _bad(name: str, row: int, column: str, expected: str, found: Any) -> DataError:
    fix = 'write {"query": "…", "positive": "…", "negatives": ["…"]}'
    return DataError([Problem(name, row, column, expected, show(found), fix)])
