"""What rows tell one by one and counted together, in English and Chinese."""

from __future__ import annotations

from typing import Any

import pytest

from inspections import count, found, inspect, labelled

GOOD = labelled(
    "my card is gone", "how much is left?", "我的卡丢了。", "余额还有多少", "café naïve – 10 €", "一、全角：标点！"
)


@pytest.mark.parametrize(
    ("kind", "text", "note"),
    [
        ("replaced", "my c\ufffdrd is gone", "U+FFFD × 1"),
        ("replaced", "我的卡\ufffd\ufffd了", "U+FFFD × 2"),
        ("garbled", "the cafÃ© card", "Ã© → é"),
        ("garbled", "itâ€™s gone", "â€™ → ’"),
        ("garbled", "余额查询".encode().decode("latin-1"), "余额查询"),
        ("garbled", "余额查询".encode().decode("gb18030"), "余额查询"),
        ("garbled", "卡锟斤拷丢了", "锟斤拷"),
        ("control", "my\x07card", "U+0007"),
        ("control", "余额\u200b多少", "U+200B"),
        ("wide", "余额ＡＢＣ１２", "ＡＢＣ１２"),
    ],
)
def test_faults_of_encoding_are_found_each_with_what_stood_there(kind: str, text: str, note: str) -> None:
    finding = found(inspect([*GOOD, {"text": text, "label": "lost"}], "encoding"), kind)
    assert finding is not None
    assert finding.count == 1
    assert note in finding.examples[-1].note


def test_good_texts_have_no_fault_of_encoding() -> None:
    assert inspect(GOOD, "encoding").findings == []


def test_marks_that_join_letters_and_emoji_are_no_faults() -> None:
    assert inspect(labelled("👩\u200d💻 at work", "می\u200cخواهم"), "encoding").findings == []


def test_texts_without_a_word_are_found() -> None:
    assert count(inspect([*GOOD, *labelled("?!", "……！")], "texts"), "wordless") == 2


@pytest.mark.parametrize("letters", ["abcdefgh ", "退款一直没有到账"])
def test_texts_cut_off_at_one_length_are_found(letters: str) -> None:
    whole = [f"{i} {letters * (3 + i % 9)}{i}." for i in range(60)]
    cut = [f"{i} {letters * 30}"[:99] + "x" for i in range(20)]
    assert count(inspect(labelled(*whole), "texts"), "truncated") == 0
    finding = found(inspect(labelled(*whole, *cut), "texts"), "truncated")
    assert finding is not None
    assert (finding.count, finding.values["length"]) == (20, 100)


@pytest.mark.parametrize(
    ("piece", "own"),
    [
        ("Sent from my mobile, please excuse. ", "question number {} about the bill."),
        ("感谢您的来信，祝您愉快。", "第{}个问题是关于账单的。"),
    ],
)
def test_sentences_in_many_texts_are_found_and_repeated_rows_are_not_such(piece: str, own: str) -> None:
    finding = found(inspect(labelled(*(piece + own.format(i) for i in range(30))), "texts"), "boilerplate")
    assert finding is not None
    assert finding.count == 30
    assert piece.strip() in [example.note for example in finding.examples]
    assert count(inspect(labelled(*[piece + own.format(7)] * 30), "texts"), "boilerplate") == 0


def with_labels(**counts: int) -> list[dict[str, str]]:
    return [{"text": f"{name} {i}", "label": name} for name, n in counts.items() for i in range(n)]


@pytest.mark.parametrize(
    ("often", "typo"),
    [
        ("lost_card", "lots_card"),
        ("lost_card", "Lost Card"),
        ("lost_card", "lost_cards"),
        ("账户余额查询", "账户余额查讯"),
    ],
)
def test_misspelt_labels_are_found_with_what_is_meant(often: str, typo: str) -> None:
    finding = found(inspect(with_labels(**{often: 40, typo: 2, "other": 40}), "labels"), "typos")
    assert finding is not None
    assert (finding.count, finding.values["moves"]) == (2, {typo: often})


@pytest.mark.parametrize(("a", "b"), [("level_1", "level_2"), ("好评", "差评"), ("card", "bill")])
def test_labels_that_differ_in_a_digit_or_are_short_are_no_misspellings(a: str, b: str) -> None:
    assert count(inspect(with_labels(**{a: 40, b: 2}), "labels"), "typos") == 0
    assert count(inspect(with_labels(lost_card=40, lost_cart=30), "labels"), "typos") == 0


def test_labels_that_are_rare_uneven_alone_or_not_taught_are_found() -> None:
    inspection = inspect({"train": with_labels(a=250, b=2), "test": with_labels(a=3, c=1)}, "labels")
    assert count(inspection, "rare_labels") == 2
    uneven, untaught = found(inspection, "imbalance"), found(inspection, "untaught")
    assert uneven and untaught
    assert (uneven.severity, uneven.values["often"], uneven.values["times"]) == ("warning", "a", 253)
    assert (untaught.severity, untaught.count, untaught.values["share"]) == ("error", 1, 0.25)
    assert count(inspect(with_labels(a=30), "labels"), "single_label") == 30
    assert inspect(with_labels(a=30, b=30), "labels").findings == []


def test_several_labels_a_row_are_counted_each() -> None:
    rows = [{"text": f"row {i}", "labels": ["a", "b"] if i else ["a", "c"]} for i in range(20)]
    inspection = inspect(rows, "labels")
    assert inspection.labels == {"train": {"a": 20, "b": 19, "c": 1}}
    assert count(inspection, "rare_labels") == 1


def test_texts_in_another_language_and_long_ones_are_found() -> None:
    rows = labelled(*(f"my card {i} is gone" for i in range(20)), "我的卡丢了", "word " * 900)
    inspection = inspect(rows, "lengths")
    assert count(inspection, "languages") == count(inspection, "long") == 1
    assert found(inspection, "long").values["windows"] == 3  # type: ignore[union-attr]
    assert inspection.languages["train"] == {"en": 21, "zh": 1}
    assert inspect(GOOD, "lengths").findings == []


def entity(text: str, *spans: tuple[int, int]) -> dict[str, Any]:
    return {"text": text, "entities": [{"start": a, "end": b, "label": "PER"} for a, b in spans]}


def test_entities_with_odd_borders_are_found() -> None:
    rows = [
        entity("Anna Berg paid", (0, 9)),
        entity("王芳付了款", (0, 2)),
        entity("Anna Berg paid", (0, 7)),
        entity("to Anna Berg ", (2, 7)),
        entity("Anna Berg paid", (0, 9), (5, 14)),
    ]
    inspection = inspect(rows, "spans", "encoding")
    assert [count(inspection, kind) for kind in ("cut_words", "blank_edges", "overlapping")] == [1, 1, 1]
    assert found(inspection, "cut_words").examples[0].note == "Anna Be [PER]"  # type: ignore[union-attr]
    assert inspect(rows[:2], "spans").findings == []


@pytest.mark.parametrize("text", ["call 13812345678 now", "我的电话13812345678，请回电"])
def test_personal_data_is_counted_and_stands_in_no_example(text: str) -> None:
    inspection = inspect(labelled(text, "nothing here", text + "!"), "privacy", "texts", "duplicates")
    finding = found(inspection, "personal")
    assert finding is not None
    assert (finding.count, finding.values["kinds"]) == (2, {"PHONE": 2})
    assert "[PHONE]" in finding.examples[0].text
    assert "13812345678" not in str(inspection.as_dict())


def test_neither_an_id_nor_the_end_of_a_cut_text_shows_personal_data() -> None:
    number = "110101199003077715"  # of nobody: only its check digit is right
    texts = [f"{chr(97 + i) * (62 - len(number))}, {number}" for i in range(25)]
    rows = [{"id": f"ann{i}@example.com", "text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)]
    finding = found(inspect(rows, "texts"), "truncated")
    assert finding is not None
    assert all(example.id == "[EMAIL]" and example.note.endswith(", [ID_CARD]") for example in finding.examples)
