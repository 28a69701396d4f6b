"""Splits made by group and by time, and splits that revisions inherit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewheel.data import DataError, Dataset
from tunewheel.data.split import by_time

Write = Callable[[str, Any], Path]
Rows = list[dict[str, Any]]
SLOW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

HASHED = ["dev", "test", "train", "train", "train", "train"]
"""Where the texts numbered 200 to 205 fall: on any machine, at any time."""

TEXT = st.sampled_from(["where is it", "where  is it", "余额", "card lost", "卡丢了", "hello", "b", "c", "d", "e", "f"])
ROW = st.fixed_dictionaries(
    {"text": TEXT, "label": st.sampled_from("xy"), "customer": st.sampled_from(["", "a", "b", "c", "d", "王"])}
)
ROWS = st.lists(ROW, min_size=1, max_size=25)
SHARES = st.tuples(st.floats(0, 0.45), st.floats(0, 0.45))


def numbered(n: int, start: int = 0) -> Rows:
    return [{"text": f"text number {i}", "label": "xyz"[i % 3]} for i in range(start, start + n)]


def key(row: dict[str, Any]) -> str:
    return " ".join(row["text"].split())


def where(dataset: Dataset, column: str = "id") -> dict[Any, set[str]]:
    """The splits that each value stands in."""
    found: dict[Any, set[str]] = {}
    for split in dataset.splits:
        for row in dataset[split]:
            value = key(row) if column == "text" else row.get(column)
            if value not in (None, ""):
                found.setdefault(value, set()).add(split)
    return found


def made(rows: Rows, dev: float = 0.2, test: float = 0.2) -> Dataset:
    return Dataset.from_rows({"train": rows}, dev=dev, test=test, group="customer")


@SLOW
@given(ROWS, SHARES, st.integers(0, 3))
def test_neither_groups_nor_identical_texts_cross(rows: Rows, shares: tuple[float, float], seed: int) -> None:
    dev, test = shares
    dataset = Dataset.from_rows({"train": rows}, dev=dev, test=test, seed=seed, group="customer")
    assert len(dataset) == len(rows)
    for column in ("customer", "text"):
        assert all(len(splits) == 1 for splits in where(dataset, column).values())


@SLOW
@given(ROWS, ROWS)
def test_rows_of_the_parent_keep_their_split_and_links_follow_it(rows: Rows, more: Rows) -> None:
    parent = made(rows)
    child = parent.revise([*rows, *more])
    before, after = where(parent, "text"), where(child, "text")
    assert {text: after[text] for text in before} == before
    groups = where(parent, "customer")
    for row in more:
        texts, customers = linked(row, [*rows, *more])
        claims = [before.get(text, set()) for text in texts] + [groups.get(customer, set()) for customer in customers]
        if key(row) not in before and (splits := set().union(*claims)):
            assert after[key(row)] == {max(splits, key=("train", "dev", "test").index)}


def linked(row: dict[str, Any], rows: Rows) -> tuple[set[str], set[str]]:
    """The texts and customers that a chain of equal ones leads to from a row."""
    texts, customers = {key(row)}, {row["customer"]} - {""}
    while True:
        met = [other for other in rows if key(other) in texts or other["customer"] in customers]
        found = {key(other) for other in met}, {other["customer"] for other in met} - {""}
        if found == (texts, customers):
            return found
        texts, customers = found


@SLOW
@given(ROWS, ROWS)
def test_nothing_leaves_test_or_dev_for_train(rows: Rows, more: Rows) -> None:
    parent = made(rows)
    child = parent.revise([*more, *rows])
    rank = {"train": 0, "dev": 1, "test": 2}
    before, after = where(parent, "text"), where(child, "text")
    assert all(min(rank[s] for s in after[text]) >= max(rank[s] for s in splits) for text, splits in before.items())
    assert child.rows.get("test", 0) >= parent.rows.get("test", 0)


@SLOW
@given(ROWS, ROWS, st.randoms())
def test_order_settles_nothing_for_new_rows(rows: Rows, more: Rows, random: Any) -> None:
    parent, shuffled = made(rows), [*rows, *more]
    child = parent.revise(shuffled)
    random.shuffle(shuffled)
    assert where(parent.revise(shuffled), "text") == where(child, "text")
    assert parent.revise(shuffled).split.fingerprint == child.split.fingerprint


@SLOW
@given(ROWS, ROWS)
def test_revising_again_with_the_same_rows_changes_nothing(rows: Rows, more: Rows) -> None:
    parent = made(rows)
    child = parent.revise([*rows, *more])
    again = child.revise([*rows, *more])
    assert (again.fingerprint, again.split.fingerprint) == (child.fingerprint, child.split.fingerprint)
    assert again.parent == child.parent
    assert where(again) == where(child)


def test_new_rows_go_by_hash_in_the_parents_shares_the_same_everywhere() -> None:
    parent = Dataset.from_rows({"train": numbered(200)}, dev=0.2, test=0.3)
    child = parent.revise(numbered(4200))
    assert child.split.shares == {"dev": 0.2, "test": 0.3}
    assert abs(child.rows["test"] / 4200 - 0.3) < 0.03
    assert abs(child.rows["dev"] / 4200 - 0.2) < 0.03
    one_by_one = parent.revise(numbered(300))
    assert where(one_by_one).items() <= where(child).items()
    other = Dataset.from_rows({"train": numbered(50, 9000)}, dev=0.2, test=0.3).revise(numbered(4200))
    old, here, there = where(parent), where(child), where(other)
    assert all(here[row] == there[row] for row in here if row not in old)
    texts = where(child, "text")
    assert [min(texts[f"text number {i}"]) for i in range(200, 206)] == HASHED


def test_kept_new_and_gone_rows_are_counted_and_the_parent_recorded() -> None:
    parent = Dataset.from_rows({"train": numbered(100)}, dev=0.1, test=0.1)
    child = parent.revise(numbered(100, 10))
    assert f"revision of {parent.fingerprint[:12]}: 90 rows kept their split, 10 are new, 10 are gone" in child.notes
    assert (child.parent, child.split.kind, child.split.kept) == (parent.fingerprint, "inherited", 90)
    assert parent.revise(numbered(100)).parent is None


def test_rows_are_known_by_their_id_when_their_text_is_mended() -> None:
    rows = [{**row, "id": f"n{i}"} for i, row in enumerate(numbered(60))]
    parent = Dataset.from_rows({"train": rows}, dev=0.2, test=0.2)
    child = parent.revise([{**row, "text": row["text"] + " (mended)"} for row in rows])
    assert where(child) == where(parent)
    assert child.split.fingerprint == parent.split.fingerprint
    assert child.fingerprint != parent.fingerprint


def test_ids_that_were_dealt_out_anew_count_for_nothing() -> None:
    rows = [{**row, "id": i} for i, row in enumerate(numbered(60))]
    parent = Dataset.from_rows({"train": rows}, dev=0.2, test=0.2)
    shifted = [{"id": 0, "text": "a first one", "label": "x"}, *({**row, "id": row["id"] + 1} for row in rows)]
    child = parent.revise(shifted)
    assert where(parent, "text").items() <= where(child, "text").items()
    assert any("known by their texts" in note for note in child.notes)


def test_a_text_that_is_copied_from_test_goes_there() -> None:
    rows = [{**row, "id": f"n{i}"} for i, row in enumerate(numbered(60))]
    parent = Dataset.from_rows({"train": rows}, dev=0.2, test=0.2)
    held = parent["test"][0]["text"]
    spot = next(row for row in rows if row["text"] == parent["train"][0]["text"])
    child = parent.revise([{**row, "text": held} if row is spot else row for row in rows])
    assert where(child, "text")[held] == {"test"}


def test_the_parents_split_holds_whatever_the_files_say(write: Write, tmp_path: Path) -> None:
    parent = Dataset.from_rows({"train": numbered(20), "dev": numbered(5, 20), "test": numbered(5, 25)})
    write("train.jsonl", [*numbered(4, 26), *numbered(10), *numbered(2, 40)])
    write("dev.jsonl", [*numbered(5, 20), *numbered(3, 10)])
    write("test.jsonl", [*numbered(1, 25), *numbered(2, 50)])
    child = Dataset.read(tmp_path, parent=parent)
    found = {text.removeprefix("text number "): splits for text, splits in where(child, "text").items()}
    assert all(found[str(i)] == {"train"} for i in [*range(13), 40, 41])
    assert all(found[str(i)] == {"dev"} for i in range(20, 25))
    assert all(found[str(i)] == {"test"} for i in [*range(25, 30), 50, 51])
    assert "rows in another split than their file says: 7; the parent's holds" in child.notes
    assert child.split.shares == {"dev": 1 / 6, "test": 1 / 6}


def test_leaks_that_the_files_gave_stay_where_they_were() -> None:
    splits = {"train": numbered(9), "test": numbered(3)}
    parent = Dataset.from_rows(splits)
    assert parent.revise(parent).fingerprint == parent.fingerprint


def test_a_stored_dataset_is_read_as_a_revision(tmp_path: Path) -> None:
    parent = Dataset.from_rows({"train": numbered(50)}, dev=0.2, test=0.2)
    other = Dataset.from_rows({"train": numbered(60)}, dev=0.2, test=0.2, seed=5).save(tmp_path / "d")
    child = Dataset.read(other, parent=parent)
    assert where(parent).items() <= where(child).items()
    stored = Dataset.load(child.save(tmp_path / "child"))
    assert (stored.split, stored.parent) == (child.split, parent.fingerprint)


def test_documents_follow_most_of_their_rows() -> None:
    def sentences(documents: range) -> Rows:
        texts = [(d, t) for d in documents for t in ("Results", *(f"no {d} {i}" for i in range(4)))]
        return [{"tokens": t.split(), "tags": ["O"] * len(t.split()), "document": f"d{d}"} for d, t in texts]

    parent = Dataset.from_rows({"train": sentences(range(20))}, dev=0.2, test=0.2)
    child = parent.revise(sentences(range(40)))
    assert all(len(splits) == 1 for splits in where(child, "document").values())
    assert where(parent, "document").items() <= where(child, "document").items()
    new = [splits for name, splits in where(child, "document").items() if int(name[1:]) >= 20]
    assert {"train"} in new


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), SHARES)
def test_no_moment_is_divided_and_train_is_the_oldest(times: list[int], shares: tuple[float, float]) -> None:
    found = by_time(np.array(times, float), *shares)
    order = np.argsort(times, kind="stable")
    # Train (0) comes first, then dev (1), then test (2).
    assert (np.diff(found[order]) >= 0).all()
    assert 0 in found
    for time in set(times):
        assert len({split for split, at in zip(found, times, strict=True) if at == time}) == 1


@pytest.mark.parametrize(
    ("days", "form"),
    [
        ([f"2019-03-{i:02}" for i in range(1, 31)], "ISO dates"),
        ([f"2019-03-{i:02}T08:30:00+08:00" for i in range(1, 31)], "ISO dates"),
        ([f"2018年5月{i}日" for i in range(1, 31)], "2018年5月11日"),
        ([f"2018/5/{i} 9:05" for i in range(1, 31)], "2018/5/11"),
        ([20180500 + i for i in range(1, 31)], "20180511"),
        ([1_500_000_000 + 86_400 * i for i in range(30)], "seconds since 1970"),
        ([str(1_500_000_000_000 + i) for i in range(30)], "milliseconds since 1970"),
    ],
)
def test_the_newest_rows_are_test(write: Write, days: list[Any], form: str) -> None:
    rows = [{**row, "day": day} for row, day in zip(numbered(30), days, strict=True)]
    dataset = Dataset.read(write("a.jsonl", [*rows[15:], *rows[:15]]), time="day")
    assert dataset.rows == {"train": 24, "dev": 3, "test": 3}
    assert sorted(dataset["test"]["text"]) == [f"text number {i}" for i in (27, 28, 29)]
    assert sorted(dataset["dev"]["text"]) == [f"text number {i}" for i in (24, 25, 26)]
    assert any(note.startswith("time: column 'day' holds") and form in note for note in dataset.notes)
    assert any("by time, column 'day'" in note for note in dataset.notes)
    assert (dataset.split.kind, dataset.split.time) == ("time", "day")


def test_rows_without_a_readable_date_are_problems(write: Write) -> None:
    rows = [{**row, "day": "2018年5月1日"} for row in numbered(5)]
    rows += [{**rows[0], "day": day} for day in ("2018-05-02", "", "2018年13月1日")]
    path = write("a.jsonl", rows)
    with pytest.raises(DataError) as caught:
        Dataset.read(path, time="day")
    assert [(p.file, p.row, p.column) for p in caught.value.problems] == [(str(path), i, "day") for i in (6, 7, 8)]
    assert "dates such as 2018年5月11日" in caught.value.problems[0].expected
    with pytest.raises(DataError, match="day and month cannot be told apart"):
        Dataset.read(write("b.jsonl", [{**row, "day": "1/2/2018"} for row in numbered(3)]), time="day")
    with pytest.raises(DataError, match="did you mean 'day'"):
        Dataset.read(path, time="dayy")


def test_what_stands_on_both_sides_of_the_border_is_said_aloud() -> None:
    rows = [{**row, "day": 1_500_000_000 + i, "user": f"u{i % 2}"} for i, row in enumerate(numbered(10))]
    rows[9]["text"] = rows[0]["text"]
    dataset = Dataset.from_rows({"train": rows}, dev=0, test=0.2, time="day", group="user")
    assert "texts of test that also stand in train: 1" in dataset.notes
    assert "rows of test whose group also stands in train: 2" in dataset.notes


def test_the_named_group_is_not_taken_for_text_or_label(write: Write) -> None:
    rows = [{"message_": f"how do I pay {i}", "kind": "xy"[i % 2], "who": f"user {i // 5} of many"} for i in range(60)]
    dataset = Dataset.read(write("a.jsonl", rows), group="who")
    assert dataset.columns == {"text": "message_", "label": "kind"}
    assert all(len(splits) == 1 for splits in where(dataset, "who").values())
    assert (dataset.split.kind, dataset.split.group, dataset.split.seed) == ("grouped", "who", 13)
    assert dataset.split.shares == {"dev": 0.1, "test": 0.1}
    assert any("groups of 'who' kept together" in note for note in dataset.notes)
    assert f"split fingerprint {dataset.split.fingerprint[:12]}" in " ".join(dataset.notes)


def test_the_splits_fingerprint_looks_at_sides_alone(write: Write) -> None:
    rows = numbered(40)
    dataset = Dataset.from_rows({"train": rows[:30], "test": rows[30:]})
    relabelled = Dataset.from_rows({"train": [{**row, "label": "x"} for row in rows[29::-1]], "test": rows[30:]})
    assert relabelled.fingerprint != dataset.fingerprint
    assert relabelled.split.fingerprint == dataset.split.fingerprint
    moved = Dataset.from_rows({"train": rows[:29], "test": rows[29:]})
    assert moved.split.fingerprint != dataset.split.fingerprint


def test_a_dataset_stored_before_splits_were_recorded_is_read(tmp_path: Path) -> None:
    folder = Dataset.from_rows({"train": numbered(30), "test": numbered(10, 30)}).save(tmp_path / "d")
    declared = json.loads((folder / "dataset.json").read_text("utf-8"))
    del declared["split"]
    (folder / "dataset.json").write_text(json.dumps(declared), encoding="utf-8")
    parent = Dataset.load(folder)
    assert parent.revise(numbered(50)).split.shares == {"dev": 0.0, "test": 0.25}
