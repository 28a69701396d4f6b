"""Tables of the report page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunewheel.evaluation.intervals import Interval


def percent(interval: Interval) -> str:
    """A figure in percent with its interval."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"
