"""What a teacher says of every row, computed once and kept on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from tunewheel.models.model import Model, ModelError
from tunewheel.models.predictor import Predictor
from tunewheel.store.files import write_whole
from tunewheel.tasks import Row

Array = npt.NDArray[Any]
Told = Callable[[int, int], None]
"""Takes how many rows are answered, and how many there are."""


class Answers(Sequence[Array]):
    """The readings (`tunewheel.tasks.Task.readings`) of rows by a teacher, [units, outputs] in 16 bits each.

    They lie in files of a few thousand rows, mapped into memory. Each is written whole or not at all, and those that
    stand in the folder are not computed again.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        from safetensors import safe_open

        # Left open: the files are mapped, and read where they are asked for.
        opened: Any = [safe_open(file, framework="numpy") for file in files]
        self._values = [file.get_slice("values") for file in opened]
        self._ends = [file.get_tensor("ends") for file in opened]
        self._before = np.cumsum([0, *map(len, self._ends)])

    @classmethod
    def of(cls, teacher: Model, rows: Sequence[Row], folder: Path, told: Told = lambda done, total: None) -> Answers:
        """Ask the teacher about ``rows``, or for what an earlier call left to ask; ``folder`` is theirs alone.

        Raises `tunewheel.models.ModelError` for a teacher that is no network, and for one whose vectors alone are read.
        """
        if teacher.network.config.level == "vector":
            raise ModelError("a bi-encoder gives vectors, no answers to learn from; distil a model of --method full")
        folder.mkdir(parents=True, exist_ok=True)
        predictor = Predictor(teacher.network, teacher.task, teacher.encoder)
        files, done = [], 0
        for number, chunk in enumerate(predictor.chunks(rows)):
            file = folder / f"{number:06d}.safetensors"
            if not file.exists():
                write_whole(file, _packed(predictor.readings(chunk)))
            files.append(file)
            done += len(chunk)
            told(done, len(rows))
        return cls(files)

    def __len__(self) -> int:
        return int(self._before[-1])

    @overload
    def __getitem__(self, row: int) -> Array: ...
    @overload
    def __getitem__(self, row: slice) -> list[Array]: ...
    def __getitem__(self, row: int | slice) -> Array | list[Array]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        file = int(np.searchsorted(self._before, row, side="right")) - 1
        at, ends = row - int(self._before[file]), self._ends[file]
        values: Array = self._values[file][int(ends[at - 1]) if at else 0 : int(ends[at])]
        return values


def _packed(readings: Sequence[Array]) -> bytes:
    from safetensors.numpy import save

    ends = np.cumsum([len(each) for each in readings])
    packed: bytes = save({"values": np.concatenate(readings).astype(np.float16), "ends": ends.astype(np.int64)})
    return packed
