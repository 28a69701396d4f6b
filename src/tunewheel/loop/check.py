"""`check`: what is wrong with data, before anything learns from it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.data.check import Inspection
    from tunewheel.data.check.corpus import Progress
    from tunewheel.data.check.inspect import Embed


def check(
    data: str | Path | Dataset,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    near: float = 0.8,
    sample: int | None = None,
    seed: int = 13,
    unlabelled: str | Path | None = None,
    base: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Inspection:
    """Look for what is wrong with data: a file, a folder of splits, or a dataset; see `tunewheel.data.check.check`.

    Bad rows are left out and told as a finding. Splits are those that the files give; a single file is one split.
    ``unlabelled`` is a file of further texts: what no labelled row reaches among them is told.
    ``base`` is a pretrained model whose sentence vectors stand in place of TF-IDF; ``options`` go to `Dataset.read`.
    Text without labels is checked as such. Raises `DataError` where not one row can be read.
    """
    from tunewheel.data import Dataset, sources
    from tunewheel.data.check import check as inspect
    from tunewheel.data.check.inspect import SAMPLE, chosen
    from tunewheel.loop.unlabelled import read_texts

    chosen(only, skip)
    named = "DATA" if isinstance(data, Dataset) else sources.shown(data)
    with tempfile.TemporaryDirectory(prefix="tunewheel-check-") as folder:
        rejected = Path(folder) / "rejected.jsonl"
        dataset = data if isinstance(data, Dataset) else _read(data, rejected, options)
        return inspect(
            dataset,
            named,
            out="cleaned" if isinstance(data, Dataset) else f"{sources.stem(data)}-clean",
            options=[] if isinstance(data, Dataset) else _flags(options),
            only=only,
            skip=skip,
            near=near,
            sample=sample or SAMPLE,
            seed=seed,
            rejected=rejected,
            unlabelled=() if unlabelled is None else read_texts(unlabelled, options.get("text")),
            vectors=None if base is None else _vectors_of(base),
            progress=progress,
        )


def _flags(options: Mapping[str, Any]) -> list[str]:
    """How a command is told to read data as it was read here."""
    named = ((name, options.get(name)) for name in ("task", "text", "label"))
    return [word for name, value in named if value is not None for word in (f"--{name}", str(value))]


def _read(data: str | Path, rejected: Path, options: dict[str, Any]) -> Dataset:
    from tunewheel.data import Dataset
    from tunewheel.loop.reading import or_plain, targets_of

    whole: dict[str, Any] = {"dev": 0.0, "test": 0.0, "on_error": "skip", "rejected": rejected}

    def read(task: str | None) -> Dataset:
        return Dataset.read(data, **{**options, **whole, "task": task, "targets": targets_of(task)})

    return or_plain(read, options.get("task"))


def _vectors_of(base: str) -> Embed:
    from tunewheel.models.vectors import sentence_vectors

    return lambda texts: sentence_vectors(base, texts)
