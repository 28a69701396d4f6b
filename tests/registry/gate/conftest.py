from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tunewheel.evaluation.slices import Part
from tunewheel.registry.gate import Answers, Evidence, RowSet
from tunewheel.tasks.classification import Classification

TASK = Classification(("no", "yes"))


@pytest.fixture(scope="session")
def evidence() -> Callable[..., Evidence]:
    """Evidence of who is right on which row; ``more`` are other versions' answers, ``sets`` further sets of rows."""

    def build(
        before: Any, after: Any, sets: Sequence[RowSet] = (), slices: Sequence[Part] = (), **more: Any
    ) -> Evidence:
        answers = {"a:1": Answers(np.array(before, dtype=bool)), "a:2": Answers(np.array(after, dtype=bool))}
        answers |= more.pop("answers", {})
        rows, former = more.pop("test", np.arange(len(before))), more.pop("former", ())
        test = RowSet("test", "test set of a:1", "t", rows, former)
        return Evidence("accuracy", TASK, "a:2", "a:1", answers, [test, *sets], slices, **more)

    return build


@pytest.fixture(scope="session")
def turned() -> Callable[..., np.ndarray]:
    """A copy of who is right, the first ``gained`` wrong rows turned right and the first ``lost`` right ones wrong."""

    def turn(before: np.ndarray, gained: int, lost: int, among: np.ndarray | None = None) -> np.ndarray:
        after = before.copy()
        inside = np.ones(len(before), dtype=bool) if among is None else among
        wrong, right = np.flatnonzero(~before & inside), np.flatnonzero(before & inside)
        assert gained <= len(wrong) and lost <= len(right)
        after[wrong[:gained]], after[right[:lost]] = True, False
        return after

    return turn
