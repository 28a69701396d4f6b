"""What a request is refused with: a status, a code for programs and a sentence for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from tunewheel.serving.errors import (
    BadRow,
    Busy,
    Draining,
    NotReady,
    ServiceError,
    TimedOut,
    UnknownModel,
    WorkerDied,
)

_VISIBLE = re.compile(r"[\x21-\x7e]{1,200}")


class Refused(Exception):
    """A request that is not answered; ``headers`` go with the refusal."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def body(self, request: str) -> bytes:
        """As JSON, with the request's id."""
        return dumped({"error": {"code": self.code, "message": self.message, "request": request}})


class Gone(Exception):
    """Whoever asked has closed the connection; nobody is there to be told anything."""


_STATUS: Mapping[type[ServiceError], tuple[int, str]] = {
    UnknownModel: (404, "unknown_model"),
    BadRow: (422, "bad_row"),
    Busy: (429, "busy"),
    TimedOut: (504, "timeout"),
    WorkerDied: (503, "worker_died"),
    Draining: (503, "draining"),
    NotReady: (503, "not_ready"),
}


def visible(header: str, value: str, code: str) -> str:
    """A header's value, if it may be one; raises `Refused` (422).

    >>> visible("X-Tunewheel-Sticky", "user-7", "sticky")
    'user-7'
    """
    if not _VISIBLE.fullmatch(value):
        raise Refused(422, code, f"{header}: expected 1 to 200 visible ASCII characters")
    return value


def refusal(error: ServiceError) -> Refused:
    """What a service's error is over HTTP.

    >>> refused = refusal(Busy(0.4))
    >>> refused.status, refused.code, refused.headers
    (429, 'busy', {'retry-after': '1'})
    """
    status, code = next((found for kind, found in _STATUS.items() if isinstance(error, kind)), (503, "unavailable"))
    headers = {"retry-after": waited(error.retry_after if isinstance(error, Busy) else 1.0)} if status != 404 else {}
    return Refused(status, code, str(error), headers if status in (429, 503) else None)


def waited(seconds: float) -> str:
    """Seconds as ``Retry-After`` has them: whole, and at least one."""
    return str(max(1, math.ceil(seconds)))


def dumped(value: Any) -> bytes:
    """JSON in UTF-8; half a character (a lone surrogate), which UTF-8 cannot say, becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
