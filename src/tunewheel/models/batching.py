"""Batches filled to a token budget, of texts of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


def budgeted(lengths: Sequence[int], budget: int) -> list[int]:
    """Cut ascending lengths into batches whose padded size stays in ``budget``; returns each batch's row count.

    A row longer than the budget gets a batch of its own.

    >>> budgeted([2, 2, 3, 8, 20], 8)
    [2, 1, 1, 1]
    """
    sizes: list[int] = []
    count = 0
    for length in lengths:
        if count and length * (count + 1) > budget:
            sizes.append(count)
            count = 0
        count += 1
    return [*sizes, count] if count else sizes


def cheapest(lengths: Sequence[int], budget: int, start: int) -> list[int]:
    """Cut ascending lengths into batches of which all together cost least; returns each batch's row count.

    A batch costs its padded size and ``start``, what beginning one takes, told in tokens. A padded size stays in
    ``budget``, but for a row that is longer alone. Found by dynamic programming over the cuts.

    >>> cheapest([10, 11, 12, 90], 2048, start=8), cheapest([10, 11, 12, 90], 2048, start=500)
    ([3, 1], [4])
    """
    costs, cuts = [0], [0]
    for end, length in enumerate(lengths, 1):
        least = max(0, end - max(1, budget // length))
        cost, cut = min((costs[at] + (end - at) * length, -at) for at in range(least, end))
        costs.append(cost + start)
        cuts.append(-cut)
    sizes, end = [], len(lengths)
    while end:
        sizes.append(end - cuts[end])
        end = cuts[end]
    return sizes[::-1]


class TokenBudget(Sampler[list[int]]):
    """Bucketed batches: nearly no padding, another mix each epoch, the same number of batches always.

    Rows are ordered by length with a little noise, cut where the sorted lengths fill the budget, and the batches
    shuffled. The cuts are those of the noiseless order, so that the number of updates is known beforehand; a batch
    may pass the budget by the noise (a tenth). The order depends on ``seed`` and the epoch alone.
    """

    def __init__(self, lengths: Sequence[int], budget: int, seed: int) -> None:
        self.lengths: npt.NDArray[np.int64] = np.asarray(lengths, dtype=np.int64)
        self.cuts = np.cumsum(budgeted(np.sort(self.lengths).tolist(), budget))[:-1]
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.cuts) + 1

    def __iter__(self) -> Iterator[list[int]]:
        draw = np.random.default_rng((self.seed, self.epoch))
        noise = draw.uniform(0, 0.1 * self.lengths + 1)
        batches = np.split(np.argsort(self.lengths + noise, kind="stable"), self.cuts)
        for i in draw.permutation(len(batches)):
            yield batches[i].tolist()
