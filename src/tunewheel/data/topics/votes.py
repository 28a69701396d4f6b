"""The texts that have a vote: every one with words in it, what repeats another exactly or nearly left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.check.corpus import Corpus
from tunewheel.data.clean.normalise import is_wordless
from tunewheel.data.language import language
from tunewheel.data.topics.clustering import Numbers

_MIXED = 0.1
"""Share of the texts from which a second language is told."""


@dataclass(frozen=True)
class Votes:
    """``rows`` [votes] are the numbers of the rows that count, ``of`` [rows] is each row's vote, -1 for none."""

    rows: Numbers
    of: Numbers
    notes: tuple[str, ...] = ()

    @classmethod
    def among(cls, corpus: Corpus) -> Votes:
        """The votes of a corpus, read twice: for its repeats, and for words and languages."""
        speaks = np.zeros(len(corpus), np.bool_)
        languages: Counter[str] = Counter()
        for row in corpus.rows("reading"):
            speaks[row.number] = not is_wordless(row.text)
            languages[language(row.text)] += bool(speaks[row.number])
        clusters = corpus.clusters
        rows = np.unique(clusters[speaks[clusters]])
        place = np.searchsorted(rows, clusters)
        known = speaks[clusters]
        return cls(rows, np.where(known, place, -1), tuple(_notes(languages)))

    @property
    def weights(self) -> Numbers:
        """How many rows [votes] say what each vote says."""
        return np.bincount(self.of[self.of >= 0], minlength=len(self.rows))

    @property
    def central(self) -> npt.NDArray[np.bool_]:
        """Whether each row [rows] is one that counts."""
        found = np.zeros(len(self.of), np.bool_)
        found[self.rows] = True
        return found

    def spread(self, values: npt.NDArray[Any], nobody: float) -> npt.NDArray[Any]:
        """What is true of each vote, for each row; ``nobody`` for rows without one."""
        return np.append(values, np.array(nobody, values.dtype))[self.of]


def _notes(languages: Counter[str]) -> list[str]:
    shares = {name: languages[name] / max(1, languages.total()) for name in ("zh", "en")}
    if min(shares.values()) < _MIXED:
        return []
    told = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    return [f"two languages ({told}): texts part by language before they part by topic; better look at each alone"]
