"""What Hugging Face writes of a table's columns: class numbers become the names they stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tunewheel.data.names import STARTS

Features = Mapping[str, Any]


def features_of(metadata: Mapping[bytes, bytes] | None) -> Features:
    """Read the features out of a Parquet file's metadata; empty where it has none."""
    try:
        told = json.loads((metadata or {}).get(b"huggingface", b"{}"))
    except ValueError:
        return {}
    found = told.get("info", {}).get("features", {}) if isinstance(told, dict) else {}
    return found if isinstance(found, dict) else {}


def named(value: Any, feature: Any) -> Any:
    """Put names in place of class numbers, in lists and objects too; -1, which stands for no label, becomes None.

    >>> named([0, 1], {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"})
    ['O', 'B-PER']
    """
    if isinstance(feature, list):
        feature = {"feature": feature[0]} if feature else None
    if not isinstance(feature, Mapping) or value is None:
        return value
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list) and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None if value == -1 else value
    if isinstance(value, list):
        # A sequence of objects may be stored as an object of lists, each with the feature of its items.
        return [named(item, feature.get("feature", feature)) for item in value]
    if isinstance(value, dict):
        inner = feature.get("feature") if isinstance(feature.get("feature"), Mapping) else feature
        return {name: named(item, (inner or {}).get(name)) for name, item in value.items()}
    return value


def rows_of(value: Any) -> Any:
    """Turn an object of equally long lists, as a sequence of objects is often stored, into a list of objects.

    >>> rows_of({"start": [0, 8], "end": [4, 12], "label": ["PER", "LOC"]})
    [{'start': 0, 'end': 4, 'label': 'PER'}, {'start': 8, 'end': 12, 'label': 'LOC'}]
    """
    if not isinstance(value, dict) or not any(name in STARTS for name in value):
        return value
    if not all(isinstance(items, list) for items in value.values()) or len({*map(len, value.values())}) > 1:
        return value
    return [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]


def typed(row: Mapping[str, Any], features: Features) -> dict[str, Any]:
    """Shape one row of a typed table: class numbers by name, objects of lists as lists of objects."""
    return {name: rows_of(named(value, features.get(name))) for name, value in row.items()}
