"""What may be searched, and how it is said."""

import pytest

from tunewheel.settings import SettingsError, search_space
from tunewheel.tuning.search.space import Choice, Range, Road, SpaceError, parse_search, read_space


def test_a_dimension_is_a_range_a_list_or_one_value():
    found = read_space(
        {
            "learning_rate": "1e-5..1e-3",
            "epochs": {"low": 2, "high": 8},
            "dropout": [0.0, 0.1],
            "head_first": "true,false",
            "weight_decay": 0.05,
            "options.r": "4..64",
        }
    )
    assert found == {
        "learning_rate": Range(1e-5, 1e-3),
        "epochs": Range(2, 8, whole=True),
        "dropout": Choice((0.0, 0.1)),
        "head_first": Choice((True, False)),
        "weight_decay": Choice((0.05,)),
        "options.r": Range(4, 64, whole=True),
    }
    assert found["learning_rate"].log and found["options.r"].log and not found["epochs"].log


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("learning_rates", 1, "did you mean 'learning_rate'"),
        ("seed", "1..5", "no property of a model"),
        ("epochs", "8..2", "is empty"),
        ("epochs", "1.5..3", "whole numbers"),
        ("dropout", "low..high", "numbers as ends"),
        ("dropout", {"low": 0, "top": 1}, "expected low and high"),
        ("dropout", [], "empty list"),
        ("dropout", [[1]], "plain values"),
        ("options.", 1, "nothing that can be searched"),
    ],
)
def test_what_cannot_be_searched_is_told_with_what_can(key, value, told):
    with pytest.raises(SpaceError, match=told) as error:
        read_space({key: value, "nonsense": 1})
    assert str(error.value).startswith(key) and "nonsense" in str(error.value)


@pytest.mark.parametrize("text", ["epochs", "epochs=", "=2..8 "[1:]])
def test_a_search_without_key_or_values_is_refused(text):
    with pytest.raises(SpaceError, match="expected KEY=LOW"):
        parse_search(text)


def test_a_file_of_a_space_gives_way_to_the_command_line_and_its_ends_must_be_in_range(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text("epochs: [2, 4]\ndropout: 0..0.2\n", encoding="utf-8")
    assert search_space(file, ["epochs=3..6"]) == {"epochs": "3..6", "dropout": "0..0.2"}
    with pytest.raises(SettingsError, match=r"learning_rate: must be from 1e-09 to 10, got 100"):
        search_space(None, ["learning_rate=1e-5..100"])
    with pytest.raises(SettingsError, match="optimizer"):
        search_space(None, ["optimizer=adamw,adam"])
    with pytest.raises(SettingsError, match="did you mean 'dropout'"):
        search_space(None, ["drop_out=0..0.1"])


def test_a_list_is_written_with_brackets_or_without():
    assert read_space({"epochs": "[2, 4,8]"}) == read_space({"epochs": "2,4,8"}) == {"epochs": Choice((2, 4, 8))}
    for broken in ("[2,4", "2,{"):
        with pytest.raises(SpaceError, match=r"epochs: expected LOW\.\.HIGH, a,b,c"):
            read_space({"epochs": broken})


def test_true_is_no_number_among_choices():
    assert True not in Choice((1, 2)) and True not in Range(0, 2)
    assert 1 in Choice((1, 2)) and 1.5 in Range(1, 2)


def test_a_road_comes_back_as_it_was_written():
    dimensions = {"learning_rate": Range(1e-5, 1e-3), "epochs": Range(1, 9, whole=True), "options.r": Choice((4, 8))}
    road = Road("minilm", "full", {"learning_rate": 2e-4, "epochs": 4, "options.r": 8}, dimensions)
    assert Road.from_dict(road.as_dict()) == road
