"""A connection to an address that was checked, watched by a clock; its bytes unpacked up to a limit."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import zlib
from contextlib import suppress
from typing import Self

from tunewheel.data.collect.documents import failure
from tunewheel.data.problems import DataError

_WINDOWS: dict[str | None, int | None] = {
    None: None,
    **{"": None, "identity": None},
    **{"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS},
}


class Watchdog:
    """Ends a connection when its time is up, however slowly its bytes trickle; ``bit`` says that it has."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.bit = seconds, False
        self.socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _bite(self) -> None:
        self.bit = True
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class _Checked(http.client.HTTPConnection):
    """A connection to given addresses, whatever its host's name leads to by now."""

    def __init__(
        self, host: str, port: int, addresses: list[str], dog: Watchdog, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=dog.seconds)
        self.addresses, self.dog, self.context = addresses, dog, context

    def connect(self) -> None:
        error: OSError = OSError("no address")
        for address in self.addresses:
            try:
                plain = socket.create_connection((address, self.port), self.dog.seconds)
            except OSError as failed:
                error = failed
                continue
            self.dog.socket = self.sock = plain
            if self.dog.bit:  # while another address was tried: nobody would watch this one
                raise TimeoutError
            if self.context is not None:
                secret = self.context.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
                self.dog.socket = self.sock = secret
                secret.do_handshake()
            return
        raise error


def connect(scheme: str, host: str, port: int, addresses: list[str], dog: Watchdog) -> http.client.HTTPConnection:
    """A connection to one of the ``addresses`` of ``host``, which its certificate must name under https."""
    return _Checked(host, port, addresses, dog, ssl.create_default_context() if scheme == "https" else None)


class Unpacker:
    """Unpacks a body block by block; raises `DataError` past ``most`` bytes, packed or not, before it makes more."""

    def __init__(self, url: str, encoding: str | None, most: int) -> None:
        name = encoding.strip().lower() if encoding else None
        if name not in _WINDOWS:
            raise failure(url, "gzip or deflate", f"the content encoding {name!r}"[:80], "ask for the page elsewhere")
        bits = _WINDOWS[name]
        self.url, self.most, self.size, self.packed = url, most, 0, 0
        self._bits = bits
        self._unpacker = None if bits is None else zlib.decompressobj(bits)

    def unpack(self, block: bytes) -> bytes:
        """The bytes that a block holds."""
        if self._unpacker is None:
            return self._counted(block)
        self.packed += len(block)
        if self.packed > self.most:  # what unpacks to nothing, or follows the end, would be kept in memory
            raise self._more("more (packed)")
        try:
            unpacked = self._unpacker.decompress(block, self.most - self.size + 1)
        except zlib.error as error:
            if self._bits != zlib.MAX_WBITS or self.size:
                raise self._broken(str(error)) from None
            # Some servers mean by deflate the bare stream, without zlib's head.
            self._bits = -zlib.MAX_WBITS
            self._unpacker, self.packed = zlib.decompressobj(self._bits), 0
            return self.unpack(block)
        return self._counted(unpacked)

    def rest(self) -> bytes:
        """What is left at the end; raises `DataError` where the stream is not whole."""
        if self._unpacker is None:
            return b""
        if self.size and not self._unpacker.eof:
            raise self._broken("its end is missing")
        return b""

    def _counted(self, block: bytes) -> bytes:
        self.size += len(block)
        if self.size > self.most:
            raise self._more("more (unpacked)" if self._bits else "more")
        return block

    def _more(self, found: str) -> DataError:
        return failure(self.url, f"at most {self.most:,} bytes", found, "leave it out, or allow more with --limit")

    def _broken(self, reason: str) -> DataError:
        return failure(self.url, "a packed page", f"one that does not unpack ({reason})", "try again later")
