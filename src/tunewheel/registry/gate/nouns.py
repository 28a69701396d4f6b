"""The gate's nouns: what may be lost, what was looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

Verdict = Literal["promote", "refuse", "undecided"]
Kind = Literal["test", "former", "new", "earlier", "slice", "calibration", "latency", "parity"]
State = Literal["passed", "worse", "open", "small", "absent"]


class GateError(ValueError):
    """The gate cannot compare what it was given."""


@dataclass(frozen=True)
class Margins:
    """How much of what may be lost, and how surely that is to be known.

    Scores are fractions of 1: 0.005 is half a point. The defaults hold for a classifier that is right nine times in
    ten; whoever sets a larger margin accepts that loss.
    """

    test: float = 0.005
    """Of the metric on the frozen test set, against the champion, and the best and first before it."""
    new: float = 0.0
    """Of the metric on new data: what the gain must exceed; below 0, what may be lost there too."""
    earlier: float = 0.02
    """Of the metric on each earlier test set."""
    slices: float = 0.05
    """Of the metric on each slice."""
    calibration: float = 0.02
    """How far the Brier score and the calibration error may rise."""
    latency: float = 1.5
    """How many times the champion's time a row may take."""
    alpha: float = 0.025
    """Chance to pass a challenger that loses a whole margin; one-sided, so that bounds are those of a 95 % interval."""
    power: float = 0.8
    """Chance with which the rows that are asked for decide."""

    def __post_init__(self) -> None:
        for name in ("test", "earlier", "slices", "calibration"):
            if not 0 < getattr(self, name) < 1:
                raise GateError(
                    f"margin {name} must lie between 0 and 1 (0.005 is half a point): {getattr(self, name)}"
                )
        if not -1 < self.new < 1:
            raise GateError(f"the gain on new data must lie between -1 and 1 (0.01 is one point): {self.new}")
        if self.latency < 1:
            raise GateError(f"latency is a multiple of the champion's time, at least 1: {self.latency}")
        if not 0 < self.alpha < 0.5 or not 0.5 <= self.power < 1:
            raise GateError(f"alpha must lie between 0 and 0.5, power between 0.5 and 1: {self.alpha}, {self.power}")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    ``state``: ``passed``; ``worse``, measurably so; ``open``, more rows would tell; ``small``, so few rows that they
    decide nothing unless the loss is glaring; ``absent``, nothing to look at, as ``of`` says.

    ``before`` and ``after`` are the figure of the other version and of the challenger, ``low`` and ``high`` the bounds
    of their difference, ``p`` the corrected probability of such a loss between equals. ``apart`` is the share of rows
    that one of the two gets right alone, ``needed`` how many more rows would tell, ``resolves`` the loss that so few
    rows can rule out.
    """

    kind: Kind
    of: str
    state: State
    against: str | None = None
    rows: int = 0
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    p: float | None = None
    apart: float | None = None
    needed: int | None = None
    resolves: float | None = None

    @property
    def value(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Decision:
    """Promote, refuse, or undecided; each check with its figures, and what the same evidence is decided by again.

    ``uses`` counts earlier decisions on the same frozen test set. ``id``, ``by`` and ``at`` are those of the record,
    None before there is one; ``promoted`` says whether the alias was moved with it.
    """

    challenger: str
    champion: str
    verdict: Verdict
    metric: str
    checks: tuple[Check, ...]
    margins: Margins
    test: str
    uses: int
    seed: int
    resamples: int
    facts: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None
    promoted: bool = False
    by: str | None = None
    at: str | None = None
    artifact: str | None = None

    @property
    def needed(self) -> int | None:
        """How many more rows the check that lacks most would take; None where it cannot be said, or nothing is open."""
        return max((c.needed for c in self.checks if c.state == "open" and c.needed is not None), default=None)

    @property
    def error_rate(self) -> float:
        """Bound of the chance that a decision on this test set, any so far, passed a loss of a whole margin."""
        return min(1.0, (self.uses + 1) * self.margins.alpha)

    def reasons(self) -> tuple[Check, ...]:
        """The checks that settled the verdict: those worse, else those open, else all that passed."""
        for state in ("worse", "open", "passed"):
            found = tuple(check for check in self.checks if check.state == state)
            if found:
                return found
        return ()

    def as_dict(self) -> dict[str, Any]:
        """The decision as JSON values."""
        derived = {"needed": self.needed, "error_rate": self.error_rate}
        return {**asdict(self), "checks": [asdict(c) | {"value": c.value} for c in self.checks], **derived}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The decision that `as_dict` gave."""
        own = {each.name for each in fields(Check)}
        checks = tuple(Check(**{k: v for k, v in check.items() if k in own}) for check in stored["checks"])
        known = {each.name for each in fields(cls)} - {"checks", "margins"}
        rest = {key: value for key, value in stored.items() if key in known}
        return cls(checks=checks, margins=Margins(**stored["margins"]), **rest)
