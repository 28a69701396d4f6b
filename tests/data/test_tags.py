from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.data.tags import TagError, parse, scheme, spans, to_bio


@st.composite
def chunks(draw: st.DrawFn) -> tuple[int, list[tuple[int, int, str]]]:
    borders = sorted(draw(st.sets(st.integers(0, 30), max_size=12)))
    found = []
    for start, end in itertools.pairwise(borders):
        kind = draw(st.sampled_from(["PER", "LOC", "creative-work", "O", None]))
        if kind is not None:
            found.append((start, end, kind))
    return 31, found


def bioes(found: list[tuple[int, int, str]], n: int, letters: str) -> list[str]:
    begin, inside, end, single = letters
    tags = ["O"] * n
    for start, stop, kind in found:
        marks = single if stop - start == 1 else begin + inside * (stop - start - 2) + end
        tags[start:stop] = [f"{mark}-{kind}" for mark in marks]
    return tags


def iob1(found: list[tuple[int, int, str]], n: int) -> list[str]:
    tags, last = ["O"] * n, (-1, -1, "")
    for start, stop, kind in found:
        first = "B" if last[1] == start and last[2] == kind else "I"
        tags[start:stop] = [f"{first}-{kind}"] + [f"I-{kind}"] * (stop - start - 1)
        last = (start, stop, kind)
    return tags


@given(chunks())
def test_spans_survive_every_scheme(case: tuple[int, list[tuple[int, int, str]]]) -> None:
    n, found = case
    assert spans(to_bio(found, n)) == found
    assert spans(iob1(found, n)) == found
    assert spans(bioes(found, n, "BIES")) == found
    assert spans(bioes(found, n, "BMES")) == found
    assert spans(bioes(found, n, "BILU")) == found


TAGS = st.lists(st.sampled_from(["O", *(f"{p}-{t}" for p in "BIESMLU" for t in ("PER", "LOC"))]), max_size=25)


@given(TAGS)
def test_any_tags_give_ordered_spans_that_cover_exactly_the_tagged_tokens(tags: list[str]) -> None:
    found = spans(tags)
    covered = [i for start, end, _ in found for i in range(start, end)]
    assert covered == [i for i, tag in enumerate(tags) if tag != "O"]
    assert all(parse(tags[i])[1] == kind for start, end, kind in found for i in range(start, end))
    assert spans(to_bio(found, len(tags))) == found


def ends(prev: str, tag: str, prev_type: str, kind: str) -> bool:
    pairs = {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O"), ("E", "E"), ("E", "I"), ("E", "O")}
    return (prev, tag) in pairs or (prev != "O" and prev_type != kind)


def starts(prev: str, tag: str, prev_type: str, kind: str) -> bool:
    pairs = {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I"), ("E", "E"), ("E", "I"), ("O", "E")}
    return (prev, tag) in pairs or (tag != "O" and prev_type != kind)


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=20))
def test_the_tables_of_conlleval(tags: list[str]) -> None:
    expected, open_at, prev, prev_type = [], None, "O", ""
    for i, tag in enumerate([*tags, "O"]):
        letter, kind = parse(tag)
        if open_at is not None and ends(prev, letter, prev_type, kind):
            expected.append((open_at, i, prev_type))
            open_at = None
        if starts(prev, letter, prev_type, kind):
            open_at = i
        prev, prev_type = letter, kind
    assert spans(tags) == expected


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (["O", "O"], "IOB2"),
        (["I-A", "I-A", "O"], "IO"),
        (["I-A", "B-A", "O"], "IOB1"),
        (["B-A", "I-A", "O"], "IOB2"),
        (["B-A", "E-A", "S-A"], "BIOES"),
        (["B-A", "M-A", "E-A", "S-A"], "BMES"),
        (["B-A", "L-A", "U-A"], "BILOU"),
    ],
)
def test_scheme(tags: list[str], name: str) -> None:
    assert scheme([tags]) == name


@pytest.mark.parametrize("tag", ["PER", "", "X-PER", "B-", "B", "o", "-DOCSTART-"])
def test_unknown_tags_are_refused(tag: str) -> None:
    with pytest.raises(TagError, match="expected O or a prefix"):
        spans(["O", tag])


@pytest.mark.parametrize("found", [[(0, 0, "A")], [(1, 4, "A")], [(-1, 1, "A")], [(0, 2, "A"), (1, 3, "B")]])
def test_to_bio_refuses_what_tags_cannot_say(found: list[tuple[int, int, str]]) -> None:
    with pytest.raises(ValueError, match="chunk"):
        to_bio(found, 3)


def test_conlleval_on_random_tags(bench: Callable[[str], Path]) -> None:
    cases = json.loads((bench("conlleval") / "expected.json").read_text(encoding="utf-8"))["random"]
    for case in cases:
        gold = found = correct = 0
        for sentence in case["sentences"]:
            ours, theirs = set(spans(sentence["gold"])), set(spans(sentence["pred"]))
            gold, found, correct = gold + len(ours), found + len(theirs), correct + len(ours & theirs)
        expected = case["expected"]
        assert (gold, found, correct) == (expected["gold"], expected["found"], expected["correct"])
    assert len(cases) == 200
