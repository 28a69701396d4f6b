"""A dataset as its repairs have it so far: changed rows in temporary files, the rows left out as arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.dataset import Dataset

Row = dict[str, Any]
Mend = Callable[[str, Row], Row | None]
"""Takes a split and a row, gives the row as it shall be, or None to leave it out."""


class Draft:
    """Rows of a dataset, repaired pass by pass; only what changed is kept, on disk."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset, self._folder, self._passes = dataset, folder, 0
        self.left: dict[str, npt.NDArray[np.bool_]] = {
            split: np.ones(rows, dtype=np.bool_) for split, rows in dataset.rows.items()
        }
        """Which rows of each split are still there: bool[rows]."""
        self._readers: dict[str, Iterator[tuple[int, Row]]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """The dataset's splits."""
        return self.dataset.splits

    def rows(self, split: str) -> Iterator[tuple[int, Row]]:
        """The rows of a split that are left, each with its number in the dataset's split."""
        return ((at, row) for at, row in self._all(split) if self.left[split][at])

    def mend(self, mend: Mend) -> None:
        """Ask ``mend`` of each row that is left, once."""
        for split in self.splits:
            with self._file(split, self._passes + 1).open("w", encoding="utf-8") as file:
                originals = (row for batch in self.dataset.batches(split) for row in batch.to_pylist())
                for (at, row), original in zip(self._all(split), originals, strict=True):
                    mended: Row | None = row
                    if self.left[split][at]:
                        mended = mend(split, row)
                        self.left[split][at] = mended is not None
                    file.write("\n" if mended in (None, original) else json.dumps(mended, ensure_ascii=False) + "\n")
            if self._passes:
                self._file(split, self._passes).unlink()
        self._passes += 1

    def change(self, split: str, at: int, _: Row) -> Row | None:
        """The draft as a change of the dataset's rows (`Dataset.edited`), which asks for them in their order."""
        if at == 0:
            self._readers[split] = self._all(split)
        place, row = next(self._readers[split])
        assert place == at
        return row if self.left[split][at] else None

    def _all(self, split: str) -> Iterator[tuple[int, Row]]:
        originals = (row for batch in self.dataset.batches(split) for row in batch.to_pylist())
        if not self._passes:
            yield from enumerate(originals)
            return
        with self._file(split, self._passes).open(encoding="utf-8", newline="\n") as lines:
            for at, (row, line) in enumerate(zip(originals, lines, strict=True)):
                yield at, row if line == "\n" else json.loads(line)

    def _file(self, split: str, number: int) -> Path:
        return self._folder / f"{self.splits.index(split)}-{number}.jsonl"
