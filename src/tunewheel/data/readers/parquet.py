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
_FIX = "write the file again"


@dataclass
class ParquetReader(Reader):
    """Yields the rows of a Parquet file, numbered from 1; class numbers get the names the file has for them.

    Where its bytes are damaged, what stood whole before has been yielded, and reading ends.
    """

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
        import pyarrow as pa

        number = 0
        with self._open() as parquet:
            batches = parquet.iter_batches(batch_size=_BATCH)
            while True:
                try:
                    rows = next(batches).to_pylist()
                except StopIteration:
                    return
                except (pa.ArrowException, ArithmeticError, OSError, ValueError) as error:
                    self.problems.add(Problem(self.name, number + 1, "", "whole rows", _reason(error), _FIX))
                    return
                for row in rows:
                    number += 1
                    yield Record(number, typed(plain(row), self.features))

    def _open(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.file.path)
        except (pa.ArrowException, OSError, ValueError) as error:
            found = f"no such file ({_reason(error)})"
            raise DataError([Problem(self.name, None, "", "a Parquet file", found, _FIX)]) from None


def _reason(error: Exception) -> str:
    """What pyarrow has to say of damaged bytes, in one line."""
    return f"damaged bytes: {(str(error) or type(error).__name__).splitlines()[0]}"
