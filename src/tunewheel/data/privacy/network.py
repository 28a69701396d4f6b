"""E-mail, internet and hardware addresses, and addresses of the web."""

from __future__ import annotations

import re
import socket

from tunewheel.data.privacy.numbers import Spans
from tunewheel.data.privacy.plain import stands_free

_ACCENTED = r"\u00c0-\u024f\u0300-\u036f"  # whole letters, and marks that stand behind theirs
_DOMAIN = re.compile(
    rf"@(?:[A-Za-z0-9{_ACCENTED}\u4e00-\u9fff][A-Za-z0-9{_ACCENTED}\u4e00-\u9fff-]{{0,62}}\.){{1,8}}"
    r"(?:[A-Za-z]{2,24}(?![A-Za-z-])|中国|中國|香港|台湾|台灣|公司|网络|网址|网店|集团|在线|商城|公益|政务)"
)
# Read backwards from the @, so that a line of words is not tried from each of its letters.
_LOCAL = re.compile(rf"[A-Za-z0-9{_ACCENTED}._%+'-]*[A-Za-z0-9{_ACCENTED}_+]")
_V4 = re.compile(r"[0-9](?<![0-9.].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9]|\.[0-9])")
_VERSION = re.compile(r"(?:版本号?|versions?|release|\bv)[ :.]{0,2}\Z", re.I)
_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_V6 = re.compile(
    r"(?<![0-9A-Za-z.])(?<![0-9A-Fa-f]:)(?<!::)(?:::|[0-9A-Fa-f]{1,4}:)(?:[0-9A-Fa-f]{0,4}:){0,7}"
    r"(?:[0-9.]{7,15}|[0-9A-Fa-f]{0,4})(?![0-9A-Za-z:])"
)
_MAC = re.compile(
    r"[0-9A-Fa-f](?<![0-9A-Za-z].)(?<![:-]..[:-].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z]|\1)"
)
_SCHEME = re.compile(r"[A-Za-z0-9+.-]{0,19}[A-Za-z]")
_CREDENTIALS = re.compile(
    r"://[^\s/@:\"'<>\0\u4e00-\u9fff]{0,128}:[^\s/@\"'<>\0\u4e00-\u9fff]{1,128}@[A-Za-z0-9._-]{1,253}"
)
_REST = re.compile(r"(?::[0-9]{1,5})?(?:[/?#][^\s\"'<>,;\0\u2e80-\uffef]{0,2000})?")
_WEB = re.compile(r"(?:https?://|www\.)[A-Za-z0-9\u00c0-\u024f._~-]{1,253}", re.I)


def emails(text: str) -> Spans:
    """E-mail addresses; the part before the @ may have accents, Chinese characters end it."""
    at, last = text.find("@"), 0
    while at >= 0:
        domain = _DOMAIN.match(text, at)
        local = _LOCAL.match(text[last:at][::-1]) if domain else None
        if domain and local:
            name = local[0][::-1].lstrip(".-'%")
            yield at - len(name), domain.end()
        at, last = text.find("@", at + 1), at + 1


def internet(text: str) -> Spans:
    """Addresses of IPv4 and IPv6; a version's number of four parts is none."""
    if text.count(".") >= 3:
        for found in _V4.finditer(text):
            fits = all(int(part) < 256 for part in found[0].split("."))
            if (
                fits
                and stands_free(text, *found.span())
                and not _VERSION.search(text, max(0, found.start() - 10), found.start())
            ):
                yield found.span()
    if _COLONS.search(text):
        for found in _V6.finditer(text):
            if _is_v6(found[0]):
                yield found.span()


def _is_v6(written: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, written)
    except OSError:
        return False
    groups = [group for group in written.split(":") if group]
    return len(groups) > 2 or (bool(groups) and any(character.isdigit() for character in written))


def hardware(text: str) -> Spans:
    """MAC addresses in six pairs; pairs of digits with hyphens might be anything."""
    if max(text.count(":"), text.count("-")) < 5:
        return
    for found in _MAC.finditer(text):
        if found[1] == ":" or not found[0].replace("-", "").isdigit():
            yield found.span()


def web_credentials(text: str) -> Spans:
    """Whole addresses with a user's password before their host, of any scheme (``postgresql://ann:pw@db/shop``)."""
    at = text.find("://")
    while at >= 0:
        scheme = _SCHEME.match(text[max(0, at - 20) : at][::-1])
        found = _CREDENTIALS.match(text, at) if scheme else None
        if found and scheme:
            yield at - len(scheme[0]), _whole(text, found.end())
        at = text.find("://", at + 3)


def web(text: str) -> Spans:
    """Addresses of the web, with their path."""
    if "://" not in text and "www." not in text.lower():
        return
    for found in _WEB.finditer(text):
        yield found.start(), _whole(text, found.end())


def _whole(text: str, host: int) -> int:
    """Where an address ends whose host ends at ``host``: the signs that end a sentence are not its own."""
    rest = _REST.match(text, host)
    end = rest.end() if rest else host
    while text[end - 1] in ".!?)]}:":
        end -= 1
    return end
