"""Which column of a CoNLL file is what: found from the first lines, since every corpus has its own order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunewheel.data.tags import is_tag

MARK = "-DOCSTART-"
_SPACES = re.compile(r"[ \t]+")
_SAMPLE = 2000
_MOST = 12


class Layout(NamedTuple):
    """How a line is cut, and where its token and its tag stand; ``separator`` None: at blanks."""

    separator: str | None
    width: int
    token: int
    tag: int

    @property
    def is_unusual(self) -> bool:
        """Whether the token is not first or the tag not last."""
        return (self.token, self.tag) != (0, self.width - 1)

    def columns(self, line: str) -> list[str]:
        """Cut a line into its columns."""
        if self.separator:
            return line.split(self.separator)
        # A leading blank is itself the token of a file that is annotated character by character.
        columns = line.split(" ")
        if "" in columns or "\t" in line:
            columns = _SPACES.split(line.rstrip(" \t"))
        return columns if columns[0] else [" ", *columns[1:]]


def is_comment(line: str, layout: Layout) -> bool:
    """Say whether a line at the beginning of a sentence is a comment and no token ``#``."""
    if not line.startswith("# "):
        return False
    columns = layout.columns(line)
    return len(columns) != layout.width or not is_tag(columns[layout.tag])


def layout_of(lines: Sequence[str]) -> Layout | None:
    """Find the columns of a file's first lines, None where no column holds tags."""
    sound = [line for line in lines if line.strip(" \t") and not line.startswith(MARK)][:_SAMPLE]
    separator = "\t" if sound and all("\t" in line for line in sound if not line.startswith("# ")) else None
    cut = Layout(separator, 0, 0, 0)
    rows = [cut.columns(line) for line in sound]
    # A token "#" has a tag beside it, a comment has none.
    rows = [row for row, line in zip(rows, sound, strict=True) if not line.startswith("# ") or any(map(is_tag, row))]
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count) if widths else 0
    if not 2 <= width <= _MOST:
        return None
    # A few lines of another width are the reader's to complain of.
    even = [row for row in rows if len(row) == width]
    if 10 * len(even) < 6 * len(rows):
        return None
    columns = [[row[i] for row in even] for i in range(width)]
    tags = [i for i, column in enumerate(columns) if 100 * sum(map(is_tag, column)) >= 95 * len(column)]
    if not tags:
        return _by_majority(separator, columns)
    tag = tags[-1]
    return Layout(separator, width, _token(columns, tags), tag)


def _by_majority(separator: str | None, columns: list[list[str]]) -> Layout | None:
    """A file whose last column is mostly tags: it is one, with errors to tell of."""
    good = sum(map(is_tag, columns[-1]))
    return Layout(separator, len(columns), 0, len(columns) - 1) if 2 * good > len(columns[-1]) else None


def _token(columns: list[list[str]], tags: list[int]) -> int:
    """Find the tokens: the first column that is no tag, number or filler, unless another has far more words."""
    others = [i for i in range(len(columns)) if i not in tags]
    worded = [i for i in others if not all(_is_filler(value) for value in columns[i])]
    candidates = worded or others or [i for i in range(len(columns)) if i != tags[-1]]
    most = max(candidates, key=lambda i: len(set(columns[i])))
    first = candidates[0]
    return most if 2 * len(set(columns[most])) > 3 * len(set(columns[first])) else first


def _is_filler(value: str) -> bool:
    return value in ("_", "-") or value.isdigit()
