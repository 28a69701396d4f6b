"""Repeated texts: inside a split, across splits, under different labels."""

from __future__ import annotations

import pytest

from inspections import count, found, inspect

EN = ["my bank card is gone since yesterday morning", "how much money is left in my account today"]
ZH = ["我的银行卡从昨天早上开始就找不到了请帮帮我", "请问我的账户里今天还剩下多少钱可以使用呢"]


def rows(*texts: str, label: str = "a") -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text in texts]


@pytest.mark.parametrize(("a", "b"), [EN, ZH])
def test_repeats_inside_a_split_are_counted_once_each(a: str, b: str) -> None:
    inspection = inspect({"train": rows(a, b, a, a.upper() + "!"), "test": rows("第四五六七八九十")}, "duplicates")
    assert count(inspection, "repeats") == 2
    assert count(inspection, "leak") == 0
    repeat = found(inspection, "repeats")
    assert repeat and repeat.examples[0].other and repeat.examples[0].other.text == a
    assert inspection.clusters == {3: 1}


@pytest.mark.parametrize(("a", "b"), [EN, ZH])
def test_texts_of_test_that_stand_in_train_are_an_error_and_those_nearly_so_a_warning(a: str, b: str) -> None:
    inspection = inspect(
        {"train": rows(a, b), "test": rows(a, a + " !", b + "？", "x" + b, "quite another")}, "duplicates"
    )
    leak, near = found(inspection, "leak"), found(inspection, "near_leak")
    assert leak and near
    assert (leak.severity, leak.count, leak.values["identical"], leak.values["share"]) == ("error", 3, 1, 0.6)
    assert (near.severity, near.count) == ("warning", 1)
    assert near.examples[0].other and near.examples[0].other.text == b
    assert inspection.repair(leak) == "tunewheel clean DATA -o cleaned --drop-leaks"


def test_a_chain_of_near_texts_through_another_split_is_no_repeat_inside_this_one() -> None:
    base = "abcdefghijklmnopqrstuvwxyz0123456789"
    chain = [base, base[2:] + "甲乙", base[4:] + "甲乙丙丁"]
    inspection = inspect({"train": rows(chain[0], chain[2]), "test": rows(chain[1])}, "duplicates", near=0.85)
    assert count(inspection, "near_leak") == 1
    assert count(inspection, "near_repeats") == 0


@pytest.mark.parametrize(("a", "b"), [EN, ZH])
def test_equal_texts_under_different_labels_are_found_across_splits(a: str, b: str) -> None:
    splits = {"train": rows(a, a, b), "test": rows(a + "！", label="b")}
    finding = found(inspect(splits, "duplicates"), "conflicts")
    assert finding is not None
    assert (finding.count, finding.values["texts"], finding.values["wrong"]) == (3, 1, 1)
    example = finding.examples[0]
    assert example.other and (example.label, example.other.label) == ("a", "b")


def test_entities_of_equal_texts_conflict_when_they_say_something_else() -> None:
    def entities(text: str, *names: str) -> dict[str, object]:
        spans = [{"start": text.index(n), "end": text.index(n) + len(n), "label": "PER"} for n in names]
        return {"text": text, "entities": spans}

    same = [entities("Anna Berg paid", "Anna Berg"), entities("Anna Berg  paid", "Anna Berg")]
    moved = entities("  - Anna Berg paid", "Anna Berg")
    assert count(inspect([*same, moved], "duplicates"), "conflicts") == 0
    assert count(inspect([*same, entities("Anna Berg paid.", "Anna")], "duplicates"), "conflicts") == 3


@pytest.mark.parametrize(("a", "b"), [EN, ZH])
def test_what_is_told_as_equal_is_not_told_as_nearly_equal_too(a: str, b: str) -> None:
    inspection = inspect({"train": rows(a, "x" + a, a), "test": rows(a)}, "duplicates")
    assert (count(inspection, "leak"), count(inspection, "near_leak")) == (1, 0)
    assert (count(inspection, "repeats"), count(inspection, "near_repeats")) == (1, 1)


@pytest.mark.parametrize(("a", "b"), [EN, ZH])
def test_inside_a_split_a_row_of_another_answer_repeats_nothing(a: str, b: str) -> None:
    texts = [*rows(a, a, b), *rows(a, "x" + b, "y" + a, label="b")]
    inspection = inspect({"train": texts, "test": rows("quite another text")}, "duplicates")
    assert count(inspection, "repeats") == 1
    near = found(inspection, "near_repeats")
    assert near and [(e.text, e.label, e.other and e.other.label) for e in near.examples] == [("y" + a, "b", "b")]


def test_the_order_of_labels_is_no_other_answer() -> None:
    texts = [{"text": "late and broken", "labels": pair} for pair in (["late", "broken"], ["broken", "late"])]
    inspection = inspect(texts, "duplicates")
    assert (count(inspection, "repeats"), count(inspection, "conflicts")) == (1, 0)
