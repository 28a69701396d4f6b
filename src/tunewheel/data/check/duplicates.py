"""Repeated texts inside a split, and across splits, where they make a test say too much."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.check.corpus import Corpus
from tunewheel.data.check.findings import EXAMPLES, Draft, Place

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def repeats(corpus: Corpus, texts: Hashes, answers: Hashes) -> Iterator[Draft]:
    """Exact and near repeats of each split, then those across each pair of splits.

    ``texts`` and ``answers`` have a hash a row: inside a split a row of another answer repeats nothing, while across
    splits its text was seen all the same. This is what `tunewheel clean` takes out.
    """
    for split in corpus.splits:
        yield from _inside(corpus, split, answers)
    for learned, held in combinations(corpus.labelled, 2):
        yield from _across(corpus, learned, held, texts)


def cluster_sizes(corpus: Corpus) -> dict[int, int]:
    """How many clusters of repeats there are of each size from 2 on."""
    _, sizes = np.unique(corpus.clusters, return_counts=True)
    found, counts = np.unique(sizes[sizes > 1], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def conflicts(corpus: Corpus, codes: Hashes) -> Iterator[Draft]:
    """Texts (case, width, white space and punctuation aside) under different labels; ``codes`` hashes each answer."""
    first = corpus.near.first
    labelled = codes != 0
    pairs = np.unique(np.stack([first[labelled].astype(np.uint64), codes[labelled]]), axis=1)
    texts, answers = np.unique(pairs[0], return_counts=True)
    texts = texts[answers > 1].astype(np.int64)
    if not len(texts):
        return
    rows = np.flatnonzero(labelled & np.isin(first, texts))
    groups: dict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        groups[int(first[row])].append(row)
    wrong = sum(len(group) - max(Counter(codes[group].tolist()).values()) for group in groups.values())
    places = [_opposed(group, codes) for group in list(groups.values())[:EXAMPLES]]
    across = sum(_leaves_train(corpus, group) for group in groups.values())
    values = {"texts": len(texts), "wrong": wrong, "share": wrong / int(labelled.sum()), "across": across}
    yield Draft("duplicates", "conflicts", "warning", len(rows), values, places)


def _inside(corpus: Corpus, split: str, answers: Hashes) -> Iterator[Draft]:
    rows = np.arange(*corpus.span(split))
    exact, of = _repeated(_told(corpus.near.first[rows], answers[rows]), rows)
    if len(exact):
        values = {"split": split, "share": len(exact) / len(rows)}
        yield Draft("duplicates", "repeats", "warning", len(exact), values, _places(exact, of))
    near, similar = _alike(corpus, rows, np.setdiff1d(rows, exact), answers)
    fresh = similar < near
    if fresh.any():
        count = int(fresh.sum())
        values = {"split": split, "share": count / len(rows), "threshold": corpus.threshold}
        yield Draft("duplicates", "near_repeats", "info", count, values, _places(near[fresh], similar[fresh]))


def _across(corpus: Corpus, learned: str, held: str, texts: Hashes) -> Iterator[Draft]:
    """Rows of ``held`` whose text, or nearly so, stands in ``learned``."""
    before, rows = (np.arange(*corpus.span(name)) for name in (learned, held))
    exact, of = _shared(corpus.near.first, before, rows)
    near, similar = _alike(corpus, before, rows, np.zeros(len(corpus), np.uint64))
    fresh = ~np.isin(near, exact)
    values: dict[str, Any] = {"learned": learned, "held": held, "rows": len(rows)}
    if len(exact):
        identical = int(np.isin(texts[rows], texts[before]).sum())
        told = {**values, "identical": identical, "share": len(exact) / len(rows)}
        yield Draft("duplicates", "leak", "error", len(exact), told, _places(exact, of))
    if fresh.any():
        count = int(fresh.sum())
        told = {**values, "share": count / len(rows), "threshold": corpus.threshold}
        yield Draft("duplicates", "near_leak", "warning", count, told, _places(near[fresh], similar[fresh]))


def _repeated(keys: Hashes, rows: Numbers) -> tuple[Numbers, Numbers]:
    """Rows whose key stood before among these, each with the first row of that key."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    again = first[inverse] != np.arange(len(keys))
    return rows[again], rows[first[inverse]][again]


def _shared(keys: Numbers, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
    """Rows of ``right`` whose key some row of ``left`` has, each with the first such row."""
    first = _first_rows(keys, left)
    hits = first[keys[right]]
    return right[hits >= 0], hits[hits >= 0]


def _alike(corpus: Corpus, left: Numbers, right: Numbers, answers: Hashes) -> tuple[Numbers, Numbers]:
    """Rows of ``right`` that are nearly like some row of ``left`` of the same answer, each with the first such row."""
    keys, near = corpus.near.first, corpus.near
    ones, others = np.concatenate([near.left, near.right]), np.concatenate([near.right, near.left])
    order = np.argsort(ones, kind="stable")
    ones, others = ones[order], others[order]
    known, at = np.unique(_told(keys[left], answers[left]), return_index=True)
    start, end = (np.searchsorted(ones, keys[right], side=side) for side in ("left", "right"))
    # One entry for each row and text that is nearly its own.
    many = end - start
    rows = np.repeat(np.arange(len(right)), many)
    beside = others[np.arange(len(rows)) + np.repeat(start - np.cumsum(many) + many, many)]
    wanted = _told(beside, answers[right[rows]])
    place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    hit = known[place] == wanted if len(known) else np.zeros(len(rows), np.bool_)
    best = np.full(len(right), len(keys), np.int64)
    np.minimum.at(best, rows[hit], left[at[place[hit]]])
    return right[best < len(keys)], best[best < len(keys)]


def _told(keys: Numbers, answers: Hashes) -> Hashes:
    """One hash for a text's key and an answer."""
    return keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ answers


def _first_rows(keys: Numbers, rows: Numbers) -> Numbers:
    """The first of ``rows`` that has each key, -1 where none has it; keys are numbers of rows themselves."""
    first = np.full(len(keys), -1, np.int64)
    first[keys[rows][::-1]] = rows[::-1]
    return first


def _places(rows: Numbers, others: Numbers) -> list[Place]:
    return [Place(int(a), other=int(b)) for a, b in zip(rows[:EXAMPLES], others[:EXAMPLES], strict=True)]


def _leaves_train(corpus: Corpus, group: list[int]) -> bool:
    splits = {corpus.split_of(row) for row in group}
    return "train" in splits and len(splits) > 1


def _opposed(group: list[int], codes: Hashes) -> Place:
    other = next(row for row in group if codes[row] != codes[group[0]])
    return Place(group[0], other=other)
