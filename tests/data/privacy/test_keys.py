"""Keys: from the environment or a file, made when asked, never shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tunewheel.data.privacy import PrivacyError, load_key, new_key


def test_a_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNEWHEEL_PRIVACY_KEY", raising=False)
    with pytest.raises(PrivacyError, match="set TUNEWHEEL_PRIVACY_KEY, or name a file"):
        load_key()
    monkeypatch.setenv("TUNEWHEEL_PRIVACY_KEY", new_key())
    assert len(load_key()) == 32
    monkeypatch.setenv("OURS", new_key())
    assert load_key("OURS") != load_key()


def test_a_file_is_made_when_asked_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "privacy"
    with pytest.raises(PrivacyError, match="does not exist; load_key"):
        load_key(file=path)
    key = load_key(file=path, make=True)
    assert load_key(file=path) == load_key(file=path, make=True) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["privacy"]


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(PrivacyError, match="cannot be read"):
        load_key(file=tmp_path)


def test_those_who_make_a_key_at_once_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(file=tmp_path / "key", make=True), range(16)))
    assert len(keys) == 1


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_key(file=path, make=True)
    path.chmod(0o644)
    with pytest.raises(PrivacyError, match="chmod 600"):
        load_key(file=path)


@pytest.mark.parametrize("written", ["correct horse", "c2hvcnQ=", "钥匙"])
def test_what_is_no_key_is_told_without_being_shown(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text(written, encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("OURS", written)
    for arguments in ({"file": path}, {"variable": "OURS"}):
        with pytest.raises(PrivacyError, match="holds no key: expected 32 bytes in base64") as told:
            load_key(**arguments)  # type: ignore[arg-type]
        assert written not in str(told.value)


def test_no_key_is_made_in_the_environment() -> None:
    with pytest.raises(PrivacyError, match="made in a file"):
        load_key(make=True)
