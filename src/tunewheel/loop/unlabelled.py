"""Texts without labels: read for `check`, and for the methods of `train` that learn from them too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tunewheel.loop.reading import LoopError
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.store import Workspace


def texts_beside(
    workspace: Workspace, dataset: Dataset, path: str | Path, column: str | None, say: Say
) -> tuple[str, ...]:
    """The texts of a file that may be learned from beside a dataset's rows, each once.

    A text that stands in dev or test is left out, for scores on it would say nothing any more; one that stands in
    train too, for its label is known; and one that `forget` erased from the workspace. Case, punctuation and width make
    no difference. How many went is said; raises `LoopError` where none is left.
    """
    from tunewheel.data.gather import near_key, text_key
    from tunewheel.store.erasures import erased_texts

    erased = erased_texts(workspace)
    held = {near_key(row["text"]) for split in dataset.splits if split != "train" for row in dataset[split]}
    known = {near_key(row["text"]) for row in dataset["train"]}
    kept: dict[int, str] = {}
    out = {"stand in dev or test": 0, "are labelled in train": 0, "repeat others": 0, "were erased": 0}
    for text in read_texts(path, column):
        key = near_key(text)
        places = (key in held, key in known, key in kept, text_key(text) in erased)
        if any(places):
            out[list(out)[places.index(True)]] += 1
        else:
            kept[key] = text
    left = ", ".join(f"{count:,} {why}" for why, count in out.items() if count)
    say("unlabelled", f"{len(kept):,} texts of {path}" + (f"; left out: {left}" if left else ""))
    if not kept:
        raise LoopError(f"{path}: no text is left to learn from beside the labelled rows; name a file with other texts")
    return tuple(kept.values())


def content_hash(texts: tuple[str, ...]) -> str:
    """The sha256 of texts in their order."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def read_texts(path: str | Path, column: str | None = None) -> Iterator[str]:
    """The texts of a file, labelled or not; rows without one are passed over. Raises `DataError` if it has none."""
    from tunewheel.data import DataError, Problem, sources
    from tunewheel.data.names import TEXTS

    inputs, _ = sources.open_inputs(path, None, (column,) if column else ())
    names, found = (column,) if column else TEXTS, False
    for item in inputs:
        for record in item.records:
            text = next((record.values[name] for name in names if isinstance(record.values.get(name), str)), "")
            if text.strip():
                found = True
                yield text
    if not found:
        fix = "name the column that holds the text"
        raise DataError([Problem(str(path), None, column or "text", "a text in some row", "none", fix)])
