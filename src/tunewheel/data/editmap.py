"""Where the characters of a text went when it was changed, so that spans can follow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


class EditMap:
    """Where each character of a text went: ``pieces[i]`` stands in place of character i."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.text = "".join(pieces)
        self._at = [0, *accumulate(map(len, pieces))]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Move a span of the old text into the new one.

        >>> EditMap(["c", "aa", "", "d"]).span(1, 4)
        (1, 4)
        """
        return self._at[start], self._at[end]
