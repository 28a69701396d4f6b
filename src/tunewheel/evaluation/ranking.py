"""How well scores put the right rows first: areas under the ROC and the precision-recall curve, under many weightings.

Sources: Fawcett (2006), "An Introduction to ROC Analysis" (trapezoids over ties); Davis & Goadrich (2006), "The
Relationship Between Precision-Recall and ROC Curves" (steps, no interpolation). Ties are handled, and average
precision is defined, as scikit-learn has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunewheel.tasks.base import ratio

if TYPE_CHECKING:
    from tunewheel.evaluation.intervals import Array

RECALL = 0.95
"""The share of in-scope rows that `fpr_at_recall` keeps."""


class Areas(NamedTuple):
    """One figure a weighting [r]; nan where all rows are of one kind (``roc``), or none is positive (``pr``)."""

    roc: Array
    pr: Array


class _Sorted:
    """Rows by falling score, with the places where groups of equal scores end."""

    def __init__(self, scores: Array) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        self.group = np.searchsorted(self.ends, np.arange(len(ordered)))


def areas(scores: Array, positive: Array, weights: Array) -> Areas:
    """Both areas of ``scores`` [n] for the rows that are ``positive`` (bool [n]), under ``weights`` [r, n].

    Sorting is done once, and of each group of ties that holds a positive row only its totals are looked at: with many
    labels the positive rows are few.
    """
    place = _Sorted(scores)
    at = np.flatnonzero(positive[place.order])
    if not len(at):
        nothing = np.full(len(weights), np.nan)
        return Areas(nothing, nothing)
    groups, first = np.unique(place.group[at], return_index=True)
    above = weights[:, place.order].cumsum(axis=1)
    to_end = above[:, place.ends[groups]]
    before = np.where(groups > 0, above[:, place.ends[groups - 1]], 0.0)
    hits = np.add.reduceat(weights[:, place.order[at]], first, axis=1)
    found = hits.cumsum(axis=1)
    positives = found[:, -1]
    negatives = above[:, -1] - positives
    # A tied negative counts half: the mean of the false alarms before and after the group.
    alarms = (to_end - found + before - (found - hits)) / 2
    won = (hits * (negatives[:, None] - alarms)).sum(axis=1)
    precision = ratio(found, to_end)
    return Areas(_divided(won, positives * negatives), _divided((hits * precision).sum(axis=1), positives))


def macro_areas(values: Array, gold: Array, weights: Array) -> Areas:
    """Mean of both areas over the labels that occur, each against the rest: ``values``, ``gold`` [n, k]."""
    each = [areas(values[:, k], gold[:, k], weights) for k in range(values.shape[1])]
    return Areas(*(_mean_known(np.stack(kind)) for kind in zip(*each, strict=True)))


def fpr_at_recall(scores: Array, inside: Array, weights: Array) -> Array:
    """The share of rows out of scope still taken for known ones when `RECALL` of those in scope are kept, [r].

    In scope is the positive side, as in Hendrycks & Gimpel (2017) and Liu et al. (2020): the threshold is the highest
    score that at least 95 % of the in-scope rows reach, and rows at the threshold are kept.
    """
    place = _Sorted(scores)
    kept = (weights * inside)[:, place.order].cumsum(axis=1)[:, place.ends]
    passed = (weights * ~inside)[:, place.order].cumsum(axis=1)[:, place.ends]
    at = (kept >= RECALL * kept[:, -1:] - 1e-9).argmax(axis=1)
    return _divided(passed[np.arange(len(at)), at], passed[:, -1])


def _divided(top: Array, bottom: Array) -> Array:
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))


def _mean_known(each: Array) -> Array:
    """Mean over the first axis of what is not nan; nan where nothing is."""
    known = ~np.isnan(each)
    return _divided(np.where(known, each, 0.0).sum(axis=0), known.sum(axis=0))
