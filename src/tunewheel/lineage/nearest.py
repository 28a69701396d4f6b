"""From an error to the training rows nearest to it: by the model's own vectors, or by words where it has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tunewheel.lineage.find import TraceError
from tunewheel.lineage.rows import Held, held, open_dataset, with_ids
from tunewheel.registry import Registry
from tunewheel.store import Workspace, get_dataset
from tunewheel.store.files import sync, temporary_name

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.models import Model
    from tunewheel.registry import Version

LIKE = 0.8
"""From this share of common character pairs on two texts are near duplicates."""

_BLOCK = 1 << 16

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[Mapping[str, Any]]], Vectors]


@dataclass(frozen=True)
class Neighbour:
    """A training row near an error: ``similarity`` is the cosine of both vectors.

    ``agrees`` is False where it is labelled otherwise than the error's gold (None: no gold): one of the two may be
    label noise, the more so where it is a ``duplicate``.
    """

    id: str
    text: str
    gold: Any
    similarity: float
    agrees: bool | None
    duplicate: Literal["exact", "near"] | None
    file: str | None


def trace_errors(
    reference: str,
    *,
    errors: int | None = None,
    row: str | None = None,
    nearest: int = 5,
    home: str | Path | None = None,
    database: str | None = None,
) -> dict[str, Any]:
    """Trace a version's most confident ``errors``, or one ``row`` of its dataset, to the training rows nearest to it.

    Vectors of the training rows are kept in the workspace's cache, by model and dataset. ``by`` says whose they are:
    the model's own, or of TF-IDF where it is no network. Ready for JSON.

    Raises:
        TraceError: the version has no report, its dataset's rows are not kept, or no row has that id.
    """
    if errors is not None and row is not None:
        raise TraceError("trace a number of errors or one row, not both")
    if nearest < 1 or (errors is not None and errors < 1):
        raise TraceError(f"errors and nearest count from 1, got {errors} and {nearest}")
    with Workspace.open(home, database) as workspace:
        version = Registry(workspace).resolve(reference)
        dataset = _rows_of(workspace, version)
        wanted = [row] if row is not None else _worst(version, errors or 5)
        found = _asked(dataset, wanted, version, row)
        told: dict[str, Any] = {"kind": "errors", "version": version.ref, "by": None, "errors": []}
        return told | _traced(workspace, version, dataset, found, nearest) if found else told


def _rows_of(workspace: Workspace, version: Version) -> Dataset:
    record = None if version.dataset is None else get_dataset(workspace, version.dataset)
    dataset = None if record is None else open_dataset(workspace, record)
    if dataset is None or "train" not in dataset:
        raise TraceError(f"{version}: the rows it learned from are not kept in {workspace.home}; train it again there")
    return dataset


def _worst(version: Version, count: int) -> list[str]:
    """Ids of the report's errors, the most confident first."""
    from tunewheel.evaluation import read_report

    if version.report is None:
        raise TraceError(f"{version} has no report: it was trained without dev and test rows; name a --row")
    return [mistake["id"] for mistake in read_report(version.report)["worst"][:count]]


def _asked(dataset: Dataset, ids: list[str], version: Version, row: str | None) -> list[Held]:
    """The rows of these ids, in their order; errors never stand in train, a row that is asked for may."""
    found = [one for one in held(dataset, with_ids(*ids)) if row is not None or one.split != "train"]
    if not found and row is not None:
        sizes = ", ".join(f"{rows:,} {split}" for split, rows in dataset.rows.items())
        raise TraceError(f"no row {row!r} in the dataset of {version} ({sizes} rows were searched)")
    return sorted(found, key=lambda one: ids.index(one.row["id"]) if one.row["id"] in ids else 0)


def _traced(
    workspace: Workspace, version: Version, dataset: Dataset, found: list[Held], nearest: int
) -> dict[str, Any]:
    from tunewheel.models import Model

    model = Model.load(version.path)
    rows = [one.row for one in found]
    by, embed = _reader(model, dataset)
    train = _training_vectors(workspace, version, dataset, embed)
    own = [one.at if one.split == "train" else None for one in found]
    places = _nearest(train, embed(rows), own, nearest)
    errors = [
        {
            **one.as_dict(),
            "predicted": model.task.answer(prediction),
            "wrong": model.task.mistake(one.row, prediction) is not None if _labelled(model, one.row) else None,
            "confidence": prediction.get("confidence"),
            "nearest": [asdict(_neighbour(dataset, model, one.row, *place)) for place in near],
        }
        for one, prediction, near in zip(found, model.predict(rows), places, strict=True)
    ]
    return {"by": by, "errors": errors}


def _reader(model: Model, dataset: Dataset) -> tuple[str, Embed]:
    """What tells how near rows are, by name: the model's own vectors, else TF-IDF's over the training texts."""
    from tunewheel.data.features import text_space
    from tunewheel.models import ModelError

    try:
        _ = model.network
    except ModelError:
        space = text_space(dataset["train"]["text"])
        return "TF-IDF", lambda rows: space([row["text"] for row in rows])
    return "the model's vectors", model.vectors


def _neighbour(dataset: Dataset, model: Model, row: dict[str, Any], at: int, similarity: float) -> Neighbour:
    other = dataset["train"][at]
    source = dataset.source_of("train", at)
    return Neighbour(
        id=other["id"],
        text=other["text"],
        gold=model.task.truth(other),
        similarity=similarity,
        agrees=model.task.agrees(row, other) if _labelled(model, row) else None,
        duplicate=duplicate_of(row["text"], other["text"]),
        file=None if source is None else source.path,
    )


def _labelled(model: Model, row: dict[str, Any]) -> bool:
    return any(row.get(target) is not None for target in model.task.targets())


def _training_vectors(workspace: Workspace, version: Version, dataset: Dataset, embed: Embed) -> Vectors:
    """The vectors of all training rows [n, width], memory-mapped; computed once for a model and a dataset."""
    path = workspace.cache_dir / "vectors" / f"{version.artifact[:16]}-{dataset.fingerprint[:16]}.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(temporary_name(f".{path.name}.tmp-"))
        try:
            _write_vectors(beside, dataset, embed)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    vectors: Vectors = np.load(path, mmap_mode="r")
    return vectors


def _write_vectors(path: Path, dataset: Dataset, embed: Embed) -> None:
    shape = (dataset.rows["train"], embed([dataset["train"][0]]).shape[1])
    target = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    at = 0
    for batch in dataset.batches("train"):
        target[at : at + batch.num_rows] = embed(batch.to_pylist())
        at += batch.num_rows
    target.flush()
    sync(path)


def _nearest(train: Vectors, vectors: Vectors, own: Sequence[int | None], count: int) -> list[list[tuple[int, float]]]:
    """Place and cosine of the training rows nearest to each vector, the nearest first, its ``own`` left out."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    best = np.full((len(vectors), 0), -np.inf, dtype=np.float32)
    places = np.zeros((len(vectors), 0), dtype=np.int64)
    for start in range(0, len(train), _BLOCK):
        block = np.asarray(train[start : start + _BLOCK])
        cosines = unit @ (block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)).T
        for i, place in enumerate(own):
            if place is not None and start <= place < start + len(block):
                cosines[i, place - start] = -np.inf
        best = np.concatenate([best, cosines], axis=1)
        here = np.broadcast_to(np.arange(start, start + len(block)), cosines.shape)
        places = np.concatenate([places, here], axis=1)
        kept = np.argsort(-best, axis=1, kind="stable")[:, :count]
        best, places = np.take_along_axis(best, kept, 1), np.take_along_axis(places, kept, 1)
    return [
        [(int(place), float(cosine)) for place, cosine in zip(*pair, strict=True) if np.isfinite(cosine)]
        for pair in zip(places, best, strict=True)
    ]


def duplicate_of(text: str, other: str) -> Literal["exact", "near"] | None:
    """Whether two texts are the same but for white space, or share `LIKE` of their character pairs.

    >>> duplicate_of("卡 丢了", "卡  丢了"), duplicate_of("where is my card", "Where is my card?")
    ('exact', 'near')
    >>> duplicate_of("a b", "c")
    """
    one, two = (" ".join(t.split()) for t in (text, other))
    if one == two:
        return "exact"
    pairs, others = ({t[i : i + 2] for i in range(len(t) - 1)} for t in (one.casefold(), two.casefold()))
    together = len(pairs | others)
    return "near" if together and len(pairs & others) / together >= LIKE else None
