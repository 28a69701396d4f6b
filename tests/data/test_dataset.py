"""Ids, fingerprints, splits and storage."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewheel.data import Dataset
from tunewheel.data.split import assign, components

Write = Callable[[str, Any], Path]
Rows = list[dict[str, Any]]
SLOW = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])

ROW = st.fixed_dictionaries(
    {"text": st.sampled_from(["a", "b", "a ", "c c", "c  c", "中"]), "label": st.sampled_from("xyz")}
)
ROWS = st.lists(ROW, min_size=1, max_size=15)


def numbered(n: int, labels: int = 3) -> Rows:
    return [{"text": f"text number {i}", "label": f"label{i % labels}"} for i in range(n)]


def everything(dataset: Dataset) -> list[tuple[str, str]]:
    return [(row["text"], row["label"]) for split in dataset.splits for row in dataset[split]]


@SLOW
@given(ROWS, ROWS, st.integers(0, 15))
def test_ids_are_unique_and_stable_under_insertion(rows: Rows, more: Rows, at: int) -> None:
    before = Dataset.from_rows({"train": rows})
    # Texts that repeat are numbered by their order, so only other texts may come between.
    texts = {row["text"] for row in rows}
    more = [row for row in more if row["text"] not in texts]
    after = Dataset.from_rows({"train": [*rows[:at], *more, *rows[at:]]})
    ids = before["train"]["id"][:]
    assert len(set(after["train"]["id"])) == len(after)
    kept = {row["id"]: row["text"] for row in after["train"]}
    assert [kept[identifier] for identifier in ids] == [row["text"] for row in rows]


@SLOW
@given(ROWS, st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 3))
def test_no_row_is_lost_and_no_text_divided(rows: Rows, dev: float, test: float, seed: int) -> None:
    dataset = Dataset.from_rows({"train": rows}, dev=dev, test=test, seed=seed)
    assert Counter(everything(dataset)) == Counter((row["text"], row["label"]) for row in rows)
    assert len(dataset) == len(rows)
    where: dict[str, set[str]] = {}
    for split in dataset.splits:
        for row in dataset[split]:
            where.setdefault(" ".join(row["text"].split()), set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())


@SLOW
@given(ROWS, st.data())
def test_fingerprint_changes_with_content_and_only_with_content(
    tmp_path: Path, rows: Rows, data: st.DataObject
) -> None:
    dataset = Dataset.from_rows({"train": rows})
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps(dict(reversed(row.items()))) + "\n" for row in rows), encoding="utf-8")
    assert Dataset.read(path, dev=0, test=0).fingerprint == dataset.fingerprint
    assert Dataset.from_rows({"test": rows}).fingerprint != dataset.fingerprint
    at = data.draw(st.integers(0, len(rows) - 1))
    for change in ({"text": "other"}, {"label": "other"}, {"extra": 1}):
        changed = [*rows[:at], {**rows[at], **change}, *rows[at + 1 :]]
        assert Dataset.from_rows({"train": changed}).fingerprint != dataset.fingerprint
    assert Dataset.from_rows({"train": [*rows, rows[-1]]}).fingerprint != dataset.fingerprint


def test_fingerprint_is_the_same_on_every_machine() -> None:
    dataset = Dataset.from_rows({"train": [{"text": "where is my card", "label": "card"}]})
    assert dataset["train"]["id"][0] == "38dcbf15a00d9e4d"
    assert dataset.fingerprint == "a7b6a7dd9157ce740017affe2f0ab6e9da4be3b4e105442420f00da18639f081"


@pytest.mark.parametrize(
    "rows",
    [
        numbered(5),
        [{"text": "a", "labels": ["x", "y"], "n": 1.5}, {"text": "b", "labels": []}],
        [{"text": "Anna", "entities": [{"start": 0, "end": 4, "label": "PER"}], "o": {"a": 1}}],
        [{"tokens": ["in", "Rome"], "tags": ["O", "B-LOC"], "document": "d1"}],
    ],
)
def test_a_split_given_back_is_the_same_dataset(rows: Rows) -> None:
    dataset = Dataset.from_rows({"train": rows})
    again = Dataset.from_rows({"train": dataset["train"]}, parent=dataset.fingerprint)
    assert again.fingerprint == dataset.fingerprint
    assert list(again["train"]) == list(dataset["train"])
    assert again.parent == dataset.fingerprint


def test_own_ids_are_kept_if_they_are_one_a_row(write: Write) -> None:
    rows = [{"id": i, "text": f"t{i}", "label": "x"} for i in range(3)]
    dataset = Dataset.read(write("a.jsonl", rows), dev=0, test=0)
    assert dataset["train"]["id"][:] == ["0", "1", "2"]
    rows[2]["id"] = 0
    dataset = Dataset.read(write("b.jsonl", rows), dev=0, test=0)
    assert dataset["train"]["original_id"][:] == ["0", "1", "0"]
    assert len(set(dataset["train"]["id"])) == 3
    assert any("original_id" in note for note in dataset.notes)


def test_repeated_texts_get_numbered_ids() -> None:
    dataset = Dataset.from_rows({"train": [{"text": "a", "label": "x"}] * 3, "test": [{"text": "a", "label": "x"}]})
    first = dataset["train"]["id"][0]
    assert dataset["train"]["id"][:] == [first, f"{first}-1", f"{first}-2"]
    assert dataset["test"]["id"][:] == [f"{first}-3"]


def test_division_is_stratified_seeded_and_exact() -> None:
    rows = numbered(9412, labels=23)
    dataset = Dataset.from_rows({"train": rows}, dev=0.1, test=0.1)
    assert dataset.rows == {"train": 7530, "dev": 941, "test": 941}
    for split in ("dev", "test"):
        counts = Counter(dataset[split]["label"])
        assert len(counts) == 23
        assert max(counts.values()) - min(counts.values()) <= 3
    assert Dataset.from_rows({"train": rows}, dev=0.1, test=0.1).fingerprint == dataset.fingerprint
    assert Dataset.from_rows({"train": rows}, dev=0.1, test=0.1, seed=14).fingerprint != dataset.fingerprint
    # The order of the file has no part in it.
    turned = Dataset.from_rows({"train": rows[::-1]}, dev=0.1, test=0.1)
    assert set(turned["test"]["id"]) & set(dataset["test"]["id"])


def test_dev_is_taken_from_train(write: Write, tmp_path: Path) -> None:
    write("train.jsonl", numbered(50))
    write("test.jsonl", numbered(7))
    dataset = Dataset.read(tmp_path)
    assert dataset.rows == {"train": 45, "dev": 5, "test": 7}
    assert any("dev taken from train" in note for note in dataset.notes)
    assert any("texts of test that also stand in train" in note for note in dataset.notes)


def test_groups_and_documents_stay_together(write: Write) -> None:
    rows = [{"text": f"t{i}", "label": "xy"[i % 2], "group": f"g{i // 4}"} for i in range(200)]
    dataset = Dataset.read(write("a.jsonl", rows))
    groups = [set(dataset[split]["group"]) for split in dataset.splits]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert 16 <= dataset.rows["test"] <= 24
    content = "".join(f"-DOCSTART- O\n\nAnna{i} B-PER\n\nis O\n\n" for i in range(30))
    ner = Dataset.read(write("a.conll", content))
    documents = [set(ner[split]["document"]) for split in ner.splits]
    assert not documents[0] & (documents[1] | documents[2])
    assert ner.rows == {"train": 48, "dev": 6, "test": 6}
    assert any("by document" in note for note in ner.notes)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=80), st.integers(0, 9))
def test_every_label_stays_in_train(labels: list[int], seed: int) -> None:
    strata = np.array(labels)
    where = assign(strata, np.arange(len(strata)), dev=0.1, test=0.1, seed=seed)
    if len(strata) >= 40:
        assert set(strata[where == 0]) == set(labels)
    if len(strata) >= 10:
        assert abs((where == 1).sum() - round(0.1 * len(strata))) <= 1
        assert abs((where == 2).sum() - round(0.1 * len(strata))) <= 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_components_are_chains_of_equal_keys(pairs: list[tuple[int, int]]) -> None:
    found = components([np.array(column, np.uint64) for column in zip(*pairs, strict=True)])
    groups = [{i} for i in range(len(pairs))]
    for i, j in itertools.combinations(range(len(pairs)), 2):
        if any(a == b != 0 for a, b in zip(pairs[i], pairs[j], strict=True)):
            merged = groups[i] | groups[j]
            for k in merged:
                groups[k] = merged
    assert [(found == found[i]).nonzero()[0].tolist() for i in range(len(pairs))] == [sorted(g) for g in groups]


def test_tiny_datasets(write: Write) -> None:
    assert Dataset.read(write("a.jsonl", numbered(1))).rows == {"train": 1}
    assert Dataset.read(write("b.jsonl", numbered(3))).rows == {"train": 1, "dev": 1, "test": 1}


def test_many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Dataset.from_rows({"train": numbered(100)}, dev=0.2, test=0.2)
    monkeypatch.setattr("tunewheel.data.arrow.CHUNK", 7)
    chunked = Dataset.from_rows({"train": numbered(100)}, dev=0.2, test=0.2)
    assert chunked.fingerprint == expected.fingerprint
    assert everything(chunked) == everything(expected)
    assert sum(batch.num_rows for batch in chunked.batches("train")) == 60


def test_overlap_looks_past_white_space_but_not_case() -> None:
    train = [{"text": "My card", "label": "x"}]
    test = [{"text": text, "label": "x"} for text in (" My  card\n", "my card", "Mycard", "My card")]
    dataset = Dataset.from_rows({"train": train, "test": test})
    assert dataset.overlap("train", "test").tolist() == [True, False, False, True]
    assert "texts of test that also stand in train: 2" in dataset.notes


def test_overlap_with_another_dataset_and_nearly() -> None:
    learned = Dataset.from_rows(
        {"train": [{"text": text, "label": "x"} for text in ("My card, please!", "３张卡；丢了")]}
    )
    texts = ["my card please", "My card, please!", "3张卡,丢了", "张卡丢了", "..."]
    later = Dataset.from_rows({"new": [{"text": text, "label": "x"} for text in texts]})
    assert later.overlap("train", "new", of=learned).tolist() == [False, True, False, False, False]
    assert later.overlap("train", "new", of=learned, near=True).tolist() == [True, True, True, False, False]


def test_save_and_load(tmp_path: Path) -> None:
    dataset = Dataset.from_rows({"train": numbered(9), "test": numbered(3)}, parent="abc")
    folder = dataset.save(tmp_path / "deep" / "d")
    again = Dataset.load(folder)
    for name in ("task", "labels", "columns", "splits", "fingerprint", "parent", "sources", "notes", "rows"):
        assert getattr(again, name) == getattr(dataset, name)
    assert everything(again) == everything(dataset)
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "test.arrow", "train.arrow"]
    assert dataset.save(folder) == folder
    with pytest.raises(FileExistsError):
        Dataset.from_rows({"train": numbered(2)}).save(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["d"]
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset.from_rows({"train": numbered(9)})
    monkeypatch.setattr("shutil.copyfile", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        dataset.save(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_cache_keeps_the_files(write: Write, tmp_path: Path) -> None:
    path = write("a.jsonl", numbered(20))
    first = Dataset.read(path, cache=tmp_path / "cache")
    second = Dataset.read(path, cache=tmp_path / "cache")
    assert everything(first) == everything(second)
    kept = list((tmp_path / "cache").iterdir())
    assert [folder.name for folder in kept] == [first.fingerprint[:16]]
    assert Dataset.load(kept[0]).fingerprint == first.fingerprint


def test_cache_survives_readings_that_differ_in_bytes(write: Write, tmp_path: Path) -> None:
    row = {"text": "t", "label": "x"}
    for name, number in (("a.jsonl", 1), ("b.jsonl", 1.0)):
        dataset = Dataset.read(write(name, [{**row, "n": number}]), cache=tmp_path / "cache")
        assert Dataset.load(dataset.save(tmp_path / f"of-{name}")).fingerprint == dataset.fingerprint
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_two_processes_may_save_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, sync = Dataset.from_rows({"train": numbered(3)}), []

    def interrupted(path: Path) -> None:
        if not sync:
            sync.append(path)
            dataset.save(tmp_path / "d")

    monkeypatch.setattr("tunewheel.data.dataset.sync", interrupted)
    assert dataset.save(tmp_path / "d") == tmp_path / "d"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_reading_a_saved_dataset_loads_it(tmp_path: Path) -> None:
    dataset = Dataset.from_rows({"train": numbered(3)})
    assert Dataset.read(dataset.save(tmp_path / "d")).rows == {"train": 3}


def test_temporary_files_go_with_the_dataset() -> None:
    dataset = Dataset.from_rows({"train": numbered(20)})
    folder = dataset._path("train").parent
    rows = dataset["train"]
    del dataset
    gc.collect()
    assert not folder.exists()
    assert rows[3]["text"] == "text number 3"  # still mapped


def test_container_protocol() -> None:
    dataset = Dataset.from_rows({"test": numbered(3), "extra": numbered(2), "train": numbered(4)})
    assert list(dataset) == ["train", "test", "extra"]
    assert "test" in dataset
    assert "dev" not in dataset
    assert repr(dataset).startswith("Dataset(classification, 3 labels, train 4, test 3, extra 2, ")
    with pytest.raises(KeyError, match="did you mean 'test'"):
        dataset["tset"]


def test_import_is_light() -> None:
    heavy = ("torch", "transformers", "fastapi", "datasets", "pyarrow", "pandas")
    code = (
        "import sys, tunewheel.data as d; d.Dataset, d.DataError, d.Problem, d.Source; import tunewheel.data.tags;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_reading_loads_no_torch(write: Write) -> None:
    path = write("a.jsonl", numbered(20))
    code = (
        "import sys; from tunewheel.data import Dataset;"
        f"d = Dataset.read({str(path)!r}); list(d['train']);"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False False"


def test_every_row_knows_its_file(write: Write, tmp_path: Path) -> None:
    for part in ("one", "two"):
        write(f"d/train_{part}.jsonl", [{"text": f"{part} 卡 {i}", "label": "ab"[i % 2]} for i in range(20)])
    files = {"train": tmp_path / "d" / "train_one.jsonl", "test": tmp_path / "d" / "train_two.jsonl"}
    for data in (
        Dataset.read(files, dev=0.2),
        Dataset.read(files, dev=0.2, cache=tmp_path / "cache"),
        Dataset.load(Dataset.read(files, dev=0.2).save(tmp_path / "kept")),
    ):
        for split in data.splits:
            sources = [data.source_of(split, row) for row in range(data.rows[split])]
            for source, text in zip(sources, data[split]["text"], strict=True):
                assert source is not None
                assert Path(source.path).name == f"train_{text.split()[0]}.jsonl"
        assert data.source_of("test", 20) is None
    several = Dataset.from_rows({"train": [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]})
    assert [several.source_of("train", row).path for row in (0, 1)] == ["train", "train"]  # type: ignore[union-attr]
