"""Hard negatives: texts that look like the answer and are not.

Sources: Karpukhin et al. (2020), "Dense Passage Retrieval" (the best-ranked that are not gold); Moreira et al. (2024),
"NV-Retriever" (leaving out what scores nearly as high as the gold text does).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tunewheel.models.retrieval.ranking import best

if TYPE_CHECKING:
    from tunewheel.models.retrieval.index import How, Index

_BLOCK = 256


def hard_negatives(
    queries: Sequence[str],
    gold: Sequence[Collection[str]],
    index: Index,
    *,
    count: int = 1,
    margin: float = 0.05,
    how: How | None = None,
) -> list[list[str]]:
    """The ids of the ``count`` best-ranked texts for each query that are none of its ``gold`` ids; fewer if there are.

    A text that scores within a share of ``margin`` below the query's best gold text, or above it, may be an answer that
    nobody noted, and is left out. ``how`` is the index's way of searching, by vectors or by words.
    """
    mined: list[list[str]] = []
    ids = index.ids
    for start in range(0, len(queries), _BLOCK):
        asked = queries[start : start + _BLOCK]
        for scores, right in zip(index.scores(asked, how), gold[start : start + _BLOCK], strict=True):
            places = [index.place(id) for id in right]
            highest = max((float(scores[place]) for place in places), default=None)
            bound = float("inf") if highest is None else highest - margin * abs(highest)
            allowed = scores <= bound
            allowed[places] = False
            ranked = best(np.where(allowed, scores, -np.inf), min(count, int(allowed.sum())))
            mined.append([ids[place] for place in ranked.tolist()])
    return mined
