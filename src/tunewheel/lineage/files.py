"""The files that datasets were read from, and whether they still are what they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.data.manifest import sha256

if TYPE_CHECKING:
    from tunewheel.store import DatasetRecord

State = Literal["unchanged", "changed", "gone", "no file"]


def stated(sources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sources, each with the ``state`` of its file today."""
    hashed = cache(sha256)
    return [{**source, "state": _state(source, hashed)} for source in sources]


def _state(source: Mapping[str, Any], hashed: Any) -> State:
    path = Path(source["path"])
    if source["format"] == "rows":
        return "no file"
    if not path.is_file():
        return "gone"
    return "unchanged" if hashed(path) == source["sha256"] else "changed"


def readings(records: Iterable[DatasetRecord], path: Path) -> Iterator[tuple[DatasetRecord, dict[str, Any]]]:
    """Datasets that hold the content of a file, or were read from its path, and how: ``same`` or ``changed``.

    A path that is no file any more is found as it was recorded, or by its last parts.
    """
    whole, content = path.resolve(), sha256(path) if path.is_file() else None
    for record in records:
        for source in record.summary.get("sources", ()):
            recorded = Path(source["path"])
            here = recorded == whole or (content is None and _ends(recorded, path))
            if content is not None and source["sha256"] == content:
                yield record, {**source, "now": "same" if here else "same content at another path"}
            elif here:
                yield record, {**source, "now": "gone" if content is None else "changed"}


def _ends(recorded: Path, path: Path) -> bool:
    return recorded.parts[-len(path.parts) :] == path.parts
