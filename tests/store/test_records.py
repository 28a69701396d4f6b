from __future__ import annotations

import pytest

from tunewheel.store import (
    StoreError,
    Workspace,
    fail_run,
    finish_run,
    get_dataset,
    get_run,
    record_dataset,
    start_run,
)


def test_a_run_from_start_to_end(workspace: Workspace) -> None:
    assert get_run(workspace, "k") is None
    record_dataset(workspace, "d", name="tickets.jsonl")
    run = start_run(workspace, "k", command="train", settings={"lr": 1e-4, "名": [1]}, dataset="d")
    assert (run.key, run.command, run.settings, run.dataset) == ("k", "train", {"lr": 1e-4, "名": [1]}, "d")
    assert (run.status, run.finished, run.version) == ("running", None, None)
    assert run.started.tzinfo is not None
    done = finish_run(workspace, "k", "accuracy 0.9")
    assert (done.status, done.message) == ("done", "accuracy 0.9")
    assert done.finished is not None
    assert done.finished >= run.started == done.started
    assert get_run(workspace, "k") == done


def test_a_failed_or_killed_run_begins_again(workspace: Workspace) -> None:
    first = start_run(workspace, "k", command="train", settings={"lr": 1})
    fail_run(workspace, "k", "out of memory")
    again = start_run(workspace, "k", command="train", settings={"lr": 2})
    assert (again.status, again.message, again.finished) == ("running", None, None)
    assert again.settings == {"lr": 2}
    assert again.started == first.started < again.updated
    assert start_run(workspace, "k", command="train", settings={"lr": 2}).status == "running"


def test_a_run_that_is_done_stays_done(workspace: Workspace) -> None:
    start_run(workspace, "k", command="train", settings={})
    done = finish_run(workspace, "k")
    assert start_run(workspace, "k", command="other", settings={"x": 1}) == done


def test_unknown_runs_and_datasets_are_refused(workspace: Workspace) -> None:
    with pytest.raises(StoreError, match="run k was never started"):
        finish_run(workspace, "k")
    with pytest.raises(StoreError, match="run k was never started"):
        fail_run(workspace, "k", "why")
    with pytest.raises(StoreError, match="dataset d is not recorded"):
        start_run(workspace, "k", command="train", settings={}, dataset="d")
    assert get_run(workspace, "k") is None


def test_a_dataset_keeps_its_first_record_and_gains_what_it_lacked(workspace: Workspace) -> None:
    assert get_dataset(workspace, "d") is None
    first = record_dataset(workspace, "d", name="tickets.jsonl")
    assert (first.parent, first.artifact, first.summary) == (None, None, {})
    more = record_dataset(workspace, "d", name="copy.jsonl", parent="p", artifact="a", summary={"rows": 3})
    assert (more.name, more.parent, more.artifact, more.summary) == ("tickets.jsonl", "p", "a", {"rows": 3})
    assert more.created == first.created
    assert record_dataset(workspace, "d", name="x", parent="q", artifact="b", summary={"rows": 4}) == more
    assert get_dataset(workspace, "d") == more


def test_a_second_file_with_the_same_rows_joins_the_first(workspace: Workspace) -> None:
    first, second = {"path": "a.csv", "sha256": "1"}, {"path": "b.csv", "sha256": "2"}
    record_dataset(workspace, "s", name="a.csv", summary={"splits": {"train": 3}}, sources=[first])
    record_dataset(workspace, "s", name="b.csv", sources=[first, second])
    known = record_dataset(workspace, "s", name="a.csv")
    assert known.summary == {"splits": {"train": 3}, "sources": [first, second]}
