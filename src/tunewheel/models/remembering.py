"""A network that keeps what its head was fitted to, so that it can be fitted again with more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tunewheel.models.neural import Neural

if TYPE_CHECKING:
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.models.network import Network

FILE = "memory.safetensors"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Memory:
    """All that a least-squares head needs of the rows it has seen: sums over them, and no row itself.

    ``gram`` [features, features] sums the products of a row's features with each other, ``cross`` [features, outputs]
    those with its targets; ``outputs`` names the latter, ``rows`` were seen. Sums of more rows are added, and those of
    rows that do not hold any more taken off, so that what is learned in parts is what would have been learned at once.

    >>> one = Memory.of(np.array([[1.0, 0.0]]), np.array([[1.0]]), ("a",))
    >>> both = one.plus(Memory.of(np.array([[0.0, 2.0]]), np.array([[1.0]]), ("b",)))
    >>> both.solved(0.5).round(3).tolist(), both.outputs, both.rows
    ([[0.444, 0.0], [0.0, 0.381]], ('a', 'b'), 2)
    """

    gram: Floats
    cross: Floats
    outputs: tuple[str, ...]
    rows: int

    @classmethod
    def of(cls, features: Floats, targets: Floats, outputs: Sequence[str]) -> Self:
        """What is to be remembered of rows' ``features`` [n, features] and ``targets`` [n, outputs]."""
        return cls(features.T @ features, features.T @ targets, tuple(outputs), len(features))

    def plus(self, more: Memory) -> Self:
        """With more rows; outputs that are new come last."""
        outputs = (*self.outputs, *(name for name in more.outputs if name not in self.outputs))
        cross = self.asked(outputs) + more.asked(outputs)
        return type(self)(self.gram + more.gram, cross, outputs, self.rows + more.rows)

    def less(self, gone: Memory) -> Self:
        """Without rows that were seen before."""
        cross = self.cross - gone.asked(self.outputs)
        return type(self)(self.gram - gone.gram, cross, self.outputs, self.rows - gone.rows)

    def asked(self, outputs: Sequence[str]) -> Floats:
        """``cross`` for these outputs [features, outputs]; of one that no row had it is zero."""
        place = {name: i for i, name in enumerate(self.outputs)}
        found = np.zeros((len(self.gram), len(outputs)))
        for i, name in enumerate(outputs):
            if name in place:
                found[:, i] = self.cross[:, place[name]]
        return found

    def solved(self, ridge: float, outputs: Sequence[str] | None = None) -> Floats:
        """The weights [features, outputs] of ridge regression.

        ``ridge`` is the penalty in parts of the mean of the Gram matrix's diagonal.
        """
        from scipy.linalg import solve

        penalty = ridge * np.trace(self.gram) / len(self.gram)
        wanted = self.asked(self.outputs if outputs is None else outputs)
        weights: Floats = solve(self.gram + penalty * np.eye(len(self.gram)), wanted, assume_a="pos")
        return weights

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the sums, one half of the symmetric matrix in 32 bits; returns what `load` needs beside them."""
        from safetensors.numpy import save_file

        half = self.gram[np.tril_indices(len(self.gram))].astype(np.float32)
        save_file({"gram": half, "cross": self.cross.astype(np.float32)}, folder / FILE)
        return {"outputs": list(self.outputs), "rows": self.rows}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read it again."""
        from safetensors.numpy import load_file

        told = load_file(folder / FILE)
        cross = told["cross"].astype(np.float64)
        gram = np.zeros((len(cross), len(cross)))
        gram[np.tril_indices(len(cross))] = told["gram"]
        gram += np.tril(gram, -1).T
        return cls(gram, cross, tuple(declared["outputs"]), int(declared["rows"]))


class Remembering(Neural):
    """A network with its `Memory`, which is read only when somebody goes on from it."""

    kind: ClassVar[str] = "remembering"

    def __init__(self, network: Network, encoder: TextEncoder, memory: Memory | tuple[Path, Mapping[str, Any]]) -> None:
        super().__init__(network, encoder)
        self._kept = memory

    @cached_property
    def memory(self) -> Memory:
        """The sums over all rows that were learned from."""
        return self._kept if isinstance(self._kept, Memory) else Memory.load(*self._kept)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the network, and the memory beside it."""
        return {**super().save(folder), "memory": self.memory.save(folder)}

    @classmethod
    def load(cls, folder: Path, declared: Mapping[str, Any]) -> Self:
        """Read the network; the memory stays where it is."""
        plain = Neural.load(folder, declared)
        return cls(plain.network, plain.encoder, (folder, declared["memory"]))
