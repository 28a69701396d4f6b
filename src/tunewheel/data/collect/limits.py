"""How much of a foreign source is taken in before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one document may cost; more is a failure that is told, never a part of it.

    ``bytes``: of a document, packed and unpacked. ``pages``: of a PDF. ``seconds``: to fetch it, and as many to read
    it. ``entry``: characters of one entry of a log. ``unpacking``: how many times its size a packed log may unpack to.
    ``memory``: bytes of the process that reads.
    """

    bytes: int = 64 << 20
    pages: int = 2000
    seconds: float = 60.0
    entry: int = 1 << 20
    unpacking: int = 200
    memory: int = 2 << 30
