"""What SOURCE names, read: a folder, a file, a web page, a feed or a database query."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunewheel.data.collect import logs
from tunewheel.data.collect.documents import Event, Mark, PassedOver, Unchanged, failure
from tunewheel.data.collect.extracting import Foreign, Kind
from tunewheel.data.collect.fields import Fields
from tunewheel.data.collect.limits import Limits
from tunewheel.data.collect.sandbox import Sandbox
from tunewheel.data.collect.web import Fetched, Web
from tunewheel.data.problems import DataError
from tunewheel.data.readers import sql

ENDINGS: dict[str, Kind] = {
    **{".txt": "text", ".md": "text", ".markdown": "text", ".text": "text"},
    **{".html": "html", ".htm": "html", ".xhtml": "html"},
    **{".pdf": "pdf", ".docx": "docx", ".rss": "feed", ".atom": "feed"},
}
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MEDIA: dict[str, Kind] = {
    **{"text/plain": "text", "text/markdown": "text"},
    **{"text/html": "html", "application/xhtml+xml": "html", "application/pdf": "pdf", _WORD: "docx"},
    **{"application/rss+xml": "feed", "application/atom+xml": "feed", "application/rdf+xml": "feed"},
}
_UNTOLD = ("", "application/octet-stream", "application/xml", "text/xml", "text/html")
_FEED = re.compile(rb"<(rss|feed|rdf:RDF)[\s>]")


@dataclass(frozen=True)
class Reading:
    """What sources are read with. ``marks`` are what earlier runs remembered, ``own`` the files not to collect."""

    web: Web
    sandbox: Sandbox
    limits: Limits
    marks: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    entry: re.Pattern[str] | None = None
    own: frozenset[Path] = frozenset()

    def events(self, source: str) -> Iterator[Event]:
        """Yield what a source gives: documents and, one by one, what failed."""
        try:
            if source.lower().startswith(("http://", "https://")):
                yield from self._page(source)
            elif query := sql.parse(source):
                yield from self._rows(*query)
            elif Path(source).is_dir():
                yield from self._folder(Path(source))
            else:
                yield from self._named(Path(source))
        except DataError as error:
            yield error
        except OSError as error:
            yield _unread(source, error)

    def _page(self, url: str) -> Iterator[Event]:
        with TemporaryDirectory(prefix="tunewheel-") as folder:
            path = Path(folder) / "page"
            fetched = self.web.fetch(url, path)
            if fetched is None:
                yield Unchanged(url)
                return
            kind = _kind(fetched, path)
            yield from self.sandbox.read(kind, Foreign(path, fetched.url, fetched.charset, fetched.media or None))
            yield Mark(fetched.url, fetched.version)

    def _rows(self, url: str, query: str) -> Iterator[Event]:
        reader = sql.SqlReader(url, query)
        fields = Fields(reader.name, self.text)
        for record in reader:
            if document := fields.document(record.values):
                yield document
        if problem := fields.problem():
            yield problem

    def _folder(self, folder: Path) -> Iterator[Event]:
        for path in _files(folder):
            if path.resolve() in self.own:
                continue
            try:
                known = path.suffix.lower() in ENDINGS or _is_log(path)
                yield from self._file(path) if known else [PassedOver(str(path))]
            except DataError as error:
                yield error
            except OSError as error:
                yield _unread(str(path), error)

    def _named(self, path: Path) -> Iterator[Event]:
        if not path.is_file():
            found = "something else" if path.exists() else "nothing there"
            raise failure(str(path), "a file or a folder", found, "check the path")
        if path.suffix.lower() not in ENDINGS and not logs.NAMES.fullmatch(path.name) and self.entry is None:
            expected = f"a file that ends in {', '.join(ENDINGS)}, .log, .jsonl or .gz"
            raise failure(str(path), expected, path.suffix or "no ending", "name it so, or give --entry for a log")
        yield from self._file(path)

    def _file(self, path: Path) -> Iterator[Event]:
        kind = ENDINGS.get(path.suffix.lower())
        if kind is None or (kind == "text" and self.entry is not None):
            yield from self._log(path)
            return
        key, stamp = str(path.resolve()), _stamp(path)
        if self.marks.get(key) == stamp:
            yield Unchanged(str(path))
            return
        if path.stat().st_size > self.limits.bytes:
            fix = "split it, or allow more with --limit"
            raise failure(str(path), f"at most {self.limits.bytes:,} bytes", f"{path.stat().st_size:,}", fix)
        yield from self.sandbox.read(kind, Foreign(path, str(path)))
        yield Mark(key, stamp)

    def _log(self, path: Path) -> Iterator[Event]:
        log = logs.Log(path, self.limits, self.entry, self.text)
        key, stamp = str(path.resolve()), [*_stamp(path), *logs.shape(self.text, self.entry)]
        if self.marks.get(key) == stamp:
            yield Unchanged(str(path))
            return
        grows, sound = log.grows, True
        for event in log.events():
            sound = sound and not isinstance(event, DataError)
            yield event
        if sound and not grows:
            yield Mark(key, stamp)


def _files(folder: Path) -> Iterator[Path]:
    """A folder's files, in order; hidden ones, links that lead out of it and links to folders are left alone."""
    root = folder.resolve()
    for place, folders, names in os.walk(folder):  # follows no links to folders, so that none leads in a circle
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if name.startswith(".") or not path.is_file():
                continue
            if not path.is_symlink() or path.resolve().is_relative_to(root):
                yield path


def _is_log(path: Path) -> bool:
    """Whether a file found in a folder is a log; JSON Lines that nobody named may be anything."""
    return logs.NAMES.fullmatch(path.name) is not None and not re.search(r"\.(jsonl|ndjson)\b", path.name.lower())


def _stamp(path: Path) -> list[Any]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _kind(page: Fetched, path: Path) -> Kind:
    """What a page is: by its media type, and where that tells little by its first bytes and the URL's ending."""
    with path.open("rb") as file:
        head = file.read(2048).lstrip(b"\xef\xbb\xbf \t\r\n")
    if page.media in _UNTOLD:
        if head.startswith(b"%PDF"):
            return "pdf"
        if head.startswith(b"<?xml") or _FEED.match(head):
            return "feed" if _FEED.search(head) else "html"
        ending = Path(page.url.partition("?")[0]).suffix.lower()
        if page.media in ("", "application/octet-stream") and ending in ENDINGS:
            return ENDINGS[ending]
        if page.media == "" and b"<html" in head.lower():
            return "html"
    if page.media in MEDIA:
        return MEDIA[page.media]
    expected = "a page, a feed, plain text, PDF or Word"
    raise failure(page.url, expected, page.media or "no content type", "collect another address")


def _unread(source: str, error: OSError) -> DataError:
    return failure(source, "a file that can be read", error.strerror or str(error), "check the path and its rights")
