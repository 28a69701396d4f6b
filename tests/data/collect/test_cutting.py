"""Rows from documents: nothing is cut off, none is longer than asked for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data.collect.cutting import pieces
from tunewheel.data.collect.decoding import decode
from tunewheel.data.collect.robots import Robots


@pytest.mark.timeout(10)
@pytest.mark.parametrize("part", [".", ".)", ";", "。", "…"])
def test_a_text_of_signs_alone_takes_no_longer_than_others(part: str) -> None:
    text = part * (300_000 // len(part))
    assert "".join(pieces(text, max_chars=100_000)) == text


TEXTS = st.text(alphabet=st.sampled_from("ab 。！. ?\n卡\u3000\t;”"), max_size=120)


@given(TEXTS, st.booleans(), st.one_of(st.none(), st.integers(1, 30)))
def test_nothing_is_cut_off_and_none_is_longer(text: str, split: bool, most: int | None) -> None:
    found = pieces(text, split_paragraphs=split, max_chars=most)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(piece.strip() for piece in found)
    assert most is None or all(len(piece) <= most for piece in found)


def test_cuts_fall_after_sentences_in_both_languages() -> None:
    assert pieces("卡丢了怎么办？请打电话挂失。谢谢！", max_chars=12) == ["卡丢了怎么办？", "请打电话挂失。谢谢！"]
    assert pieces("My card is lost. It costs 3.50 now. Thanks.", max_chars=24) == [
        "My card is lost.",
        "It costs 3.50 now.",
        "Thanks.",
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("我的银行卡昨天在商场里丢了，请问现在应该怎么办？", "gb18030"),
        ("我的銀行卡昨天在商場裡丟了，請問現在應該怎麼辦？", "big5"),
        ("Meine Karte ist weg, möchte äöü größer", "cp1252"),
        ("Ma carte a été volée hier à l’école", "cp1252"),
        ("卡丢了 card lost", "utf-16-le"),
    ],
)
def test_encodings_are_told_without_a_declaration(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_broken_bytes_of_utf8_do_not_make_it_another_encoding() -> None:
    assert decode("我的银行卡昨天在商场里丢了，请问现在怎么办".encode()[:-1])[:10] == "我的银行卡昨天在商场"


@pytest.mark.parametrize("declared", ["rot13", "zlib", "no-such", "idna", "unicode_escape", "utf-8\0"])
def test_codecs_that_are_none_of_text_are_not_used(declared: str) -> None:
    assert decode("卡丢了怎么办，请问".encode("gbk"), declared) == "卡丢了怎么办，请问"


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        ("Disallow: /", "/a", False),
        ("Disallow:", "/a", True),
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),
        ("Allow: /a\nDisallow: /a", "/a", True),
        ("Disallow: /*.php$", "/x.php", False),
        ("Disallow: /*.php$", "/x.php?y", True),
        ("Disallow: /x*y*z", "/x1y2z3", False),
        ("Disallow: /%E5%8D%A1", "/卡/x", False),
        ("Disallow: /a?b=", "/a?b=c", False),
        ("disallow : /a # why", "/a", False),
        ("Disallow: /" + "*a" * 50 + "$", "/" + "a" * 5000 + "b", True),
    ],
)
def test_rules_of_robots(rules: str, path: str, allowed: bool) -> None:
    assert Robots.parse(f"User-agent: x\nUser-agent: *\n{rules}").allows(f"https://a.b{path}") is allowed


def test_the_group_that_names_the_agent_counts_alone() -> None:
    text = "User-agent: *\nDisallow: /\nUser-agent: TuneWheel/2.0\nDisallow: /a\nUser-agent: tunewheel\nDisallow: /b"
    robots = Robots.parse(text)
    assert [robots.allows(f"https://x.y/{name}") for name in "abc"] == [False, False, True]


def test_robots_of_junk_forbid_nothing() -> None:
    junk = re.sub("ser", "", bytes(range(256)).decode("latin-1") * 10)
    assert Robots.parse(junk).allows("https://a.b/")
