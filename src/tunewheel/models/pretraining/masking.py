"""Dynamic whole-word masking: drawn anew for every batch, from the batch's number alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.models.pretraining.shards import Flags, Tokens

IGNORED = -100
"""The label of a position that is not predicted, as torch's cross entropy has it."""


def chosen(begins: Flags, free: Flags, share: float, rng: np.random.Generator) -> Flags:
    """Choose whole words [batch, length], about ``share`` of the tokens and at least one; only ``free`` ones may be.

    Masking a character of a word whose other characters are seen asks for spelling, not meaning (Cui et al. 2019).
    """
    begins = begins.copy()
    begins[:, 0] = True
    word = np.cumsum(begins.ravel()) - 1
    picked: Flags = (rng.random(word[-1] + 1) < share)[word].reshape(begins.shape) & free
    if not picked.any() and free.any():  # the mean loss of no token is no number, and spoils every weight
        one = word[rng.choice(np.flatnonzero(free))]
        picked = (word == one).reshape(begins.shape) & free
    return picked


def masked(
    ids: Tokens, picked: Flags, mask: int, vocabulary: int, specials: int, rng: np.random.Generator, *, keep: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Inputs and labels [batch, length]; the words picked are masked.

    With ``keep`` one in ten stays and one in ten becomes any other token (Devlin et al. 2019), so that a model meets
    unmasked text too; a generator needs neither (Clark et al. 2020). The first ``specials`` tokens are never drawn.
    """
    inputs = ids.astype(np.int64)
    labels = np.where(picked, inputs, IGNORED)
    coin = rng.random(ids.shape) if keep else np.zeros(ids.shape)
    inputs[picked & (coin < 0.8)] = mask
    swapped = picked & (coin >= 0.9)
    inputs[swapped] = rng.integers(specials, vocabulary, int(swapped.sum()))
    return inputs, labels


def order(sequences: int, epoch: int, seed: int) -> npt.NDArray[np.int64]:
    """The order of the sequences in an epoch."""
    permuted: npt.NDArray[np.int64] = np.random.default_rng((seed, 1, epoch)).permutation(sequences)
    return permuted


def generator(seed: int, step: int) -> Any:
    """The random numbers of one batch."""
    return np.random.default_rng((seed, 2, step))
