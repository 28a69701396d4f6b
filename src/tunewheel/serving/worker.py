"""A worker: a process that holds versions in memory and answers for them, one batch at a time.

It is started as ``python -m tunewheel.serving.worker`` with its messages on the standard streams, and ends when they
do. Nothing but messages may stand there, so whatever a library prints goes to standard error.
"""

from __future__ import annotations

import base64
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from tunewheel.serving.frames import pack, read_from

if TYPE_CHECKING:
    from tunewheel.serving.answers import Opened

AHEAD = 256
"""Pieces of a stream that may be written and not read yet; at so many the writing pauses."""


class Worker:
    """Answers messages from one stream on another.

    A version is loaded in a thread beside, so that others are answered meanwhile. A batch that raises is answered row
    by row: what one row does to it is told of that row alone. Each message is answered by one that has no ``piece``.
    """

    def __init__(self, source: BinaryIO, target: BinaryIO, open_: Callable[..., Opened]) -> None:
        self.source, self.target, self.open = source, target, open_
        self.opened: dict[str, Opened] = {}
        self.asked: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.loads: queue.Queue[dict[str, Any]] = queue.Queue()
        self.sending = threading.Lock()
        self.flow = threading.Condition()
        self.taken = (0, 0)  # a stream's number, and how many of its pieces were read
        self.stopped = 0  # the number of the last stream that was to end early

    def run(self) -> None:
        """Answer until the stream ends."""
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._load, daemon=True).start()
        while (message := self.asked.get()) is not None:
            getattr(self, f"_{message['do']}")(message)

    def _read(self) -> None:
        while (message := read_from(self.source)) is not None:
            if message["do"] in ("stop", "taken"):
                with self.flow:
                    if message["do"] == "stop":
                        self.stopped = message["id"]
                    else:
                        self.taken = (message["id"], message["pieces"])
                    self.flow.notify()
            elif message["do"] in ("load", "drop"):
                self.loads.put(message)
            else:
                self.asked.put(message)
        os._exit(0)  # whoever asked is gone: nothing that is under way is of use

    def _load(self) -> None:
        while True:
            message = self.loads.get()
            try:
                ref, told = message["ref"], {"id": message["id"]}
                if message["do"] == "drop":
                    self.opened.pop(ref, None)
                else:
                    given = (message["folder"], message["variant"], message["export"], message["rows"])
                    self.opened[ref] = self.open(*given)
                    told["variant"] = self.opened[ref].variant
                self._tell(told)
            except Exception as error:
                self._tell({"id": message["id"], "error": _told(error)})

    def _predict(self, message: dict[str, Any]) -> None:
        start = time.perf_counter()
        opened, rows = self.opened[message["ref"]], message["rows"]
        try:
            answers = _answered(opened, rows)
            reply = pack({"id": message["id"], "answers": answers, "seconds": time.perf_counter() - start})
        except Exception:
            alone = [_alone(opened, row) for row in rows]
            reply = pack({"id": message["id"], "answers": alone, "seconds": time.perf_counter() - start})
        self._send(reply)

    def _stream(self, message: dict[str, Any]) -> None:
        number = message["id"]
        try:
            for written, piece in enumerate(self.opened[message["ref"]].pieces(message["row"])):
                with self.flow:
                    while self.stopped != number and written >= self._read_of(number) + AHEAD:
                        self.flow.wait()
                if self.stopped == number:
                    break
                self._tell({"id": number, "piece": piece})
            self._tell({"id": number})
        except Exception as error:
            self._tell({"id": number, "error": _told(error)})

    def _read_of(self, number: int) -> int:
        return self.taken[1] if self.taken[0] == number else 0

    def _tell(self, message: dict[str, Any]) -> None:
        self._send(pack(message))

    def _send(self, frame: bytes) -> None:
        with self.sending:
            self.target.write(frame)
            self.target.flush()


def _answered(opened: Opened, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row's prediction and, in 16 bits, its projected vector."""
    from tunewheel.feedback.projection import project

    predictions, vectors = opened(rows)
    if len(predictions) != len(rows):
        raise RuntimeError(f"{len(predictions)} predictions for {len(rows)} rows")
    if vectors is None:
        return [{"prediction": prediction} for prediction in predictions]
    told = [base64.b64encode(one.tobytes()).decode("ascii") for one in project(vectors)]
    return [{"prediction": p, "vector": v} for p, v in zip(predictions, told, strict=True)]


def _alone(opened: Opened, row: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = _answered(opened, [row])[0]
        pack(answer)
    except Exception as error:
        return {"error": _told(error)}
    return answer


def _told(error: Exception) -> str:
    """What is said of an error: its kind and, where it is ours, its words; a library's may repeat the text."""
    ours = type(error).__module__.startswith("tunewheel")
    if isinstance(error, ValueError) and "JSON compliant" in str(error):
        return "the answer is not a finite number"
    return str(error) if ours else type(error).__name__


def main() -> None:
    """Answer on the standard streams."""
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from tunewheel.serving.answers import Opened

    Worker(sys.stdin.buffer, target, Opened).run()


if __name__ == "__main__":
    main()
