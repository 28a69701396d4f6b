"""Parquet, read a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tunewheel.data.problems import DataError, Problem
from tunewheel.data.readers.base import Reader, Record, plain
from tunewheel.data.readers.features import Features, features_of, typed
from tunewheel.data.readers.text import DataFile

MAGIC = b"PAR1"
_BATCH = 1000


@dataclass
class ParquetReader(Reader):
    """Yields the rows of a Parquet file, numbered from 1; class numbers get the names the file has for them."""

    file: DataFile
    features: Features = field(init=False)

    def __post_init__(self) -> None:
        with self._open() as parquet:
            self.features = features_of(parquet.schema_arrow.metadata)

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self.file.path)

    def __iter__(self) -> Iterator[Record]:
        number = 0
        with self._open() as parquet:
            for batch in parquet.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(number, typed(plain(row), self.features))

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.file.path)
        except pa.ArrowInvalid as error:
            found = f"no such file ({str(error).splitlines()[0]})"
            raise DataError([Problem(self.name, None, "", "a Parquet file", found, "write it again")]) from None
