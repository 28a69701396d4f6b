"""Feedback that looks like an attack is set aside until a person has looked at it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunewheel.feedback.exchanges import find_columns
from tunewheel.feedback.given import Feedback, list_feedback
from tunewheel.feedback.judging import calls_right

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tunewheel.store import Workspace

WINDOW = timedelta(minutes=10)
BURST = 60
"""How much of one source within `WINDOW` is more than people say."""

CONFIDENT = 0.9
"""From here on a calibrated answer is rarely wrong."""

LEVEL = 0.001
"""Chance that an honest source is set aside for contradicting confident answers, all sources together."""

_LEAST = 5  # corrections of one source that tell anything
_OTHERS = 20  # corrections of others that tell how often confident answers are wrong
_PAST = 10_000  # exchanges that the model's confidence is taken from


@dataclass(frozen=True)
class Suspicion:
    """Why a source's feedback is set aside, and which."""

    source: str
    reason: str
    ids: tuple[int, ...]


def suspicions(
    given: Sequence[Feedback],
    confidences: Mapping[str, float],
    usual: npt.NDArray[np.float64],
    confirming: Collection[int] = (),
) -> list[Suspicion]:
    """What of feedback looks like an attack.

    **Bursts**: more than `BURST` pieces of one source within `WINDOW`. **Flips**: of a model's mistakes, the share with
    confidence at least `CONFIDENT` follows from its calibration, as Σ(1 − c) over those answers in Σ(1 − c) over all; a
    source whose corrections fall there measurably more often (binomial, Bonferroni over the sources) contradicts where
    the model is right. Where others' corrections fall there more often too, as under drift, theirs is the measure.

    Args:
        given: corrections of one model that wait, are set aside or were accepted; whatever somebody accepted, however
            much at once, is no burst.
        confidences: of the answers they correct, by exchange; those not known count for bursts alone.
        usual: confidences of the model's recent answers.
        confirming: ids of those that say what the answer said, and so contradict nothing.
    """
    by_source: dict[str, list[Feedback]] = defaultdict(list)
    for one in given:
        by_source[one.source].append(one)
    found = []
    for source, said in sorted(by_source.items()):
        burst = _burst([one for one in said if one.status != "accepted"])
        if burst:
            found.append(Suspicion(source, f"{len(burst)} within {WINDOW.seconds // 60} minutes of each other", burst))
    said_otherwise = {source: [one for one in said if one.id not in confirming] for source, said in by_source.items()}
    for source, reason in _flips(said_otherwise, confidences, usual):
        found.append(Suspicion(source, reason, tuple(one.id for one in by_source[source])))
    return found


def quarantine(workspace: Workspace, name: str) -> list[Suspicion]:
    """Set aside what of the new feedback on a model looks like an attack; what a person accepted stays.

    The reason stands with it; `tunewheel.feedback.review` takes it back in. Returns what is newly set aside.
    """
    from sqlalchemy import update

    from tunewheel.store.schema import feedback

    def work(connection: Connection) -> list[Suspicion]:
        standing = list_feedback(
            connection,
            name,
            statuses=("new", "accepted", "quarantined"),
            kinds=("correction", "row"),
            limit=None,
        )
        new = {one.id for one in standing if one.status == "new"}
        asked = {one.exchange for one in standing if one.exchange}
        found = find_columns(connection, name, asked, "confidence", "prediction")
        known = {key: each["confidence"] for key, each in found.items() if each["confidence"] is not None}
        confirming = {
            one.id
            for one in standing
            if one.exchange in found and calls_right(one.kind, one.value, found[one.exchange]["prediction"])
        }
        seen = suspicions(standing, known, _usual(connection, name), confirming)
        fresh = [replace(each, ids=tuple(i for i in each.ids if i in new)) for each in seen]
        fresh = [each for each in fresh if each.ids]
        for suspicion in fresh:
            ids = list(suspicion.ids)
            for start in range(0, len(ids), 500):
                where = feedback.c.id.in_(ids[start : start + 500])
                values = {"status": "quarantined", "reason": suspicion.reason}
                connection.execute(update(feedback).where(where).values(values))
        return fresh

    return workspace.transact(work)


def _burst(said: Sequence[Feedback]) -> tuple[int, ...]:
    """Ids of all that stands in a window with too much."""
    ordered = sorted(said, key=lambda one: one.received)
    times = [one.received for one in ordered]
    inside, start = np.zeros(len(ordered), dtype=bool), 0
    for end, time in enumerate(times):
        while time - times[start] > WINDOW:
            start += 1
        if end - start + 1 > BURST:
            inside[start : end + 1] = True
    return tuple(one.id for one, hit in zip(ordered, inside, strict=True) if hit)


def _flips(
    by_source: Mapping[str, Sequence[Feedback]], confidences: Mapping[str, float], usual: npt.NDArray[np.float64]
) -> Iterable[tuple[str, str]]:
    """Sources that contradict confident answers too often, each with the reason."""
    from scipy.stats import binom

    counts = {source: _confident(said, confidences) for source, said in by_source.items()}
    expected = _expected(usual)
    judged = [source for source, (_, n) in sorted(counts.items()) if n >= _LEAST]
    for source in judged:
        k, n = counts[source]
        others_k = sum(counts[other][0] for other in counts if other != source)
        others_n = sum(counts[other][1] for other in counts if other != source)
        share = expected
        if others_n >= _OTHERS:
            share = max(share, (others_k + 1) / (others_n + 2))
        if binom.sf(k - 1, n, share) < LEVEL / len(judged):
            reason = f"{k} of {n} corrections contradict confident answers, where {share:.0%} are expected"
            yield source, reason


def _confident(said: Sequence[Feedback], confidences: Mapping[str, float]) -> tuple[int, int]:
    known = [confidences[one.exchange] for one in said if one.exchange and one.exchange in confidences]
    return sum(value >= CONFIDENT for value in known), len(known)


def _expected(usual: npt.NDArray[np.float64]) -> float:
    """The share of a calibrated model's mistakes that it makes with confidence; at least a twentieth."""
    wrong = 1.0 - usual
    return max(0.05, float(wrong[usual >= CONFIDENT].sum() / wrong.sum()) if wrong.sum() > 0 else 0.05)


def _usual(connection: Connection, name: str) -> npt.NDArray[np.float64]:
    from sqlalchemy import select

    from tunewheel.store.schema import exchanges

    given = exchanges.c.name == name, exchanges.c.role == "live", exchanges.c.confidence.is_not(None)
    query = select(exchanges.c.confidence).where(*given)
    recent = connection.scalars(query.order_by(exchanges.c.at.desc()).limit(_PAST)).all()
    return np.asarray(recent, dtype=np.float64)
