"""Which rung to take, by a rule that is written down, and why in plain words.

The rule, on the rows that rungs are judged on (dev, or cross-fitting where there is no dev; never test):

1. Fewer than `SMALL` independent rows tell nothing: no rung is recommended.
2. The best rung is that with the highest headline score.
3. A cheaper rung may stand in its place if it is not measurably worse (`Difference.verdict`) and the paired interval
   leaves it no more than `MARGIN` to lose. That rows show no difference is not enough: few rows show none whatever.
4. Of these the one with the least cost is taken if it costs at most `SAVING` of what the best does: seconds to train
   it once and to answer `ANSWERED` texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tunewheel.evaluation import Difference, Interval
from tunewheel.evaluation.intervals import SMALL
from tunewheel.tuning.climbing.fits import Fit, Latency

MARGIN = 0.05
SAVING = 0.8
ANSWERED = 10_000

Why = Literal["tiny", "none", "only", "cheaper", "best", "unsure", "cheapest"]


@dataclass(frozen=True)
class Rung:
    """A method that learned from all rows, judged on the held-out ones.

    ``difference`` is the paired one from the best rung to this one, None for the best itself; ``size`` is in bytes.
    """

    method: str
    score: Interval
    difference: Difference | None
    rows: int
    seconds: float
    parameters: int
    trainable: int
    size: int
    latency: Latency

    @classmethod
    def of(cls, fit: Fit, score: Interval, difference: Difference | None) -> Rung:
        """The rung of a whole fit."""
        if fit.size is None or fit.latency is None:
            raise ValueError(f"{fit.method} was fitted on a part of the rows: it is no rung")
        numbers = (fit.rows, fit.seconds, fit.parameters, fit.trainable, fit.size, fit.latency)
        return cls(fit.method, score, difference, *numbers)

    @property
    def cost(self) -> float:
        """Seconds to train it once and to answer `ANSWERED` texts in batches."""
        return self.seconds + ANSWERED / self.latency.per_second

    @property
    def passable(self) -> bool:
        """Whether it may stand in the best one's place: not measurably worse, and at most `MARGIN` to lose."""
        d = self.difference
        return d is None or (d.verdict != "worse" and d.low >= -MARGIN)

    def as_dict(self) -> dict[str, Any]:
        """The rung as JSON values."""
        verdict = {"verdict": self.difference.verdict} if self.difference else {}
        told = asdict(self)
        return {**told, "difference": told["difference"] and {**told["difference"], **verdict}, "cost": self.cost}


@dataclass(frozen=True)
class Advice:
    """The ``method`` to take, None where nothing can be told, and which part of the rule said so.

    ``best`` is the rung with the highest score; ``others`` are those that the reason is about.
    """

    method: str | None
    why: Why
    best: Rung | None = None
    others: tuple[Rung, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The advice as JSON values."""
        return {
            "method": self.method,
            "why": self.why,
            "best": self.best and self.best.method,
            "others": [rung.method for rung in self.others],
        }


def advise(rungs: Sequence[Rung], units: int) -> Advice:
    """Apply the rule to rungs that were judged on ``units`` independent rows or documents."""
    if not rungs:
        return Advice(None, "none")
    best = next(rung for rung in rungs if rung.difference is None)
    if units < SMALL:
        return Advice(None, "tiny", best)
    if len(rungs) == 1:
        return Advice(best.method, "only", best)
    cheaper = [rung for rung in rungs if rung is not best and rung.cost <= SAVING * best.cost]
    passable = [rung for rung in cheaper if rung.passable]
    if passable:
        taken = min(passable, key=lambda rung: rung.cost)
        return Advice(taken.method, "cheaper", best, (taken,))
    if not cheaper:
        return Advice(best.method, "cheapest", best)
    unsure = tuple(rung for rung in cheaper if rung.difference and rung.difference.verdict != "worse")
    return Advice(best.method, "unsure" if unsure else "best", best, unsure or tuple(cheaper))
