"""Normalised texts, and where their spans went."""

from __future__ import annotations

import itertools
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data.clean.normalise import normalised

TEXT = st.text(
    st.sampled_from(
        "aZ é\u0301\u200b\u00a0\t\n\u3000Ａ３，。中國國學乾淨ｶﾞ가\u1100\u1161①½\ufeff\u00ad\u200d👨😀\x00\u2028ﬁ"
    ),
    min_size=1,
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    text = draw(TEXT)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=4)))
    spans = [{"start": a, "end": b, "label": "X"} for a, b in itertools.pairwise(cuts) if a < b]
    return {"id": "1", "text": text, "entities": spans}


@pytest.mark.parametrize(
    ("text", "simplified", "expected"),
    [
        ("ＡＢＣ　卡 \t 丢了\x00", False, "ABC 卡 丢了"),
        ("  where\u00a0is\u200b my\r\n\r\n card ", False, "where is my\ncard"),
        ("我的銀行卡遺失了", True, "我的银行卡遗失了"),
        ("我的銀行卡", False, "我的銀行卡"),
        ("e\u200b\u0301tat", False, "état"),
        ("\u200b \ufeff", False, "\u200b \ufeff"),
    ],
)
def test_texts(text: str, simplified: bool, expected: str) -> None:
    assert normalised({"text": text}, simplified=simplified) == {"text": expected}


@pytest.mark.parametrize(
    ("text", "surface", "expected"),
    [
        ("付  给　Ａｎｎａ Ｂerg", "Ａｎｎａ Ｂerg", "Anna Berg"),
        ("\u200b請  李國強 來", "李國強", "李国强"),
        ("paid e\u0301tienne", "e\u0301tienne", "étienne"),
        ("see ｶﾞｽ", "ｶﾞｽ", "ガス"),
    ],
)
def test_spans_follow_their_characters(text: str, surface: str, expected: str) -> None:
    start = text.index(surface)
    row = {"text": text, "entities": [{"start": start, "end": start + len(surface), "label": "PER"}]}
    made = normalised({**row, "tokens": [{"start": start, "end": start + len(surface)}]}, simplified=True)
    [entity], [token] = made["entities"], made["tokens"]
    assert made["text"][entity["start"] : entity["end"]] == expected == made["text"][token["start"] : token["end"]]
    assert entity["label"] == "PER"


@given(rows(), st.booleans())
def test_once_is_enough_and_spans_stay_inside_the_text(row: dict[str, Any], simplified: bool) -> None:
    made = normalised(row, simplified=simplified)
    assert normalised(made, simplified=simplified) == made
    assert normalised({"text": row["text"]}, simplified=simplified)["text"] == made["text"]
    for span in made["entities"]:
        assert 0 <= span["start"] < span["end"] <= len(made["text"])
    if made["text"] != row["text"]:
        assert unicodedata.is_normalized("NFKC", made["text"])
        assert made["text"] == made["text"].strip() != ""
