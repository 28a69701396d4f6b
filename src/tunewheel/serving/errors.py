"""What can keep a request from its answer; each says whether, and when, asking again may help."""

from __future__ import annotations


class ServiceError(RuntimeError):
    """A request, or a service, came to nothing."""


class Busy(ServiceError):
    """As much waits as may wait, or more than can be answered in time."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"too much is waiting; ask again in {retry_after:.1f} s")
        self.retry_after = retry_after


class TimedOut(ServiceError):
    """The request's time ran out before its answer came."""


class UnknownModel(ServiceError):
    """No model is served under this name."""


class BadRow(ServiceError):
    """A row cannot be answered; ``place`` is its place in the request, from 0."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"row {place + 1}: {reason}")
        self.place, self.reason = place, reason


class WorkerDied(ServiceError):
    """The process that was to answer died, and so did the next one."""


class Draining(ServiceError):
    """The service is about to end and takes no more requests."""


class NotReady(ServiceError):
    """The service has not finished loading."""
