"""Two texts in one row: how they are found and made one, and rows made of what people keep.

`query_pairs` and `group_pairs` make rows of questions with their answers, and of wordings of one question. These are
read by ``Dataset.from_rows({"train": rows}, "matching", targets=("label",), group="group")``, so that all rows of one
question stand on one side of a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tunewheel.data.names import PAIRS
from tunewheel.data.problems import DataError, Problem, show

TAB = "\t"
"""What stands between the two texts of a pair."""

SAME, NOT = "same", "not"
"""The labels of texts that belong together and of those that do not."""


def pair_of(names: Iterable[str]) -> tuple[str, str] | None:
    """Find the two texts of a row about sentence pairs.

    >>> pair_of(["id", "sentence1", "sentence2", "label"])
    ('sentence1', 'sentence2')
    """
    known = set(names)
    return next((pair for pair in PAIRS if known.issuperset(pair)), None)


def named_pair(text: str | None, names: Iterable[str]) -> tuple[str, str] | None:
    """The two columns that ``--text FIRST,SECOND`` names; None where it names one, or what is no column.

    >>> named_pair("query, answer", ["query", "answer", "label"])
    ('query', 'answer')
    """
    first, comma, second = (text or "").partition(",")
    pair, known = (first.strip(), second.strip()), set(names)
    return pair if comma and text not in known and known.issuperset(pair) else None


def join_pair(first: str, second: str) -> str:
    """Make one text of two: a tab between them, which neither loses its place by.

    It is the first tab, so that the two can be told apart again: a tab in ``first`` becomes a space.
    """
    return f"{first.replace(TAB, ' ')}{TAB}{second}"


def part_pair(text: str) -> tuple[str, str] | None:
    """The two texts that `join_pair` made one of; None where it is one alone.

    >>> part_pair(join_pair("how much?", "the price")), part_pair("how much?")
    (('how much?', 'the price'), None)
    """
    first, tab, second = text.partition(TAB)
    return (first, second) if tab else None


def query_pairs(rows: Iterable[Mapping[str, Any]], name: str = "rows") -> Iterator[dict[str, Any]]:
    """Pairs of rows {"query", "positive", "negatives"}: the query with every positive, and apart from every negative.

    ``positive`` and ``negatives`` are a text or a list of texts, ``negatives`` may be missing. A row's ``group`` is
    kept, else its query is the group. Raises `DataError` naming row and column.

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
