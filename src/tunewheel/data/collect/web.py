"""Pages fetched politely and with care: robots.txt, a pause per host, public addresses only, bounded size and time."""

from __future__ import annotations

import email.message
import email.utils
import http.client
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from tunewheel.data.collect import robots
from tunewheel.data.collect.addresses import addresses, plain_url
from tunewheel.data.collect.connecting import Unpacker, Watchdog, connect
from tunewheel.data.collect.documents import failure
from tunewheel.data.collect.limits import Limits
from tunewheel.data.collect.robots import Robots
from tunewheel.data.problems import DataError, Problem

_REDIRECTS = 10
_TRIES = 3
_BLOCK = 1 << 16
_PATIENCE = 60.0  # seconds that a server may ask to be waited for within one run
_ACCEPT = (
    "text/html,application/xhtml+xml,application/rss+xml,application/atom+xml,application/pdf,text/plain,*/*;q=0.5"
)


class Fetched(NamedTuple):
    """A page that lies in a file: where it was found in the end, its media type, charset and marks of its version."""

    url: str
    media: str
    charset: str | None
    version: dict[str, str]


@dataclass
class Web:
    """Fetches pages. ``versions`` are the marks (ETag, Last-Modified) by URL that earlier fetches brought.

    ``delay`` is the pause between two requests of one host in seconds; a robots.txt may ask for a longer one.
    """

    versions: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 1.0
    allow_private: bool = False
    limits: Limits = field(default_factory=Limits)
    _robots: dict[str, Robots] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _opens: dict[str, float] = field(default_factory=dict)

    def fetch(self, url: str, target: Path) -> Fetched | None:
        """Fetch a page into the file ``target``; None where it has not changed.

        Raises `DataError` where it cannot be had: it says why, and what to do.
        """
        place = plain_url(url)
        for _ in range(_REDIRECTS):
            rules = self._rules(place)
            if not rules.allows(place):
                fix = "ask the site's owner, or collect another page"
                raise failure(url, "a page that robots.txt allows", f"it forbids {urlsplit(place).path}", fix)
            answer = self._patiently(place, target, max(self.delay, min(rules.delay, _PATIENCE)))
            if isinstance(answer, Fetched) or answer is None:
                return answer
            place = answer
        raise failure(url, f"at most {_REDIRECTS} redirects", "more", "give the address where they end")

    def _patiently(self, url: str, target: Path, delay: float) -> Fetched | str | None:
        """Fetch, waiting as long as the server asks to be waited for, within reason."""
        host = urlsplit(url).netloc
        for _ in range(_TRIES):
            if self._closed(host) > _PATIENCE:
                break
            time.sleep(self._closed(host))
            self._pause(host, delay)
            answer = self._request(url, target)
            if not isinstance(answer, Later):
                return answer
            self._opens[host] = time.monotonic() + answer.seconds
        seconds = self._closed(host)
        fix = f"run the same command again in {seconds:,.0f} s" if seconds else "try later, or raise --delay"
        raise failure(url, "a page", "a server that has had too many requests, or is busy", fix)

    def _closed(self, host: str) -> float:
        """For how many seconds a host has asked to be left alone."""
        return max(0.0, self._opens.get(host, 0.0) - time.monotonic())

    def _pause(self, host: str, delay: float) -> None:
        if host in self._last:
            time.sleep(max(0.0, self._last[host] + delay - time.monotonic()))
        self._last[host] = time.monotonic()

    def _request(self, url: str, target: Path) -> Fetched | str | Later | None:
        """One request: a page, the URL of a redirect, a time to wait, or None for unchanged."""
        known = self.versions.get(url) or {}
        headers = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("modified")}
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = addresses(url, parts.hostname or "", port, allow_private=self.allow_private)
        dog = Watchdog(self.limits.seconds)
        try:
            with closing(connect(parts.scheme, parts.hostname or "", port, found, dog)) as connection, dog:
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", path, headers=_headers({k: v for k, v in headers.items() if v}))
                with connection.getresponse() as response:
                    answer = self._answer(url, response, target)
                if not dog.bit:  # a page that the clock has ended may look whole
                    return answer
        except (OSError, http.client.HTTPException) as error:
            if not dog.bit and not isinstance(error, TimeoutError):
                raise failure(url, "a page", _told(error), "check the address and the network") from None
        fix = "try again later, or allow more with --timeout"
        raise failure(url, f"a page within {self.limits.seconds:g} s", "a slower server", fix)

    def _answer(self, url: str, response: http.client.HTTPResponse, target: Path) -> Fetched | str | Later | None:
        status = response.status
        if status == 304 and self.versions.get(url):
            return None
        if status in (301, 302, 303, 307, 308) and (location := response.getheader("Location")):
            return plain_url(urljoin(url, location))
        if status in (429, 503):
            return Later(_seconds(response.getheader("Retry-After")))
        if status != 200:
            raise StatusError(url, status, response.reason)
        unpacker = Unpacker(url, response.getheader("Content-Encoding"), self.limits.bytes)
        with target.open("wb") as file:
            while block := response.read1(_BLOCK):
                file.write(unpacker.unpack(block))
            file.write(unpacker.rest())
        if response.length:
            raise OSError("the connection ended in the middle of the page")
        kind = email.message.Message()
        kind["content-type"] = response.getheader("Content-Type") or ""
        marks = {"etag": response.getheader("ETag"), "modified": response.getheader("Last-Modified")}
        media = kind.get_content_type() if response.getheader("Content-Type") else ""
        return Fetched(url, media, kind.get_content_charset(), {k: v for k, v in marks.items() if v})

    def _rules(self, url: str) -> Robots:
        """The rules of a URL's site, fetched once."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            try:
                self._robots[site] = self._fetched_rules(f"{site}/robots.txt")
            except DataError as error:
                problem = error.problems[0]
                raise failure(url, problem.expected, problem.found, problem.fix) from None
        return self._robots[site]

    def _fetched_rules(self, url: str) -> Robots:
        with TemporaryDirectory() as folder:
            target, place = Path(folder) / "robots.txt", url
            for _ in range(_REDIRECTS // 2):  # RFC 9309, 2.3.1.2: at least five
                try:
                    self._pause(urlsplit(place).netloc, 0.0)
                    answer = self._request(place, target)
                except StatusError as error:
                    # RFC 9309, 2.3.1.3 and 2.3.1.4: one that is not there forbids nothing, a broken server all.
                    return Robots() if 400 <= error.status < 500 else Robots.nothing()
                if isinstance(answer, Later):
                    return Robots.nothing()
                if not isinstance(answer, str):
                    text = target.read_bytes()[: robots.MOST_BYTES].decode("utf-8-sig", "replace")
                    return Robots.parse(text)
                place = answer
        return Robots()


class StatusError(DataError):
    """A server answers with a status that is no page."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        found, fix = f"status {status} {reason}"[:80], "check the address in a browser"
        super().__init__([Problem(url, None, "", "a page", "".join(filter(str.isprintable, found)), fix)])
        self.status, self._given = status, (url, status, reason)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given


class Later(NamedTuple):
    """A server that is busy, and asks to be asked again in so many seconds."""

    seconds: float


def _headers(conditions: Mapping[str, str]) -> dict[str, str]:
    agent = f"{robots.AGENT}/{version('tunewheel')}"
    plain = {"User-Agent": agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip, deflate", "Connection": "close"}
    return {**plain, **conditions}


def _seconds(retry_after: str | None) -> float:
    """What a Retry-After header asks for, in seconds from now: a number or a date; 0 where it asks for nothing."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"a certificate that does not hold: {error.verify_message}"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
