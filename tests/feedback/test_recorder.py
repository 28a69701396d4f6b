"""Exchanges are masked, written once, and kept through what goes wrong; an answer never waits for them."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tunewheel.feedback import recorder as module
from tunewheel.feedback.exchanges import Exchange, count_exchanges, exchange_id, find_exchanges, list_exchanges
from tunewheel.feedback.recorder import Recorder
from tunewheel.store import StoreError, Workspace

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def exchange(i: int = 0, text: str = "my card is gone", **values) -> Exchange:
    told = {"prediction": {"label": "lost", "confidence": 0.75}, "variant": "torch-fp32", "seconds": 0.01, **values}
    at = NOW + timedelta(seconds=i)
    return Exchange(**{"id": exchange_id(at), "name": "tickets", "number": 1, "row": {"text": text}, "at": at, **told})


def recorded(workspace: Workspace) -> list[Exchange]:
    with workspace.read() as connection:
        return list_exchanges(connection, "tickets", limit=None)


@contextmanager
def away(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    """The database does not answer while the block runs."""

    def begin(self):
        raise StoreError("the server went away")

    with monkeypatch.context() as patch:
        patch.setattr(module, "_AGAIN", 0.01)
        patch.setattr(Workspace, "begin", begin)
        yield


def until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_what_was_answered_is_read_again(workspace: Workspace) -> None:
    vector = np.arange(64, dtype=np.float16)
    given = [exchange(i, vector=vector, key="k1") for i in range(5)]
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record(given)
    found = recorded(workspace)
    assert [one.id for one in found] == [one.id for one in given]
    first = found[0]
    assert (first.row, first.label, first.confidence, first.key) == ({"text": "my card is gone"}, "lost", 0.75, "k1")
    assert (first.vector == vector).all() and first.at == NOW
    with workspace.read() as connection:
        assert count_exchanges(connection, "tickets", since=NOW + timedelta(seconds=3)) == 2
        assert len(list_exchanges(connection, "tickets", after=given[1].id, limit=2)) == 2
        assert set(find_exchanges(connection, [given[0].id, "none"])) == {given[0].id}
    assert recorder.counts == {"recorded": 5, "waiting": 0, "dropped": 0}


def test_nothing_personal_is_written_and_spans_are_those_of_the_masked_text(workspace: Workspace) -> None:
    text = "call 138 1234 5678 about my Visa, 王芳"
    at = text.index("Visa")
    spans = [{"start": at, "end": at + 4, "label": "card", "confidence": 0.5}]
    given = exchange(text=text, prediction={"entities": spans}, row={"text": text, "note": "li@example.com"})
    written = exchange(1, prediction={"text": "write to li@example.com"})
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([given, written])
    first, second = recorded(workspace)
    (span,) = first.prediction["entities"]
    assert first.row["text"][span["start"] : span["end"]] == "Visa" and first.confidence == 0.5
    assert first.row["text"].startswith("call [PHONE]") and first.row["note"] == "[EMAIL]"
    assert second.prediction == {"text": "write to [EMAIL]"}


def test_a_database_away_is_waited_for_on_the_disk_masked(workspace: Workspace, monkeypatch) -> None:
    recorder = Recorder(workspace, every=0.02)
    with away(workspace, monkeypatch):
        recorder.record([exchange(i, text="call 138 1234 5678") for i in range(20)])
        until(lambda: list(recorder.spool.glob("*.jsonl")) and recorder.counts["waiting"] == 20)
        assert "138 1234" not in "".join(path.read_text() for path in recorder.spool.glob("*.jsonl"))
    until(lambda: recorder.counts["recorded"] == 20)
    recorder.close()
    assert len(recorded(workspace)) == 20 and not list(recorder.spool.glob("*.jsonl"))
    assert recorder.counts["waiting"] == 0


def test_beyond_its_bound_the_newest_are_dropped_and_counted(workspace: Workspace, monkeypatch) -> None:
    with away(workspace, monkeypatch):
        recorder = Recorder(workspace, every=0.02, most=1500)
        recorder.record([exchange(i) for i in range(20)])
        until(lambda: recorder.counts["dropped"] > 0)
        recorder.close()
        assert sum(path.stat().st_size for path in recorder.spool.glob("*.jsonl")) <= 1500
        assert recorder.counts["waiting"] + recorder.counts["dropped"] == 20


def test_a_queue_that_is_full_drops_and_never_waits(workspace: Workspace, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUED", 3)
    monkeypatch.setattr(Recorder, "_run", lambda self: time.sleep(0.5))
    recorder = Recorder(workspace)
    start = time.perf_counter()
    recorder.record([exchange(i) for i in range(10)])
    assert time.perf_counter() - start < 0.2 and recorder.counts["dropped"] == 7


def test_what_comes_twice_is_written_once(workspace: Workspace) -> None:
    one = exchange()
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([one, one])
    assert len(recorded(workspace)) == 1


def test_what_cannot_be_written_harms_nothing_else(workspace: Workspace) -> None:
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([exchange(0, row={"text": 5}), exchange(1)])
    assert len(recorded(workspace)) == 1 and recorder.counts["dropped"] == 1


@pytest.mark.parametrize("text", ["call me", "请回电"])
def test_a_row_that_the_database_does_not_take_costs_no_other(workspace: Workspace, text: str) -> None:
    with Recorder(workspace, every=0.05) as recorder:
        recorder.record([exchange(i, text=text, seconds={} if i == 1 else 0.1) for i in range(4)])
        until(lambda: recorder.counts["dropped"] == 1)
        recorder.record([exchange(4, text=text)])
    assert len(recorded(workspace)) == recorder.counts["recorded"] == 4


def test_a_file_that_is_none_of_ours_holds_nothing_up(workspace: Workspace, monkeypatch) -> None:
    recorder = Recorder(workspace, every=0.02)
    recorder.spool.mkdir()
    for name in ("-.jsonl", "0000.jsonl", "a.jsonl"):
        (recorder.spool / name).mkdir()
    with away(workspace, monkeypatch):
        recorder.record([exchange()])
        until(lambda: recorder._told["spooled"] == 1)
    recorder.record([exchange(1)])
    until(lambda: recorder.counts["recorded"] == 2)
    recorder.close()


def test_ending_waits_for_no_thread_that_is_gone(workspace: Workspace, monkeypatch) -> None:
    monkeypatch.setattr(module, "QUEUED", 1)
    monkeypatch.setattr(Recorder, "_run", lambda self: None)
    recorder = Recorder(workspace)
    recorder.record([exchange()])
    start = time.monotonic()
    recorder.close(timeout=0.2)
    assert time.monotonic() - start < 5


def test_a_share_is_recorded_by_the_ids_alone(workspace: Workspace) -> None:
    given = [exchange(i) for i in range(400)]
    with Recorder(workspace, share=0.25, every=0.05) as recorder:
        recorder.record(given)
    assert 60 <= len(recorded(workspace)) <= 145


KILLED = """
import sys, time
from tunewheel.feedback import recorder as module
from tunewheel.feedback.exchanges import Exchange, exchange_id
from tunewheel.store import StoreError, Workspace
def begin(self):
    raise StoreError("away")
workspace = Workspace.open(sys.argv[1], sys.argv[2] or None)
Workspace.begin = begin
recorder = module.Recorder(workspace, every=0.02)
recorder.record([Exchange(exchange_id(), "tickets", 1, {"text": str(i)}, {"label": "a"}, "v", 0.1) for i in range(9)])
while recorder.counts["waiting"] < 9 or not list(recorder.spool.glob("*.jsonl")):
    time.sleep(0.01)
time.sleep(0.1)
print("spooled", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_on_the_disk_is_written_by_the_next(workspace: Workspace, start) -> None:
    process = start(KILLED, workspace)
    assert process.stdout.readline() == "spooled\n"
    with Recorder(workspace, every=0.02) as recorder:
        time.sleep(0.2)
        assert recorder.counts["recorded"] == 0, "the files of a process that lives are its own"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    torn = next(recorder.spool.glob("*.jsonl"))
    earlier = [{k: v for k, v in json.loads(line).items() if k != "moves"} for line in torn.read_text().splitlines()]
    torn.write_text("".join(json.dumps(row) + "\n" for row in earlier))
    torn.write_text(torn.read_text() + json.dumps({"id": "half"})[:-3])
    with Recorder(workspace, every=0.02) as recorder:
        until(lambda: recorder.counts["recorded"] == 9)
    assert len(recorded(workspace)) == 9 and not list(recorder.spool.glob("*.jsonl"))
