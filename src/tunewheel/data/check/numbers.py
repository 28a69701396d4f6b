"""The few numbers that are kept of every row."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.check.corpus import Row
from tunewheel.data.gather import hash64
from tunewheel.data.rows import canonical_json


class Numbers:
    """A hash of each row's text, blanks at its edges aside, and one of its answer, 0 where it has none."""

    def __init__(self) -> None:
        self.texts, self.answers = array("Q"), array("Q")

    def add(self, row: Row) -> None:
        """Take down a row."""
        self.texts.append(hash64(row.text.strip()))
        self.answers.append(0 if row.target is None else hash64(canonical_json(_answer(row))))

    def array(self, name: str) -> npt.NDArray[np.uint64]:
        """One of the two, uint64 [rows]."""
        return np.frombuffer(getattr(self, name), dtype=np.uint64) if self.texts else np.zeros(0, np.uint64)


def _answer(row: Row) -> Any:
    """What a row answers; entities by what they say, since equal texts may have other white space."""
    if not isinstance(row.target, list):
        return row.target
    return [[row.text[e["start"] : e["end"]], e["label"]] if isinstance(e, dict) else e for e in row.target]
