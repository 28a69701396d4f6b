"""Topics as a first set of labels: rows for `train`, and a description a label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.data.infer import TARGETS
from tunewheel.data.rejected import json_line
from tunewheel.data.topics.clustering import Numbers
from tunewheel.data.topics.topics import OTHER, Topics
from tunewheel.store.files import open_whole, write_whole

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset

_OURS = ("id", "text", "label", "topic", "confidence", "distance")
_LEFT = frozenset((*_OURS, *TARGETS, "tokens"))
"""Columns of a row that are not carried over: what was labelled otherwise before."""


def write_rows(topics: Topics, dataset: Dataset, path: str | Path, per_topic: int | None) -> int:
    """Write rows as `Topics.write_rows` says."""
    wanted = chosen(topics, per_topic)
    count = 0
    with open_whole(path) as target:
        for number, row in enumerate(_rows(dataset)):
            if wanted[number]:
                target.write(json_line(_labelled(topics, number, row)))
                count += 1
    return count


def chosen(topics: Topics, per_topic: int | None) -> Any:
    """Which rows are written, bool[rows]."""
    if per_topic is None:
        return topics.member != OTHER
    wanted = np.zeros(len(topics.member), np.bool_)
    for topic in topics.topics:
        own: Numbers = np.flatnonzero((topics.member == topic.number) & topics.central)
        wanted[own[np.argsort(topics.distance[own], kind="stable")][:per_topic]] = True
    return wanted


def write_descriptions(topics: Topics, path: str | Path) -> Path:
    """Write a YAML mapping of labels to descriptions."""
    import yaml

    return write_whole(path, yaml.safe_dump(dict(topics.descriptions), allow_unicode=True, sort_keys=False))


def _rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for split in dataset.splits:
        for batch in dataset.batches(split):
            yield from batch.to_pylist()


def _labelled(topics: Topics, number: int, row: dict[str, Any]) -> dict[str, Any]:
    topic = topics.topics[int(topics.member[number])]
    told = {
        **{"id": row["id"], "text": row["text"], "label": topic.name, "topic": topic.number},
        "confidence": round(float(topics.confidence[number]), 2),
        "distance": round(float(topics.distance[number]), 4),
    }
    return told | {name: value for name, value in row.items() if name not in _LEFT and value is not None}
