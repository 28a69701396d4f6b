"""Where the characters of a text went when parts of it were replaced."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Move(NamedTuple):
    """Characters ``start`` to ``end`` of the old text stand as ``new_start`` to ``new_end`` in the new one."""

    start: int
    end: int
    new_start: int
    new_end: int


class Moves:
    """Moves spans of an old text into the new one; a span that is cut by a replacement grows to cover it whole."""

    def __init__(self, moves: Iterable[Move] = ()) -> None:
        self.moves = tuple(moves)
        self._starts = [move.start for move in self.moves]
        self._ends = [move.end for move in self.moves]

    def __bool__(self) -> bool:
        return bool(self.moves)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Move a span (end-exclusive characters, ``start < end``).

        >>> moves = Moves([Move(3, 14, 3, 10)])
        >>> moves.span(0, 3), moves.span(5, 9), moves.span(10, 16), moves.span(14, 16)
        ((0, 3), (3, 10), (3, 12), (10, 12))
        """
        return self._start(start), self._end(end)

    def cuts(self, start: int, end: int) -> bool:
        """Say whether a replacement holds an end of a span, so that `span` makes it grow.

        >>> Moves([Move(3, 14, 3, 10)]).cuts(10, 16), Moves([Move(3, 14, 3, 10)]).cuts(0, 16)
        (True, False)
        """
        return any(move.start < at < move.end for move in self.moves for at in (start, end))

    def _start(self, at: int) -> int:
        place = bisect_right(self._starts, at) - 1
        if place < 0:
            return at
        move = self.moves[place]
        return move.new_start if at < move.end else at - move.end + move.new_end

    def _end(self, at: int) -> int:
        place = bisect_left(self._ends, at)
        if place < len(self.moves) and self.moves[place].start < at:
            return self.moves[place].new_end
        return at - self.moves[place - 1].end + self.moves[place - 1].new_end if place else at
