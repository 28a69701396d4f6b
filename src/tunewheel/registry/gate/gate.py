"""The gate: is the challenger, as far as these rows can tell, nowhere worse than what it would replace?

To promote, every check must pass: of several tests that all must succeed, each at level alpha, the whole has level
alpha (Berger 1982, "Multiparameter Hypothesis Testing and Acceptance Sampling"), so nothing is corrected for on this
side. To refuse, one check suffices, so those of many alike (slices, earlier sets) are corrected (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import exp, sqrt
from typing import TYPE_CHECKING

import numpy as np

from tunewheel.evaluation.slices import MINIMUM, holm
from tunewheel.registry.gate.nouns import Check, Decision, Kind, Margins, State, Verdict
from tunewheel.registry.gate.paired import Paired, paired_mean, paired_metric, paired_shares, resolved, rows_needed
from tunewheel.tasks.calibration import calibration_error

if TYPE_CHECKING:
    from tunewheel.evaluation.intervals import Array
    from tunewheel.registry.gate.evidence import Evidence
    from tunewheel.tasks.calibration import Claims

RESAMPLES = 1000
CALIBRATION_RESAMPLES = 400
ROUNDS = 4
"""Rounds of timing below which nothing is said of latency."""

_BLOCK = 2e6
_LEAST, _MOST = 0.02, 0.25


class Gate:
    """Decides by `Evidence`, under `Margins`; the same evidence, margins and seed give the same decision.

    >>> from tunewheel.registry.gate import Answers, Evidence, RowSet
    >>> from tunewheel.tasks.classification import Classification
    >>> old = np.arange(2000) % 10 > 0                                   # right in nine rows of ten
    >>> answers = {"a:1": Answers(old), "a:2": Answers(old | (np.arange(2000) % 20 == 0))}
    >>> test = RowSet("test", "test", "…", np.arange(2000))
    >>> evidence = Evidence("accuracy", Classification(("no", "yes")), "a:2", "a:1", answers, [test])
    >>> Gate().decide(evidence).verdict
    'promote'
    """

    def __init__(self, margins: Margins | None = None, *, resamples: int = RESAMPLES, seed: int = 13) -> None:
        self.margins = margins or Margins()
        self.resamples, self.seed = resamples, seed

    def decide(self, evidence: Evidence) -> Decision:
        """Look at everything and say what follows from it."""
        checks = tuple(_Looking(self, evidence).checks())
        states = {check.state for check in checks}
        verdict: Verdict = "refuse" if "worse" in states else "undecided" if "open" in states else "promote"
        return Decision(
            *(evidence.challenger, evidence.champion, verdict, evidence.metric, checks, self.margins),
            test=evidence.test.fingerprint,
            uses=evidence.uses,
            seed=self.seed,
            resamples=self.resamples,
            facts=dict(evidence.facts),
        )


class _Looking:
    """One decision being made."""

    def __init__(self, gate: Gate, evidence: Evidence) -> None:
        self.gate, self.margins, self.evidence = gate, gate.margins, evidence
        self.before = evidence.answers[evidence.champion]
        self.after = evidence.answers[evidence.challenger]
        self.overall = self._paired(evidence.champion, [evidence.test.rows])[0]

    def checks(self) -> Iterator[Check]:
        yield from self._scores()
        yield from self._earlier()
        yield from self._slices()
        yield from self._calibration()
        yield self._latency()
        yield self._parity()

    def _paired(self, against: str, parts: Sequence[Array]) -> list[Paired]:
        """The challenger beside another version on parts of the rows."""
        before, alpha = self.evidence.answers[against], self.margins.alpha
        if before.right is not None and self.after.right is not None:
            return paired_shares(before.right, self.after.right, list(parts), alpha)
        task, metric, documents = self.evidence.task, self.evidence.metric, self.evidence.documents
        return [
            paired_metric(
                *(task, metric),
                {key: array[part] for key, array in before.scores.items()},
                {key: array[part] for key, array in self.after.scores.items()},
                None if documents is None else documents[part],
                alpha=alpha,
                resamples=max(self.gate.resamples, round(2 * len(parts) / alpha)),
                seed=self.gate.seed,
            )
            for part in parts
        ]

    def _check(self, kind: Kind, of: str, state: State, found: Paired, **more: object) -> Check:
        apart = None if found.apart is None else found.apart / found.units
        check = Check(kind, of, state, None, found.units, found.before, found.after, found.low, found.high, apart=apart)
        return replace(check, **more)  # type: ignore[arg-type]

    def _scores(self) -> Iterator[Check]:
        """The frozen test set against the champion and the best and the first before it, then the new data."""
        test, champion = self.evidence.test, self.evidence.champion
        yield self._proved("test", test.name, champion, self.overall, self.margins.test)
        for against in dict.fromkeys(name for name in test.former if name != champion):
            found = self._paired(against, [test.rows])[0]
            yield self._proved("former", test.name, against, found, self.margins.test)
        new = [found for found in self.evidence.sets if found.kind == "new"]
        if not new:
            yield Check("new", "no new data", "absent")
        for rows in new:
            found = self._paired(champion, [rows.rows])[0]
            # Few rows: the score test alone is a little too ready there, the sign test never is.
            sure = self.margins.new < 0 or found.better < self.margins.alpha
            yield self._proved("new", rows.name, champion, found, -self.margins.new, sure=sure)

    def _proved(self, kind: Kind, of: str, against: str, found: Paired, margin: float, *, sure: bool = True) -> Check:
        """Passed only when the lower bound lies above the margin: what is not shown is not taken for granted."""
        state: State = "open"
        if found.low > -margin and sure:
            state = "passed"
        elif found.worse < self.margins.alpha:
            state = "worse"
        needed = self._needed(found, margin) if state == "open" else None
        return self._check(kind, of, state, found, against=against, margin=margin, p=found.worse, needed=needed)

    def _needed(self, found: Paired, margin: float) -> int | None:
        """How many more rows would tell, either way, were the difference the one that was seen."""
        alpha, power = self.margins.alpha, self.margins.power
        tries = [rows_needed(way, found.spread, alpha, power) for way in (found.value + margin, -found.value)]
        return min((max(1, rows - found.units) for rows in tries if rows is not None), default=None)

    def _earlier(self) -> Iterator[Check]:
        sets = [found for found in self.evidence.sets if found.kind == "earlier"]
        if not sets:
            yield Check("earlier", "no earlier test set", "absent")
        champion = self.evidence.champion
        pairs = [(found, against) for found in sets for against in dict.fromkeys((champion, *found.former))]
        told = [self._paired(against, [found.rows])[0] for found, against in pairs]
        names = [(found.name, against) for found, against in pairs]
        yield from self._parts("earlier", names, told, self.margins.earlier)

    def _slices(self) -> Iterator[Check]:
        test = np.zeros(len(self.evidence.slices[0].inside), dtype=bool) if self.evidence.slices else None
        if test is None:
            yield Check("slice", "no slices", "absent")
            return
        test[self.evidence.test.rows] = True
        places = [np.flatnonzero(part.inside & test) for part in self.evidence.slices]
        kept = [(part, rows) for part, rows in zip(self.evidence.slices, places, strict=True) if len(rows)]
        told = self._paired(self.evidence.champion, [rows for _, rows in kept])
        names = [(f"{part.name} {part.value}", self.evidence.champion) for part, _ in kept]
        yield from self._parts("slice", names, told, self.margins.slices)

    def _parts(
        self, kind: Kind, names: Sequence[tuple[str, str]], told: Sequence[Paired], margin: float
    ) -> Iterator[Check]:
        """Parts of the rows: worse when measurably so after Holm's correction, and not shown to keep within the margin.

        A part must be shown to keep within the margin only where it has the rows for that: where a challenger just as
        good would be shown to, with the power asked for. Which part has them must not depend on the challenger's
        errors, or more of them could open the gate: models are taken to differ in as many rows as the champion errs.
        An earlier test set, of which no more rows can be had, must be shown to lose no more than its rows can rule out.
        """
        spread = self._expected()
        for (of, against), found, p in zip(names, told, holm([each.worse for each in told]), strict=True):
            least = resolved(found.units, spread, self.margins.alpha, self.margins.power)
            state: State = "open"
            if found.low > -margin:
                state = "passed"
            elif p < self.margins.alpha:
                state = "worse"
            elif found.units < MINIMUM or (kind == "slice" and least > margin):
                state = "small"
            elif found.low > -least:
                state = "passed"
            needed = self._needed(found, max(margin, least)) if state == "open" else None
            more = {"against": against, "margin": margin, "p": p, "needed": needed}
            shown = least if state != "worse" and found.low <= -margin and least > margin else None
            yield self._check(kind, of, state, found, **more, resolves=shown)

    def _expected(self) -> float:
        """Standard deviation of one row's difference between two models as good as each other."""
        if self.overall.apart is None:
            return self.overall.spread
        return sqrt(min(_MOST, max(_LEAST, 1 - self.overall.before)))

    def _calibration(self) -> Iterator[Check]:
        rows, margin = self.evidence.test.rows, self.margins.calibration
        before, after = self.before.squared, self.after.squared
        known = None if before is None or after is None else ~np.isnan(before[rows]) & ~np.isnan(after[rows])
        if before is not None and after is not None and known is not None and known.any():
            first, second = (self._by_unit(each, rows[known]) for each in (before, after))
            yield self._bounded("Brier score", paired_mean(first, second, self.margins.alpha), margin)
        if self.before.claims is not None and self.after.claims is not None:
            yield self._bounded("calibration error", self._errors(self.before.claims, self.after.claims), margin)
        elif known is None:
            yield Check("calibration", "no confidences", "absent")

    def _by_unit(self, figures: Array, rows: Array) -> Array:
        """A number a row; where rows carry documents their mean, one a document."""
        if self.evidence.documents is None:
            return figures[rows]
        unit = np.unique(self.evidence.documents[rows], return_inverse=True)[1]
        return np.asarray(np.bincount(unit, figures[rows]) / np.bincount(unit))

    def _bounded(self, of: str, found: Paired, margin: float) -> Check:
        """A figure that must not rise: worse when it measurably does, and by more than the margin."""
        worse = found.worse < self.margins.alpha and found.value > margin
        more = {"against": self.evidence.champion, "margin": margin, "p": found.worse}
        return self._check("calibration", of, "worse" if worse else "passed", found, **more)

    def _errors(self, before: Claims, after: Claims) -> Paired:
        """Expected calibration errors on the frozen test set, by paired resampling of rows or documents."""
        rows, documents = self.evidence.test.rows, self.evidence.documents
        n = 1 + max(int(each.row.max(initial=0)) for each in (before, after))
        n = max(n, 1 + int(rows.max()))
        units = rows if documents is None else np.unique(documents[rows], return_inverse=True)[1]
        count = len(rows) if documents is None else int(units.max()) + 1
        rng, drawn = np.random.default_rng(self.gate.seed), []
        size = max(1, int(_BLOCK / n))
        for start in range(0, CALIBRATION_RESAMPLES, size):
            times = rng.multinomial(
                count, np.full(count, 1 / count), size=min(size, CALIBRATION_RESAMPLES - start)
            ).astype(float)
            weights = np.zeros((len(times), n))
            weights[:, rows] = times if documents is None else times[:, units]
            drawn.append(
                calibration_error(after, weights[:, after.row]) - calibration_error(before, weights[:, before.row])
            )
        whole = np.zeros((1, n))
        whole[:, rows] = 1.0
        first, second = (float(calibration_error(each, whole[:, each.row])[0]) for each in (before, after))
        rises = np.concatenate(drawn)
        low, high = np.quantile(rises, [self.margins.alpha, 1 - self.margins.alpha], method="weibull")
        p = float((1 + (rises <= 0).sum()) / (1 + len(rises)))
        return Paired(count, first, second, float(low), float(high), p, 1 - p, float(rises.std()) * sqrt(count), None)

    def _latency(self) -> Check:
        before, after = self.before.seconds, self.after.seconds
        if before is None or after is None or min(len(before), len(after)) < ROUNDS:
            return Check("latency", "not timed", "absent")
        found = paired_mean(np.log(before), np.log(after), self.margins.alpha)
        worse = found.worse < self.margins.alpha and exp(found.value) > self.margins.latency
        return Check(
            *("latency", "time a row", "worse" if worse else "passed", self.evidence.champion, len(before)),
            before=float(np.median(before)),
            after=float(np.median(after)),
            low=exp(found.low),
            high=exp(found.high),
            margin=self.margins.latency,
            p=found.worse,
        )

    def _parity(self) -> Check:
        if self.evidence.parity is None:
            return Check("parity", "no export", "absent")
        return Check("parity", "export", "passed" if self.evidence.parity else "worse")
