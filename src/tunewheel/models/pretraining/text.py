"""The text a language model learns from, a paragraph at a time, from files too large to hold."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from tunewheel.data.problems import DataError, Problem
from tunewheel.data.readers.text import inspect
from tunewheel.data.rows import encodable

_OPENERS: dict[str, Callable[..., IO[str]]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
_ENDINGS = (".txt", ".md", ".jsonl", ".ndjson")
_FIX = "name a text file (a paragraph a line), JSON Lines, or a folder of them"
_SIGNS = re.compile(r"[\W_]+")

SHARED = 16
"""Characters in a row, punctuation aside, that a paragraph may not share with a text that is kept out."""


def files_of(source: str | Path) -> list[Path]:
    """The files behind a path: itself, or those of a folder in the order of their names. Raises `DataError`."""
    path = Path(source)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and _plain(p).suffix in _ENDINGS)
        if not found:
            raise _unfit(path, f"files that end in {', '.join(_ENDINGS)} (also with .gz, .bz2 or .xz)", "none in it")
        return found
    if not path.is_file():
        raise _unfit(path, "a file or a folder of text", "no such file")
    return [path]


def paragraphs(source: str | Path, column: str = "text") -> Iterator[str]:
    """Every paragraph (a line) of a file or folder, white space at its ends taken off; JSON Lines by ``column``.

    Files are read in their encoding, compressed ones in UTF-8. Raises `DataError` where one cannot be, a line is not
    what its name promises, or there is no text at all.
    """
    empty = True
    for path in files_of(source):
        if path != Path(source) and not path.stat().st_size:
            continue  # an empty file among others costs nobody the run
        for text in _of_file(path, column):
            empty = False
            yield text
    if empty:
        raise _unfit(Path(source), "text", "none in it")


def _of_file(path: Path, column: str) -> Iterator[str]:
    opener = _OPENERS.get(path.suffix)
    encoding = inspect(path).encoding if opener is None else "utf-8-sig"
    parse = _plain(path).suffix in {".jsonl", ".ndjson"}
    number = 0
    try:
        with (opener or open)(path, "rt", encoding=encoding) as stream:
            for number, line in enumerate(stream, 1):
                text = _cell(path, number, line, column) if parse else line
                for part in text.splitlines():
                    if stripped := part.strip():
                        yield stripped
    except UnicodeDecodeError as error:
        raise _no_utf8(path, opener or open) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise _unfit(path, "text that can be unpacked" if opener else "text", f"{error}", row=number + 1) from error


def _no_utf8(path: Path, opener: Callable[..., IO[Any]]) -> DataError:
    """What to say of a file whose bytes are no UTF-8: text is decoded in blocks, so the line is looked for."""
    fix = (
        "mend that line" if opener is open else "unpack it first: other encodings are read where nothing is compressed"
    )
    with opener(path, "rb") as stream:
        for row, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return _unfit(path, "UTF-8 text", f"the byte 0x{line[error.start]:02x}", row=row, fix=fix)
    return _unfit(path, "UTF-8 text", "other bytes", fix=fix)


def _cell(path: Path, number: int, line: str, column: str) -> str:
    try:
        row = json.loads(line)
        value = row[column]
    except (ValueError, KeyError, TypeError) as error:
        raise _unfit(
            path, f"a JSON object with {column!r}", _lacking(error, line), row=number, column=column
        ) from error
    if not isinstance(value, str):
        raise _unfit(path, "a text", f"{type(value).__name__}", row=number, column=column)
    return encodable(value)


def _lacking(error: Exception, line: str) -> str:
    """What a line has in place of the column."""
    if isinstance(error, KeyError):
        return f"{', '.join(json.loads(line)) or 'no columns'} (name the column that holds the text)"
    return f"no JSON ({error})" if isinstance(error, ValueError) else "another value"


def _plain(path: Path) -> Path:
    """The path without the ending of its compression."""
    return path.with_suffix("") if path.suffix in _OPENERS else path


def _unfit(
    path: Path, expected: str, found: str, *, row: int | None = None, column: str = "", fix: str = _FIX
) -> DataError:
    return DataError([Problem(str(path), row, column, expected, found, fix)])


@dataclass
class Kept:
    """What `cleaned` let through and what it took, in paragraphs and characters."""

    paragraphs: int = 0
    characters: int = 0
    duplicates: int = 0
    kept_out: int = 0


class KeptOut:
    """Texts that a model must not have read: those of the test sets it will be measured on.

    A paragraph is out when it shares `SHARED` consecutive characters with one of them, punctuation, case and width
    aside; a text shorter than that when it stands in the paragraph whole is let be, as greetings are.

    >>> guard = KeptOut(["the card was swallowed by the machine in the hall"])
    >>> guard.holds("He wrote: The card was swallowed by the machine!"), guard.holds("the card was lost")
    (True, False)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        hashed = [_grams(text) for text in texts]
        self._known = np.unique(np.concatenate(hashed)) if hashed else np.zeros(0, np.uint64)

    def holds(self, paragraph: str) -> bool:
        """Whether the paragraph shares a passage with a text that is kept out."""
        if not len(self._known):
            return False
        grams = _grams(paragraph)
        places = np.searchsorted(self._known, grams)
        return bool((self._known[np.minimum(places, len(self._known) - 1)] == grams).any())


def _grams(text: str) -> np.ndarray:
    """A 64-bit hash of every run of `SHARED` characters."""
    plain = _SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold())
    points = np.frombuffer(plain.encode("utf-32-le"), np.uint32).astype(np.uint64)
    if len(points) < SHARED:
        return np.zeros(0, np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(points, SHARED)
    # A polynomial in an odd base, wrapping round at 64 bits, mixed once more so that its high bits depend on all.
    powers = np.array([pow(0x9E3779B97F4A7C15, i, 1 << 64) for i in range(SHARED)], np.uint64)
    hashed = (runs * powers).sum(1, dtype=np.uint64)
    mixed: np.ndarray = (hashed ^ (hashed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed


def cleaned(texts: Iterable[str], guard: KeptOut, drop: np.ndarray | None, kept: Kept) -> Iterator[str]:
    """The paragraphs that may be learned from, counted into ``kept``; ``drop`` marks those that repeat another."""
    for number, text in enumerate(texts):
        if drop is not None and drop[number]:
            kept.duplicates += 1
        elif guard.holds(text):
            kept.kept_out += 1
        else:
            kept.paragraphs += 1
            kept.characters += len(text)
            yield text
