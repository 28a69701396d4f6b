"""Properties of every perturbation: labels hold, spans move with their characters, nothing given is changed."""

from __future__ import annotations

import copy
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewheel.evaluation import EvaluationError
from tunewheel.evaluation.perturbations import PERTURBATIONS, Donors, EditMap, chosen, perturb
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

EVERY = [each for variants in PERTURBATIONS.values() for each in variants]
MOVES = [each for each in EVERY if each.name != "entities"]
NAMES = [f"{each.name} {each.variant}".strip() for each in EVERY]
ALPHABET = "abcdeXYZé İß  .,!?「。，（）12Ａ！我的银行卡发里账户他在已" + "\u3000\U0001f600"


@st.composite
def labelled(draw):
    """A row with tokens, and entities that may nest."""
    text = draw(st.text(ALPHABET, min_size=1, max_size=40).filter(str.strip))
    borders = sorted(draw(st.sets(st.integers(0, len(text)), max_size=10)) | {0, len(text)})
    spans = list(pairwise(borders))
    tokens = [{"start": a, "end": b} for a, b in spans if text[a:b].strip()]
    wanted = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=4))
    entities = [
        {"start": min(pair), "end": max(pair), "label": draw(st.sampled_from("AB"))}
        for pair in [*wanted, *draw(st.lists(st.sampled_from(spans), max_size=3))]
        if text[min(pair) : max(pair)].strip()
    ]
    row = {"id": "1", "text": text, "label": "yes", "entities": entities, "note": ["kept"]}
    return row | ({"tokens": tokens} if draw(st.booleans()) else {})


@pytest.mark.parametrize("perturbation", EVERY, ids=NAMES)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(labelled(), min_size=1, max_size=3), rate=st.floats(0, 1), seed=st.integers(0, 9))
def test_labels_hold_and_nothing_given_changes(perturbation, rows, rate, seed):
    before = copy.deepcopy(rows)
    changed = perturb(rows, perturbation, rate=rate, seed=seed)
    assert rows == before
    assert changed == perturb(rows, perturbation, rate=rate, seed=seed)
    assert perturb(rows, perturbation, rate=0, seed=seed) == rows
    for row, after in zip(rows, changed, strict=True):
        assert after["text"].strip()
        assert (after["id"], after["label"], after["note"]) == ("1", "yes", ["kept"])
        assert [e["label"] for e in after["entities"]] == [e["label"] for e in row["entities"]]
        for entity in after["entities"]:
            assert 0 <= entity["start"] < entity["end"] <= len(after["text"])
            assert after["text"][entity["start"] : entity["end"]].strip()
        ends = [0]
        for token in after.get("tokens", ()):
            assert ends[-1] <= token["start"] < token["end"] <= len(after["text"])
            ends.append(token["end"])
        assert ("tokens" in after) == ("tokens" in row)


@pytest.mark.parametrize("name", ["case", "full_width", "traditional"])
@settings(max_examples=60, deadline=None)
@given(row=labelled())
def test_the_surface_of_a_span_is_the_perturbed_surface(name, row):
    for perturbation in PERTURBATIONS[name]:
        (after,) = perturb([row], perturbation)
        for old, new in zip(row["entities"], after["entities"], strict=True):
            alone = {"text": row["text"][old["start"] : old["end"]]}
            if name != "traditional" or len(alone["text"]) == 1:
                expected = perturb([alone], perturbation)[0]["text"]
                assert after["text"][new["start"] : new["end"]] == expected
            else:  # the words around a character may decide its traditional form
                assert (new["start"], new["end"]) == (old["start"], old["end"])


@pytest.mark.parametrize("perturbation", MOVES, ids=[name for name in NAMES if name != "entities"])
@settings(max_examples=60, deadline=None)
@given(row=labelled(), seed=st.integers(0, 9))
def test_what_stands_outside_all_spans_stays_outside(perturbation, row, seed):
    """Characters before, in and after a span make, in this order, the whole new text; none crosses a border."""
    (after,) = perturb([row], perturbation, rate=1.0, seed=seed)
    for old, new in zip(row["entities"], after["entities"], strict=True):
        for was, now in (
            (row["text"][: old["start"]], after["text"][: new["start"]]),
            (row["text"][old["start"] : old["end"]], after["text"][new["start"] : new["end"]]),
        ):
            if perturbation.name == "punctuation":
                left = [c for c in now if c.isalnum() or c.isspace()]
                assert left == [c for c in was if c.isalnum() or c.isspace()]
            if perturbation.name == "typos":
                assert abs(len(now) - len(was)) <= len(was)
                assert [c for c in now if not c.isalpha()] == [c for c in was if not c.isalpha()]


def test_an_edit_map_moves_spans():
    moved = EditMap(["a", "bb", "", "c"])
    assert moved.text == "abbc"
    assert [moved.span(*span) for span in ((0, 1), (1, 2), (1, 4), (2, 3))] == [(0, 1), (1, 3), (1, 4), (3, 3)]


@pytest.mark.parametrize(
    ("text", "entity"),
    [("please transfer money today to Johannsson", "Johannsson"), ("请把钱转给王小明和他的账户", "王小明")],
)
def test_typos_of_both_languages(text, entity):
    start = text.index(entity)
    row = {"text": text, "entities": [{"start": start, "end": start + len(entity), "label": "PER"}]}
    (typos,) = PERTURBATIONS["typos"]
    seen = {perturb([row], typos, rate=1.0, seed=seed)[0]["text"] for seed in range(40)}
    assert len(seen) > 30
    assert {len(other) - len(text) for other in seen} & {-2, -1, 1, 2}
    some = [perturb([row], typos, rate=0.1, seed=seed)[0]["text"] == text for seed in range(40)]
    assert 0 < sum(some) < 40


@pytest.mark.parametrize(("text", "end"), [("王明去了", 2), ("abcdxyzw", 4)])
def test_no_character_is_swapped_out_of_an_entity(text, end):
    row = {"text": text, "entities": [{"start": 0, "end": end, "label": "PER"}]}
    (typos,) = PERTURBATIONS["typos"]
    for seed in range(60):
        (after,) = perturb([row], typos, rate=1.0, seed=seed)
        inside = after["text"][: after["entities"][0]["end"]]
        assert text[end] not in inside
        assert text[end - 1] not in after["text"][len(inside) :]


def test_typos_take_neighbouring_keys_and_alike_characters():
    (typos,) = PERTURBATIONS["typos"]
    words = {perturb([{"text": "Zzzz"}], typos, rate=1.0, seed=seed)[0]["text"] for seed in range(60)}
    assert words == {"Zzz", "Zzzzz", "Zxzz", "Zzxz", "Zzzx"}
    characters = {perturb([{"text": "再3"}], typos, rate=1.0, seed=seed)[0]["text"] for seed in range(60)}
    assert characters == {"3", "再再3", "在3"}
    # Two that changed places are not changed again.
    pairs = {perturb([{"text": "鹰狼"}], typos, rate=1.0, seed=seed)[0]["text"] for seed in range(60)}
    assert pairs == {"狼鹰", "鹰鹰", "狼狼", "鹰鹰狼狼", "鹰狼"}


@pytest.mark.parametrize(
    ("name", "variant", "text", "expected"),
    [
        ("case", "lower", "Ann İ", "ann i̇"),
        ("case", "upper", "straße", "STRASSE"),
        ("full_width", "full", "卡 Ab1!", "卡 Ａｂ１！"),
        ("full_width", "half", "卡\u3000Ａｂ１！。", "卡 Ab1!。"),
        ("traditional", "", "理发店出发了", "理髮店出發了"),
        ("traditional", "", "no Chinese", "no Chinese"),
        ("punctuation", "", "Hi, what's «up»?", "Hi whats up"),
        ("punctuation", "", "你好，卡（白金）丢了！", "你好卡白金丢了"),
        ("punctuation", "", "?!", "?!"),
    ],
)
def test_what_each_does(name, variant, text, expected):
    (perturbation,) = [each for each in PERTURBATIONS[name] if each.variant == variant]
    assert perturb([{"text": text}], perturbation)[0]["text"] == expected


def test_no_entity_begins_or_ends_with_a_blank_when_its_punctuation_goes():
    row = {"text": "see - Ann ! now", "entities": [{"start": 4, "end": 11, "label": "PER"}]}
    (punctuation,) = PERTURBATIONS["punctuation"]
    assert perturb([row], punctuation)[0] == row
    alone = {"text": "a -- b", "entities": [{"start": 2, "end": 4, "label": "SIGN"}]}
    assert perturb([alone], punctuation)[0] == alone


def entity_row(text, *entities, tokens=True):
    spans = [{"start": text.index(e), "end": text.index(e) + len(e), "label": label} for e, label in entities]
    words, at = [], 0
    for word in text.split():
        words.append({"start": text.index(word, at), "end": text.index(word, at) + len(word)})
        at = words[-1]["end"]
    return {"text": text, "entities": spans} | ({"tokens": words} if tokens else {})


def test_entities_change_places_with_others_of_their_type_and_script():
    row = entity_row("Ann lives in New York", ("Ann", "PER"), ("New York", "LOC"))
    train = [
        entity_row("Mary Ann Lee left Rome", ("Mary Ann Lee", "PER"), ("Rome", "LOC")),
        entity_row("王芳 住 在 北京", ("王芳", "PER"), ("北京", "LOC")),
    ]
    (entities,) = PERTURBATIONS["entities"]
    (after,) = perturb([row], entities, donors=train)
    assert after["text"] == "Mary Ann Lee lives in Rome"
    assert [after["text"][e["start"] : e["end"]] for e in after["entities"]] == ["Mary Ann Lee", "Rome"]
    assert [after["text"][t["start"] : t["end"]] for t in after["tokens"]] == after["text"].split()
    (chinese,) = perturb([entity_row("李强 去 上海", ("李强", "PER"), ("上海", "LOC"))], entities, donors=train)
    assert chinese["text"] == "王芳 去 北京"
    assert perturb([row], entities) == [row]  # there is nobody to change places with


def test_entities_that_overlap_or_cut_a_token_stay():
    donors = [entity_row("Mary left Rome", ("Mary", "PER"), ("Rome", "LOC"))]
    nested = entity_row("Ann Lee ran", ("Ann Lee", "PER"), ("Lee", "PER"))
    cut = entity_row("Annie ran", ("Ann", "PER"))
    (entities,) = PERTURBATIONS["entities"]
    assert perturb([nested, cut], entities, donors=donors) == [nested, cut]
    assert perturb([{**cut, "tokens": None}], entities, donors=donors)[0]["text"] == "Maryie ran"


def test_donors_without_tokens_help_only_rows_without():
    donors = Donors([entity_row("Mary left", ("Mary", "PER"), tokens=False)])
    assert donors.others("PER", "Ann", tokens=False) == [("Mary", None)]
    assert donors.others("PER", "Ann", tokens=True) == []
    assert donors.others("LOC", "Ann", tokens=False) == []


def test_a_row_changes_alike_among_others():
    rows = [{"text": f"another sentence number {i} about banking"} for i in range(9)]
    (typos,) = PERTURBATIONS["typos"]
    assert perturb(rows, typos)[4:5] == perturb(rows[4:5], typos)


def test_names_are_looked_up():
    classify, find = Classification(("a", "b")), Ner(("PER",))
    assert [f"{e.name} {e.variant}".strip() for e in chosen(["all"], find)] == NAMES
    assert "entities" not in {each.name for each in chosen(["all"], classify)}
    assert [each.variant for each in chosen(["case"], classify)] == ["lower", "upper"]
    assert chosen([], find) == []
    with pytest.raises(EvaluationError, match=r"no perturbation 'typo' .*; did you mean 'typos'"):
        chosen(["typo"], find)
    with pytest.raises(EvaluationError, match="'entities' needs rows with entities; the task is classification"):
        chosen(["entities"], classify)
    with pytest.raises(EvaluationError, match="rate must be from 0 to 1"):
        perturb([], PERTURBATIONS["typos"][0], rate=2)


def test_a_missing_package_is_named_by_what_installs_it():
    code = """
import sys
sys.modules["opencc"] = None
from tunewheel.evaluation import PERTURBATIONS, perturb
(traditional,) = PERTURBATIONS["traditional"]
assert perturb([{"text": "English"}], traditional) == [{"text": "English"}]
perturb([{"text": "发"}], traditional)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("needs a package: pip install 'tunewheel[zh]'")
