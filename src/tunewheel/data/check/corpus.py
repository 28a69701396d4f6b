"""A dataset's rows numbered through all its splits, read a batch at a time and as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tunewheel.data.divide import UNLABELLED
from tunewheel.data.infer import PLAIN
from tunewheel.data.names import ANSWERED

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset
    from tunewheel.data.duplicates import Near

Progress = Callable[[str, int, int], None]
"""Takes the name of a step, how many rows it has seen, and how many there are."""


class Row(NamedTuple):
    """A row with its number; ``target`` is its label, its list of labels or of entities, None where it has none.

    ``tokens`` are those of a file that came cut into tokens, ``answers`` the texts that answer its text.
    """

    number: int
    split: str
    id: str
    text: str
    target: Any
    tokens: Any = None
    answers: tuple[str, ...] = ()


class Corpus:
    """The rows of all splits, numbered from 0 in the order of the splits; ``near`` is the least similarity."""

    def __init__(self, dataset: Dataset, *, near: float = 0.8, progress: Progress | None = None) -> None:
        self.dataset, self.threshold = dataset, near
        self.splits = dataset.splits
        self.sizes = [dataset.rows[name] for name in self.splits]
        self.starts = [0, *np.cumsum(self.sizes).tolist()]
        self.progress: Progress = progress or (lambda step, done, total: None)

    def __len__(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def target(self) -> str | None:
        """The column that holds the labels: ``label``, ``labels``, ``entities`` or ``answer``; None for plain text."""
        if self.dataset.task == PLAIN:
            return None
        if self.dataset.multi_label:
            return "labels"
        labelled = next((name for name in self.splits if name != UNLABELLED), self.splits[0])
        names = next(self.dataset.batches(labelled)).schema.names
        if self.dataset.task != "ner" and "label" in names:
            return "label"
        return "entities" if "entities" in names else "answer"

    @property
    def labelled(self) -> list[str]:
        """The splits whose rows have labels; all that plain text is divided into."""
        return [name for name in self.splits if name != UNLABELLED or self.target is None]

    def rows(self, step: str = "") -> Iterator[Row]:
        """Yield all rows in order; with the name of a ``step`` progress is told."""
        number = 0
        for split in self.splits:
            for batch in self.dataset.batches(split):
                yield from _rows(batch, split, self.target, number)
                number += batch.num_rows
                if step:
                    self.progress(step, number, len(self))

    def texts(self) -> Iterator[str]:
        """Yield all texts in order."""
        for split in self.splits:
            for batch in self.dataset.batches(split):
                yield from batch.column("text").to_pylist()

    def take(self, numbers: Iterable[int]) -> dict[int, Row]:
        """Fetch rows by their numbers, in one pass; batches without any are not unpacked."""
        wanted = np.unique(np.fromiter(numbers, dtype=np.int64))
        found: dict[int, Row] = {}
        start = 0
        for split in self.splits:
            for batch in self.dataset.batches(split):
                inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)]
                if len(inside):
                    picked = batch.take(inside - start)
                    rows = _rows(picked, split, self.target, 0)
                    found |= {int(n): row._replace(number=int(n)) for n, row in zip(inside, rows, strict=True)}
                start += batch.num_rows
        return found

    def sample(self, size: int, seed: int, splits: Iterable[str]) -> list[Row]:
        """Draw up to ``size`` rows of some splits, the same under the same seed, in order."""
        numbers = np.concatenate([np.arange(*self.span(name)) for name in splits] or [np.zeros(0, np.int64)])
        if len(numbers) > size:
            numbers = np.sort(np.random.default_rng(seed).choice(numbers, size, replace=False))
        return list(self.take(numbers).values())

    def span(self, split: str) -> tuple[int, int]:
        """The numbers of a split's rows: from the first up to, not including, the second."""
        at = self.splits.index(split)
        return int(self.starts[at]), int(self.starts[at + 1])

    def split_of(self, number: int) -> str:
        """The split that a row stands in."""
        return self.splits[int(np.searchsorted(self.starts, number, side="right")) - 1]

    def file_of(self, number: int) -> str:
        """The file that a row came from, empty where that is not known."""
        split = self.split_of(number)
        source = self.dataset.source_of(split, number - self.span(split)[0])
        return source.path if source else ""

    @cached_property
    def near(self) -> Near:
        """Rows that repeat another, exactly or nearly; found once, when first asked for."""
        from tunewheel.data.duplicates import find_near

        def told(done: int, total: int | None) -> None:
            self.progress("duplicates", done, total or len(self))

        return find_near(self.texts(), self.threshold, progress=told)

    @cached_property
    def clusters(self) -> npt.NDArray[np.int64]:
        """The number of the first row of each row's cluster of repeats."""
        return self.near.clusters()


def _rows(batch: Any, split: str, target: str | None, number: int) -> Iterator[Row]:
    labelled = split != UNLABELLED and target in batch.schema.names
    targets = batch.column(target).to_pylist() if labelled else repeat(None)
    tokens = batch.column("tokens").to_pylist() if "tokens" in batch.schema.names else repeat(None)
    written = [batch.column(name).to_pylist() for name in ANSWERED if name in batch.schema.names]
    answers = zip(*written, strict=True) if written else repeat(())
    columns = (batch.column("id").to_pylist(), batch.column("text").to_pylist(), targets, tokens, answers)
    for place, (name, text, found, own, said) in enumerate(zip(*columns, strict=False)):
        yield Row(number + place, split, name, text, found, own, tuple(each for each in said if isinstance(each, str)))
