"""Typed settings: the only reader of configuration files and of ``--set``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from tunewheel.data.annotations import Ends
from tunewheel.data.readers.formats import Format
from tunewheel.models.pretraining.recipe import PretrainRecipe
from tunewheel.models.private import Privacy
from tunewheel.models.recipe import Recipe

_RECIPE = TypeAdapter(Recipe)
_RECIPE_KEYS = tuple(field.name for field in fields(Recipe))
_PRETRAIN = TypeAdapter(PretrainRecipe)
_PRETRAIN_KEYS = tuple(field.name for field in fields(PretrainRecipe))


Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
"""One name, or a list of them."""


Label = Annotated[str | None, BeforeValidator(lambda value: None if value is None else str(value))]
"""A label's name, numbers as files write them."""


class SettingsError(ValueError):
    """A setting is unknown, of the wrong kind or out of range; the message names all such settings."""


class TrainSettings(BaseModel):
    """Everything `tunewheel.train` takes, but for how it is shown; see `tunewheel.models.Recipe` for training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    name: str | None = None
    task: str | None = None
    text: str | None = None
    label: str | None = None
    format: Format | None = None
    ends: Ends | None = None
    dev: float = Field(0.1, ge=0, lt=1)
    test: float = Field(0.1, ge=0, lt=1)
    group: str | None = None
    time: str | None = None
    on_error: Literal["raise", "skip"] = "raise"
    parent: str | None = None
    base: str | None = None
    method: str = "full"
    options: dict[str, Any] = {}
    unlabelled: str | None = None
    class_weights: Literal["none", "balanced"] = "none"
    positive: Label = None
    out_of_scope: str | Literal[False] | None = None
    crf: bool | None = None
    context: int = Field(0, ge=0)
    max_new_tokens: int = Field(128, ge=1)
    temperature: float = Field(0.0, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    slices: Names | None = None
    robustness: Names = ()
    dp_epsilon: float | None = Field(None, gt=0, le=1000)
    dp_delta: float | None = Field(None, gt=0, lt=1)
    dp_unit: str | None = None
    dp_clip: float = Field(1.0, gt=0, le=1e6)
    dp_batch: int | None = Field(None, ge=1)
    dp_compare: bool = True
    recipe: Recipe = Recipe()

    @model_validator(mode="after")
    def _promised(self) -> Self:
        """Privacy is promised by its ε; what else is said of it means nothing without."""
        asked = [name for name in type(self).model_fields if name.startswith("dp_") and name in self.model_fields_set]
        asked = [name for name in asked if getattr(self, name) is not None and name != "dp_epsilon"]
        if self.dp_epsilon is None and any(getattr(self, n) != type(self).model_fields[n].default for n in asked):
            raise ValueError(f"{', '.join(asked)}: without dp_epsilon nothing is private; give it too")
        return self

    @property
    def privacy(self) -> Privacy | None:
        """What is promised, or None."""
        if self.dp_epsilon is None:
            return None
        return Privacy(self.dp_epsilon, self.dp_delta, self.dp_unit, self.dp_clip, self.dp_batch, self.dp_compare)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `tunewheel.train`."""
        plain = {name: getattr(self, name) for name in type(self).model_fields if not name.startswith("dp_")}
        return plain | ({"privacy": self.privacy} if self.privacy else {})

    def flat(self) -> dict[str, Any]:
        """All settings at one level, as a settings file holds them."""
        plain = {name: getattr(self, name) for name in type(self).model_fields if name != "recipe"}
        return {**plain, **asdict(self.recipe)}


class ServeSettings(BaseModel):
    """Everything `tunewheel serve` takes but for the workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: Names = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    workers: int | None = Field(None, ge=1, le=1024)
    variant: str = "auto"
    keys: bool = True
    rate: int | None = Field(None, ge=1)
    record: float = Field(1.0, ge=0, le=1)
    body: int = Field(2 << 20, ge=1024, le=1 << 30)
    batch_tokens: int = Field(2048, ge=8, le=1 << 24)
    batch_seconds: float = Field(0.025, gt=0, le=60)
    waiting: int = Field(1024, ge=1)
    delay: float = Field(0.0, ge=0, le=10)
    timeout: float = Field(10.0, gt=0, le=86_400)
    characters: int = Field(100_000, ge=1)
    texts: int = Field(256, ge=1)
    poll: float = Field(1.0, ge=0.1)
    drain: float = Field(30.0, ge=0)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for `tunewheel.loop.serve`."""
        return {name: getattr(self, name) for name in type(self).model_fields}


def serve_settings(
    given: Mapping[str, Any], *, file: str | Path | None = None, changes: Sequence[str] = ()
) -> ServeSettings:
    """Build settings from a YAML ``file``, over it ``KEY=VALUE`` changes, over these the ``given`` flags not None.

    >>> serve_settings({"models": ["tickets"]}, changes=["port=0"]).port
    0
    >>> serve_settings({"models": ["tickets"]}, changes=["timeuot=2"])
    Traceback (most recent call last):
    tunewheel.settings.SettingsError: timeuot: no such setting; did you mean 'timeout'?
    """
    merged = {**_read(file), **_parsed(changes)}
    merged.update({key: value for key, value in given.items() if value is not None})
    known = list(ServeSettings.model_fields)
    problems = [_unknown(key, known) for key in merged if key not in known]
    try:
        settings = ServeSettings(**{key: value for key, value in merged.items() if key in known})
    except ValidationError as error:
        problems += _explained(error)
    if problems:
        raise _placed(problems, file, _set(given, changes))
    return settings


def train_settings(
    given: Mapping[str, Any], *, file: str | Path | None = None, changes: Sequence[str] = ()
) -> TrainSettings:
    """Build settings from a YAML ``file``, over it ``KEY=VALUE`` changes, over these the ``given`` flags not None.

    >>> train_settings({"data": "a.csv"}, changes=["epochs=2"]).recipe.epochs
    2
    >>> train_settings({"data": "a.csv", "method": "lora"}, changes=["options.r=8"]).options
    {'r': 8}
    >>> train_settings({"data": "a.csv"}, changes=["epoch=2"])
    Traceback (most recent call last):
    tunewheel.settings.SettingsError: epoch: no such setting; did you mean 'epochs'?
    """
    merged: dict[str, Any] = _over(_read(file), _parsed(changes))
    merged.update({key: value for key, value in given.items() if value is not None})
    known = [*TrainSettings.model_fields, *_RECIPE_KEYS]
    problems = [_unknown(key, known) for key in merged if key not in known or key == "recipe"]
    recipe = {key: merged[key] for key in _RECIPE_KEYS if key in merged}
    rest = {key: merged[key] for key in TrainSettings.model_fields if key in merged and key != "recipe"}
    built = None
    try:
        built = _RECIPE.validate_python(recipe)
    except ValidationError as error:
        problems += _explained(error)
    if built is not None:
        problems += _out_of_range(built, _BOUNDS)
    try:
        settings = TrainSettings(**rest, recipe=built or Recipe())
    except ValidationError as error:
        problems += _explained(error)
    if problems:
        raise _placed(problems, file, _set(given, changes))
    return settings


def pretrain_recipe(
    given: Mapping[str, Any], *, file: str | Path | None = None, changes: Sequence[str] = ()
) -> PretrainRecipe:
    """Build the recipe of a pretraining from a YAML ``file``, over it the changes, over these the flags not None.

    >>> pretrain_recipe({"tokens": 1_000_000}, changes=["width=128"]).width
    128
    """
    built: PretrainRecipe = _alone(_PRETRAIN, _PRETRAIN_KEYS, _PRETRAIN_BOUNDS, given, file, changes)
    if built.width % built.heads:
        raise SettingsError(f"width: must be a multiple of heads ({built.heads}), got {built.width}")
    return built


def recipe(given: Mapping[str, Any], *, file: str | Path | None = None, changes: Sequence[str] = ()) -> Recipe:
    """Build a recipe by itself from a YAML ``file``, over it the changes, over these the flags not None.

    >>> recipe({"epochs": 2}, changes=["dropout=0.2"]).dropout
    0.2
    """
    built: Recipe = _alone(_RECIPE, _RECIPE_KEYS, _BOUNDS, given, file, changes)
    return built


def _alone(
    kind: TypeAdapter[Any],
    keys: Sequence[str],
    bounds: Mapping[str, tuple[float, float]],
    given: Mapping[str, Any],
    file: str | Path | None,
    changes: Sequence[str],
) -> Any:
    """Settings that are nothing but one recipe."""
    merged: dict[str, Any] = {**_read(file), **_parsed(changes)}
    merged.update({key: value for key, value in given.items() if value is not None})
    problems = [_unknown(key, keys) for key in merged if key not in keys]
    built = None
    try:
        built = kind.validate_python({key: merged[key] for key in keys if key in merged})
        problems += _out_of_range(built, bounds)
    except ValidationError as error:
        problems += _explained(error)
    if problems:
        raise _placed(problems, file, _set(given, changes))
    return built


def search_space(file: str | Path | None, searches: Sequence[str]) -> dict[str, Any]:
    """What `tunewheel.tune` searches: a YAML ``file``, over it ``KEY=LOW..HIGH`` or ``KEY=a,b,c``; all ends in range.

    >>> search_space(None, ["epochs=2..8", "dropout=0,0.1"])
    {'epochs': '2..8', 'dropout': '0,0.1'}
    >>> search_space(None, ["epochs=0..8"])
    Traceback (most recent call last):
    tunewheel.settings.SettingsError: epochs: must be from 1 to 10000, got 0
    """
    from tunewheel.tuning.search.space import SpaceError, parse_search, read_space

    given = _read(file)
    try:
        given |= dict(parse_search(search) for search in searches)
        space = read_space(given)
    except SpaceError as error:
        raise SettingsError(str(error)) from None
    problems = []
    for key, dimension in space.items():
        for end in dimension.ends:
            if key not in _RECIPE_KEYS:
                continue
            try:
                problems += _out_of_range(_RECIPE.validate_python({key: end}), _BOUNDS)
            except ValidationError as error:
                problems += _explained(error)
    if problems:
        raise SettingsError("\n".join(problems))
    return given


def write_settings(settings: Mapping[str, Any], path: str | Path) -> None:
    """Write settings as the YAML file that ``--settings`` reads."""
    from tunewheel.store import write_whole

    write_whole(Path(path), yaml.safe_dump(dict(settings), allow_unicode=True, sort_keys=False))


def _read(file: str | Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{file}: not UTF-8 (the byte 0x{error.object[error.start]:02x}); save it as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{file}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{file}: expected 'key: value' lines, found {type(content).__name__}")
    return content


def _set(given: Mapping[str, Any], changes: Sequence[str]) -> set[str]:
    """The settings that a file's are overridden by."""
    return {*_parsed(changes), *(key for key, value in given.items() if value is not None)}


def _parsed(changes: Sequence[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign:
            raise SettingsError(f"{change}: expected KEY=VALUE")
        name, dot, option = key.strip().replace("-", "_").partition(".")
        if dot:
            parsed.setdefault(name, {})[option] = _value(value)
        else:
            parsed[name] = _value(value)
    return parsed


def _over(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The changes over the settings, a method's options one by one."""
    both = {
        k: {**settings[k], **v} for k, v in changes.items() if isinstance(v, dict) and isinstance(settings.get(k), dict)
    }
    return {**settings, **changes, **both}


def _value(text: str) -> Any:
    value = yaml.safe_load(text)
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 1e-4 for a string
        except ValueError:
            return value
    return value


def _unknown(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"{key}: no such setting" + (f"; did you mean {close[0]!r}?" if close else "")


def _placed(problems: Sequence[str], file: str | Path | None, overridden: Collection[str]) -> SettingsError:
    """All problems as one error; those of a file's settings, which nothing overrides, name the file."""
    stands = {} if file is None else {key: None for key in _read(file) if key not in overridden}
    told = (f"{file}: {each}" if re.split("[.:]", each)[0] in stands else each for each in problems)
    return SettingsError("\n".join(told))


def _explained(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, e['loc']))}: {_told(e)}" for e in error.errors()]


def _told(error: Any) -> str:
    """What is wrong with a setting; one that is missing has no value to show."""
    if error["type"] == "missing":
        return "not given: name it on the command line or in a file of settings"
    return f"{error['msg']}, got {error['input']!r}"


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "epochs": (1, 10_000),
    "learning_rate": (1e-9, 10),
    "batch_tokens": (8, 1 << 24),
    "warmup": (0, 0.999),
    "weight_decay": (0, 10),
    "layer_decay": (0.01, 1),
    "dropout": (0, 0.95),
    "attention_dropout": (0, 0.95),
    "label_smoothing": (0, 0.95),
    "max_grad_norm": (0, 1e6),
    "accumulation": (1, 1 << 16),
    "shape_rate": (0, 1000),
    "window": (8, 1 << 20),
    "eval_steps": (1, 1 << 31),
    "patience": (0, 10_000),
    "checkpoint_seconds": (0, 1e9),
}


_PRETRAIN_BOUNDS: Mapping[str, tuple[float, float]] = {
    "tokens": (1, 1 << 50),
    "layers": (1, 200),
    "width": (8, 1 << 14),
    "heads": (1, 256),
    "vocabulary": (300, 1 << 16),
    "length": (8, 1 << 15),
    "batch_tokens": (8, 1 << 24),
    "learning_rate": (1e-9, 10),
    "weight_decay": (0, 10),
    "max_grad_norm": (0, 1e6),
    "warmup": (0, 0.999),
    "decay": (0, 1),
    "masked": (0.01, 0.9),
    "eval_steps": (1, 1 << 31),
    "checkpoint_seconds": (0, 1e9),
}


def _out_of_range(recipe: Any, bounds: Mapping[str, tuple[float, float]]) -> list[str]:
    found = []
    for name, (low, high) in bounds.items():
        value = getattr(recipe, name)
        if value is not None and not low <= value <= high:
            found.append(f"{name}: must be from {low:g} to {high:g}, got {value:g}")
    return found
