"""What readers have in common: records, and opening a text file of unknown encoding."""

from __future__ import annotations

import codecs
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from tunewheel.data.problems import DataError, Problem, Problems

_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Record(NamedTuple):
    """The values of one row as the file has them; ``row`` is the 1-based line where it begins."""

    row: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file and what is known of it before it is parsed."""

    path: Path
    sha256: str
    encoding: str

    def open(self, newline: str) -> IO[str]:
        """Open the file to read text in its encoding; ``newline`` as `open` has it."""
        return self.path.open(encoding=self.encoding, newline=newline)

    def is_longer_than_head(self) -> bool:
        """Say whether `head` may have cut a line."""
        return self.path.stat().st_size > _SAMPLE

    def head(self, characters: int = _SAMPLE) -> str:
        """Read the beginning of the file."""
        with self.open(newline="") as stream:
            return stream.read(characters)


@dataclass
class Reader(ABC):
    """Iterates over the records of a file; bad rows go to ``problems``, assumptions to ``notes``.

    It can be iterated more than once; only one pass should have ``problems`` collected.
    """

    file: TextFile
    problems: Problems = field(default_factory=Problems)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return str(self.file.path)

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Yield the file's records, in order."""


def inspect(path: Path) -> TextFile:
    """Hash a file and find its encoding: UTF-8, UTF-16 by its mark, else GB 18030, else Latin-1.

    Raises `DataError` where the file is empty or binary.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
        if not head.strip():
            raise DataError(
                [Problem(str(path), None, "", "rows", "an empty file", "write the rows into it or remove it")]
            )
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
        if encoding != "utf-16" and b"\0" in head:
            raise DataError(
                [
                    Problem(
                        str(path),
                        None,
                        "",
                        "text",
                        "a binary file",
                        "export it as JSON Lines or CSV in UTF-8",
                    )
                ]
            )
        decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder(encoding)()
        block = head
        while True:
            digest.update(block)
            decoder = _decodes(decoder, block)
            if not block:
                break
            block = stream.read(_BLOCK)
    if decoder is None:
        if encoding == "utf-16":
            raise DataError(
                [Problem(str(path), None, "", "UTF-16 text", "broken UTF-16", "export the file again, in UTF-8")]
            )
        encoding = _fallback(path)
    return TextFile(path, digest.hexdigest(), encoding)


def _decodes(decoder: codecs.IncrementalDecoder | None, block: bytes) -> codecs.IncrementalDecoder | None:
    if decoder is not None:
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            return None
    return decoder


def _fallback(path: Path) -> str:
    """Tell GB 18030 from Latin-1: Chinese puts its high bytes side by side, accented letters stand alone."""
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("gb18030")()
    runs = together = 0
    with path.open("rb") as stream:
        while decoder is not None:
            block = stream.read(_BLOCK)
            decoder = _decodes(decoder, block)
            lengths = [len(run) for run in _HIGH_RUNS.findall(block)]
            runs += sum(lengths)
            together += sum(length for length in lengths if length > 1)
            if not block:
                break
    return "gb18030" if decoder is not None and together * 2 > runs else "latin-1"
