"""How the service and its workers talk: JSON objects, each behind its length, over a worker's standard streams."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 28  # bytes; a batch's answers are a thousandth of it, so what says it is longer is no message


def pack(message: dict[str, Any]) -> bytes:
    """A message as it travels; lone surrogates stay what they are, and NaN is refused with `ValueError`.

    >>> pack({"id": 1})[4:]
    b'{"id":1}'
    """
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii")
    return _LENGTH.pack(len(body)) + body


def read_from(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    body = stream.read(_LENGTH.unpack(head)[0])
    message: dict[str, Any] = json.loads(body)
    return message


async def receive(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, without holding up the loop; None at the end of the stream, or where it holds none."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > _LONGEST:
            return None
        message: dict[str, Any] = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        return None
    return message
