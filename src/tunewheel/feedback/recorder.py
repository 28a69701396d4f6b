"""Recording exchanges beside the answers: masked first, in batches, and never in an answer's way."""

from __future__ import annotations

import base64
import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tunewheel.data.language import language
from tunewheel.data.privacy import Masker
from tunewheel.feedback.exchanges import Exchange
from tunewheel.feedback.sent import move_early
from tunewheel.store.files import alive, sync

if TYPE_CHECKING:
    from tunewheel.store import Workspace

QUEUED = 20_000
"""Exchanges that may wait in memory; more are dropped, and counted."""

_AGAIN = 5.0  # seconds until a database that was away is asked again
_SUFFIX = ".jsonl"


class Recorder:
    """Takes exchanges, and writes them to the workspace's database from a thread of its own.

    Personal data is masked before anything is written anywhere. While the database is away, masked exchanges wait in
    files below ``spool`` (JSON Lines, synced), and go in when it is back, each once; beyond ``most`` bytes of them the
    newest are dropped and counted. What a killed process left there, the next one writes; what it had in memory, a
    second's worth, is lost.

    Args:
        workspace: whose database they go to.
        share: of the exchanges that are recorded, chosen by their ids; a shadow answer is with the one it belongs to.
        spool: the folder of what waits; below the workspace by default.
        most: bytes that may wait there.
        batch: exchanges written in one transaction.
        every: seconds that an exchange waits for others at most.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        share: float = 1.0,
        spool: Path | None = None,
        most: int = 64 << 20,
        batch: int = 256,
        every: float = 1.0,
    ) -> None:
        self.workspace, self.share, self.most, self.batch, self.every = workspace, share, most, batch, every
        self.spool = spool or workspace.home / "spool"
        self._told: Counter[str] = Counter()
        self._queue: queue.Queue[Exchange | None] = queue.Queue(QUEUED)
        self._masker = Masker()
        self._away_until = 0.0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def counts(self) -> dict[str, int]:
        """Exchanges by what became of them: recorded, waiting (in memory and on disk) or dropped."""
        waiting = self._queue.qsize() + self._told["spooled"]
        return {"recorded": self._told["recorded"], "waiting": waiting, "dropped": self._told["dropped"]}

    def record(self, exchanges: Sequence[Exchange]) -> None:
        """Take exchanges to be written; returns at once, whatever the database does."""
        for exchange in exchanges:
            if self.share < 1 and _draw(exchange.shadow_of or exchange.id) >= self.share:
                continue
            try:
                self._queue.put_nowait(exchange)
            except queue.Full:
                self._told["dropped"] += 1

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits in memory, to the disk where the database is away, and end; after `timeout` in any case."""
        end = time.monotonic() + timeout
        with suppress(queue.Full):
            self._queue.put(None, timeout=timeout)
        self._thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        open_ = True
        while open_:
            taken, open_ = self._taken()
            rows = [row for row in map(self._row, taken) if row is not None]
            if rows and (left := self._left(rows)):
                self._spooled(left)
            if open_ and time.monotonic() >= self._away_until:
                with suppress(Exception):  # what waits on the disk is not to end what comes
                    self._returned()

    def _taken(self) -> tuple[list[Exchange], bool]:
        """The next batch, and whether more may come."""
        taken: list[Exchange] = []
        end = time.monotonic() + self.every
        while len(taken) < self.batch and (left := end - time.monotonic()) > 0:
            try:
                one = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if one is None:
                while not self._queue.empty():
                    rest = self._queue.get_nowait()
                    taken += [rest] if rest is not None else []
                return taken, False
            taken.append(one)
        return taken, True

    def _row(self, exchange: Exchange) -> dict[str, Any] | None:
        """An exchange as the table holds it, masked; None, and counted, where it cannot be."""
        try:
            row, prediction = self._masked(exchange.row, exchange.prediction)
            text = str(row.get("text", ""))
            values = asdict(exchange) | {"row": row, "prediction": prediction, "moves": self._moves(exchange)}
            vector = None if exchange.vector is None else exchange.vector.tobytes()
            told = {"label": exchange.label, "confidence": exchange.confidence, "vector": vector}
            return values | told | {"language": language(text), "characters": len(text)}
        except Exception:
            self._told["dropped"] += 1
            return None

    def _masked(self, row: Mapping[str, Any], prediction: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both without personal data; spans of the answer are those of the masked text."""
        whole = {"text": "", **row}
        spans = prediction.get("entities")
        if isinstance(spans, list):
            whole["entities"] = spans
        masked, _ = self._masker.mask_row(whole)
        moved = {"entities": masked.pop("entities")} if isinstance(spans, list) else {}
        if "text" not in row:
            masked.pop("text")
        told = {key: value for key, value in prediction.items() if key != "entities"}
        answer, _ = self._masker.mask_row({"text": "", **told})
        if "text" not in told:
            answer.pop("text")
        return masked, answer | moved

    def _moves(self, exchange: Exchange) -> list[list[int]] | None:
        """Where masking moved the text; None where nothing moved, or the answer marks nothing in it."""
        if not isinstance(exchange.prediction.get("entities"), list):
            return None
        return [list(move) for move in self._masker.mask(exchange.row.get("text", "")).moves.moves] or None

    def _left(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Insert rows that are not there yet; returns those that wait on, since the database is away."""
        from tunewheel.store import StoreError

        if time.monotonic() < self._away_until:
            return rows
        try:
            with self.workspace.begin() as connection:
                move_early(connection, rows)
                connection.execute(_insert(connection.dialect.name), rows)
        except StoreError:
            self._away_until = time.monotonic() + _AGAIN
            return rows
        except Exception:
            if len(rows) > 1:  # one that the database does not take is not to cost the others
                return [left for row in rows for left in self._left([row])]
            self._told["dropped"] += 1
            return []
        self._told["recorded"] += len(rows)
        return []

    def _spooled(self, rows: list[dict[str, Any]]) -> None:
        """Let rows wait on the disk, as far as there is room."""
        try:
            self.spool.mkdir(parents=True, exist_ok=True)
            used = sum(path.stat().st_size for path in self.spool.glob(f"*{_SUFFIX}"))
            path = self.spool / f"{os.getpid()}-{time.time_ns()}{_SUFFIX}"
            lines = [json.dumps(_plain(row), ensure_ascii=True) + "\n" for row in rows]
            kept = []
            for line in lines:
                used += len(line)
                if used > self.most:
                    break
                kept.append(line)
            self._told["dropped"] += len(lines) - len(kept)
            if kept:
                beside = path.with_suffix(".new")
                beside.write_text("".join(kept), encoding="ascii")
                sync(beside)
                beside.rename(path)
                sync(self.spool)
                self._told["spooled"] += len(kept)
        except Exception:  # nor is there a disk
            self._told["dropped"] += len(rows)

    def _returned(self) -> None:
        """Write what waits on the disk: ours, and what processes that are no more left."""
        for path in sorted(self.spool.glob(f"*{_SUFFIX}")) if self.spool.is_dir() else ():
            with suppress(Exception):  # a file that cannot be read, or is none of ours, holds up no other
                owner = int(path.name.partition("-")[0])
                if owner != os.getpid() and alive(owner):
                    continue
                rows = _read(path)
                if rows and self._left(rows):
                    return
                path.unlink(missing_ok=True)
                if owner == os.getpid():
                    self._told["spooled"] -= len(rows)


def _insert(dialect: str) -> Any:
    """Insert what is not there yet: an exchange that comes twice is one."""
    from sqlalchemy.dialects import postgresql, sqlite

    from tunewheel.store.schema import exchanges

    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(exchanges).on_conflict_do_nothing(index_elements=["id"])


def _draw(exchange: str) -> float:
    """A number in [0, 1) that an id's random part decides."""
    import zlib

    return zlib.crc32(exchange.encode()) / 2**32


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    vector = None if row["vector"] is None else base64.b64encode(row["vector"]).decode("ascii")
    return {**row, "vector": vector, "at": row["at"].isoformat()}


def _read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that waited; a line that a dying disk cut is left out."""
    rows = []
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            row = json.loads(line)
            row["at"] = datetime.fromisoformat(row["at"])
            row.setdefault("moves", None)  # of an earlier version
            row["vector"] = None if row["vector"] is None else base64.b64decode(row["vector"])
            rows.append(row)
        except (ValueError, KeyError, TypeError):
            continue
    return rows
