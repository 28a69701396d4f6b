"""A text file before it is parsed: its hash, its encoding, its line ends, and what an earlier program did to it."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tunewheel.data.problems import DataError, Problem

_BLOCK = 1 << 20
_SAMPLE = 1 << 16
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1f]")
_WINDOWS = re.compile(rb"[\x80-\x9f]")
# UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What UTF-8 letters and quotes become when they are read as cp1252 and written as UTF-8 again ("Ã©", "â€™").
_TWICE = re.compile(rb"\xc3[\x82\x83]\xc2[\x80-\xbf]|\xc3\xa2\xe2\x82\xac")
_LOST = b"\xef\xbf\xbd"
_PACKED = {
    b"\x1f\x8b": ("a gzip file", "unpack it first: gunzip -k {}"),
    b"\xfd7zXZ\0": ("an xz file", "unpack it first: unxz -k {}"),
    b"BZh": ("a bzip2 file", "unpack it first: bunzip2 -k {}"),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", "unpack it first: unzstd {}"),
    b"PK\x03\x04": ("a zip archive, as spreadsheets are too", "unpack it first, or export the sheet as CSV in UTF-8"),
}
"""What files begin with that hold others, how they are called, and what to do with them."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file and the hash of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class TextFile(DataFile):
    """A text file and what is known of it before it is parsed.

    ``errors`` is ``replace`` where single bytes of UTF-8 are broken; ``carriage`` says that a lone carriage
    return ends its lines; ``oddities`` are what its notes should say.
    """

    encoding: str
    errors: str = "strict"
    carriage: bool = False
    oddities: tuple[str, ...] = ()

    def open(self, newline: str) -> IO[str]:
        """Open the file to read text in its encoding; ``newline`` as `open` has it."""
        ends = None if self.carriage else newline
        return self.path.open(encoding=self.encoding, errors=self.errors, newline=ends)

    def is_longer_than_head(self) -> bool:
        """Say whether `head` may have cut a line."""
        return self.path.stat().st_size > _SAMPLE

    def head(self, characters: int = _SAMPLE) -> str:
        """Read the beginning of the file."""
        with self.open(newline="") as stream:
            return stream.read(characters)

    def head_lines(self) -> list[str]:
        """The whole lines of the beginning, without their ends."""
        lines = self.head().split("\n")
        whole = lines[:-1] if self.is_longer_than_head() or not lines[-1] else lines
        return [line.rstrip("\r") for line in whole]


def digest(path: Path) -> DataFile:
    """Hash a file that is not text."""
    hashed = hashlib.sha256()
    for block in _blocks(path):
        hashed.update(block)
    return DataFile(path, hashed.hexdigest())


def inspect(path: Path) -> TextFile:
    """Hash a file and find its encoding: UTF-8, UTF-16 or 32, else GB 18030, else cp1252 or Latin-1.

    Raises `DataError` where the file is empty or binary.
    """
    with path.open("rb") as stream:
        head = stream.read(_BLOCK)
    if not head.strip():
        raise _unusable(path, "rows", "an empty file", "write the rows into it or remove it")
    for mark, (kind, fix) in _PACKED.items():
        if head.startswith(mark) and _CONTROLS.search(head):  # words begin with BZh and PK too
            raise _unusable(path, "text", kind, fix.format(path.name))
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None) or _by_nuls(head) or "utf-8"
    if not encoding.startswith(("utf-16", "utf-32")) and _is_binary(head):
        raise _unusable(path, "text", "a binary file", "export it as JSON Lines or CSV in UTF-8")
    bytes_of = _Bytes(encoding)
    for block in _blocks(path):
        bytes_of.add(block)
    errors = "strict"
    if not bytes_of.decodes:
        if encoding.startswith(("utf-16", "utf-32")):
            name = encoding[:6].upper()
            raise _unusable(path, f"{name} text", f"broken {name}", "export the file again, in UTF-8")
        if _is_nearly_utf8(path):
            errors = "replace"
        else:
            encoding = _fallback(path)
    return TextFile(
        path, bytes_of.hash.hexdigest(), encoding, errors, bytes_of.carriage, bytes_of.oddities(path.name, errors)
    )


class _Bytes:
    """What one pass over a file's bytes tells."""

    def __init__(self, encoding: str) -> None:
        self.encoding, self.hash, self.decodes = encoding, hashlib.sha256(), True
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._returns = self._feeds = self._nuls = self._twice = self._lost = 0

    def add(self, block: bytes) -> None:
        self.hash.update(block)
        self.decodes = self.decodes and _decodes(self._decoder, block)
        self._returns, self._feeds = self._returns + block.count(b"\r"), self._feeds + block.count(b"\n")
        if self.encoding.startswith("utf-8"):
            self._nuls += block.count(b"\0")
            self._twice += len(_TWICE.findall(block))
            self._lost += block.count(_LOST)

    @property
    def carriage(self) -> bool:
        """Whether a lone carriage return ends the lines, as on old Macs."""
        return bool(self._returns) and not self._feeds

    def oddities(self, name: str, errors: str) -> tuple[str, ...]:
        """What is strange about the bytes without being an error."""
        told = []
        if errors == "replace":
            told.append(f"{name}: UTF-8 with broken bytes, which are read as �")
        if self._nuls:
            told.append(f"{name}: {self._nuls} NUL characters, kept as they stand")
        if self.decodes and self._lost:
            told.append(f"{name}: {self._lost} characters were lost in an earlier conversion (�)")
        if self.decodes and self._twice:
            example = "UTF-8 that was once read as cp1252 (Ã© for é)"
            told.append(f"{name}: {self._twice} places look like {example}; kept as they stand")
        return tuple(told)


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's blocks and, last, an empty one."""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
    yield b""


def _unusable(path: Path, expected: str, found: str, fix: str) -> DataError:
    return DataError([Problem(str(path), None, "", expected, found, fix)])


def _by_nuls(head: bytes) -> str | None:
    """Tell UTF-16 without its mark: nearly every NUL stands at an even or at an odd place, and there are many."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even + odd < max(2, len(head) // 100) or max(even, odd) < 10 * min(even, odd):
        return None
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text.encode("utf-8", "surrogatepass")) or "\0" in text else encoding


def _is_binary(head: bytes) -> bool:
    nuls = head.count(0)
    return bool(nuls) and (_CONTROLS.search(head) is not None or nuls * 10 > len(head))


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    try:
        decoder.decode(block, final=not block)
    except UnicodeDecodeError:
        return False
    return True


def _is_nearly_utf8(path: Path) -> bool:
    """Say whether a few bytes are broken among many good ones, as where a program cut a character in two."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    wide = broken = 0
    for block in _blocks(path):
        text = decoder.decode(block, final=not block)
        broken += text.count("�") - block.count(_LOST)
        wide += sum(character > "\x7f" for character in text)
    return broken * 20 < wide


def _fallback(path: Path) -> str:
    """Tell GB 18030 from Latin-1: Chinese puts its high bytes side by side, accented letters stand alone."""
    chinese, windows = codecs.getincrementaldecoder("gb18030")(), codecs.getincrementaldecoder("cp1252")()
    is_chinese = is_windows = True
    runs = together = controls = 0
    for block in _blocks(path):
        is_chinese = is_chinese and _decodes(chinese, block)
        is_windows = is_windows and _decodes(windows, block)
        lengths = [len(run) for run in _HIGH_RUNS.findall(block)]
        runs += sum(lengths)
        together += sum(length for length in lengths if length > 1)
        controls += len(_WINDOWS.findall(block))
    if is_chinese and together * 2 > runs:
        return "gb18030"
    return "cp1252" if is_windows and controls else "latin-1"
