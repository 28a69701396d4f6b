"""What comes of a look at a rollout: a function of its figures and its plan alone."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from tunewheel.feedback.rollout.evidence import difference, excess, interval, midpoint, ratio
from tunewheel.feedback.rollout.plan import Arm, Check, Counts, Decided, Figures, Kind, Plan, State, Verdict

_MOST = 1e9  # odds beyond are shown as this


def decide(figures: Figures, plan: Plan) -> Decided:
    """Wait, go on to the next stage, promote, roll back, or end the watch.

    Going back takes evidence that between equals would be rare (`Plan.level`), at whatever look. Coming in front takes
    proof that failures and the median time lie within their margins, beside the stage's time and `Plan.least` answers.
    """
    checks = _checks(figures, plan)
    verdict, reason = _back(figures, checks) or _forward(figures, plan, checks)
    return Decided(verdict, reason, checks)


def _back(figures: Figures, checks: tuple[Check, ...]) -> tuple[Verdict, str] | None:
    worse = [check for check in checks if check.state == "worse"]
    if figures.moved is not None:
        return "ended", f"version {figures.moved} became champion meanwhile"
    if figures.refused is not None:
        return "roll back", f"it could not be served: {figures.refused}"
    return ("roll back", "; ".join(map(_told, worse))) if worse else None


def _forward(figures: Figures, plan: Plan, checks: tuple[Check, ...]) -> tuple[Verdict, str]:
    left, asked = plan.seconds(figures.stage) - figures.elapsed, figures.candidate.counts.asked
    if left > 0:
        return "wait", f"{_time(left)} of the {figures.stage} stage are left"
    if figures.stage == "watch":
        return "done", "nothing turned while it was watched"
    if asked < plan.least:
        return "wait", f"its time is over, but it was asked {asked} times, of at least {plan.least}"
    if (following := plan.after(figures.stage)) is not None:
        return "next", f"nothing measurably worse: on to {following}"
    unproven = [check.kind for check in checks if check.kind in ("errors", "p50") and check.state != "passed"]
    if not unproven:
        return "promote", "errors and latency within their margins, nothing measurably worse"
    needed = needed_for(figures, plan)
    more = f"about {needed:,} more requests would tell" if needed else "more requests would tell"
    return "wait", f"its time is over, but {' and '.join(unproven)} not shown to be within the margin: {more}"


def needed_for(figures: Figures, plan: Plan) -> int | None:
    """About how many more requests the candidate must answer to be promoted, if all goes on as it went."""
    asked = figures.candidate.counts.asked
    for step in range(1, 60):
        factor = 1.15**step
        arms = figures.champion, figures.candidate
        first, second = (replace(arm, counts=_grown(arm.counts, factor)) for arm in arms)
        found = (_failures(first, second, plan), _time_of("p50", first, second, plan))
        if all(check.state == "passed" for check in found):
            return math.ceil(asked * (factor - 1))
    return None


def _checks(figures: Figures, plan: Plan) -> tuple[Check, ...]:
    two = figures.champion, figures.candidate
    found = [_failures(*two, plan), _time_of("p50", *two, plan), _time_of("p99", *two, plan), _said(*two, plan)]
    if figures.stage == "shadow":
        found.append(_alike(figures.candidate.counts, plan))
    return tuple(found)


def _failures(champion: Arm, candidate: Arm, plan: Plan) -> Check:
    first, second = ((arm.counts.errors, arm.counts.asked) for arm in (champion, candidate))
    return _oftener("errors", first, second, plan.errors, plan.level)


def _said(champion: Arm, candidate: Arm, plan: Plan) -> Check:
    """Answers that people called wrong, of all that were given: who speaks at all is the same on both sides."""
    if not champion.right + champion.wrong + candidate.right + candidate.wrong:
        return Check("feedback", "absent", margin=plan.feedback)
    return _oftener(
        "feedback", (champion.wrong, champion.of), (candidate.wrong, candidate.of), plan.feedback, plan.level
    )


def _oftener(kind: Kind, first: tuple[int, int], second: tuple[int, int], margin: float, level: float) -> Check:
    """Whether something happens oftener on the second side: by the coin of `excess`, unless within the margin."""
    if not first[1] or not second[1]:
        return Check(kind, "absent", margin=margin)
    low, high = difference(first, second, level)
    odds = excess(first, second)
    shares = (first[0] / first[1], second[0] / second[1], low, high, margin)
    shown = None if math.isinf(odds) and odds < 0 else min(_MOST, math.exp(min(odds, 30.0)))
    if high <= margin:
        return Check(kind, "passed", *shares, shown)
    return Check(kind, "worse" if odds >= -math.log(level) else "open", *shares, shown)


def _time_of(kind: Kind, champion: Arm, candidate: Arm, plan: Plan) -> Check:
    """How many times as long it takes. A little slower is not worse: only what is shown to be beyond the margin."""
    q, margin = (0.5, plan.latency) if kind == "p50" else (0.99, plan.tail)
    first, second = champion.counts.seconds, candidate.counts.seconds
    if not first or not second:
        return Check(kind, "absent", margin=margin)
    low, high = ratio(first, second, q, plan.level)
    shown = midpoint(first, q), midpoint(second, q), low, None if math.isinf(high) else high, margin
    return Check(kind, "worse" if low > margin else "passed" if high <= margin else "open", *shown)


def _alike(counts: Counts, plan: Plan) -> Check:
    if not counts.rows:
        return Check("agreement", "absent", margin=plan.agreement)
    low, high = interval(counts.agreed, counts.rows, plan.level)
    state: State = "worse" if high < plan.agreement else "passed" if low >= plan.agreement else "open"
    return Check("agreement", state, None, counts.agreed / counts.rows, low, high, plan.agreement)


def _grown(counts: Counts, factor: float) -> Counts:
    many = {name: round(getattr(counts, name) * factor) for name in ("answered", "errors")}
    seconds = Counter({place: round(n * factor) for place, n in counts.seconds.items()})
    return replace(counts, **many, seconds=seconds)


def _told(check: Check) -> str:
    after, before = check.after or 0.0, check.before or 0.0
    match check.kind:
        case "errors":
            return f"{after:.2%} of its requests fail, {before:.2%} of the champion's"
        case "feedback":
            return f"{after:.2%} of its answers are called wrong, {before:.2%} of the champion's"
        case "agreement":
            return f"only {after:.1%} of its answers are the champion's, too"
    return f"{check.kind} {1000 * after:.1f} ms, where the champion takes {1000 * before:.1f} ms"


def _time(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
