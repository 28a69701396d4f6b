"""Keys, scopes, rates and names."""

import asyncio
import json
import re
from contextlib import suppress

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from front import Desk, error
from tunewheel.cli import app
from tunewheel.serving import guard as guarding
from tunewheel.serving.guard import Guard
from tunewheel.serving.keys import KeysError, add_key, list_keys, revoke_key
from tunewheel.store import StoreError, Workspace
from tunewheel.store.schema import keys


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(tmp_path / "home") as opened:
        yield opened


def desk_of(workspace, **settings):
    guard = Guard(lambda: list_keys(workspace), local=False, **settings)
    guard.load()
    return Desk(guard=guard)


def bearer(shown):
    return {"headers": {"authorization": f"Bearer {shown}"}}


def test_a_key_opens_what_its_scopes_are_for_and_nothing_else(workspace):
    _, shown = add_key(workspace, "desk")
    _, other = add_key(workspace, "people who say what was right", ["feedback"])
    desk = desk_of(workspace)
    assert error(desk.predict()) == (401, "key")
    assert desk.predict().headers["www-authenticate"] == "Bearer"
    assert desk.predict(**bearer(shown)).status_code == 200
    assert error(desk.predict(**bearer(other))) == (403, "scope")
    for path in ("/metrics", "/v1/models"):
        assert error(desk.ask("GET", path)) == (401, "key")
        assert desk.ask("GET", path, **bearer(other)).status_code == 200
    for path in ("/health/live", "/health/ready", "/"):
        assert desk.ask("GET", path).status_code == 200


def test_what_is_no_key_of_ours_is_refused(workspace):
    key, shown = add_key(workspace, "desk")
    desk = desk_of(workspace)
    wrong = shown[:-1] + ("A" if shown[-1] != "A" else "B")
    for given in (wrong, shown[:-1], shown + "x", "", "tw_", key.id, shown.replace(key.id, "0" * 12), "é" * 9):
        assert (
            error(desk.ask("GET", "/metrics", headers={"authorization": b"Bearer " + given.encode("latin-1")}))[0]
            == 401
        )
    assert error(desk.ask("GET", "/metrics", headers={"authorization": f"Basic {shown}"}))[0] == 401
    assert shown not in desk.lines.getvalue() and shown[16:] not in json.dumps(desk.logged())


def test_a_revoked_key_opens_nothing_and_the_last_one_leaves_the_door_shut(workspace):
    key, shown = add_key(workspace, "desk")
    desk = desk_of(workspace)
    assert desk.predict(**bearer(shown)).status_code == 200
    revoke_key(workspace, key.id)
    desk.guard.load()
    assert error(desk.predict(**bearer(shown))) == (401, "key") and error(desk.predict()) == (401, "key")
    again = desk_of(workspace)  # a service that starts with revoked keys alone
    assert error(again.predict()) == (401, "key")
    with pytest.raises(KeysError, match="was revoked"):
        revoke_key(workspace, key.id)
    with pytest.raises(KeysError, match="no key"):
        revoke_key(workspace, "nobody")


def test_a_first_key_shuts_a_door_that_was_open(workspace):
    desk = desk_of(workspace)
    assert desk.predict().status_code == 200
    add_key(workspace, "desk")
    desk.guard.load()
    assert error(desk.predict()) == (401, "key")
    open_ = desk_of(workspace, ask=False)
    assert open_.predict().status_code == 200


def test_only_a_hash_of_a_long_random_secret_is_kept(workspace):
    (key, shown), (_, other) = add_key(workspace, "desk"), add_key(workspace, "desk")
    assert len(shown.split("_", 2)[2]) == 43 and shown != other  # 32 bytes
    with workspace.read() as connection:
        kept = str(connection.execute(select(keys)).mappings().all())
    assert shown.split("_", 2)[2] not in kept and key.sha256 in kept and re.fullmatch("[0-9a-f]{64}", key.sha256)
    for file in workspace.home.rglob("*"):
        assert not file.is_file() or shown.split("_", 2)[2].encode() not in file.read_bytes()


def test_secrets_are_compared_in_constant_time_and_unknown_ids_too(workspace, monkeypatch):
    _, shown = add_key(workspace, "desk")
    desk, compared, real = desk_of(workspace), [], guarding.hmac.compare_digest
    monkeypatch.setattr(guarding.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    desk.predict(**bearer(shown))
    desk.predict(**bearer("tw_" + "0" * 12 + shown[15:]))
    assert len(compared) == 2 and all(len(a) == len(b) == 64 for a, b in compared)


def test_a_rate_is_a_minutes_worth_and_fills_again(workspace, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(guarding.time, "monotonic", lambda: now[0])
    _, shown = add_key(workspace, "desk", rate=3)
    _, other = add_key(workspace, "other")
    desk = desk_of(workspace)
    assert [desk.predict(**bearer(shown)).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = desk.predict(**bearer(shown))
    assert error(refused) == (429, "rate") and refused.headers["retry-after"] == "20"
    assert desk.predict(**bearer(other)).status_code == 200  # a rate is a key's own
    now[0] += 20.1
    assert [desk.predict(**bearer(shown)).status_code for _ in range(2)] == [200, 429]


def test_the_services_rate_is_that_of_keys_without_one_and_of_all_together_without_keys(workspace):
    open_ = desk_of(workspace, rate=2)
    assert [open_.predict().status_code for _ in range(3)] == [200, 200, 429]
    _, shown = add_key(workspace, "desk")
    desk = desk_of(workspace, rate=2)
    assert [desk.predict(**bearer(shown)).status_code for _ in range(3)] == [200, 200, 429]


def test_a_key_revoked_after_the_keys_could_not_be_read_opens_nothing(workspace, monkeypatch):
    """Whatever stood in the way of reading, it is told once, and the keys are read again."""
    monkeypatch.setattr(guarding, "_REFRESH", 0.01)
    key, shown = add_key(workspace, "desk")
    left = [StoreError("away"), RuntimeError("odd"), RuntimeError("odd")]

    def read():
        if guard.asks and left:
            raise left.pop()
        return list_keys(workspace)

    guard = Guard(read, local=False)
    guard.load()
    desk = Desk(guard=guard)
    assert desk.predict(**bearer(shown)).status_code == 200
    revoke_key(workspace, key.id)

    async def watched():
        with suppress(TimeoutError):
            await asyncio.wait_for(guard.watch(desk.logs), 0.5)

    asyncio.run(watched())
    assert error(desk.predict(**bearer(shown))) == (401, "key")
    assert [line["kind"] for line in desk.logged() if line["event"] == "keys_not_read"] == ["RuntimeError"]


def test_without_keys_only_this_machines_own_names_are_answered():
    desk = Desk(guard=Guard(local=True))
    for host, status in (("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example:8000", 403)):
        assert desk.predict(headers={"host": host}).status_code == status, host
    assert error(desk.ask("GET", "/v1/models", headers={"host": "127.0.0.1.evil.example"})) == (403, "host")


def test_keys_are_made_shown_once_listed_and_revoked_by_command(tmp_path):
    def run(*args):
        return CliRunner().invoke(app, ["keys", *args, "--home", str(tmp_path / "home")])

    made = json.loads(
        run("add", "the [desk]", "--scope", "predict", "--scope", "admin", "--rate", "60", "--json").stdout
    )
    assert made["scopes"] == ["predict", "admin"] and made["key"].startswith(f"tw_{made['id']}_")
    shown = run("add", "second")
    assert len(re.findall(r"tw_[0-9a-f]{12}_[\w-]{43}", shown.stdout)) == 1
    listed = run("list")
    assert "the [desk]" in listed.stdout and "tw_" not in listed.stdout
    assert "opens nothing" in run("revoke", made["id"]).stdout
    told = json.loads(run("list", "--json").stdout)
    assert (
        [key["revoked"] is None for key in told] == [False, True] and "sha256" not in told[0] and "key" not in told[0]
    )
    refused = run("add", "third", "--scope", "everything")
    assert isinstance(refused.exception, KeysError)
