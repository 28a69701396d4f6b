"""What is searched, as plain data: a range or a choice for each setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Self

import yaml

from tunewheel.models.recipe import Recipe

WIDE = 10
"""A range of numbers above 0 whose ends differ by this factor is searched by orders of magnitude."""

WHOLE = frozenset({"epochs", "batch_tokens", "accumulation", "window", "eval_steps", "patience", "context"})
OF_TASK = ("class_weights", "crf", "context")
OPTION = "options."
_HELD = {"seed", "checkpoint_seconds", "precision"}  # no property of a model: nothing to choose between
KEYS = (*(field.name for field in fields(Recipe) if field.name not in _HELD), *OF_TASK)

Value = str | float | bool | None


class SpaceError(ValueError):
    """A search space names what cannot be searched, or not that way; the message says what can."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both ends included; ``whole`` ones alone where that is said."""

    low: float
    high: float
    whole: bool = False

    @property
    def log(self) -> bool:
        """Whether it is searched by orders of magnitude."""
        return self.low > 0 and self.high / self.low >= WIDE

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that stand for all of it when it is checked."""
        return self.low, self.high

    def __contains__(self, value: object) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= float(value) <= self.high  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Choice:
    """One of some values; a choice of one is no choice: the setting is fixed."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that stand for all of it when it is checked."""
        return self.values

    def __contains__(self, value: object) -> bool:
        return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in self.values)

    def __str__(self) -> str:
        return ",".join(map(str, self.values))


Dimension = Range | Choice


def fixed(dimension: Dimension) -> bool:
    """Whether there is one value alone, which then stands for the defaults too.

    >>> fixed(Choice((0.1,))), fixed(Choice((0.1, 0.2))), fixed(Range(0.1, 0.2))
    (True, False, False)
    """
    return isinstance(dimension, Choice) and len(dimension.values) == 1


@dataclass(frozen=True)
class Road:
    """A base and a method: what `train` would take for each setting, and what is searched instead."""

    base: str
    method: str
    defaults: Mapping[str, Value]
    dimensions: Mapping[str, Dimension]

    def as_dict(self) -> dict[str, Any]:
        """The road as JSON values."""
        told = {key: _plain(dimension) for key, dimension in self.dimensions.items()}
        return {"base": self.base, "method": self.method, "defaults": dict(self.defaults), "dimensions": told}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """The road that `as_dict` told."""
        dimensions = {key: dimension(key, value) for key, value in told["dimensions"].items()}
        return cls(told["base"], told["method"], told["defaults"], dimensions)


def read_space(given: Mapping[str, Any]) -> dict[str, Dimension]:
    """The dimensions that a mapping names, as ``--space`` files hold them; raises `SpaceError` naming all wrong ones.

    >>> print(read_space({"learning_rate": "1e-5..1e-3", "dropout": [0, 0.1]})["learning_rate"])
    1e-05..0.001
    >>> read_space({"learning_rates": 1})
    Traceback (most recent call last):
    tunewheel.tuning.search.space.SpaceError: learning_rates: nothing that can be searched; did you mean ...
    """
    found, problems = {}, []
    for key, value in given.items():
        try:
            found[key] = dimension(_known(key), value)
        except SpaceError as error:
            problems.append(str(error))
    if problems:
        raise SpaceError("\n".join(problems))
    return found


def parse_search(text: str) -> tuple[str, str]:
    """Key and rest of ``KEY=LOW..HIGH`` or ``KEY=a,b,c``.

    >>> parse_search("epochs=2..8")
    ('epochs', '2..8')
    """
    key, sign, rest = text.partition("=")
    if not sign or not rest.strip():
        raise SpaceError(f"{text}: expected KEY=LOW..HIGH or KEY=a,b,c")
    return key.strip().replace("-", "_"), rest.strip()


def dimension(key: str, value: Any) -> Dimension:
    """A dimension from ``LOW..HIGH``, ``a,b,c``, a list, ``{low: …, high: …}`` or one value, which stays."""
    if isinstance(value, str):
        low, dots, high = value.partition("..")
        if dots:
            return _range(key, _scalar(key, low), _scalar(key, high))
        value = _loaded(key, value) if value.startswith("[") else [_scalar(key, part) for part in value.split(",")]
    elif isinstance(value, Mapping):
        if set(value) != {"low", "high"}:
            raise SpaceError(f"{key}: expected low and high, found {', '.join(map(str, value)) or 'nothing'}")
        return _range(key, value["low"], value["high"])
    values = list(value) if isinstance(value, Sequence) else [value]
    if not values:
        raise SpaceError(f"{key}: expected at least one value, found an empty list")
    if strange := [one for one in values if not isinstance(one, str | int | float | bool | None)]:
        raise SpaceError(f"{key}: expected plain values, found {strange[0]!r}")
    return Choice(tuple(dict.fromkeys(values)))


def _plain(dimension: Dimension) -> Any:
    if isinstance(dimension, Range):
        return {"low": dimension.low, "high": dimension.high}
    return list(dimension.values)


def _range(key: str, low: Any, high: Any) -> Range:
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float):
            raise SpaceError(f"{key}: expected numbers as ends of a range, found {end!r}")
    if low >= high:
        raise SpaceError(f"{key}: the range {low:g}..{high:g} is empty; give the lower end first")
    whole = key in WHOLE or (key.startswith(OPTION) and isinstance(low, int) and isinstance(high, int))
    if whole and (low != int(low) or high != int(high)):
        raise SpaceError(f"{key}: expected whole numbers, found {low:g}..{high:g}")
    return Range(int(low), int(high), whole=True) if whole else Range(float(low), float(high))


def _loaded(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SpaceError(f"{key}: expected LOW..HIGH, a,b,c or [a, b, c], found {text!r}") from None


def _scalar(key: str, text: str) -> Any:
    value = _loaded(key, text)
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 1e-4 for a string
        except ValueError:
            return value
    return value


def _known(key: str) -> str:
    if key in KEYS or (key.startswith(OPTION) and key != OPTION):
        return key
    if key in _HELD:
        raise SpaceError(f"{key}: no property of a model, so it is set and not searched (--set {key}=…)")
    close = get_close_matches(key, KEYS, n=1)
    raise SpaceError(f"{key}: nothing that can be searched" + (f"; did you mean {close[0]!r}?" if close else ""))
