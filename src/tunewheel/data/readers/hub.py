"""Data sets of the Hugging Face hub, by ``owner/name`` or ``owner/name:config``; no code of theirs is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewheel.data.problems import DataError, Problem
from tunewheel.data.readers.base import Reader, Record, plain
from tunewheel.data.readers.features import typed
from tunewheel.data.readers.formats import BY_SUFFIX
from tunewheel.data.readers.names import split_of, split_order

_ID = re.compile(r"([\w-][\w.-]*/[\w.-]+?)(?::([\w.-]+))?")
_BATCH = 1000


@dataclass
class HubReader(Reader):
    """Yields the rows of one split, numbered from 1; class numbers get their names."""

    source: str
    rows: Any

    @property
    def name(self) -> str:
        """The data set and its split."""
        return self.source

    def __iter__(self) -> Iterator[Record]:
        features = self.rows.features.to_dict()
        number = 0
        for batch in self.rows.with_format("arrow").iter(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield Record(number, typed(plain(row), features))


def parse(data: str) -> tuple[str, str | None] | None:
    """Read a hub id and its configuration; None for what is there, or is plainly meant to be a path.

    >>> parse("owner/name:zh"), parse("./owner/name"), parse("owner/name.csv")
    (('owner/name', 'zh'), None, None)
    """
    found = _ID.fullmatch(data)
    if found is None or Path(data).exists() or Path(found[1].split("/")[0]).is_dir():
        return None
    return None if Path(data).suffix.lower() in BY_SUFFIX else (found[1], found[2])


def open_splits(repository: str, config: str | None) -> list[tuple[str, HubReader]]:
    """Load a data set through the cache of `datasets`, each split under the name we have for it.

    Raises `DataError` where it cannot be had: no such data set, no network, or one that needs its own code.
    """
    import datasets

    try:
        loaded = datasets.load_dataset(repository, config)
    except Exception as error:
        # Whatever fails here (network, rights, a configuration that must be named) is the caller's to mend.
        raise _not_there(repository, config, error) from error
    found: dict[str, HubReader] = {}
    for name, rows in loaded.items():
        split = split_of(name) or name
        # A second split of the same kind (``test_matched``, ``test_mismatched``) keeps its own name.
        found[name if split in found else split] = HubReader(f"{_named(repository, config)} ({name})", rows)
    return sorted(found.items(), key=split_order)


def _named(repository: str, config: str | None) -> str:
    return f"{repository}:{config}" if config else repository


def _not_there(repository: str, config: str | None, error: Exception) -> DataError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    found = f"no such path, and the hub gave none ({reason})"
    fix = (
        "check the name; without a network, load it once where there is one, copy its Parquet files here "
        "and name their folder"
    )
    expected = "a file, a folder or a data set of the Hugging Face hub"
    return DataError([Problem(_named(repository, config), None, "", expected, found, fix)])
