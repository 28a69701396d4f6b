"""What `tunewheel drift` found, for the terminal, the page and programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tunewheel.feedback.drift.levels import RATE, cautious
from tunewheel.feedback.drift.moved import Moved
from tunewheel.feedback.drift.statistics import LEAST
from tunewheel.feedback.drift.watch import Check, Verdict
from tunewheel.pages import Lang
from tunewheel.store.kinds import plain


@dataclass(frozen=True)
class Drifted:
    """One version's traffic, watched: every check so far, the oldest first, the last ``new`` of them made just now.

    ``looks`` says which way of cutting these exchanges into windows this is (1: the first), ``waiting`` how many are in
    no whole window yet, ``alarm`` is the newest check that fired and ``moved`` what moved there.
    """

    name: str
    number: int | None
    window: str
    looks: int
    reference: str
    checks: tuple[Check, ...]
    new: int
    waiting: int
    alarm: Check | None
    moved: Moved | None
    created: datetime

    @property
    def ref(self) -> str:
        """The version, as ``name:3``."""
        return self.name if self.number is None else f"{self.name}:{self.number}"

    @property
    def verdict(self) -> Verdict:
        """Of the newest window and the blocks that end with it, and of everything judged just now."""
        if not self.checks:
            return "undecided"
        latest = [check for check in self.checks if check.place == self.checks[-1].place]
        if any(check.verdict == "drift" for check in (*latest, *self.checks[len(self.checks) - self.new :])):
            return "drift"
        return latest[0].verdict

    @property
    def windows(self) -> list[Check]:
        """The checks of single windows, the oldest first."""
        return [check for check in self.checks if check.windows == 1]

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; each statistic with its corrected p-value and the smallest effect that counts."""
        kept = ("name", "number", "window", "looks", "reference", "new", "waiting", "created")
        told = {key: getattr(self, key) for key in kept} | {"ref": self.ref, "verdict": self.verdict, "rate": RATE}
        told["checks"] = [_check(check) for check in self.checks]
        told["alarm"] = None if self.alarm is None else _check(self.alarm)
        told["moved"] = None if self.moved is None else asdict(self.moved)
        found: dict[str, Any] = plain(told)
        return found

    def write_html(self, path: str | Path, lang: Lang = "en") -> Path:
        """Write the page and return its path."""
        from tunewheel.feedback.drift.page import render_html
        from tunewheel.store.files import write_whole

        return write_whole(path, render_html(self, lang))


def _check(check: Check) -> dict[str, Any]:
    told = asdict(check) | {"needed": check.needed}
    told["expected"] = None if check.expected is None else check.expected._asdict()
    told["statistics"] = [
        asdict(each) | {"corrected": cautious(each.p, each.rows, each.reference), "least": LEAST[each.name]}
        for each in check.statistics
    ]
    return told
