"""The nouns of a rollout: its plan, what was counted, what was found, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

Stage = Literal["shadow", "share", "watch", "done", "rolled back", "ended"]
Verdict = Literal["wait", "next", "promote", "roll back", "done", "ended"]
Kind = Literal["errors", "p50", "p99", "feedback", "agreement"]
State = Literal["passed", "worse", "open", "absent"]


class RolloutError(ValueError):
    """A rollout cannot be begun, found or decided as it was asked for."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a rollout goes and what may be lost by it. Times are seconds, errors and feedback shares of 1.

    ``alpha`` is the chance that a candidate as good as the champion is ever rolled back, over all stages, checks and
    looks; all bounds that are shown hold together with ``1 - alpha``.
    """

    shadow: float = 86_400.0
    """How long the candidate answers copies only; 0 leaves the stage out."""
    share: float = 0.1
    """Of the requests that it answers after that."""
    share_for: float = 86_400.0
    """How long it does; 0 leaves the stage out."""
    watch: float = 86_400.0
    """How long after its promotion it is rolled back by itself."""
    least: int = 100
    """Requests that it must have answered in each stage before its end."""
    alpha: float = 0.05
    errors: float = 0.01
    """More requests that fail."""
    latency: float = 1.5
    """How many times the champion's median time."""
    tail: float = 2.0
    """How many times the champion's 99th percentile."""
    feedback: float = 0.02
    """More answers that people say are wrong."""
    agreement: float = 0.5
    """The least share of shadow answers that are the champion's, too."""

    def __post_init__(self) -> None:
        for name in ("shadow", "share_for", "watch"):
            if getattr(self, name) < 0:
                raise RolloutError(f"{name}: a time is not below 0: {getattr(self, name)}")
        if not self.stages:
            raise RolloutError("a rollout has a shadow stage, a share stage or both: give one of them a time")
        if not 0 < self.share < 1:
            raise RolloutError(f"the share must lie between 0 and 1 (0.1 is one request in ten): {self.share}")
        for name in ("alpha", "errors", "feedback", "agreement"):
            if not 0 < getattr(self, name) < 1:
                raise RolloutError(f"{name} must lie between 0 and 1 (0.01 is one in a hundred): {getattr(self, name)}")
        if min(self.latency, self.tail) < 1:
            raise RolloutError(f"latency and tail are multiples, at least 1: {self.latency}, {self.tail}")
        if self.least < 1:
            raise RolloutError(f"least must be at least 1: {self.least}")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages before the promotion."""
        timed: tuple[tuple[Stage, float], ...] = (("shadow", self.shadow), ("share", self.share_for))
        return tuple(stage for stage, seconds in timed if seconds > 0)

    def without_shadow(self) -> Self:
        """The same plan for a model that writes: nobody asks one beside the champion."""
        if not self.share_for:
            raise RolloutError("models that write have no shadow stage: give the share a time (--for 1d)")
        return replace(self, shadow=0.0)

    def seconds(self, stage: Stage) -> float:
        """How long a stage takes."""
        return {"shadow": self.shadow, "share": self.share_for, "watch": self.watch}.get(stage, 0.0)

    def after(self, stage: Stage) -> Stage | None:
        """The stage that follows before the promotion; None where the promotion does."""
        rest = self.stages[self.stages.index(stage) + 1 :]
        return rest[0] if rest else None

    @property
    def level(self) -> float:
        """What of ``alpha`` is one check's in one stage."""
        return self.alpha / 15  # five checks in three stages

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The plan whose fields these are."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


@dataclass
class Counts:
    """What one version did in one stage. ``seconds`` counts times of answers by `evidence.bucket`.

    In the shadow stage only requests that both were asked count, and of times those that both computed as one batch.
    """

    answered: int = 0
    errors: int = 0
    dropped: int = 0
    """Copies that were not answered, since the champion's requests came first."""
    rows: int = 0
    agreed: int = 0
    """Of the rows, those to which both gave one answer."""
    seconds: Counter[int] = field(default_factory=Counter)

    @property
    def asked(self) -> int:
        """Requests that it answered or failed at."""
        return self.answered + self.errors

    def __add__(self, other: Counts) -> Counts:
        plain = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        return Counts(**plain, seconds=self.seconds + other.seconds)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "seconds": {str(place): n for place, n in sorted(self.seconds.items())}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The counts that `as_dict` gave."""
        seconds = Counter({int(place): n for place, n in stored.get("seconds", {}).items()})
        return cls(**{name: stored.get(name, 0) for name in _NUMBERS}, seconds=seconds)


_NUMBERS = ("answered", "errors", "dropped", "rows", "agreed")


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: its counts, and of its answers (``of``) how many people called right and wrong.

    In the shadow stage ``of`` are pairs whose right answer people said, ``wrong`` those that this side alone got wrong.
    """

    counts: Counts
    of: int = 0
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Figures:
    """All that a look is decided by. While ``watch``, the champion's are those of the stage before.

    ``refused``: why a service could not have the candidate answer; ``moved``: where the champion's alias points, if
    somebody moved it meanwhile.
    """

    stage: Stage
    elapsed: float
    champion: Arm
    candidate: Arm
    refused: str | None = None
    moved: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        arms = {name: {**asdict(arm), "counts": arm.counts.as_dict()} for name, arm in self._arms()}
        return {**{name: getattr(self, name) for name in ("stage", "elapsed", "refused", "moved")}, **arms}

    def _arms(self) -> tuple[tuple[str, Arm], tuple[str, Arm]]:
        return ("champion", self.champion), ("candidate", self.candidate)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """The figures that `as_dict` gave."""
        arms = {
            name: Arm(**{**stored[name], "counts": Counts.from_dict(stored[name]["counts"])})
            for name in ("champion", "candidate")
        }
        return cls(**{**stored, **arms})


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: both sides' figures, and bounds of their difference (of times: their ratio).

    ``passed``: shown to lie within the margin; ``worse``: equals would not show such; ``open``: more would tell;
    ``absent``: nothing to look at. ``odds`` is what betting on harm has won, where that decides.
    """

    kind: Kind
    state: State
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    odds: float | None = None


@dataclass(frozen=True)
class Decided:
    """What comes of a look and why, in one line; every check behind it."""

    verdict: Verdict
    reason: str
    checks: tuple[Check, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(stored["verdict"], stored["reason"], tuple(Check(**check) for check in stored["checks"]))
