"""What a version must answer before it takes over: texts of ours in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewheel.serving.crew import Hand, LoadFailed

if TYPE_CHECKING:
    from tunewheel.serving.fleet import Served

TEXTS = (
    "Where is my card?",
    "I was charged twice for one coffee, please send the money back to my account.",
    "ok",
    "The Berlin office of Northwind opens on 3 May 2026 at 9:30.",
    "我的银行卡丢了怎么办？",
    "昨天在云杉超市刷卡付了三百块，被扣了两次。",
    "好",
    "王女士想把下周三的预约改到十月五号下午。",
)

TOLERANCE = 1e-4
"""How far numbers of two workers' answers may lie apart."""


def probe_rows(task: str, *, writes: bool) -> list[dict[str, Any]]:
    """The rows that a model of this task is probed with; one of each language for a model that writes."""
    if task == "matching":
        return [{"text": f"{first}\t{second}"} for first, second in zip(TEXTS[::2], TEXTS[1::2], strict=True)]
    return [{"text": text} for text in (TEXTS[::4] if writes else TEXTS)]


async def opened(hand: Hand, served: Served) -> str:
    """Load a version in a worker; the variant that it runs as there. Raises `LoadFailed`, or `WorkerLost`."""
    export = None if served.export is None else str(served.export)
    rows = probe_rows(served.task, writes=served.writes)
    return await hand.load(served.ref, str(served.folder), variant=served.variant, export=export, rows=rows)


async def probed(
    hand: Hand, served: Served, before: Sequence[Mapping[str, Any]] | None = None
) -> Sequence[Mapping[str, Any]]:
    """A worker's answers to the probes, the same each of two times and as ``before``.

    Raises `LoadFailed` where something is wrong with them, and `WorkerLost`.
    """
    rows = probe_rows(served.task, writes=served.writes)
    for _ in range(2):
        answers: list[dict[str, Any]] = (await hand.ask("predict", ref=served.ref, rows=rows))["answers"]
        if wrong := wrong_with(answers, before, served):
            raise LoadFailed(wrong)
        before = answers
    return answers


def wrong_with(
    answers: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] | None, served: Served
) -> str | None:
    """What is wrong with answers to the probes; ``before`` is what was answered to the same before, if it was.

    An answer must be there, be of its task's form (labels among the version's, spans within the text), and be the same
    from one time and one worker to the next. Numbers that are not finite were refused in the worker.
    """
    rows = probe_rows(served.task, writes=served.writes)
    if len(answers) != len(rows):
        return f"{len(answers)} answers to {len(rows)} probes"
    for place, (answer, row) in enumerate(zip(answers, rows, strict=True), 1):
        if "error" in answer:
            return f"probe {place}: {answer['error']}"
        if not answer.get("prediction"):
            return f"probe {place} has an empty answer"
        if wrong := _misshapen(answer["prediction"], len(row["text"]), served):
            return f"probe {place} {wrong}"
    for place, (first, second) in enumerate(zip(answers, before or (), strict=False), 1):
        if not _alike(first["prediction"], second["prediction"]):
            return f"probe {place} is answered differently from one time to the next"
    return None


def _misshapen(prediction: Mapping[str, Any], length: int, served: Served) -> str | None:
    """What our own tasks would never answer; of others' nothing is known."""
    if served.task not in ("classification", "matching", "ner"):
        return None
    entities = prediction.get("entities", ())
    told = [prediction.get("label"), *prediction.get("labels", ()), *(entity["label"] for entity in entities)]
    for label in told:
        if label is not None and label not in served.labels:
            return f"is answered with {label!r}, which is none of its labels"
    for entity in entities:
        if not 0 <= entity["start"] < entity["end"] <= length:
            return f"has an entity from {entity['start']} to {entity['end']} in a text of {length} characters"
    return None


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_alike(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_alike, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=0, abs_tol=TOLERANCE)
    return bool(first == second)
