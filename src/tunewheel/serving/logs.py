"""Structured logs: a JSON object a line, masked before it is written, and never in the way of an answer."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from tunewheel.serving.keys import hidden
from tunewheel.serving.problems import dumped

if TYPE_CHECKING:
    from tunewheel.data.privacy import Masker

_MOST = 10_000  # lines that may wait; a reader that stalls costs lines, not answers
_EVERY = 0.1  # seconds: waking the thread for each line would take the loop's time
_LONGEST = 500  # characters of a message

MASKED = ("message", "reason")
"""Fields that may hold what somebody wrote; everything else is ours."""


class Logs:
    """Writes events in a thread of its own, so that neither masking nor a slow reader holds up the event loop.

    Args:
        stream: where lines go; standard error by default.

    >>> import io, json
    >>> out = io.StringIO()
    >>> logs = Logs(out)
    >>> logs.write("swap_refused", reason="cannot read li@example.com")
    >>> logs.close()
    >>> line = json.loads(out.getvalue())
    >>> line["event"], line["reason"]
    ('swap_refused', 'cannot read [EMAIL]')
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._waiting: deque[dict[str, Any]] = deque()
        self._closing = threading.Event()
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="tunewheel-logs", daemon=True)
        self._thread.start()

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """Have one line written; `MASKED` fields are masked first, fields that are None are left out."""
        if len(self._waiting) >= _MOST:
            self.lost += 1
            return
        self._waiting.append({"time": datetime.now(UTC), "level": level, "event": event, **fields})

    def failed(self, event: str, error: BaseException, **fields: Any) -> None:
        """Have an exception written: its kind, its masked message and where it came from, but no values."""
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        place = " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)  # noqa: PTH119
        self.write(event, "error", kind=type(error).__name__, message=str(error), at=place or None, **fields)

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits and end."""
        self._closing.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        from tunewheel.data.privacy import Masker

        masker = Masker()
        ending = False
        while not ending:
            ending = self._closing.wait(_EVERY)
            if self.lost:
                self.write("lines_lost", "warning", lines=self.lost)
                self.lost = 0
            lines = [_line(self._waiting.popleft(), masker) for _ in range(len(self._waiting))]
            if not lines:
                continue
            try:
                self._stream.write("".join(lines))
                self._stream.flush()
            except (OSError, ValueError):  # whoever read them is gone; answers go on
                self.lost += len(lines)


class Forwarded(logging.Handler):
    """Brings what the web server has to say into the logs; of an exception its kind and place alone."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if record.exc_info and record.exc_info[1] is not None:
            self._logs.failed("server", record.exc_info[1])
        else:
            self._logs.write("server", record.levelname.lower(), message=record.getMessage())


def _line(entry: Mapping[str, Any], masker: Masker) -> str:
    told = {name: value for name, value in entry.items() if value is not None}
    told["time"] = told["time"].isoformat(timespec="milliseconds")
    for name in MASKED:
        if name in told:
            # Cut after masking: half a number is one that nobody finds any more.
            told[name] = masker.mask(hidden(str(told[name]))).text[:_LONGEST]
    return dumped(told).decode() + "\n"
