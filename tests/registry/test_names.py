from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.registry import RegistryError, check_name
from tunewheel.registry.names import Reference, parse, suggest


@pytest.mark.parametrize("name", ["a", "9", "tickets", "工单", "v1.2-工_x", "a" * 100])
def test_names(name: str) -> None:
    assert check_name(name) == name
    assert parse(name) == Reference(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "it is empty"),
        ("my model", "' ' cannot stand in it"),
        ("a/b", "'/' cannot stand in it"),
        ("..", "it cannot start with '.'"),
        ("-x", "it cannot start with '-'"),
        ("café", "'é' cannot stand in it"),
        ("a\n", r"'\\n' cannot stand in it"),
        ("a" * 101, "longer than 100 characters"),
    ],
)
def test_what_is_no_name(name: str, message: str) -> None:
    with pytest.raises(RegistryError, match=f"is no name: .*{message}"):
        check_name(name)
    with pytest.raises(RegistryError, match="is no alias"):
        check_name(name, "alias")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("tickets:3", Reference("tickets", number=3)),
        ("tickets@champion", Reference("tickets", alias="champion")),
        ("工单：12", Reference("工单", number=12)),
        ("工单＠冠军", Reference("工单", alias="冠军")),
        (" tickets ", Reference("tickets")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tickets:", "'' is no version number; write tickets:1 or tickets@champion"),
        ("tickets:0", "'0' is no version number"),
        ("tickets:-1", "'-1' is no version number"),
        ("tickets:champion", "'champion' is no version number"),
        ("tickets:9999999999", "there is no tickets:9999999999: no version number has more than 9 digits"),
        ("工单：" + "9" * 5000, "there is no 工单:" + "9" * 20 + ":"),
        ("tickets:" + "0" * 5000, "is no version number"),
        ("tickets@", "'' is no alias: it is empty"),
        (":3", "'' is no name"),
        ("./model", "cannot start with '.'"),
        ("a@b@c", "'@' cannot stand in it"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        parse(text)


@given(st.text("a3工.-:@：＠ é\n\x00", max_size=8))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        reference = parse(text)
    except RegistryError as error:
        assert "no name" in str(error) or "no alias" in str(error) or "no version number" in str(error)
    else:
        assert check_name(reference.name)


def test_suggestions() -> None:
    many = [f"model-{number}" for number in range(20)]
    assert suggest("zzz", many, "models").endswith(" and 10 more")
    assert suggest("工单分类", ["工单分类器", "新闻"], "models") == "did you mean 工单分类器?"
