"""Words of a text and the pieces that a tokenizer cuts it into: what one says, told of the other."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import Pieces, Row
from tunewheel.tasks.soft import LEAST, log_softmax

Span = tuple[int, int]
Array = npt.NDArray[Any]

_WORD = re.compile(r"[^\W\d_\u3400-\u9fff\uf900-\ufaff]+|\d+|[^\s]", re.UNICODE)


def words_of(row: Row) -> list[Span]:
    """Character ranges of a row's words: its own ``tokens``, else runs of letters or digits and single characters.

    A Chinese character is a word of its own.

    >>> words_of({"text": "Pay 3元"})
    [(0, 3), (4, 5), (5, 6)]
    """
    tokens = row.get("tokens")
    if tokens is not None:
        return [(token["start"], token["end"]) for token in tokens]
    return [match.span() for match in _WORD.finditer(row["text"])]


def told_apart(words: Sequence[Span], pieces: Pieces) -> list[Span]:
    """The words, those that share a piece as one: no label could tell ``£`` from ``4`` in the piece ``£4``."""
    starts = [start for start, _ in words]
    joined: set[int] = set()
    for start, end in pieces.offsets:
        first = bisect_right(starts, start) - 1
        if first < 0 or words[first][1] <= start:
            first += 1
        joined.update(range(first + 1, bisect_left(starts, end)))
    found: list[Span] = []
    for index, (start, end) in enumerate(words):
        if index in joined:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def word_of_pieces(words: Sequence[Span], pieces: Pieces) -> list[int]:
    """Index of the word that each piece starts in, or -1."""
    starts = [start for start, _ in words]
    found = []
    for start, end in pieces.offsets:
        # A byte-level tokenizer's piece may begin with the space before its word: its last character decides.
        word = bisect_right(starts, max(start, end - 1)) - 1
        found.append(word if word >= 0 and end > start and end - 1 < words[word][1] else -1)
    return found


def first_pieces(words: Sequence[Span], pieces: Pieces) -> dict[int, int]:
    """The piece that each word begins with; a word without one is left out."""
    first: dict[int, int] = {}
    for piece, word in enumerate(word_of_pieces(words, pieces)):
        if word >= 0:
            first.setdefault(word, piece)
    return first


def word_readings(words: Sequence[Span], pieces: Pieces, logits: Array) -> Array:
    """BIO log-probabilities [words, outputs] from the logits [pieces, outputs] of a tokenizer's pieces.

    A word says what its first piece says. Of words that share a piece the first has it, the others continue it; NaN
    where no piece stands in a word.
    """
    told = np.full((len(words), logits.shape[1]), np.nan)
    starts = [start for start, _ in words]
    groups = told_apart(words, pieces)
    for group, piece in first_pieces(groups, pieces).items():
        first, after = bisect_left(starts, groups[group][0]), bisect_left(starts, groups[group][1])
        said = log_softmax(logits[piece])
        told[first] = said
        told[first + 1 : after] = continued(said)
    return told


def piece_targets(words: Sequence[Span], pieces: Pieces, readings: Array) -> Array:
    """BIO log-probabilities [pieces, outputs] of another tokenizer's pieces from those of the words; NaN outside.

    A word's first piece shall say what was read of the word, the others continue it.
    """
    readings = np.asarray(readings, dtype=np.float64)
    targets = np.full((len(pieces.ids), readings.shape[1]), np.nan)
    starts = [start for start, _ in words]
    groups = told_apart(words, pieces)
    previous = -1
    for at, group in enumerate(word_of_pieces(groups, pieces)):
        if group >= 0:
            said = readings[bisect_left(starts, groups[group][0])]
            targets[at] = continued(said) if group == previous else said
        previous = group
    return targets


def continued(said: Array) -> Array:
    """What a word's further piece says where its first says ``said`` [outputs]: where that begins, this goes on.

    >>> np.exp(continued(np.log([0.5, 0.3, 0.2]))).round(3).tolist()
    [0.5, 0.0, 0.5]
    """
    told = said.copy()
    told[2::2] = np.logaddexp(said[1::2], said[2::2])
    told[1::2] = np.where(np.isnan(said[1::2]), np.nan, LEAST)
    return told
