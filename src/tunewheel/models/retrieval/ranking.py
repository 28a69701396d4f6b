"""Rankings: the best of many scores, several rankings as one, and a second look at the best.

Sources: Cormack, Clarke & Büttcher (2009), "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods"; Nogueira & Cho (2019), "Passage Re-ranking with BERT".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tunewheel.data.pairs import join_pair

if TYPE_CHECKING:
    from tunewheel.models.model import Model

Item = TypeVar("Item")

STEADY = 60
"""What is added to ranks before they are turned over, as Cormack et al. have it."""


class Hit(NamedTuple):
    """A text that was found, with how well it answers; scores of different ways of searching do not compare."""

    id: str
    text: str
    score: float


def best(scores: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    """Places of the ``count`` highest ``scores`` [n], the highest first and equal ones in their order.

    >>> best(np.array([0.1, 0.9, 0.5, 0.9]), 3).tolist()
    [1, 3, 2]
    """
    if 0 < count < len(scores):
        lowest = np.partition(scores, len(scores) - count)[len(scores) - count]
        kept = np.flatnonzero(scores >= lowest)
    else:
        kept = np.arange(len(scores))
    return np.asarray(kept[np.argsort(-scores[kept], kind="stable")][:count], dtype=np.int64)


def fused(rankings: Iterable[Sequence[Item]]) -> list[tuple[Item, float]]:
    """Several rankings as one: what stands at rank r of one gets 1 / (60 + r) from it; the highest sums first.

    >>> [item for item, _ in fused([["a", "b", "c"], ["b", "c", "d"]])]
    ['b', 'c', 'a', 'd']
    """
    sums: dict[Item, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            sums[item] = sums.get(item, 0.0) + 1 / (STEADY + rank)
    return sorted(sums.items(), key=lambda pair: -pair[1])


def reranked(model: Model, queries: Sequence[str], found: Sequence[Sequence[Hit]]) -> list[list[Hit]]:
    """The hits of every query in the order of a matching model's score of query and text, which becomes theirs.

    A cross-encoder reads both together and ranks better than vectors do, at the price of a reading each.
    """
    rows = [{"text": join_pair(query, hit.text)} for query, hits in zip(queries, found, strict=True) for hit in hits]
    scores = iter([float(prediction["score"]) for prediction in model.predict(rows)])
    rescored = [[hit._replace(score=next(scores)) for hit in hits] for hits in found]
    return [sorted(hits, key=lambda hit: -hit.score) for hits in rescored]
