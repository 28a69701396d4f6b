"""Entities spoilt on purpose come first, with what they should be; offsets are characters."""

import pytest

from noisy import news
from tunewheel.data.suspects import entity_suspects
from tunewheel.data.suspects.entities import Span
from tunewheel.data.suspects.tokens import token_bounds, token_features

LANGUAGES = pytest.mark.parametrize("lang", ["en", "zh"])


def with_entities(row, entities):
    return {**row, "entities": entities}


def span_of(entity):
    return Span(entity["start"], entity["end"], entity["label"])


@LANGUAGES
def test_each_kind_of_error_is_found_and_put_right(lang):
    rows = news(lang, 240)
    both = [i for i, row in enumerate(rows) if len(row["entities"]) == 2]
    missed, retyped, invented = both[3], both[40], both[80]
    spoilt = list(rows)
    gone, other = rows[missed]["entities"][0], rows[retyped]["entities"][1]
    spoilt[missed] = with_entities(rows[missed], rows[missed]["entities"][1:])
    spoilt[retyped] = with_entities(rows[retyped], [rows[retyped]["entities"][0], {**other, "label": "person"}])
    # The number a row begins with is no entity.
    number = {"start": 0, "end": len(str(invented)), "label": "person"}
    spoilt[invented] = with_entities(rows[invented], [number, *rows[invented]["entities"]])
    found = {suspect.row: suspect for suspect in entity_suspects(spoilt).found[:3]}
    assert set(found) == {missed, retyped, invented}
    assert (found[missed].kind, found[missed].given, found[missed].suggested) == ("missed", None, span_of(gone))
    assert found[retyped].kind == "type" and found[retyped].suggested == span_of(other)
    assert found[retyped].given == span_of({**other, "label": "person"})
    assert (found[invented].kind, found[invented].given, found[invented].suggested) == (
        "spurious",
        span_of(number),
        None,
    )
    assert all(suspect.likely and suspect.score > 0 and suspect.probability > 0.5 for suspect in found.values())


@LANGUAGES
def test_a_border_that_stops_short_is_widened(lang):
    rows = news(lang, 240)
    short = next(i for i, row in enumerate(rows) if row["entities"][0]["label"] == "person" and i > 50)
    whole, *rest = rows[short]["entities"]
    cut = {**whole, "end": whole["start"] + (4 if lang == "en" else 1)}
    spoilt = [with_entities(row, [cut, *rest]) if i == short else row for i, row in enumerate(rows)]
    worst = entity_suspects(spoilt).found[0]
    assert (worst.row, worst.kind, worst.suggested) == (short, "border", span_of(whole))


@LANGUAGES
def test_right_entities_are_left_alone(lang):
    found = entity_suspects(news(lang, 240))
    assert found.found == [] and found.unjudged == {}


def test_rare_types_are_neither_judged_nor_suggested_but_said():
    rows = news("zh", 120)
    texts = [f"昨天王小芳用元宝付款第{i}次" for i in range(8)]
    marked = [{"start": 2, "end": 5, "label": "person"}, {"start": 6, "end": 8, "label": "product"}]
    rows += [{"text": text, "entities": marked[: 2 if i < 4 else 1]} for i, text in enumerate(texts)]
    found = entity_suspects(rows)
    assert found.unjudged == {"product": 4}
    assert all("product" not in (s.given and s.given.label, s.suggested and s.suggested.label) for s in found.found)


def test_rows_without_entities_have_no_suspects():
    assert entity_suspects([{"text": "nothing here", "entities": []}] * 3).found == []


def test_an_inner_entity_is_not_judged_by_the_outer_one():
    rows = news("en", 200)
    rows = [with_entities(row, [*row["entities"], {**row["entities"][0], "label": "inner"}]) for row in rows]
    assert entity_suspects(rows).found == []


def test_the_rows_own_tokens_count():
    row = {"text": "a-b c", "entities": [], "tokens": [{"start": 0, "end": 3}, {"start": 4, "end": 5}]}
    assert token_bounds(row) == [(0, 3), (4, 5)]
    assert token_bounds({"text": "a-b c"}) == [(0, 1), (1, 2), (2, 3), (4, 5)]


@LANGUAGES
def test_tokens_cover_everything_but_white_space(lang):
    for row in news(lang, 20):
        bounds = token_bounds(row)
        assert "".join(row["text"][a:b] for a, b in bounds) == "".join(row["text"].split())


def test_features_tell_neighbours_and_forms_apart():
    first, second = token_features(["Anna", "came"])
    assert "1=came" in first and "-1=anna" in second and "first" in first and "inner" in second
    assert "form0=Xxx" in first and "form0=xx" in second


def test_many_rows_are_sampled():
    found = entity_suspects(news("en", 200), most=150)
    assert len(found.sample.rows) == 150 and found.sample.total == 200
