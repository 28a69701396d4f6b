"""Where rows stand: the datasets and splits that hold one, batch by batch, and what each version did with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunewheel.data import Dataset
from tunewheel.data.erased import is_erased, parts_of, said
from tunewheel.data.infer import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from tunewheel.data import Source
    from tunewheel.store import DatasetRecord, Workspace

Places = Callable[[Any], list[int]]
"""Takes an Arrow batch and says which of its rows are meant."""


@dataclass(frozen=True)
class Held:
    """A row and where it stands: the ``at``-th (from 0) of a split, read from ``source`` if that is known."""

    split: str
    at: int
    row: dict[str, Any]
    source: Source | None

    def as_dict(self) -> dict[str, Any]:
        """The row's id, text and labels, and where it stands, as JSON values."""
        return {
            "id": self.row["id"],
            "text": self.row["text"],
            "gold": next((self.row[target] for target in TARGETS if self.row.get(target) is not None), None),
            "split": self.split,
            "file": None if self.source is None else self.source.path,
        }


def open_dataset(workspace: Workspace, record: DatasetRecord) -> Dataset | None:
    """The rows of a recorded dataset, None where they are not kept."""
    if record.artifact is None or record.artifact not in workspace.artifacts:
        return None
    return Dataset.load(workspace.artifacts.path(record.artifact))


def held(dataset: Dataset, places: Places) -> Iterator[Held]:
    """Every row that is meant, split by split; only a batch is looked at at once."""
    for split in dataset.splits:
        start = 0
        for batch in dataset.batches(split):
            for place in places(batch):
                [row] = batch.slice(place, 1).to_pylist()
                yield Held(split, start + place, row, dataset.source_of(split, start + place))
            start += batch.num_rows


def with_ids(*ids: str) -> Places:
    """Rows by id, their own or the one a file gave them."""

    def places(batch: Any) -> list[int]:
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted, found = pa.array(ids, pa.string()), set[int]()
        for column in ("id", "original_id"):
            if column in batch.schema.names:
                texts = batch[column].cast(pa.string())
                found.update(pc.indices_nonzero(pc.is_in(texts, value_set=wanted)).to_pylist())
        return sorted(found)

    return places


def of_exchange(exchange: str) -> Places:
    """Rows that came of what people said of an exchange."""
    return where("exchange", exchange)


def with_text(*texts: str) -> Places:
    """Rows by their text or an answer to it, white space aside; of a pair either text will do."""
    wanted = {" ".join(text.split()) for text in texts}

    def places(batch: Any) -> list[int]:
        return [
            place
            for place, written in enumerate(_written(batch))
            if any(" ".join(part.split()) in wanted for text in written for part in parts_of(text))
        ]

    return places


def with_keys(keys: Collection[int]) -> Places:
    """Rows that say what has one of these keys (`tunewheel.data.erased`)."""
    return lambda batch: [place for place, row in enumerate(said(batch)) if is_erased(keys, *row)]


def containing(part: str) -> Places:
    """Rows whose text, or an answer to it, has this part, case aside."""
    wanted = part.casefold()

    def places(batch: Any) -> list[int]:
        return [
            place for place, written in enumerate(_written(batch)) if any(wanted in text.casefold() for text in written)
        ]

    return places


def _written(batch: Any) -> list[tuple[str, ...]]:
    """Each row's text and what answers it."""
    return [tuple(text for text in row if isinstance(text, str)) for row in said(batch)]


def where(column: str, value: str) -> Places:
    """Rows by the value of any column, as it is written."""

    def places(batch: Any) -> list[int]:
        if column not in batch.schema.names:
            return []
        return [place for place, found in enumerate(batch[column].to_pylist()) if str(found) == value]

    return places


def any_of(*kinds: Places) -> Places:
    """Rows that one of several means."""

    def places(batch: Any) -> list[int]:
        return sorted({place for kind in kinds for place in kind(batch)})

    return places


def part_of(split: str, report: Path | None) -> str:
    """What a split was to the version that learned from its dataset: ``learned``, ``chosen``, ``tested``, ``unused``.

    A checkpoint is chosen on dev; where there is no test split dev is what the report tests on too.
    """
    from tunewheel.evaluation import read_report

    tested = read_report(report)["facts"].get("split") if report else None
    parts = {"train": "learned", "dev": "chosen"}
    return " and ".join([*filter(None, [parts.get(split)]), *(["tested"] if split == tested else [])]) or "unused"
