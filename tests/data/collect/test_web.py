"""Pages and feeds: found, decoded and kept; robots.txt, pauses and limits obeyed; nothing private reached."""

from __future__ import annotations

import gzip
import socket
import time
import zlib
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sites import Site, article, serving
from tunewheel.data import DataError
from tunewheel.data.collect import Limits, addresses
from tunewheel.data.collect.addresses import is_public, plain_url
from tunewheel.data.collect.connecting import Unpacker, Watchdog, connect
from tunewheel.data.collect.web import Web

ENGLISH = ("Your card stays blocked until you call us back.", "A new one takes five days to arrive by post.")
CHINESE = ("银行卡丢失以后，请马上打电话挂失。", "新的银行卡一般在五个工作日之内寄到您的家里。")
TRADITIONAL = ("信用卡遺失以後，請馬上打電話給我們。", "新的信用卡一般會在五個工作天之內寄到您的家裡。")


@pytest.mark.parametrize(
    ("texts", "charset", "declared"),
    [
        (ENGLISH, "utf-8", "utf-8"),
        (CHINESE, "utf-8", "gbk"),
        (CHINESE, "gbk", "gb2312"),
        (CHINESE, "gb18030", "utf-8"),
        (CHINESE, "gb18030", None),
        (TRADITIONAL, "big5", "big5"),
        (TRADITIONAL, "big5", "utf-8"),
        (TRADITIONAL, "big5", None),
        (CHINESE, "utf-16", None),
    ],
)
def test_a_page_is_read_whatever_charset_it_claims(
    site: Site, gather: Any, rows: Any, texts: Any, charset: str, declared: str | None
) -> None:
    media = "text/html" + (f"; charset={declared}" if declared else "")
    url = site.page("/a", article(*texts, title=texts[0][:6]).encode(charset), media)
    found = gather(url)
    assert found.failures == []
    assert [(row["text"], row["source"], row["title"]) for row in rows()] == [("\n\n".join(texts), url, texts[0][:6])]


def test_a_page_tells_its_date_and_licence_and_neither_is_made_up(site: Site, gather: Any, rows: Any) -> None:
    head = (
        '<link rel="license" href="https://example.org/by/4.0/">'
        '<meta property="article:published_time" content="2024-05-01T08:30:00Z">'
    )
    told = site.page("/told", article(*ENGLISH, head=head))
    untold = site.page("/untold", article(*CHINESE, "2019年3月4日有人来过。"))
    gather(told, untold)
    first, second = rows()
    assert (first["licence"], first["time"][:10]) == ("https://example.org/by/4.0/", "2024-05-01")
    assert (second["licence"], second["time"]) == (None, None)


def test_the_licence_that_is_given_comes_first(site: Site, gather: Any, rows: Any) -> None:
    gather(site.page("/a", article(*ENGLISH)), licence="by contract")
    assert rows()[0]["licence"] == "by contract"


RSS = """<?xml version="1.0" encoding="{encoding}"?><rss version="2.0"><channel><title>News</title>
<copyright>CC BY</copyright>
<item><title>One</title><link>{link}</link><pubDate>Wed, 01 May 2024 08:00:00 GMT</pubDate>
<description>&lt;p&gt;First &amp;amp; foremost&lt;/p&gt;
&lt;p&gt;第二段&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;</description></item>
<item><title>只有标题</title><link>javascript:alert(1)</link></item></channel></rss>"""


@pytest.mark.parametrize("encoding", ["utf-8", "gb2312"])
def test_a_feed_gives_its_entries(site: Site, gather: Any, rows: Any, encoding: str) -> None:
    body = RSS.format(encoding=encoding, link="/one").encode(encoding)
    url = site.page("/feed", body, "text/xml")
    assert gather(url).failures == []
    first, second = rows()
    assert first["text"] == "First & foremost\n\n第二段"
    assert (first["source"], first["title"], first["licence"]) == (f"{site.url}/one", "One", "CC BY")
    assert first["time"] == "2024-05-01T08:00:00+00:00"
    assert (second["text"], second["source"]) == ("只有标题", url)


def test_an_atom_feed_keeps_the_longest_text_and_its_own_rights(site: Site, gather: Any, rows: Any) -> None:
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><title>T</title><rights>mine</rights>'
        '<summary>Short.</summary><content type="html">&lt;p&gt;A longer text.&lt;/p&gt;</content></entry></feed>'
    )
    gather(site.page("/atom", body, "application/atom+xml"))
    assert [(row["text"], row["licence"]) for row in rows()] == [("A longer text.", "mine")]


def test_entities_of_a_feed_do_not_multiply(site: Site, gather: Any, tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY l0 "lol">{levels}]><rss version="2.0"><channel>'
    bomb += "<item><title>a</title><description>&l9;</description></item></channel></rss>"
    started = time.monotonic()
    gather(site.page("/bomb", bomb, "application/rss+xml"))
    assert time.monotonic() - started < 20
    assert (tmp_path / "raw.jsonl").stat().st_size < 2000


def test_an_entity_of_a_feed_opens_no_file(site: Site, gather: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    body = f'<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY x SYSTEM "file://{secret}">]><rss version="2.0"><channel>'
    body += "<item><title>a</title><description>see &x; there</description></item></channel></rss>"
    gather(site.page("/xxe", body, "application/rss+xml"))
    assert "s3cret" not in (tmp_path / "raw.jsonl").read_text("utf-8")


def test_what_is_no_feed_is_told(site: Site, gather: Any) -> None:
    found = gather(site.page("/feed", "<rss><<<", "application/rss+xml"))
    assert "expected an RSS or Atom feed" in str(found.failures[0])


def test_a_feed_without_entries_is_no_failure(site: Site, gather: Any) -> None:
    body = '<?xml version="1.0"?><rss version="2.0"><channel><title>empty</title></channel></rss>'
    assert gather(site.page("/feed", body, "application/rss+xml")).failed == 0


@pytest.mark.parametrize(
    ("media", "body", "expected"),
    [
        ("image/png", b"\x89PNG", "expected a page, a feed"),
        ("text/html", b"<html><body></body></html>", "expected text, found none"),
        ("text/html", b"", "expected text, found none"),
        ("text/plain", bytes(range(256)), "found binary data"),
        ("application/pdf", b"%PDF-1.7 and no more", "expected a PDF"),
    ],
)
def test_what_is_no_text_is_a_failure(site: Site, gather: Any, media: str, body: bytes, expected: str) -> None:
    good = site.page("/good", article(*ENGLISH))
    found = gather(site.page("/bad", body, media), good)
    assert [tally.added for tally in found.sources] == [0, 1]
    assert expected in str(found.failures[0])


def test_only_what_is_new_is_fetched_and_added(site: Site, gather: Any, rows: Any) -> None:
    def page(handler: Any) -> Any:
        if handler.headers.get("If-None-Match") == '"1"':
            return 304, {}, b""
        return 200, {"Content-Type": "text/html", "ETag": '"1"'}, article(*CHINESE).encode()

    site.pages["/a"] = page
    stamped = site.page("/b", article(*ENGLISH), Last_Modified="Wed, 01 May 2024 08:00:00 GMT")
    gather(f"{site.url}/a", stamped)
    again = gather(f"{site.url}/a", stamped)
    assert [(tally.unchanged, tally.known) for tally in again.sources] == [(1, 0), (0, 1)]
    assert site.asked[-1][1]["If-Modified-Since"] == "Wed, 01 May 2024 08:00:00 GMT"
    site.page("/b", article(*ENGLISH, "And a third paragraph was added later."))
    assert gather(stamped).added == 1
    assert [row["source"] for row in rows()] == [f"{site.url}/a", stamped, stamped]


def test_a_page_that_could_not_be_read_is_asked_for_anew(site: Site, gather: Any) -> None:
    url = site.page("/a", b"<html></html>", ETag='"1"')
    assert gather(url).failed == gather(url).failed == 1
    assert "If-None-Match" not in site.asked[-1][1]


def test_robots_are_obeyed_also_where_a_redirect_leads(site: Site, gather: Any) -> None:
    site.page(
        "/robots.txt", "User-agent: *\nDisallow: /private\n\nUser-agent: Tunewheel/9\nDisallow: /no", "text/plain"
    )
    site.pages["/hop"] = (302, {"Location": "/no/page"}, b"")
    site.page("/no/page", article(*ENGLISH))
    found = gather(site.page("/private/x", article(*ENGLISH)), f"{site.url}/hop")
    assert [tally.added for tally in found.sources] == [1, 0]
    assert "robots.txt" in str(found.failures[0])
    assert site.paths == ["/private/x", "/hop"]
    assert [path for path, _ in site.asked].count("/robots.txt") == 1


@pytest.mark.parametrize(("status", "added"), [(404, 1), (403, 1), (500, 0), (503, 0)])
def test_a_site_whose_robots_fail_is_left_alone(site: Site, gather: Any, status: int, added: int) -> None:
    site.pages["/robots.txt"] = (status, {}, b"")
    assert gather(site.page("/a", article(*ENGLISH))).added == added


def test_pages_of_one_host_are_fetched_with_pauses(site: Site, gather: Any) -> None:
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 0.4", "text/plain")
    times: list[float] = []

    def page(handler: Any) -> Any:
        times.append(time.monotonic())
        return 200, {"Content-Type": "text/html"}, article(f"{handler.path} is a page with a text of its own.").encode()

    site.pages |= {"/a": page, "/b": page, "/c": page}
    gather(*(f"{site.url}/{name}" for name in "abc"), delay=0.1)
    assert [round(b - a, 1) >= 0.4 for a, b in pairwise(times)] == [True, True]


def test_a_busy_server_is_waited_for(site: Site, gather: Any) -> None:
    tries: list[float] = []

    def page(handler: Any) -> Any:
        tries.append(time.monotonic())
        if len(tries) == 1:
            return 429, {"Retry-After": "1"}, b""
        return 200, {"Content-Type": "text/html"}, article(*ENGLISH).encode()

    site.pages["/a"] = page
    assert gather(f"{site.url}/a").added == 1
    assert tries[1] - tries[0] >= 1


def test_a_server_that_asks_for_hours_is_not_asked_again(site: Site, gather: Any) -> None:
    later = formatdate(time.time() + 7200, usegmt=True)
    site.pages["/a"] = (503, {"Retry-After": later}, b"")
    found = gather(f"{site.url}/a", site.page("/b", article(*ENGLISH)))
    assert site.paths == ["/a"]
    assert found.failed == 2
    assert "run the same command again in 7," in str(found.failures[1])


@pytest.mark.parametrize("packing", ["gzip", "deflate", "raw"])
def test_packed_pages_are_unpacked(site: Site, gather: Any, packing: str) -> None:
    body = article(*CHINESE).encode()
    packers = {"gzip": gzip.compress, "deflate": zlib.compress, "raw": lambda data: zlib.compress(data)[2:-4]}
    encoding = "deflate" if packing == "raw" else packing
    assert gather(site.page("/a", packers[packing](body), Content_Encoding=encoding)).added == 1


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (gzip.compress(b"a" * 5_000_000, mtime=0), {"Content_Encoding": "gzip"}, "more (unpacked)"),
        (b"a" * 200_000, {}, "expected at most 100,000 bytes, found more"),
        (gzip.compress(b"a" * 5000, mtime=0)[:-9], {"Content_Encoding": "gzip"}, "its end is missing"),
        (b"no gzip", {"Content_Encoding": "gzip"}, "does not unpack"),
        (b"x", {"Content_Encoding": "br"}, "found the content encoding 'br'"),
        (b"short", {"Content_Length": "4000"}, "ended in the middle"),
    ],
)
def test_a_page_that_is_too_much_or_torn_is_refused(
    site: Site, gather: Any, body: bytes, headers: dict[str, str], expected: str
) -> None:
    url = site.page("/a", body, "text/plain", **headers)
    found = gather(url, limits=Limits(bytes=100_000))
    assert expected in str(found.failures[0])
    assert found.added == 0


@pytest.mark.parametrize("where", ["body", "headers"])
def test_a_page_that_trickles_ends_with_the_clock(site: Site, gather: Any, where: str) -> None:
    def trickle(handler: Any) -> Any:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
        handler.wfile.write(head if where == "headers" else head + b"\r\n")
        try:
            for i in range(100):
                handler.wfile.write(b"x-%d: y\r\n" % i if where == "headers" else b"word ")
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        return 200, {}, b""

    site.pages["/a"] = trickle
    site.page("/robots.txt", "", "text/plain")
    started = time.monotonic()
    found = gather(f"{site.url}/a", limits=Limits(seconds=1.0))
    assert time.monotonic() - started < 5
    assert "found a slower server" in str(found.failures[0])
    assert found.added == 0


def test_an_address_that_answers_late_is_watched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(address: tuple[str, int], timeout: float) -> socket.socket:
        if address[0] == "192.0.2.1":
            time.sleep(0.2)
            raise TimeoutError
        return one

    one, other = socket.socketpair()
    monkeypatch.setattr(socket, "create_connection", late)
    with one, other, Watchdog(0.1) as dog:
        connection = connect("http", "a.b", 80, ["192.0.2.1", "192.0.2.2"], dog)
        with pytest.raises(TimeoutError):
            connection.connect()


def test_what_follows_a_packed_page_is_bounded_too() -> None:
    unpacker = Unpacker("http://a.b/", "gzip", 1000)
    assert unpacker.unpack(gzip.compress(b"a page")) == b"a page"
    with pytest.raises(DataError, match=r"at most 1,000 bytes, found more \(packed\)"):
        for _ in range(20):
            unpacker.unpack(b"x" * 100)


def test_a_page_that_was_never_read_cannot_be_unchanged(site: Site, gather: Any) -> None:
    site.pages["/a"] = (304, {}, b"")
    found = gather(f"{site.url}/a")
    assert "status 304" in str(found.failures[0])
    assert found.sources[0].unchanged == 0


def test_a_server_writes_nothing_but_text_on_the_console(site: Site, gather: Any) -> None:
    def answer(handler: Any) -> Any:
        handler.send_response_only(403, "no \x1b[31mway")
        return 403, {}, b""

    site.pages["/a"] = answer
    assert "\x1b" not in str(gather(f"{site.url}/a").failures[0])


def test_redirects_are_followed_but_not_for_ever(site: Site, gather: Any, rows: Any) -> None:
    site.pages["/a"] = (301, {"Location": "b"}, b"")
    end = site.page("/b", article(*ENGLISH))
    site.pages["/loop"] = (302, {"Location": "/loop"}, b"")
    site.pages["/file"] = (302, {"Location": "file:///etc/hostname"}, b"")
    found = gather(f"{site.url}/a", f"{site.url}/loop", f"{site.url}/file")
    assert [row["source"] for row in rows()] == [end]
    assert "redirects" in str(found.failures[0])
    assert "expected http or https" in str(found.failures[1])


def test_nothing_private_is_fetched_unless_allowed(site: Site, gather: Any) -> None:
    url = site.page("/a", article(*ENGLISH))
    found = gather(url, url.replace("127.0.0.1", "localhost"), allow_private=False)
    assert found.failed == 2
    assert all("--allow-private" in str(problem) for problem in found.failures)
    assert site.asked == []


def test_a_redirect_to_a_private_address_is_refused(gather: Any, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    with serving("127.0.0.2") as inside:
        site.pages["/a"] = (302, {"Location": inside.page("/secret", article(*ENGLISH))}, b"")
        found = gather(f"{site.url}/a", allow_private=False)
        assert inside.asked == []
    assert "127.0.0.2 leads to 127.0.0.2" in str(found.failures[0])


def test_a_name_that_leads_elsewhere_a_moment_later_is_refused(
    gather: Any, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(addresses, "resolve", lambda host, port: next(answers))
    port = int(site.url.rpartition(":")[2])
    with serving("127.0.0.2", port) as inside:
        inside.page("/a", article(*ENGLISH))
        found = gather(f"http://rebinding.test:{port}/a", allow_private=False)
        assert inside.asked == []
    assert [path for path, _ in site.asked] == ["/robots.txt"]
    assert "leads to 127.0.0.2" in str(found.failures[0])


def test_the_address_that_was_checked_is_the_one_connected_to(
    gather: Any, monkeypatch: pytest.MonkeyPatch, site: Site, rows: Any
) -> None:
    monkeypatch.setattr(addresses, "resolve", lambda host, port: ["127.0.0.1"])
    site.page("/a", article(*ENGLISH))
    url = f"http://nowhere.invalid:{site.url.rpartition(':')[2]}/a"
    assert gather(url).failures == []
    assert site.asked[-1][1]["Host"] == url.split("/")[2]


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "::", "fe80::1%eth0", "fc00::1", "fec0::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("255.255.255.255", "ff02::1", "2001:db8::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "gopher://a.b/",
            "http://",
            "http:///x",
            "http://a.b:99999/",
            "http://[::1/",
            "http://a b/",
        ),
        *("ftp://ann:secret@a.b/", "http://ann:secret@a.b:99999/", "//ann:secret@a.b/"),
        *("http://ann:secret@a.b/", "http://a.b\r\nx: y/", "http://" + "a" * 70 + "号.b/"),
    ],
)
def test_addresses_that_cannot_be_used_are_told_without_a_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        Web(allow_private=True).fetch(url, tmp_path / "x")
    assert "secret" not in str(raised.value)


def test_characters_of_a_url_are_escaped() -> None:
    assert plain_url("http://a.b/x y?q=a b#c") == "http://a.b/x%20y?q=a%20b"
    assert plain_url("HTTP://A.b:8080") == "http://a.b:8080/"
