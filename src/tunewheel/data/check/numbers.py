"""The few numbers that are kept of every row."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.check.corpus import Row
from tunewheel.data.clean.sets import answer
from tunewheel.data.gather import hash64


class Numbers:
    """A hash of each row's text, blanks at its edges aside, and one of its answer, 0 where it has none."""

    def __init__(self) -> None:
        self.texts, self.answers = array("Q"), array("Q")

    def add(self, row: Row) -> None:
        """Take down a row."""
        self.texts.append(hash64(row.text.strip()))
        self.answers.append(0 if row.target is None else answer(_answered(row)))

    def array(self, name: str) -> npt.NDArray[np.uint64]:
        """One of the two, uint64 [rows]."""
        return np.frombuffer(getattr(self, name), dtype=np.uint64) if self.texts else np.zeros(0, np.uint64)


def _answered(row: Row) -> Mapping[str, Any]:
    """A row with its target under the name that it has in a dataset."""
    if not isinstance(row.target, list):
        return {"label": row.target}
    several = row.target and isinstance(row.target[0], str)
    return {"labels": row.target} if several else {"text": row.text, "entities": row.target}
