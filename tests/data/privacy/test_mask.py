"""Masks: words and pseudonyms, masked twice, rows whose spans move along, threads, and the table that leads back."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data.privacy import Masker, Moves, PrivacyError, load_key, read_table, restore, write_table
from tunewheel.data.privacy.moves import Move

KEY = bytes(range(32))
ZH = "请回电138-1234-5678或发信到li@example.com，卡号4111 1111 1111 1111"
EN = "Ring 13812345678 or write to LI@example.com about card 4111111111111111"


def test_redaction_in_both_languages() -> None:
    assert Masker().mask(ZH).text == "请回电[PHONE]或发信到[EMAIL]，卡号[BANK_CARD]"
    assert Masker().mask(EN).text == "Ring [PHONE] or write to [EMAIL] about card [BANK_CARD]"


def test_one_value_has_one_pseudonym_however_it_is_written() -> None:
    masker = Masker("pseudonym", key=KEY)
    zh, en = (re.findall(r"\[\w+:[a-z]{12}\]", masker.mask(text).text) for text in (ZH, EN))
    assert zh == en
    assert len(set(zh)) == 3
    assert re.findall(r"\[\w+:[a-z]{12}\]", Masker("pseudonym", key=bytes(32)).mask(EN).text) != en


@pytest.mark.parametrize("masker", [Masker(), Masker("pseudonym", key=KEY)], ids=["redact", "pseudonym"])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "13812345678",
                    "a@b.cn",
                    "密码是x1y2z3",
                    "+86",
                    "10.0.0.1",
                    "京A12345",
                    "文三路90号",
                    "4111111111111111",
                    "：",
                ]
            ),
            st.text(st.sampled_from("1308 -.@:/a密码路号市=x+("), max_size=8),
        ),
        max_size=8,
    ).map("".join)
)
def test_masking_twice_changes_nothing_more(masker: Masker, text: str) -> None:
    once = masker.mask(text)
    assert masker.mask(once.text).text == once.text
    for start, end, _ in once.found:
        assert 0 <= start < end <= len(text)


def test_what_is_left_alone_moves_along_and_what_is_cut_grows() -> None:
    text = "联系人王小明，电话13812345678转接台"
    masked = Masker().mask(text)
    assert masked.text == "联系人王小明，电话[PHONE]转接台"
    for part in ("王小明", "转接台"):
        start, end = masked.moves.span(text.index(part), text.index(part) + len(part))
        assert masked.text[start:end] == part
    start, end = masked.moves.span(text.index("345678"), len(text))
    assert masked.text[start:end] == "[PHONE]转接台"
    assert masked.moves.cuts(text.index("345678"), len(text))
    assert not masked.moves.cuts(0, len(text))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 6)), max_size=5), st.data())
def test_moved_spans_hold_what_they_held(parts: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """Every character outside the replacements stands in a moved span exactly when it stood in the span."""
    moves, at, new, kept = [], 0, 0, {}
    for gap, old, fresh in [*parts, (4, 0, 0)]:
        kept |= {at + i: new + i for i in range(gap)}
        at, new = at + gap, new + gap
        if old:
            moves.append(Move(at, at + old, new, new + fresh))
        at, new = at + old, new + fresh
    start = data.draw(st.integers(0, at - 1))
    end = data.draw(st.integers(start + 1, at))
    moved = Moves(moves).span(start, end)
    assert {old for old, place in kept.items() if moved[0] <= place < moved[1]} == {i for i in kept if start <= i < end}
    for move in moves:
        inside = moved[0] <= move.new_start and move.new_end <= moved[1]
        assert inside == (start < move.end and move.start < end)


def test_a_row_is_masked_whole() -> None:
    row = {
        "id": "13812345678",
        "text": "小王 电话 138 1234 5678 杭州",
        "tokens": [{"start": a, "end": b} for a, b in [(0, 2), (3, 5), (6, 9), (10, 14), (15, 19), (20, 22)]],
        "entities": [
            {"start": 0, "end": 2, "label": "name"},
            {"start": 6, "end": 14, "label": "number"},
            {"start": 10, "end": 19, "label": "number"},
            {"start": 20, "end": 22, "label": "place"},
        ],
        "note": {"from": ["li@example.com", 3]},
    }
    masked, found = Masker().mask_row(row)
    assert masked["text"] == "小王 电话 [PHONE] 杭州"
    assert [masked["text"][t["start"] : t["end"]] for t in masked["tokens"]] == ["小王", "电话", "[PHONE]", "杭州"]
    assert [(masked["text"][e["start"] : e["end"]], e["label"]) for e in masked["entities"]] == [
        ("小王", "name"),
        ("[PHONE]", "number"),
        ("杭州", "place"),
    ]
    assert (masked["id"], masked["note"]) == ("13812345678", {"from": ["[EMAIL]", 3]})
    assert [f.kind for f in found] == ["PHONE", "EMAIL"]
    assert row["text"].startswith("小王 电话 138"), "the row itself stays as it was"


def test_an_entity_keeps_whole_tokens() -> None:
    tokens = [{"start": 0, "end": 4}, {"start": 4, "end": 13}]
    row = {"text": "电话13812345678", "tokens": tokens, "entities": [{"start": 4, "end": 13, "label": "number"}]}
    masked, _ = Masker().mask_row(row)
    assert masked["tokens"] == [{"start": 0, "end": 9}]
    assert masked["entities"] == [{"start": 0, "end": 9, "label": "number"}]


def test_a_tuple_in_a_row_is_masked_like_a_list() -> None:
    row, found = Masker().mask_row({"text": "hi", "phones": ("13812345678", 3)})
    assert (row["phones"], [one.kind for one in found]) == (["[PHONE]", 3], ["PHONE"])


def test_a_row_without_personal_data_stays() -> None:
    row = {"id": "a", "text": "今天天气好", "label": "x", "entities": [{"start": 0, "end": 2, "label": "t"}]}
    assert Masker().mask_row(row) == (row, [])


def test_threads_may_share_a_masker() -> None:
    texts = [f"电话1381234{i:04d}" for i in range(200)] * 3
    alone = [Masker("pseudonym", key=KEY).mask(text).text for text in texts]
    shared = Masker("pseudonym", key=KEY, remember=True)
    with ThreadPoolExecutor(8) as pool:
        assert [masked.text for masked in pool.map(shared.mask, texts)] == alone


def test_a_masker_travels_to_other_processes() -> None:
    masker = pickle.loads(pickle.dumps(Masker("pseudonym", key=KEY)))
    assert masker.mask(ZH).text == Masker("pseudonym", key=KEY).mask(ZH).text


def test_a_table_leads_back_only_with_its_key(tmp_path: Path) -> None:
    masker = Masker("pseudonym", key=KEY, remember=True)
    masked = masker.mask(ZH).text
    path = tmp_path / "table"
    assert masker.write_table(path) == 3
    assert b"138" not in path.read_bytes()
    assert restore(masked, read_table(path, KEY)) == ZH
    with pytest.raises(PrivacyError, match="no table of this key"):
        read_table(path, bytes(32))
    with pytest.raises(PrivacyError, match="no table of this key"):
        write_table(path, {}, bytes(32))
    path.write_bytes(path.read_bytes()[:-3] + b"AAA")
    with pytest.raises(PrivacyError, match="changed"):
        read_table(path, KEY)
    with pytest.raises(PrivacyError, match="no table of pseudonyms at"):
        read_table(tmp_path / "none", KEY)


def test_a_table_that_is_there_is_added_to(tmp_path: Path) -> None:
    for text in (ZH, "another: bo@example.org"):
        masker = Masker("pseudonym", key=KEY, remember=True)
        masker.mask(text)
        masker.write_table(tmp_path / "table")
    assert sorted(read_table(tmp_path / "table", KEY).values())[-1] == "li@example.com"
    assert len(read_table(tmp_path / "table", KEY)) == 4


def test_tables_that_are_written_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        write_table(tmp_path / "table", {f"[PHONE:{'bcdfghjklmnpqrst'[number] * 12}]": str(number)}, KEY)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    assert len(read_table(tmp_path / "table", KEY)) == 16


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"password": "hunter2,x y"}', '{"password": "[SECRET]"}'),
        (r'password="a\"b; c1"', 'password="[SECRET]"'),
        ("密码：“春天，来了123”", "密码：“[SECRET]”"),
        ("Authorization: Basic YW5uOnNlY3JldA==", "Authorization: Basic [SECRET]"),
        ("jose\u0301@example.com 与 li@例子.中国。", "[EMAIL] 与 [EMAIL]。"),
        ("call 138\u20601234\ufeff5678", "call [PHONE]"),
        ('the password is "wrong again"', 'the password is "wrong again"'),
        ("😀👍🏽13812345678\u0301", "😀👍🏽[PHONE]\u0301"),
    ],
)
def test_nothing_of_a_value_is_left_behind(text: str, masked: str) -> None:
    assert Masker().mask(text).text == masked
    assert Masker().mask(masked).text == masked


def test_what_does_not_fit_together_is_refused() -> None:
    for arguments, told in [
        ({"mode": "hide"}, "'redact' or 'pseudonym', not 'hide'"),
        ({"mode": "pseudonym"}, "need a key"),
        ({"key": KEY}, "belong to 'pseudonym'"),
        ({"remember": True}, "belong to 'pseudonym'"),
        ({"mode": "pseudonym", "key": b"short"}, "a key has 32 bytes, this one 5"),
    ]:
        with pytest.raises(PrivacyError, match=told):
            Masker(**arguments)  # type: ignore[arg-type]
    with pytest.raises(PrivacyError, match="remembers nothing"):
        Masker("pseudonym", key=KEY).write_table("x")


def test_no_key_is_shown(tmp_path: Path) -> None:
    key = load_key(file=tmp_path / "key", make=True)
    masker = Masker("pseudonym", key=key)
    assert key.hex() not in repr(masker) and repr(key) not in repr(masker)
