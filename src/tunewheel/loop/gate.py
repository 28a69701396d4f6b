"""`gate`: may a challenger replace the champion? And `self_test`: how often does the gate err on this very data?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.loop.gathering import Gathering
from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation.intervals import Array
    from tunewheel.pages import Lang
    from tunewheel.registry import Version
    from tunewheel.registry.gate import Decision, Evidence, Margins, Rates
    from tunewheel.store import Workspace

EFFECTS = (-0.03, -0.02, -0.01, -0.005, 0.0, 0.01, 0.02, 0.03)
"""True differences that a self-test tries."""

APART = 0.08
"""Rows that two versions are taken not to get right or wrong together where there is no second one to measure it."""


@dataclass(frozen=True)
class Gated:
    """A decision as it was recorded, and its page."""

    decision: Decision
    page: Path


@dataclass(frozen=True)
class SelfTest:
    """The gate's real rates on one champion's own test rows.

    ``discordance`` was measured between the champion and ``measured`` (None: taken to be `APART`). ``rates`` has one
    entry a true difference; for a metric that is no share of rows, only that of no difference.
    """

    champion: str
    metric: str
    rows: int
    measured: str | None
    discordance: float | None
    rates: list[Rates]
    margins: Margins

    def as_dict(self) -> dict[str, Any]:
        """The test as JSON values."""
        return {**vars(self), "rates": [each.as_dict() for each in self.rates], "margins": vars(self.margins)}


def gate(
    challenger: str,
    *,
    against: str | None = None,
    data: str | Path | Dataset | None = None,
    metric: str | None = None,
    slices: Sequence[str] | None = None,
    margins: Margins | None = None,
    parity: bool | None = None,
    promote: bool = False,
    also: Callable[[Any, Decision], None] = lambda connection, decision: None,
    seed: int = 13,
    by: str | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    lang: Lang = "en",
    say: Say = lambda heading, line: None,
    **options: Any,
) -> Gated:
    """Compare a challenger with the champion, decide and record; move the alias only with ``promote``.

    Args:
        challenger: a registered version, ``name:3`` or ``name@alias``.
        against: another version of the same name; its champion by default.
        data: labelled rows that came since, none of which the challenger learned from. By default the test rows of the
            challenger's data that the champion's does not have.
        metric: the task's first headline figure by default.
        slices: columns whose values are looked at apart; by default those with few values.
        parity: whether what the challenger was exported to answers as it does; by default what its export was told.
        also: called in the transaction that records the decision, with its connection and the decision.
        options: how ``data`` is read, as for `tunewheel.loop.evaluate`.

    Raises:
        LoopError: no champion, nothing to compare, or no test rows.
    """
    from tunewheel.registry.gate import Gate, record_decision
    from tunewheel.registry.gate.page import write_html
    from tunewheel.store import Workspace

    workspace = Workspace.open(home, database)
    asked = Gathering(workspace, *_two(workspace, challenger, against), metric, say)
    evidence = asked.evidence(
        data, slices, parity, {name: value for name, value in options.items() if value is not None}
    )
    decided = Gate(margins, seed=seed).decide(evidence)
    decision = record_decision(workspace, decided, evidence, promote=promote, by=by, also=also)
    name, number = asked.challenger.name, asked.challenger.number
    page = write_html(decision, workspace.reports_dir / f"{name}-{number}-gate-{decision.id}.html", lang)
    return Gated(decision, page)


def self_test(
    name: str,
    *,
    runs: int = 500,
    rows: int | None = None,
    metric: str | None = None,
    margins: Margins | None = None,
    seed: int = 13,
    home: str | Path | None = None,
    database: str | None = None,
    say: Say = lambda heading, line: None,
) -> SelfTest:
    """Let the gate decide about challengers of known difference, made from the champion's answers to its test rows.

    Each run draws the rows anew (``rows`` of them; as many as there are by default) and turns answers right or wrong in
    as many rows as the champion and the version before it differ. Nothing is recorded.

    Raises:
        LoopError: no test rows; or a metric that is no share of rows, and no second version to swap answers with.
    """
    from tunewheel.registry import Registry
    from tunewheel.registry.gate import Gate, Margins, Trial, measure
    from tunewheel.store import Workspace

    if runs < 1 or (rows is not None and rows < 1):
        raise LoopError(f"runs and rows must be at least 1, got {runs} and {rows}")
    workspace, margins = Workspace.open(home, database), margins or Margins()
    registry = Registry(workspace)
    champion = registry.resolve(name)
    others = [v for v in registry.versions(champion.name) if v.number != champion.number and v.path.is_dir()]
    other = max(others, key=lambda v: (v.number < champion.number, v.number), default=champion)
    asked = Gathering(workspace, other, champion, metric, say)
    evidence = asked.evidence(None, None, None, {})
    # What a challenger's true difference from a third version or on other rows is, nobody knows.
    sets = [replace(found, former=()) for found in evidence.sets if found.kind != "new"]
    evidence = replace(evidence, sets=sets)
    before, after = (evidence.answers[str(each)].right for each in (champion, other))
    told = (str(champion), evidence.metric, len(evidence.test.rows), str(other) if others else None)
    if before is None or after is None:
        if not others:
            raise LoopError(
                f"{evidence.metric} is no share of rows: its self-test swaps answers of two versions, and "
                f"{champion} is the only one; train another, or give --metric one of "
                f"{', '.join(sorted(asked.task.proportions))}"
            )
        return SelfTest(*told, None, [_swapped(evidence, Gate(margins, resamples=400), runs, seed)], margins)
    share = float(before.mean())
    test = evidence.test.rows
    apart = float((before[test] != after[test]).mean()) if others else min(APART, 2 * (1 - share))
    trial = Trial(replace(evidence, challenger=str(champion)), apart)
    possible = [effect for effect in EFFECTS if -share <= effect <= 1 - share]
    found = measure(trial, Gate(margins, seed=seed), possible, runs=runs, rows=rows, seed=seed)
    return SelfTest(*told, apart, found, margins)


def _swapped(evidence: Evidence, gate: Any, runs: int, seed: int) -> Rates:
    """A/A for any metric: the two versions' answers to a row, or document, change places on the toss of a coin."""
    from tunewheel.registry.gate import Answers, Rates

    rng = np.random.default_rng(seed)
    pair = [evidence.answers[name].scores for name in (evidence.champion, evidence.challenger)]
    n = len(next(iter(pair[0].values())))
    units = np.arange(n) if evidence.documents is None else evidence.documents
    counts = {"promote": 0, "refuse": 0, "undecided": 0}
    for _ in range(runs):
        swap = (rng.random(int(units.max()) + 1) < 0.5)[units]
        mixed = [
            {key: np.where(swap.reshape(-1, *[1] * (a.ndim - 1)), b, a) for key, a, b in _zipped(first, second)}
            for first, second in (pair, pair[::-1])
        ]
        answers = {
            name: Answers(scores=s) for name, s in zip((evidence.champion, evidence.challenger), mixed, strict=True)
        }
        alike = replace(evidence, answers=answers, slices=(), sets=[replace(evidence.test, former=())])
        counts[gate.decide(alike).verdict] += 1
    rows = len(evidence.test.rows)
    return Rates(0.0, runs, rows, float("nan"), counts["promote"], counts["refuse"], counts["undecided"])


def _zipped(first: Mapping[str, Array], second: Mapping[str, Array]) -> Iterable[tuple[str, Array, Array]]:
    return ((key, first[key], second[key]) for key in first)


def _two(workspace: Workspace, challenger: str, against: str | None) -> tuple[Version, Version]:
    from tunewheel.registry import CHAMPION, Registry

    registry = Registry(workspace)
    new = registry.resolve(challenger)
    if against is None and CHAMPION not in registry.aliases(new.name):
        raise LoopError(f"{new.name} has no champion to compare {new} with; next: tunewheel promote {new}")
    old = registry.resolve(against or f"{new.name}@{CHAMPION}")
    if old.name != new.name:
        raise LoopError(f"{new} and {old} are versions of two models; the gate compares versions of one name")
    if old.number == new.number:
        numbers = [v.ref for v in registry.versions(new.name) if v.number != new.number]
        rest = (
            f"name another: {', '.join(numbers[-3:])}"
            if numbers
            else f"train another: tunewheel train DATA --name {new.name}"
        )
        raise LoopError(f"{new} would be compared with itself; {rest}")
    return new, old
