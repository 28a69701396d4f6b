"""Which answers are worth a person's look: those that the model is unsure of, and unlike each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sqlalchemy import Connection

POOL = 10_000
"""Unsure answers that are looked at for unlikeness."""

RECENT = 50_000
"""Recorded answers that suggestions are chosen from, the newest."""


def suggested(
    confidences: npt.NDArray[np.float64], vectors: npt.NDArray[np.float32] | None, n: int
) -> npt.NDArray[np.intp]:
    """Indices of ``n`` answers to label, the most telling first.

    Of the least confident, each next one has the largest product of uncertainty (1 − confidence) and squared distance
    to the nearest one chosen before: a greedy k-means++ (Arthur & Vassilvitskii 2007) weighed by uncertainty, after
    BADGE (Ash et al. 2020) whose gradients' lengths play that part. The same input gives the same order.

    Args:
        confidences: of each answer [m]; NaN counts as wholly unsure.
        vectors: of each text [m, width]; without them uncertainty alone counts.
        n: how many.

    >>> suggested(np.array([0.9, 0.5, 0.51]), np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32), 2).tolist()
    [1, 0]
    """
    unsure = 1.0 - np.nan_to_num(confidences, nan=0.0)
    order = np.argsort(-unsure, kind="stable")[:POOL]
    if vectors is None:
        return order[:n]
    seen = vectors[order].astype(np.float64)
    lengths = np.linalg.norm(seen, axis=1, keepdims=True)
    seen /= np.where(lengths > 0, lengths, 1.0)
    weight = np.maximum(unsure[order], 1e-6)
    far = np.full(len(order), np.inf)
    chosen: list[int] = []
    left = np.ones(len(order), dtype=bool)
    for _ in range(min(n, len(order))):
        worth = np.where(left, weight * np.minimum(far, 4.0), -1.0)
        # Nothing but copies of what is chosen is left: uncertainty decides.
        best = int(worth.argmax()) if worth.max() > 1e-9 else int(np.where(left, weight, -1.0).argmax())
        chosen.append(best)
        left[best] = False
        far = np.minimum(far, ((seen - seen[best]) ** 2).sum(1))
    return order[chosen]


def worth(connection: Connection, name: str, n: int) -> list[dict[str, Any]]:
    """The ``n`` recorded answers of a model that are most worth a person's look, the most telling first.

    Of the `RECENT` newest, those that nobody has said anything of nor rejected in review; each text once. A row is
    ``{"exchange", …, "prediction", "version"}`` with the columns that were asked.
    """
    found = _unsure(connection, name)
    first = {json.dumps(row.row, sort_keys=True): row for row in reversed(found)}  # the newest of each text
    kept = list(first.values())
    confidences = np.array([np.nan if row.confidence is None else row.confidence for row in kept])
    vectors = None
    if kept and all(row.vector is not None for row in kept):
        vectors = np.stack([np.frombuffer(row.vector, dtype=np.float16) for row in kept]).astype(np.float32)
    order: Sequence[int] = suggested(confidences, vectors, n).tolist() if kept else []
    return [
        {
            "exchange": row.id,
            **row.row,
            "prediction": row.prediction,
            "version": name if row.number is None else f"{name}:{row.number}",
        }
        for row in (kept[i] for i in order)
    ]


def _unsure(connection: Connection, name: str) -> Sequence[Any]:
    """Of the newest answers the least sure that wait for nobody's word, the newest first.

    Which these are is found out by the database from a few numbers each: reading every row took most of the time.
    """
    from sqlalchemy import exists, select

    from tunewheel.store.schema import exchanges, feedback, reviews

    where = (exchanges.c.name == name, exchanges.c.role == "live")
    newest = select(exchanges.c.id, exchanges.c.confidence).where(*where).order_by(exchanges.c.at.desc()).limit(RECENT)
    recent = newest.subquery()
    spoken = exists().where(feedback.c.exchange == recent.c.id, feedback.c.name == name)
    rejected = exists().where(reviews.c.item == recent.c.id, reviews.c.name == name, reviews.c.withdrawn.is_(None))
    rejected = rejected.where(reviews.c.action == "reject")
    least = select(recent.c.id).where(~spoken, ~rejected).order_by(recent.c.confidence.asc().nulls_first(), recent.c.id)
    columns = (exchanges.c.id, exchanges.c.number, exchanges.c.row, exchanges.c.prediction)
    query = select(*columns, exchanges.c.confidence, exchanges.c.vector)
    query = query.where(exchanges.c.id.in_(least.limit(POOL)))
    return connection.execute(query.order_by(exchanges.c.at.desc(), exchanges.c.id.desc())).all()
