"""The table that leads back from pseudonyms: written on request, encrypted and signed, useless without the key."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewheel.data.privacy.keys import derived
from tunewheel.data.privacy.kinds import PrivacyError
from tunewheel.data.privacy.plain import MASK
from tunewheel.store.files import write_whole


def write_table(path: str | os.PathLike[str], table: Mapping[str, str], key: bytes) -> None:
    """Write pseudonyms (Fernet) with what stands behind them; a table that is there under the same key is added to.

    Raises:
        PrivacyError: the file that is there is no table of this key.
    """
    from filelock import FileLock

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # else of two that add at once one is lost
        known = read_table(path, key) if path.exists() else {}
        content = json.dumps({**table, **known}, ensure_ascii=True).encode()
        write_whole(path, _fernet(key).encrypt(content))


def read_table(path: str | os.PathLike[str], key: bytes) -> dict[str, str]:
    """Read what stands behind each pseudonym.

    Raises:
        PrivacyError: there is no table, it was changed, or it was written under another key.
    """
    from cryptography.fernet import InvalidToken

    try:
        content = _fernet(key).decrypt(Path(path).read_bytes())
    except FileNotFoundError:
        raise PrivacyError(f"no table of pseudonyms at {path}; Masker.write_table writes one") from None
    except InvalidToken:
        raise PrivacyError(
            f"{path} is no table of this key, or it was changed; give the key it was written under"
        ) from None
    table: dict[str, str] = json.loads(content)
    return table


def restore(text: str, table: Mapping[str, str]) -> str:
    """Put back what stands behind pseudonyms; those that the table does not know stay.

    >>> restore("ask [PHONE:bcdfghjklmnp] or [PHONE]", {"[PHONE:bcdfghjklmnp]": "13812345678"})
    'ask 13812345678 or [PHONE]'
    """
    return MASK.sub(lambda mask: table.get(mask[0], mask[0]), text)


def _fernet(key: bytes) -> Any:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(derived(key, "table")))
