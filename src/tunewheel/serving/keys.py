"""Keys to the service: made, shown once, listed and revoked. Of a key only a hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from tunewheel.store import Workspace
from tunewheel.store.schema import keys

SCOPES = ("predict", "feedback", "admin")
"""What a key may be for."""

_SHAPE = re.compile(r"tw_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class KeysError(ValueError):
    """A key cannot be made or revoked as asked."""


@dataclass(frozen=True)
class Key:
    """A key without its secret. ``id`` is public and stands in logs; ``rate`` is requests a minute."""

    id: str
    sha256: str
    owner: str
    scopes: tuple[str, ...]
    rate: int | None
    created: datetime
    revoked: datetime | None = None


def add_key(
    workspace: Workspace, owner: str, scopes: Iterable[str] = ("predict",), *, rate: int | None = None
) -> tuple[Key, str]:
    """Make a key and record its hash; the second of the pair is the key itself, which nothing can show again.

    Raises `KeysError` for a scope that is none, no scope at all, or a rate below one a minute.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home, Workspace.open(home) as workspace:
    ...     key, shown = add_key(workspace, "the help desk")
    ...     (key.id == identified(shown)[0], list_keys(workspace) == [key], shown in repr(key))
    (True, True, False)
    """
    wanted = set(scopes)
    if not wanted or not wanted <= set(SCOPES):
        raise KeysError(f"scopes of a key: {', '.join(SCOPES)}; got {', '.join(sorted(wanted)) or 'none'}")
    if rate is not None and rate < 1:
        raise KeysError(f"rate: requests a minute, at least 1; got {rate}")
    secret = secrets.token_urlsafe(32)
    scopes = tuple(scope for scope in SCOPES if scope in wanted)
    key = Key(secrets.token_hex(6), hashed(secret), owner, scopes, rate, datetime.now(UTC))
    with workspace.begin() as connection:
        connection.execute(insert(keys), [{**vars(key), "scopes": list(scopes)}])
    return key, f"tw_{key.id}_{secret}"


def list_keys(workspace: Workspace) -> list[Key]:
    """All keys that were ever made here, the oldest first."""
    with workspace.read() as connection:
        found = connection.execute(select(keys).order_by(keys.c.created, keys.c.id)).mappings().all()
    return [Key(**{**row, "scopes": tuple(row["scopes"])}) for row in found]


def revoke_key(workspace: Workspace, id: str) -> Key:
    """Let a key open nothing any more; raises `KeysError` where there is none of this id, or it is revoked already."""
    with workspace.begin() as connection:
        chosen = connection.execute(select(keys).where(keys.c.id == id)).mappings().first()
        if chosen is None:
            raise KeysError(f"no key {id!r}; `tunewheel keys list` names them")
        if chosen["revoked"] is not None:
            raise KeysError(f"{id} was revoked on {chosen['revoked']:%Y-%m-%d %H:%M}")
        now = datetime.now(UTC)
        connection.execute(update(keys).where(keys.c.id == id).values(revoked=now))
    return Key(**{**chosen, "scopes": tuple(chosen["scopes"]), "revoked": now})


def identified(shown: str) -> tuple[str, str] | None:
    """The id and the secret of a key as it was shown; None where this has no key's shape."""
    match = _SHAPE.fullmatch(shown)
    return (match[1], match[2]) if match else None


def hidden(text: str) -> str:
    """A text without the keys in it.

    >>> hidden("who sent tw_0123456789ab_" + "x" * 43 + "?")
    'who sent [KEY]?'
    """
    return _SHAPE.sub("[KEY]", text)


def hashed(secret: str) -> str:
    """What is kept of a secret. It has 256 random bits, so one plain hash withstands guessing; no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
