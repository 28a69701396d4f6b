"""The gate on trial: challengers whose true difference is known, and how often it is wrong about them.

A challenger is the champion with some rows turned right and some turned wrong, on rows drawn anew from those there are.
How many differ (the discordance) decides how hard it is to tell the two apart, and is measured where a second version
is there to measure it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.evaluation.intervals import wilson
from tunewheel.evaluation.slices import Part
from tunewheel.registry.gate.evidence import Answers, Evidence
from tunewheel.registry.gate.nouns import GateError

if TYPE_CHECKING:
    from tunewheel.evaluation.intervals import Array
    from tunewheel.registry.gate.gate import Gate

CHALLENGER = "made"


@dataclass(frozen=True)
class Rates:
    """How often the gate promoted, refused or left open ``runs`` challengers whose true difference is ``effect``."""

    effect: float
    runs: int
    rows: int
    discordance: float
    promoted: int
    refused: int
    undecided: int

    def interval(self, verdict: str = "promoted") -> tuple[float, float]:
        """Wilson's 95 % interval of a verdict's share."""
        return wilson(getattr(self, verdict) / self.runs, self.runs)

    def as_dict(self) -> dict[str, Any]:
        """The rates as JSON values."""
        verdicts = ("promoted", "refused", "undecided")
        shares = {f"{name}_share": [getattr(self, name) / self.runs, *self.interval(name)] for name in verdicts}
        return asdict(self) | shares


@dataclass(frozen=True, eq=False)
class Trial:
    """Makes challengers from the champion's answers in ``evidence``; the other versions' answers are left as they are.

    ``discordance`` is the share of rows that champion and challenger do not get right or wrong together.
    """

    evidence: Evidence
    discordance: float

    def __post_init__(self) -> None:
        if any(answers.right is None for answers in self.evidence.answers.values()):
            raise GateError("challengers of a known difference are made only where a row is right or wrong")

    def challenger(
        self,
        effect: float,
        rng: np.random.Generator,
        *,
        rows: int | None = None,
        where: Mapping[str, tuple[Array, float]] | None = None,
    ) -> Evidence:
        """Evidence of a challenger that is truly ``effect`` better on the rows there are.

        ``rows`` are drawn, as many as there are by default; ``where`` gives parts of them (bool [n]) another effect.
        """
        evidence = self.evidence
        right = _right(evidence.answers[evidence.champion])
        gains, losses = (np.full(len(right), each) for each in self._rates(right, effect))
        for inside, other in (where or {}).values():
            gains[inside], losses[inside] = self._rates(right[inside], other)
        place = rng.integers(len(right), size=rows or len(right))
        drawn, chance = _drawn(evidence, place), rng.random(len(place))
        champion = drawn.answers[evidence.champion]
        after = np.where(_right(champion), chance >= losses[place], chance < gains[place])
        made = Answers(after, squared=_squared(champion, after, rng))
        return replace(drawn, challenger=CHALLENGER, answers={**drawn.answers, CHALLENGER: made})

    def _rates(self, right: Array, effect: float) -> tuple[float, float]:
        """Chances that a wrong row turns right and that a right one turns wrong, for this effect on these rows."""
        share = float(right.mean())
        if not -share <= effect <= 1 - share:
            raise GateError(f"no challenger can differ by {effect:+.3f} from a champion that is right on {share:.3f}")
        apart = min(max(self.discordance, abs(effect)), 2 * (1 - share) - effect, 2 * share + effect)
        gain = (apart + effect) / 2 / (1 - share) if share < 1 else 0.0
        return gain, (apart - effect) / 2 / share if share > 0 else 0.0


def _drawn(evidence: Evidence, place: Array) -> Evidence:
    """The evidence on the rows at ``place`` (a row may stand there several times)."""
    answers = {
        name: Answers(_right(each)[place], squared=None if each.squared is None else each.squared[place])
        for name, each in evidence.answers.items()
    }
    sets = []
    for found in evidence.sets:
        member = np.zeros(len(_right(evidence.answers[evidence.champion])), dtype=bool)
        member[found.rows] = True
        if len(inside := np.flatnonzero(member[place])):
            sets.append(replace(found, rows=inside))
    slices = [Part(part.name, part.value, part.inside[place]) for part in evidence.slices]
    return replace(evidence, answers=answers, sets=sets, slices=slices, documents=None)


def _right(answers: Answers) -> Array:
    if answers.right is None:
        raise GateError("rows that are neither right nor wrong")
    return answers.right


def _squared(champion: Answers, after: Array, rng: np.random.Generator) -> Array | None:
    """Brier scores of the challenger: the champion's, or where it is right in its stead those of such rows."""
    if champion.squared is None:
        return None
    before = _right(champion)
    found = champion.squared.copy()
    for now in (True, False):
        turned, alike = np.flatnonzero((after == now) & (before != now)), np.flatnonzero(before == now)
        if len(turned) and len(alike):
            found[turned] = champion.squared[rng.choice(alike, len(turned))]
    return found


def measure(
    trial: Trial,
    gate: Gate,
    effects: Sequence[float],
    *,
    runs: int,
    rows: int | None = None,
    seed: int = 13,
    where: Mapping[str, tuple[Array, float]] | None = None,
) -> list[Rates]:
    """Let the gate decide about ``runs`` challengers of each effect."""
    found = []
    for number, effect in enumerate(effects):
        rng = np.random.default_rng([seed, number])
        verdicts: Counter[str] = Counter()
        apart, size = 0.0, 0
        for _ in range(runs):
            evidence = trial.challenger(effect, rng, rows=rows, where=where)
            decision = gate.decide(evidence)
            verdicts[decision.verdict] += 1
            apart += decision.checks[0].apart or 0.0
            size += decision.checks[0].rows
        counts = verdicts["promote"], verdicts["refuse"], verdicts["undecided"]
        found.append(Rates(effect, runs, round(size / runs), apart / runs, *counts))
    return found
