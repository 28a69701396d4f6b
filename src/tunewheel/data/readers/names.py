"""What names tell: the split of a file, a folder or a key."""

from __future__ import annotations

import re

_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "valid", "validation", "val", "testa"), "dev"),
    **dict.fromkeys(("test", "testing", "testb"), "test"),
}
CLASS_LISTS = ("class.txt", "classes.txt", "class_names.txt", "labels.txt", "label_names.txt", "label.txt")
"""Files beside a table that list the names its label numbers stand for, a line each."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def split_of(name: str) -> str | None:
    """Tell the split from the words of a name.

    >>> [split_of(name) for name in ("eng.testa", "wnut17train.conll", "valData.csv", "latest.csv", "oos_val")]
    ['dev', 'train', 'dev', None, 'dev']
    """
    words = (word.lower() for word in _WORD.findall(name))
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), None)


def split_order(item: tuple[str, object]) -> tuple[int, str]:
    """Sort key of ``(split, …)`` pairs: train, dev, test, then others by name."""
    order = ("train", "dev", "test")
    return (order.index(item[0]) if item[0] in order else len(order), item[0])
