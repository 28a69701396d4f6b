"""The key of pseudonyms: from the environment or a file of its own, never from settings."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from tunewheel.data.privacy.kinds import PrivacyError

VARIABLE = "TUNEWHEEL_PRIVACY_KEY"
"""The environment variable that is looked at where none is named."""

_BYTES = 32


def new_key() -> str:
    """A new key as it is written: 32 random bytes in base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).decode()


def load_key(variable: str = VARIABLE, file: str | os.PathLike[str] | None = None, *, make: bool = False) -> bytes:
    """Load the key from ``file`` if one is named, else from an environment variable.

    Args:
        variable: the environment variable.
        file: a file that its owner alone may read.
        make: write a new key into ``file`` if there is none; two processes that do so end with the same key.

    Returns:
        32 bytes.

    Raises:
        PrivacyError: there is no key, it is no key, or others may read its file. No message shows any of it.
    """
    if file is None:
        if make:
            raise PrivacyError("a key is made in a file, not in the environment: name one with file=…")
        written = os.environ.get(variable)
        if not written:
            raise PrivacyError(f"no key: set {variable}, or name a file that holds one")
        return _decoded(written, f"the environment variable {variable}")
    path = Path(file)
    if make and not path.exists():
        _write_new(path)
    try:
        with path.open(encoding="ascii", errors="replace") as opened:
            if os.name == "posix" and os.fstat(opened.fileno()).st_mode & 0o077:
                raise PrivacyError(f"{path} may be read by others: chmod 600 {path}")
            return _decoded(opened.read(1000), str(path))
    except FileNotFoundError:
        raise PrivacyError(f"no key: {path} does not exist; load_key(file=…, make=True) makes one") from None
    except OSError as error:
        raise PrivacyError(f"no key: {path} cannot be read ({error.strerror}); name a file that holds one") from None


def derived(key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF, RFC 5869), so that a table's key tells nothing of the pseudonyms'.

    Raises:
        PrivacyError: the key is not 32 bytes long.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(key) != _BYTES:
        raise PrivacyError(f"a key has {_BYTES} bytes, this one {len(key)}; load_key makes and reads them")
    return HKDF(SHA256(), _BYTES, salt=None, info=f"tunewheel {purpose}".encode()).derive(key)


def _write_new(path: Path) -> None:
    """Write a new key whole; a file that another process has put there meanwhile is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(beside)
    except FileExistsError:
        pass
    finally:
        beside.unlink(missing_ok=True)


def _decoded(written: str, place: str) -> bytes:
    try:
        key = base64.b64decode(written.strip().encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _BYTES:
        raise PrivacyError(f"{place} holds no key: expected {_BYTES} bytes in base64, as new_key() writes them")
    return key
