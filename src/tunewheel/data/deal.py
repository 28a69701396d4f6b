"""The second pass: every row gets its id and goes to the file of its split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data import arrow
from tunewheel.data.gather import DIGEST, Seen
from tunewheel.data.infer import Schema
from tunewheel.data.manifest import SplitFile, sha256


@dataclass(frozen=True)
class Division:
    """The split of every row in reading order, as an index into ``names``."""

    where: npt.NDArray[np.int32]
    names: list[str]

    @property
    def sizes(self) -> dict[str, int]:
        """The number of rows of every split that has any."""
        counts = np.bincount(self.where, minlength=len(self.names)).tolist()
        return {name: count for name, count in zip(self.names, counts, strict=True) if count}

    def holds(self, name: str) -> npt.NDArray[np.bool_]:
        """Say of every row whether it is in the split."""
        return np.asarray(self.where == self.names.index(name))


class Dealer:
    """Writes the splits' Arrow files into ``folder`` and hashes ids and contents as they go by."""

    def __init__(self, folder: Path, seen: Seen, division: Division, schema: Schema) -> None:
        self.folder, self.seen, self.division = folder, seen, division
        self.keep = _kept(schema, seen)
        self.own_ids = seen.has_ids
        self.original_ids = bool(seen.array("own_ids").any()) and not self.own_ids
        self._hashes = {name: hashlib.sha256() for name in division.sizes}
        self._writers: dict[str, Any] = {}
        self._at = 0

    def deal(self, parts: list[Path], types: Mapping[str, Any]) -> dict[str, SplitFile]:
        """Deal out the parts, in order, and remove them; ``types`` are those of the columns not our own."""
        for part in parts:
            for batch in arrow.batches(part):
                self._batch(batch, types)
            part.unlink()
        for writer in self._writers.values():
            writer.close()
        files = {name: self.folder / f"{name}.arrow" for name in self.division.sizes}
        return {
            name: SplitFile(files[name].name, rows, sha256(files[name]), self._sources(name, len(parts)))
            for name, rows in self.division.sizes.items()
        }

    def _sources(self, split: str, inputs: int) -> tuple[int, ...]:
        """How many rows of a split each input gave."""
        here = self.seen.array("inputs")[self.division.holds(split)]
        return tuple(np.bincount(here, minlength=inputs).tolist())

    def fingerprint(self, kind: str) -> str:
        """Hash the kind of task, the splits, and every row's id and content, once all is dealt."""
        total = hashlib.sha256(kind.encode())
        for name, rows in self.division.sizes.items():
            total.update(f"\n{name} {rows} {self._hashes[name].hexdigest()}".encode())
        return total.hexdigest()

    def _batch(self, batch: Any, types: Mapping[str, Any]) -> None:
        import pyarrow as pa

        start, self._at = self._at, self._at + batch.num_rows
        ids = batch["own_id"].to_pylist() if self.own_ids else self.seen.made_ids(start, self._at)
        columns = {"id": pa.array(ids, pa.string()), **{name: batch[name] for name in self.keep}}
        if self.original_ids:
            columns["original_id"] = batch["own_id"]
        whole = pa.record_batch(columns | arrow.extra_arrays(batch["extra"], types))
        where = self.division.where[start : self._at]
        for name, hashed in self._hashes.items():
            rows = np.flatnonzero(where == self.division.names.index(name))
            if not len(rows):
                continue
            for row in rows.tolist():
                at = (start + row) * DIGEST
                hashed.update(ids[row].encode() + b"\0" + self.seen.digests[at : at + DIGEST])
            if name not in self._writers:
                self._writers[name] = pa.ipc.new_stream(str(self.folder / f"{name}.arrow"), whole.schema)
            chosen = whole if len(rows) == whole.num_rows else whole.take(pa.array(rows))
            self._writers[name].write_batch(chosen)


def _kept(schema: Schema, seen: Seen) -> list[str]:
    tokens = ["tokens"] if seen.tokens else []
    document = ["document"] if schema.marks_spans and seen.array("documents").any() else []
    target = [schema.target] if schema.target else []
    return ["text", *target, *tokens, *document]
