"""The text of foreign files: plain text, web pages, feeds, PDF and Word; runs in a process of its own."""

from __future__ import annotations

import calendar
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tunewheel.data.collect.decoding import decode
from tunewheel.data.collect.documents import Document, failure, tidy
from tunewheel.data.collect.limits import Limits
from tunewheel.data.problems import DataError
from tunewheel.data.rows import encodable

Kind = Literal["text", "html", "feed", "pdf", "docx"]
NEEDS: dict[str, tuple[str, ...]] = {
    "html": ("trafilatura", "lxml_html_clean"),
    "feed": ("feedparser", "lxml"),
    "pdf": ("pypdf",),
    "docx": ("docx",),
}
"""The modules of the extra `collect` that a kind is read with."""
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "h1", "h2"),
        *("h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul"),
    )
)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)


class Foreign(NamedTuple):
    """A file to be read: where it lies here, what it is called, the charset and media type it came with."""

    path: Path
    source: str
    charset: str | None = None
    media: str | None = None


def extract(kind: str, file: Foreign, limits: Limits) -> list[Document]:
    """Read the documents of a file: one, or as many as a feed has entries.

    Raises `DataError` where the file is not what it claims to be, is past the limits or holds no text.
    """
    readers: dict[str, Callable[[Foreign, Limits], list[Document]]] = {
        **{"text": _text, "html": _html, "feed": _feed, "pdf": _pdf, "docx": _docx}
    }
    found = readers[kind](file, limits)
    full = [tidied for document in found if (tidied := _tidied(document)).text]
    if found and not full and kind != "feed":
        raise failure(file.source, "text", "none in it", _NO_TEXT[kind])
    return full


_NO_TEXT = {
    "text": "write something into it, or leave it out",
    "html": "give the page that has the article itself; a page that scripts draw is empty without them",
    "pdf": "scanned pages are pictures: run text recognition over it first",
    "docx": "its text may stand in pictures or boxes: save it as plain text",
}


def _tidied(document: Document) -> Document:
    title = " ".join(encodable(document.title or "").split()) or None
    licence = " ".join(encodable(document.licence or "").split()) or None
    return Document(tidy(document.text), encodable(document.source), title, document.time, licence)


def _decoded(file: Foreign) -> str:
    try:
        return decode(file.path.read_bytes(), file.charset)
    except ValueError as error:
        raise failure(file.source, "text", str(error), "export it as text, HTML, PDF or Word") from None


def _text(file: Foreign, limits: Limits) -> list[Document]:
    text = _decoded(file)
    markdown = file.media == "text/markdown" or file.source.lower().endswith((".md", ".markdown"))
    title = _HEADING.search(text) if markdown else None
    return [Document(text, file.source, title[1] if title else None)]


def _html(file: Foreign, limits: Limits) -> list[Document]:
    from trafilatura import bare_extraction

    markup = _decoded(file).replace("\0", "")
    # Only dates that the page declares: the extensive search guesses from any number in it.
    found: Any = bare_extraction(
        markup,
        url=file.source,
        include_comments=False,
        with_metadata=True,
        date_extraction_params={"extensive_search": False, "original_date": True},
    )
    if found is None:
        return [Document("", file.source)]
    text = "\n\n".join(line for line in (found.text or "").split("\n") if line.strip())
    return [Document(text, file.source, found.title, found.date, found.license or _licence(markup))]


def _licence(markup: str) -> str | None:
    """What the head of a page says of its licence."""
    from lxml import etree, html

    try:
        root = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*>", "", markup))
    except (etree.LxmlError, ValueError):
        return None
    names = "@name='dcterms.license' or @name='dcterms.rights' or @name='dc.rights' or @name='copyright'"
    found = root.xpath(f"//link[@rel='license']/@href | //meta[{names}]/@content")
    return next((str(value) for value in found if value.strip()), None)


def _feed(file: Foreign, limits: Limits) -> list[Document]:
    import feedparser

    headers = {"content-location": file.source}
    if file.media:
        headers["content-type"] = file.media + (f"; charset={file.charset}" if file.charset else "")
    feed = feedparser.parse(BytesIO(file.path.read_bytes()), response_headers=headers)
    if not feed.entries and (not feed.version or feed.bozo):
        reason = str(feed.get("bozo_exception") or "nothing of one").splitlines()[0]
        raise failure(file.source, "an RSS or Atom feed", reason, "check the address in a browser")
    rights = _plain(feed.feed.get("license") or feed.feed.get("rights"))
    return [_entry(entry, file.source, rights) for entry in feed.entries]


def _entry(entry: Any, feed: str, rights: str | None) -> Document:
    bodies = [part.get("value") or "" for part in entry.get("content") or ()]
    body = max([*bodies, entry.get("summary") or ""], key=len)
    title = _plain(entry.get("title"))
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")
    time = datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat() if parsed else None
    link = entry.get("link") or ""
    licence = _plain(entry.get("license") or entry.get("rights")) or rights
    source = link if link.startswith(("http://", "https://")) else feed
    return Document(_plain(body) or title or "", source, title, time, licence)


def _plain(markup: Any) -> str | None:
    """The text of a piece of HTML, its blocks as paragraphs."""
    if not isinstance(markup, str) or not markup.strip():
        return None
    if "<" not in markup and "&" not in markup:
        return markup.strip()
    from lxml import etree, html

    try:
        root = html.fragment_fromstring(markup, create_parent="div")
    except (etree.LxmlError, ValueError):
        return None
    written = re.split(r"\n\n+", "".join(_written(root)))
    return "\n\n".join(part for part in (" ".join(part.split()) for part in written) if part)


def _written(root: Any) -> Iterator[str]:
    from lxml import etree

    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        kept = isinstance(element.tag, str) and element.tag not in ("script", "style")
        if event == "start" and kept:
            yield "\n\n" if element.tag in _BLOCKS else ""
            yield (element.text or "").replace("\n", " ")
        elif event != "start":
            yield "\n\n" if kept and element.tag in _BLOCKS else ""
            yield ((element.tail or "") if element is not root else "").replace("\n", " ")


def _pdf(file: Foreign, limits: Limits) -> list[Document]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(file.path, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise failure(file.source, "a PDF that opens", "one with a password", "save it without the password")
        if len(reader.pages) > limits.pages:
            fix = "split it, or raise the limit"
            raise failure(file.source, f"at most {limits.pages:,} pages", f"{len(reader.pages):,}", fix)
        text = "\n\n".join(page.extract_text() for page in reader.pages)
        told = reader.metadata
        title, made = (told.title, told.creation_date) if told else (None, None)
    except DataError:
        raise
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError) as error:
        # What pypdf raises on a broken file is any of these.
        raise _broken(file, "a PDF", error) from None
    return [Document(text, file.source, title, made.isoformat() if made else None)]


def _docx(file: Foreign, limits: Limits) -> list[Document]:
    from docx import Document as open_docx
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    try:
        with zipfile.ZipFile(file.path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
        if unpacked > limits.bytes:
            fix = "it may be made to fill memory; save its text alone"
            raise failure(file.source, f"at most {limits.bytes:,} bytes unpacked", f"{unpacked:,}", fix)
        document = open_docx(str(file.path))
        parts = [
            part.text if isinstance(part, Paragraph) else _table(part)
            for part in document.iter_inner_content()
            if isinstance(part, Paragraph | Table)
        ]
        told = document.core_properties
        title, made = told.title, told.modified or told.created
    except DataError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, SyntaxError, AttributeError, NotImplementedError) as error:
        raise _broken(file, "a Word document (.docx)", error) from None
    return [Document("\n\n".join(parts), file.source, title, made.isoformat() if made else None)]


def _table(table: Any) -> str:
    return "\n".join("\t".join(cell.text.replace("\n", " ") for cell in row.cells) for row in table.rows)


def _broken(file: Foreign, expected: str, error: Exception) -> DataError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return failure(file.source, expected, f"none that can be read ({reason})", "open it, and save it again")
