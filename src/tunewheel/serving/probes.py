"""What a version must answer before it takes over: texts of ours in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

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


def wrong_with(answers: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]] | None) -> str | None:
    """What is wrong with answers to the probes; ``before`` is what was answered to the same before, if it was.

    >>> wrong_with([{"prediction": {"label": "a"}}], [{"prediction": {"label": "b"}}])
    'probe 1 is answered differently from one time to the next'
    """
    for place, answer in enumerate(answers, 1):
        if "error" in answer:
            return f"probe {place}: {answer['error']}"
        if not answer.get("prediction"):
            return f"probe {place} has an empty answer"
    for place, (first, second) in enumerate(zip(answers, before or (), strict=False), 1):
        if not _alike(first["prediction"], second["prediction"]):
            return f"probe {place} is answered differently from one time to the next"
    return None


def _alike(first: Any, second: Any) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(_alike(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_alike, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=0, abs_tol=TOLERANCE)
    return bool(first == second)
