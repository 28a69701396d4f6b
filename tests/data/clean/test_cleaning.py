"""Repairs of whole datasets: what goes and why, what stays, and that once is enough."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewheel.data import DataError, Dataset
from tunewheel.data.clean import Cleaned, Repairs, clean
from tunewheel.data.clean.cleaning import pooled
from tunewheel.data.clean.labels import Suspect, Suspects
from tunewheel.data.clean.sets import Exact
from tunewheel.data.gather import near_key
from tunewheel.data.privacy import Masker

Rows = list[dict[str, Any]]


class Found(NamedTuple):
    start: int
    end: int
    kind: str


class Digits:
    """Hides runs of digits, so that no test depends on what counts as personal."""

    def mask_row(self, row: Any) -> tuple[dict[str, Any], list[Found]]:
        found = [Found(*run.span(), "NUMBER") for run in re.finditer(r"\d{3,}", row["text"])]
        return {**row, "text": re.sub(r"\d{3,}", "[NUMBER]", row["text"])}, found


def alike(texts: Iterable[str], threshold: float) -> Exact:
    """Pairs of texts that share so many of their characters, for small sets."""
    held = list(texts)
    exact = Exact.of(held)
    first = sorted(set(exact.first.tolist()))
    pairs = [(a, b) for a in first for b in first if a < b and _share(held[a], held[b]) >= threshold]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return Exact(exact.first, left, right)


def _share(one: str, other: str) -> float:
    # Whether texts are alike must not hang on what their keys leave aside.
    a, b = (set(re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())) for text in (one, other))
    return len(a & b) / max(1, len(a | b))


def cleaned(dataset: Dataset, folder: Path, **repairs: Any) -> tuple[Cleaned, Rows]:
    made = clean(dataset, Repairs(**repairs), folder / "record.jsonl", find_near=alike)
    lines = (folder / "record.jsonl").read_text("utf-8").splitlines()
    return made, [json.loads(line) for line in lines]


def ids(dataset: Dataset) -> dict[str, list[str]]:
    return {split: dataset[split]["id"][:] for split in dataset.splits}


def rows(*told: tuple[str, str, str]) -> Rows:
    return [{"id": key, "text": text, "label": label} for key, text, label in told]


def test_the_first_of_equal_rows_stays_and_other_answers_are_no_copies(tmp_path: Path) -> None:
    train = rows(
        ("1", "我的卡丢了", "lost"),
        ("2", "我的卡丢了！", "lost"),
        ("3", "我的卡 丢了", "found"),
        ("4", "where is my card", "lost"),
        ("5", "where is my car d?!", "lost"),
        ("6", "q", "lost"),
    )
    test = rows(("7", "我的卡丢了", "lost"), ("8", "我的卡丢了 ", "lost"))
    data = Dataset.from_rows({"train": train, "test": test})
    made, record = cleaned(data, tmp_path, dedupe=True, near=0.8)
    assert ids(made.dataset) == {"train": ["1", "3", "4", "6"], "test": ["7"]}
    assert [(r["id"], r["split"], r["reason"], r["after"], r["of"]) for r in record] == [
        ("2", "train", "duplicate", None, {"id": "1", "split": "train"}),
        ("5", "train", "duplicate", None, {"id": "4", "split": "train"}),
        ("8", "test", "duplicate", None, {"id": "7", "split": "test"}),
    ]
    assert record[0]["before"]["text"] == "我的卡丢了！"
    assert made.counts == {"duplicate": 3}
    assert made.dataset.parent == data.fingerprint


def test_near_copies_go_only_where_one_like_them_stays(tmp_path: Path) -> None:
    # b is like a and like c, which are not alike: b goes, and nothing that stays is like c.
    train = rows(("a", "abcdefgh", "x"), ("b", "abcdefghi", "x"), ("c", "abcdefghijk", "x"), ("d", "abcdefghi", "y"))
    made, record = cleaned(Dataset.from_rows({"train": train}), tmp_path, dedupe=True, near=0.8)
    assert ids(made.dataset) == {"train": ["a", "c", "d"]}
    assert [(r["id"], r["reason"], r["of"]["id"]) for r in record] == [("b", "near duplicate", "a")]
    made, _ = cleaned(Dataset.from_rows({"train": train}), tmp_path, dedupe=True, near=1.0)
    assert ids(made.dataset) == {"train": ["a", "b", "c", "d"]}


def test_leaks_go_from_train_alone(tmp_path: Path) -> None:
    data = Dataset.from_rows(
        {
            "train": rows(("1", "余额多少", "a"), ("2", "what is my balance", "a"), ("3", "other", "a")),
            "dev": rows(("4", "what is my balances", "a")),
            "test": rows(("5", "余额 多少?", "b"), ("6", "what is my balance?s", "a")),
        }
    )
    made, record = cleaned(data, tmp_path, drop_leaks=True)
    assert ids(made.dataset) == {"train": ["3"], "dev": ["4"], "test": ["5", "6"]}
    assert [(r["id"], r["reason"], r["of"]["split"]) for r in record] == [
        ("1", "leak", "test"),
        ("2", "near leak", "dev"),
    ]


@pytest.mark.parametrize(("how", "left"), [("drop", ["9"]), ("majority", ["1", "2", "9"])])
def test_contradictions(how: str, left: list[str], tmp_path: Path) -> None:
    train = rows(
        ("1", "退款", "a"),
        ("2", "退 款", "a"),
        ("3", "退款", "b"),
        ("4", "Refund", "a"),
        ("5", "refund!", "b"),
        ("9", "single", "a"),
    )
    made, record = cleaned(Dataset.from_rows({"train": train}), tmp_path, conflicts=how)
    assert ids(made.dataset) == {"train": left}
    assert {r["reason"] for r in record} == {"conflict"}


def test_contradicting_entities_are_told_by_their_surface(tmp_path: Path) -> None:
    def told(key: str, text: str, surface: str) -> dict[str, Any]:
        at = text.index(surface)
        return {"id": key, "text": text, "entities": [{"start": at, "end": at + len(surface), "label": "PER"}]}

    train = [told("1", "付给王芳", "王芳"), told("2", "付给 王芳", "王芳"), told("3", "付给王芳", "王")]
    made, _ = cleaned(Dataset.from_rows({"train": train}), tmp_path, conflicts="majority", dedupe=True, near=1.0)
    assert ids(made.dataset) == {"train": ["1"]}


def test_what_is_masked_stands_in_no_record(tmp_path: Path) -> None:
    train = rows(
        ("1", "打　13800138000 给我", "a"), ("2", "打 13800138000 给我", "a"), ("3", "call  555 0199 now", "a")
    )
    data = Dataset.from_rows({"train": train})
    made, record = cleaned(data, tmp_path, normalise=True, masker=Digits(), dedupe=True, near=1.0)
    assert made.dataset["train"]["text"][:] == ["打 [NUMBER] 给我", "call [NUMBER] [NUMBER] now"]
    assert made.counts == {"normalise": 2, "personal data": 3, "duplicate": 1}
    assert record[1]["before"] == {"found": [{"start": 2, "end": 13, "kind": "NUMBER"}]}
    assert record[1]["after"] == {"text": "打 [NUMBER] 给我"}
    assert not re.search("138|555|0199", (tmp_path / "record.jsonl").read_text("utf-8"))


@pytest.mark.parametrize("answer", ["Call Ann on {}", "请打 {} 找王芳"])
def test_a_row_without_words_leaves_no_number_of_its_answer(answer: str, tmp_path: Path) -> None:
    train = [
        {"id": str(i), "text": text, "answer": answer.format("13812345678")} for i, text in enumerate(("???", "a"))
    ]
    data = Dataset.from_rows({"train": train}, task="generation")
    made, record = cleaned(data, tmp_path, drop_empty=True, masker=Masker())
    assert made.counts == {"empty": 1, "personal data": 1}
    assert record[0]["before"] == {"text": "???", "answer": answer.format("[PHONE]")}
    assert "138" not in (tmp_path / "record.jsonl").read_text("utf-8")


def test_without_a_mask_the_record_has_what_was(tmp_path: Path) -> None:
    data = Dataset.from_rows(
        {"train": [{"id": "1", "text": "付  给Ａnna", "label": "a", "desk": 3}, *rows(("2", "\u200b ?", "b"))]}
    )
    made, record = cleaned(data, tmp_path, normalise=True, drop_empty=True)
    assert made.dataset["train"].to_list() == [{"id": "1", "text": "付 给Anna", "label": "a", "desk": 3}]
    assert record == [
        {
            "id": "1",
            "split": "train",
            "reason": "normalise",
            "before": {"text": "付  给Ａnna"},
            "after": {"text": "付 给Anna"},
        },
        {
            "id": "2",
            "split": "train",
            "reason": "empty",
            "before": {"id": "2", "text": "\u200b ?", "label": "b", "desk": None},
            "after": None,
        },
    ]


def test_labels_are_mended_and_told(tmp_path: Path) -> None:
    train = [{"id": str(i), "text": f"第{i}", "label": "余额查询"} for i in range(25)]
    train += [{"id": "t", "text": "t", "label": "余额查寻"}, {"id": "s", "text": "s", "label": "other"}]
    suspects = Suspects([Suspect("s", None, "other", "余额查询")])
    made, record = cleaned(Dataset.from_rows({"train": train}), tmp_path, relabel=suspects, typos=True)
    assert made.dataset.labels == ("余额查询",)
    assert made.renamed == {"余额查寻": "余额查询"}
    assert [(r["reason"], r["before"], r["after"]) for r in record] == [
        ("relabel", {"label": "other"}, {"label": "余额查询"}),
        ("typo", {"label": "余额查寻"}, {"label": "余额查询"}),
    ]


def test_a_label_that_only_becomes_rare_by_another_repair_is_found_too(tmp_path: Path) -> None:
    train = [{"id": f"r{i}", "text": f"r{i}", "label": "refund"} for i in range(30)]
    train += [{"id": f"s{i}", "text": "twice", "label": "refunds"} for i in range(2)]
    made, _ = cleaned(Dataset.from_rows({"train": train}), tmp_path, typos=True, dedupe=True, near=1.0)
    assert made.dataset.labels == ("refund",)
    assert made.dataset.rows == {"train": 31}


def test_where_a_crowd_hid_pairs_what_is_left_is_compared_again(tmp_path: Path) -> None:
    asked = []

    def crowded(texts: Iterable[str], threshold: float) -> Exact:
        held = list(texts)
        asked.append(len(held))
        found = Exact.of(held)
        return replace(found, left=np.array([0]), right=np.array([1]), crowded=len(held)) if len(held) > 2 else found

    train = rows(*((str(i), f"第{i}行", "x") for i in range(5)))
    made = clean(Dataset.from_rows({"train": train}), Repairs(dedupe=True), tmp_path / "r", find_near=crowded)
    assert (asked, made.counts) == ([5, 4, 3, 2], {"near duplicate": 3})


@pytest.mark.parametrize(
    "text",
    ["the transfer to my landlord has not arrived since Monday", "上周一转给房东的款项到今天还没有到账请帮我查一下"],
)
def test_near_copies_are_found_by_their_shingles(text: str, tmp_path: Path) -> None:
    data = Dataset.from_rows(
        {
            "train": rows(("1", f"{text}!!", "a"), ("2", f"{text}吗", "a"), ("3", "别的 other", "a")),
            "test": rows(("4", f"{text}, ok", "a")),
        }
    )
    made = clean(data, Repairs(dedupe=True, near=0.7), tmp_path / "record.jsonl")
    assert ids(made.dataset) == {"train": ["1", "3"], "test": ["4"]}
    made = clean(data, Repairs(dedupe=True, drop_leaks=True, near=0.7), tmp_path / "record.jsonl")
    assert ids(made.dataset) == {"train": ["3"], "test": ["4"]}
    assert clean(made.dataset, Repairs(dedupe=True, drop_leaks=True, near=0.7), tmp_path / "record.jsonl").counts == {}


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    data = Dataset.from_rows({"train": rows(("1", "a", "x"), ("2", "a", "y"))})
    with pytest.raises(DataError, match="none that is left"):
        cleaned(data, tmp_path, conflicts="drop")


PIECES = ["我的卡", "丢了", " ", "  ", "！", "Ｃard", "card", "lost", " my", "國", "12345", "\u200b", "?", "no"]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join).filter(str.strip)
LABELS = st.sampled_from(["lost card", "lost card", "lost  card", "挂失银行卡", "挂失银行", "other"])
SPLIT = st.lists(st.fixed_dictionaries({"text": TEXTS, "label": LABELS}), max_size=12)
REPAIRS = st.fixed_dictionaries(
    {
        **dict.fromkeys(("typos", "normalise", "simplified", "drop_empty", "drop_leaks", "dedupe"), st.booleans()),
        "masker": st.sampled_from([None, Digits()]),
        "conflicts": st.sampled_from([None, "drop", "majority"]),
        "near": st.sampled_from([0.5, 0.8, 1.0]),
    }
)


def everything(dataset: Dataset) -> Iterator[tuple[str, str, str, str]]:
    return ((split, row["id"], row["text"], row["label"]) for split in dataset.splits for row in dataset[split])


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPLIT, SPLIT, REPAIRS)
def test_once_is_enough(tmp_path: Path, train: Rows, test: Rows, repairs: dict[str, Any]) -> None:
    bulk = [{"text": f"卡 {i} {'x' * i}", "label": "lost card"} for i in range(3)]
    data = Dataset.from_rows({"train": [*bulk, *train], "test": [{"text": "frozen", "label": "other"}, *test]})
    try:
        made, record = cleaned(data, tmp_path, **repairs)
    except DataError:
        return
    again, nothing = cleaned(made.dataset, tmp_path, **repairs)
    assert (again.dataset.fingerprint, nothing, again.counts) == (made.dataset.fingerprint, [], {})
    gone = {(r["split"], r["id"]) for r in record if r["after"] is None and r["reason"] != "normalise"}
    left = {(split, key) for split, key, _, _ in everything(made.dataset)}
    assert gone.isdisjoint(left)
    assert gone | left == {(split, key) for split, key, _, _ in everything(data)}
    if repairs["drop_leaks"]:
        held = {near_key(text) for split, _, text, _ in everything(made.dataset) if split == "test"}
        assert held.isdisjoint(near_key(text) for split, _, text, _ in everything(made.dataset) if split == "train")


@pytest.mark.parametrize(("a", "b"), [("where is my card", "how much is left"), ("我的卡在哪里", "还剩下多少钱")])
def test_a_test_split_that_the_files_gave_is_left_alone_and_dev_that_was_dealt_is_not(
    tmp_path: Path, a: str, b: str
) -> None:
    texts = [f"{a} {number}{mark}" for number in range(20) for mark in ("", "\u200b")]
    train = [{"id": str(at), "text": text, "label": "ab"[at // 2 % 2]} for at, text in enumerate(texts)]
    test = [{"id": f"t{at}", "text": text, "label": "b"} for at, text in enumerate((f"{a} 0", f"{a} 2", b))]
    for name, part in (("train", train), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    dataset = Dataset.read(tmp_path, dev=0.3)
    assert pooled(dataset) == [["train", "dev"], ["test"]]
    made, _ = cleaned(dataset, tmp_path, conflicts="majority", dedupe=True, near=1.0)
    assert (ids(made.dataset)["test"], made.held) == (["t0", "t1", "t2"], {})
    left = [text.rstrip("\u200b") for split in ("train", "dev") for text in made.dataset[split]["text"]]
    assert len(left) == len(set(left)) == 20
    assert pooled(made.dataset) == [["train"], ["dev"], ["test"]]
