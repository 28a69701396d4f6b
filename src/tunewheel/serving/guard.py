"""Who may ask what, and how often: keys, scopes, rates, and the names this machine may be called by."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunewheel.serving.keys import Key, hashed, identified
from tunewheel.serving.problems import Refused, waited

if TYPE_CHECKING:
    from tunewheel.serving.logs import Logs

ANYONE = frozenset(("predict", "feedback", "admin"))
"""What whoever asks may do where no key is asked for."""

_REFRESH = 2.0  # seconds until a key that was made or revoked counts
_NOBODY = hashed("")


@dataclass(frozen=True)
class Caller:
    """Who asks: a key's id, or None where none is asked for; and what that key may do."""

    key: str | None
    scopes: Collection[str]


class Guard:
    """Lets in whom a key lets in, as often as its rate allows.

    Where there has never been a key, anyone may ask. As soon as there is one, even a revoked one, every request needs
    one: a service does not open because its last key was taken away.

    Args:
        read: all keys there are, read again every two seconds; while that fails, the ones known go on to count.
        ask: False asks nobody for a key, whatever keys there are.
        rate: requests a minute of a key that has no rate of its own, and of all together where no key is asked for.
        local: only requests to one of this machine's own names are answered as long as no key is asked for. Without
            this, a page on the web could have its own name point here, and read the answers (DNS rebinding).
    """

    def __init__(
        self,
        read: Callable[[], Sequence[Key]] = lambda: (),
        *,
        ask: bool = True,
        rate: int | None = None,
        local: bool = True,
    ) -> None:
        self._read, self._ask, self._rate, self._local = read, ask, rate, local
        self._keys: Mapping[str, Key] = {}
        self._known = False
        self._buckets: dict[str | None, tuple[float, float]] = {}

    @property
    def asks(self) -> bool:
        """Whether a request needs a key."""
        return self._ask and self._known

    def load(self) -> None:
        """Read the keys."""
        found = self._read()
        self._known = self._known or bool(found)
        self._keys = {key.id: key for key in found if key.revoked is None}

    async def watch(self, logs: Logs) -> None:
        """Read the keys again and again, for as long as the service runs."""
        away = False
        while True:
            await asyncio.sleep(_REFRESH)
            try:
                await asyncio.to_thread(self.load)
                away = False
            except Exception as error:  # whatever it is: unread, a revoked key would count until the service ends
                if not away:
                    logs.failed("keys_not_read", error)
                away = True

    def admit(
        self, headers: Mapping[bytes, bytes], scope: str | tuple[str, ...] | None, *, rated: bool = False
    ) -> Caller:
        """Who asks, if they may; of several scopes one is enough, and None is satisfied by any key.

        Raises `Refused`: 401, 403 or 429.
        """
        if not self.asks:
            self._own_name(headers.get(b"host", b""))
            caller = Caller(None, ANYONE)
            rate = self._rate
        else:
            key = self._key(headers.get(b"authorization", b""))
            caller = Caller(key.id, key.scopes)
            rate = key.rate or self._rate
        wanted = (scope,) if isinstance(scope, str) else scope
        if wanted is not None and not any(one in caller.scopes for one in wanted):
            told = f"this key is not for {' or '.join(wanted)}; its scopes: {', '.join(caller.scopes)}"
            raise Refused(403, "scope", told)
        if rated and rate:
            self._take(caller.key, rate)
        return caller

    def _key(self, given: bytes) -> Key:
        kind, _, shown = given.decode("latin-1").partition(" ")
        parts = identified(shown.strip()) if kind.lower() == "bearer" else None
        if parts is None:
            raise _unknown("send a key: Authorization: Bearer tw_…")
        key = self._keys.get(parts[0])
        # An id that is none is compared too, so that the time taken tells nothing of which ids there are.
        right = hmac.compare_digest(hashed(parts[1]), key.sha256 if key else _NOBODY)
        if key is None or not right:
            raise _unknown("this key is unknown or was revoked")
        return key

    def _own_name(self, host: bytes) -> None:
        if self._local and not is_local(host.decode("latin-1")):
            raise Refused(403, "host", "without keys, only requests to localhost or 127.0.0.1 are answered")

    def _take(self, key: str | None, rate: int) -> None:
        """Take one from a bucket that holds a minute's worth and fills evenly; raises `Refused` (429) at its bottom."""
        now = time.monotonic()
        left, at = self._buckets.get(key, (float(rate), now))
        left = min(float(rate), left + (now - at) * rate / 60)
        if left < 1:
            self._buckets[key] = (left, now)
            retry = {"retry-after": waited((1 - left) * 60 / rate)}
            raise Refused(429, "rate", f"more than {rate} requests a minute", retry)
        self._buckets[key] = (left - 1, now)


def is_local(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by a name that only itself can mean.

    >>> [is_local(host) for host in ("localhost:8000", "127.0.0.1", "[::1]:80", "0.0.0.0", "127.0.0.1.example.com")]
    [True, True, True, False, False]
    """
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _unknown(message: str) -> Refused:
    return Refused(401, "key", message, {"www-authenticate": "Bearer"})
