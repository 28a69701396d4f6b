"""The ladder: methods from the cheapest to the dearest, climbed within a time budget and judged on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tunewheel.evaluation import Report, compare
from tunewheel.evaluation.scoring import scored
from tunewheel.evaluation.terminal import independent
from tunewheel.models.backbones import BackboneError
from tunewheel.models.methods import MethodError, method_class, method_names, refusal
from tunewheel.tasks import Task, TaskError, task_class
from tunewheel.tuning.climbing.advice import Advice, Rung, advise
from tunewheel.tuning.climbing.curve import Curve, learning_curve
from tunewheel.tuning.climbing.fits import Bench, Fit
from tunewheel.tuning.climbing.subsets import parts_of

LADDER = ("zero-shot", "setfit", "tfidf", "head", "ranpac", "lora", "full")
BESIDE = ("gan-bert", "self-training")
"""Further rungs where there are texts without labels."""


@dataclass(frozen=True)
class Left:
    """A method that is no rung, and why.

    ``refused``: of no use for the task; ``texts``: it needs texts without labels; ``unusable``: of no use for this base
    or these rows. The first and the last have the method's own ``reason``. ``time``: did not fit, with the seconds it
    was estimated to take (None: it was not begun at all).
    """

    method: str
    why: Literal["refused", "texts", "unusable", "time"]
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Climb:
    """What came of a ladder: rungs in its order, what is left out, learning curves, and the advice.

    ``units`` independent rows or documents of the ``rows`` judged on; ``crossed`` says that these are the training
    rows, by cross-fitting. ``minutes`` were allowed, ``spent`` seconds used, also by earlier tries.
    """

    task: Task
    rungs: tuple[Rung, ...]
    left: tuple[Left, ...]
    curves: tuple[Curve, ...]
    advice: Advice
    rows: int
    units: int
    crossed: bool
    minutes: float
    spent: float

    @property
    def curve(self) -> Curve | None:
        """The curve of the advised method, else of the best one, where there is one with a law."""
        wanted = [self.advice.method, self.advice.best and self.advice.best.method]
        found = (curve for name in wanted for curve in self.curves if curve.method == name and curve.law)
        return next(found, None)

    @property
    def metric(self) -> str:
        """The figure that rungs are judged by."""
        return self.task.headline[0]

    def as_dict(self) -> dict[str, Any]:
        """The climb as JSON values."""
        return {
            "task": self.task.name,
            "metric": self.metric,
            "judged_on": {"rows": self.rows, "units": self.units, "by": "cross-fitting" if self.crossed else "dev"},
            "rungs": [rung.as_dict() for rung in self.rungs],
            "left": [asdict(left) for left in self.left],
            "curves": [curve.as_dict() for curve in self.curves],
            "advice": self.advice.as_dict(),
            "minutes": self.minutes,
            "spent": self.spent,
        }


class _NoTimeError(Exception):
    """A fit does not fit into what is left, by its estimate in seconds (None: nothing is left)."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__()
        self.seconds = seconds


def usable(methods: Sequence[str] | None, task: str, *, beside: bool = False) -> tuple[list[str], list[Left]]:
    """The methods to climb, and those that are of no use for the task; by default those of the `LADDER`.

    With texts without labels ``beside`` the rows those of `BESIDE` follow; without, what needs such is left out.

    Raises `MethodError` for an unknown one.
    """
    known, usual = method_names(), (*LADDER, *(BESIDE if beside else ()))
    wanted = [name for name in usual if name in known] if methods is None else list(dict.fromkeys(methods))
    fit, left = [], []
    for name in wanted:
        refused = refusal(method_class(name), task_class(task))
        if refused:
            left.append(Left(name, "refused", refused.reason))
        elif method_class(name).unlabelled == "needed" and not beside:
            left.append(Left(name, "texts"))
        else:
            fit.append(name)
    return fit, left


class Ladder:
    """Climbs ``methods`` on a bench within ``minutes``.

    Each method first learns from the smallest part of the rows (of one that does not learn the held-out rows are
    divided); by what that took the whole is estimated, and begun only if it fits into what is left. What is left over
    goes into learning curves, the best rung's first. Recorded fits are not repeated, and their time counts as spent.
    """

    def __init__(
        self,
        bench: Bench,
        methods: Sequence[str],
        left: Sequence[Left],
        minutes: float,
        say: Callable[[str, str], None] = lambda heading, line: None,
    ) -> None:
        self.bench, self.methods, self.minutes, self.say = bench, methods, minutes, say
        self.left = list(left)
        self.spent = 0.0
        self.fits: dict[tuple[str, int], Fit] = {}
        self.reports: dict[tuple[str, int], Report] = {}

    @property
    def remaining(self) -> float:
        """Seconds that are left; below 0 where the last fit took longer than estimated."""
        return 60 * self.minutes - self.spent

    def climb(self) -> Climb:
        """Do it all, or what of it is left."""
        self._remember()
        for method in self.methods:
            self._step(method)
        order = sorted((m for m, part in self.reports if part == 1), key=self._score, reverse=True)
        rungs = self._rungs(order)
        for method in order:
            self._bend(method)
        if not rungs:
            return self._climb((), Advice(None, "none"), 0)
        units = independent(self.reports[order[0], 1])[0]
        return self._climb(rungs, advise(rungs, units), units)

    def _climb(self, rungs: tuple[Rung, ...], advice: Advice, units: int) -> Climb:
        held = len(self.bench.held)
        curves = tuple(self._curve(method) for method in self.methods if self._sizes(method))
        crossed = self.bench.crossed
        return Climb(
            *(self.bench.task, rungs, tuple(self.left), curves, advice),
            *(held, units, crossed, self.minutes, self.spent),
        )

    def _parts(self, method: str) -> list[int]:
        """The sizes of a method's fits, the smallest first; one that does not learn is tried once and done whole."""
        if method_class(method).learns:
            return parts_of(len(self.bench.folds[0].train))
        parts = parts_of(len(self.bench.folds[0].held))
        return parts if len(parts) == 1 else [parts[0], 1]

    def _remember(self) -> None:
        """What earlier tries did was paid for already."""
        for method in self.methods:
            for part in self._parts(method):
                if fit := self.bench.done(method, part):
                    self._keep(fit)

    def _step(self, method: str) -> None:
        parts = self._parts(method)
        try:
            for part in (parts[0], 1):
                self._fit(method, part)
        except _NoTimeError as error:
            self.left.append(Left(method, "time", seconds=error.seconds))
            took = "" if error.seconds is None else f": about {error.seconds:,.0f} s"
            self.say(method, f"does not fit into what is left of {self.minutes:g} minutes{took}")
        except (MethodError, BackboneError, TaskError) as error:
            self.left.append(Left(method, "unusable", str(error)))
            self.say(method, str(error))

    def _bend(self, method: str) -> None:
        """Add the points of a learning curve that still fit."""
        for part in self._parts(method):
            if self.remaining > 0:
                with suppress(_NoTimeError):
                    self._fit(method, part)

    def _fit(self, method: str, part: int) -> None:
        if (method, part) in self.fits:
            return
        known = [fit for (name, _), fit in self.fits.items() if name == method]
        if not known and self.remaining <= 0:
            raise _NoTimeError(None)
        started = self.bench.clock()
        ready = self.bench.ready(method, part)
        if known:
            estimate = max(known, key=lambda fit: fit.load).estimate(self.bench.load(method, part, ready))
            if estimate > self.remaining:
                raise _NoTimeError(estimate)
        self._keep(self.bench.fit(method, part, ready, started))
        self._tell(self.fits[method, part])

    def _tell(self, fit: Fit) -> None:
        share = "all rows" if fit.part == 1 else f"1/{fit.part} of the rows"
        report = self.reports.get((fit.method, fit.part))
        metric = self.bench.task.headline[0]
        scored = f", {metric} {report.metrics[metric]}" if report else ""
        self.say(fit.method, f"{share}: {fit.spent:,.1f} s{scored}")

    def _keep(self, fit: Fit) -> None:
        self.fits[fit.method, fit.part] = fit
        self.spent += fit.spent
        if fit.part == 1 or method_class(fit.method).learns:
            self.reports[fit.method, fit.part] = scored(
                self.bench.task, self.bench.held, fit.predictions, fit.method, seed=self.bench.seed
            )

    def _score(self, method: str) -> float:
        return self.reports[method, 1].metrics[self.bench.task.headline[0]].value

    def _rungs(self, order: Sequence[str]) -> tuple[Rung, ...]:
        """The rungs in the ladder's order; ``order`` is by score, the best first."""
        metric, rungs = self.bench.task.headline[0], []
        for method in (m for m in self.methods if m in order):
            report = self.reports[method, 1]
            pair = None if method == order[0] else compare(self.reports[order[0], 1], report, seed=self.bench.seed)
            difference = pair.differences[metric] if pair else None
            rungs.append(Rung.of(self.fits[method, 1], report.metrics[metric], difference))
        return tuple(rungs)

    def _sizes(self, method: str) -> list[int]:
        """The parts that a method's curve has points at, the fewest rows first."""
        if not method_class(method).learns:
            return []
        return sorted((part for name, part in self.reports if name == method), reverse=True)

    def _curve(self, method: str) -> Curve:
        parts = self._sizes(method)
        rows = [self.fits[method, part].rows for part in parts]
        return learning_curve(method, rows, [self.reports[method, part] for part in parts], seed=self.bench.seed)
