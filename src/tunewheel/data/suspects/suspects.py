"""What every search for suspects gives back, and the folds it judges by."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Sample
from tunewheel.data.gather import near_key


class Ranked(Protocol):
    """A suspect: ``likely`` is confident learning's verdict."""

    @property
    def likely(self) -> bool: ...  # noqa: D102


S = TypeVar("S", bound=Ranked)


@dataclass(frozen=True)
class Suspects(Generic[S]):
    """Suspects, the worst first, and what was looked at.

    Every row stands in ``found`` for which another label is more probable than its own; of a hard task that is many,
    and `likely` counts those that confident learning calls errors. ``unjudged`` has the labels that too few different
    texts carry to be judged, with their number of rows.
    """

    found: list[S]
    sample: Sample
    unjudged: Mapping[str, int]

    @property
    def likely(self) -> int:
        """How many are likely errors."""
        return sum(suspect.likely for suspect in self.found)


def text_groups(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number a text, the same for texts that differ in case, width, punctuation or white space only."""
    keys = np.array([near_key(text) for text in texts], dtype=np.uint64)
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def deal_folds(
    codes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """Deal rows into ``folds``, stratified by ``codes``; rows of one group stay together.

    >>> deal_folds(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2]), 2, 13).tolist()
    [0, 0, 0, 1]
    """
    kept, first, place = np.unique(groups, return_index=True, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(kept))
    order = drawn[np.argsort(codes[first][drawn], kind="stable")]
    fold = np.empty(len(kept), np.int64)
    fold[order] = np.arange(len(kept)) % folds
    return fold[place]


def carried(codes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], labels: int) -> npt.NDArray[np.int64]:
    """How many different groups carry each label [labels]."""
    pairs = np.unique(np.stack([codes, groups]), axis=1)
    return np.bincount(pairs[0], minlength=labels).astype(np.int64)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' remarks on convergence and rare labels back; numbers that are not finite are met here."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
