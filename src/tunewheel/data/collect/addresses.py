"""Which addresses may be connected to: public ones. What a name leads to is looked up once and then used as it is."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import quote, urlsplit, urlunsplit

from tunewheel.data.collect.documents import failure

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ALLOW = "collect only public pages, or allow this with --allow-private"


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public network; an IPv4 address within an IPv6 one counts as itself.

    >>> [is_public(one) for one in ("93.184.216.34", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0")]
    [True, False, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if within is not None:
            return is_public(str(within))
        if found.is_site_local:
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a name. Raises `OSError` where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def addresses(url: str, host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses that ``host`` may be reached at.

    They are what is connected to, so that a name that leads elsewhere a moment later changes nothing. Raises
    `DataError` where the name leads nowhere, or to any address that is not public.
    """
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise failure(url, "a name that leads to an address", str(error), "check the address and the network") from None
    private = [] if allow_private else [address for address in found if not is_public(address)]
    if private:
        raise failure(url, "a public address", f"{host} leads to {private[0]}", _ALLOW)
    return found


def shown(url: str) -> str:
    """A URL for messages, without a user's name and password.

    >>> shown("ftp://ann:secret@a.b/x@y"), shown("https://a.b/x@y")
    ('ftp://***@a.b/x@y', 'https://a.b/x@y')
    """
    return re.sub(r"(?<=//)[^/?#]*@", "***@", url, count=1)


def plain_url(url: str) -> str:
    """A URL as it is sent and written down: host as IDNA, other characters escaped, without a fragment.

    Raises `DataError` for another scheme than http and https, a password in it, or no host.

    >>> plain_url("https://例子.测试/新闻?q=卡#top")
    'https://xn--fsqu00a.xn--0zwm56d/%E6%96%B0%E9%97%BB?q=%E5%8D%A1'
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        plain = host.encode("idna").decode() if host and not host.isascii() else host
    except (ValueError, UnicodeError) as error:
        raise failure(shown(url), "a web address", str(error), "write it as https://host/page") from None
    if parts.scheme not in ("http", "https"):
        raise failure(shown(url), "http or https", f"{parts.scheme or 'no'} scheme", "write it as https://host/page")
    if parts.username is not None or parts.password is not None:
        raise failure(shown(url), "an address without a password", "one in it", "collect public pages")
    if not plain or not plain.isprintable() or any(character.isspace() for character in plain):
        raise failure(url, "a host", f"{host!r}", "write it as https://host/page")
    place = f"[{plain}]" if ":" in plain else plain
    path, query = (
        quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._"),
        quote(parts.query, safe="/%?:@!$&'()*+,;=~-._[]"),
    )
    return urlunsplit((parts.scheme, f"{place}:{port}" if port else place, path, query, ""))
