"""Watching traffic: it is cut into windows, and every whole window is judged once, with the blocks that end with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np

from tunewheel.feedback.drift.estimate import Expected, expected_accuracy
from tunewheel.feedback.drift.levels import RATE, cautious, holm, share, spread
from tunewheel.feedback.drift.seen import DriftError, Seen, joined
from tunewheel.feedback.drift.statistics import LEAST, LEAST_ROWS, Name, Reference, Statistic

Verdict = Literal["calm", "drift", "undecided", "empty"]

KINDS = 4
"""Blocks of 1, 2, 4 and 8 windows are judged."""

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


class Cut(NamedTuple):
    """How traffic is cut into windows: every ``rows`` rows, or every ``seconds``; the other one is 0."""

    rows: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Of words such as ``500 rows``, ``7d``, ``12h``.

        >>> Cut.parse("500 rows"), Cut.parse("7d")
        (Cut(rows=500, seconds=0.0), Cut(rows=0, seconds=604800.0))

        Raises:
            DriftError: it says something else.
        """
        found = re.fullmatch(r"\s*([1-9]\d*)\s*(rows?|[mhdw])\s*", text)
        if found is None:
            raise DriftError(f"{text!r} is no window: say how many rows or how long, such as '500 rows', 7d, 12h or 2w")
        size, unit = int(found[1]), found[2]
        return cls(rows=size) if unit.startswith("row") else cls(seconds=size * _UNITS[unit])

    def __str__(self) -> str:
        if self.rows:
            return f"{self.rows} rows"
        unit = next(unit for unit in ("w", "d", "h", "m") if self.seconds % _UNITS[unit] == 0)
        return f"{self.seconds / _UNITS[unit]:.0f}{unit}"


class Window(NamedTuple):
    """Rows ``first:stop`` of the traffic, of the time from ``start`` to ``end`` (seconds since 1970)."""

    place: int
    first: int
    stop: int
    start: float
    end: float


@dataclass(frozen=True)
class Check:
    """What was found in a block of ``windows`` windows, of which the one at ``place`` (0, 1 …) is the last.

    ``level`` is the rate of false alarms that this check may have, all its ``statistics`` together; ``fired`` names
    those that drifted, ``expected`` is the share right to be expected (`expected_accuracy`), on which no alarm goes. An
    undecided one has too few rows: `LEAST_ROWS` are needed.
    """

    place: int
    windows: int
    start: datetime
    end: datetime
    rows: int
    verdict: Verdict
    level: float
    statistics: tuple[Statistic, ...] = ()
    fired: tuple[Name, ...] = ()
    expected: Expected | None = None

    @property
    def needed(self) -> int:
        """How many more rows an undecided one would need."""
        return max(LEAST_ROWS - self.rows, 0)


def cut_windows(
    times: Sequence[float] | np.ndarray, cut: Cut, *, start: float, until: float, place: int = 0
) -> Iterator[Window]:
    """The whole windows of traffic in the order of its ``times``; what began and is not over yet is none.

    Windows by time begin at ``start`` and are over at ``until``, the latest; ``place`` is the first one's number.

    >>> [(w.first, w.stop) for w in cut_windows([0, 5, 21], Cut(seconds=10), start=0, until=29)]
    [(0, 2), (2, 2)]
    >>> [(w.first, w.stop) for w in cut_windows([0, 5, 21], Cut(rows=2), start=0, until=29)]
    [(0, 2)]
    """
    times = np.asarray(times, dtype=np.float64)
    if cut.rows:
        for number in range(len(times) // cut.rows):
            first, stop = number * cut.rows, (number + 1) * cut.rows
            yield Window(place + number, first, stop, float(times[first]), float(times[stop - 1]))
        return
    for number in range(max(int((until - start) // cut.seconds), 0)):
        low, high = start + number * cut.seconds, start + (number + 1) * cut.seconds
        first, stop = np.searchsorted(times, [low, high]).tolist()
        yield Window(place + number, first, stop, low, high)


def judge(reference: Reference, block: Seen, window: Window, windows: int, level: float) -> Check:
    """Compare a block of rows with the reference and say whether it drifted, at ``level`` for all tests together."""
    statistics = tuple(reference.statistics(block))
    adjusted: dict[str, float] = {each.name: cautious(each.p, each.rows, each.reference) for each in statistics}
    certain = holm(adjusted, level)
    fired = tuple(each.name for each in statistics if certain[each.name] and each.effect >= LEAST[each.name])
    few = len(block) < LEAST_ROWS
    verdict: Verdict = "empty" if not len(block) else "drift" if fired else "undecided" if few else "calm"
    start, end = (datetime.fromtimestamp(moment, UTC) for moment in (window.start, window.end))
    sure = expected_accuracy(block, reference.seen)
    return Check(window.place, windows, start, end, len(block), verdict, level, statistics, fired, sure)


def watch(
    reference: Reference,
    traffic: Seen,
    windows: Sequence[Window],
    *,
    looks: int = 1,
    rate: float = RATE,
    judged: int = 0,
) -> Iterator[Check]:
    """Judge every window and the blocks of 2, 4, 8 windows that end with it, oldest first.

    Args:
        reference: what they are compared with.
        traffic: the rows that the windows are cut from.
        windows: whole ones, without a gap between them.
        looks: which way of cutting these exchanges this is, 1 for the first; each further one gets less of ``rate``.
        rate: false alarms a window that are accepted.
        judged: windows before this place are there for the blocks' sake and are not judged themselves.
    """
    levels = spread(KINDS, rate * share(looks))
    parts = [traffic.take(slice(window.first, window.stop)) for window in windows]
    for number, window in enumerate(windows):
        if window.place < judged:
            continue
        for kind, level in enumerate(levels):
            size = 2**kind
            if (window.place + 1) % size or number + 1 < size:
                continue
            block = windows[number + 1 - size : number + 1]
            whole = window._replace(start=block[0].start)
            yield judge(reference, joined(parts[number + 1 - size : number + 1]), whole, size, level)
