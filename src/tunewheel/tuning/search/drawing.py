"""From a trial to settings: the road it goes and the values it tries there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunewheel.tuning.search.space import Choice, Dimension, Road, Value, fixed

if TYPE_CHECKING:
    from optuna.trial import Trial


class Drawing:
    """Draws values for trials over several roads; a trial queued with a road takes its defaults.

    What all roads search alike is one parameter; what they search otherwise (the learning rate of a head is no guide to
    that of the whole) is a parameter of each road.
    """

    def __init__(self, roads: Sequence[Road]) -> None:
        self.roads = roads

    def __call__(self, trial: Trial) -> dict[str, Any]:
        """All values of the trial: ``base``, ``method`` and every setting that is searched on its road."""
        given = trial.user_attrs.get("road")
        road = self.roads[given] if given is not None else self._road(trial)
        values: dict[str, Any] = {"base": road.base, "method": road.method}
        for key, dimension in road.dimensions.items():
            if given is not None and road.defaults[key] not in dimension:
                values[key] = road.defaults[key]
            else:
                values[key] = _suggested(trial, self.name(key, road), dimension)
        if given is not None and len(self.roads) > 1:
            self._road(trial)
        return values

    @property
    def varied(self) -> bool:
        """Whether there is anything to choose on any road: a trial beside the defaults can differ from them."""
        return any(not fixed(dimension) for road in self.roads for dimension in road.dimensions.values())

    def defaults(self, road: Road) -> dict[str, Value]:
        """The parameters of a road's defaults, as far as they lie in the space."""
        inside = {
            self.name(key, road): road.defaults[key]
            for key, dimension in road.dimensions.items()
            if road.defaults[key] in dimension and not fixed(dimension)
        }
        return inside if len(self.roads) == 1 else {self._choice: self.label(road), **inside}

    def name(self, key: str, road: Road) -> str:
        """The parameter that stands for a setting on a road."""
        theirs = [other.dimensions[key] for other in self.roads if key in other.dimensions]
        return key if all(dimension == theirs[0] for dimension in theirs) else f"{key} ({self.label(road)})"

    def label(self, road: Road) -> str:
        """What tells a road from the others."""
        return {"method": road.method, "base": road.base}.get(self._choice, f"{road.method} on {road.base}")

    @property
    def _choice(self) -> str:
        """The parameter that says which road: base and method alone where the other is the same for all."""
        if len({road.base for road in self.roads}) == 1:
            return "method"
        return "base" if len({road.method for road in self.roads}) == 1 else "road"

    def _road(self, trial: Trial) -> Road:
        if len(self.roads) == 1:
            return self.roads[0]
        labels = [self.label(road) for road in self.roads]
        return self.roads[labels.index(trial.suggest_categorical(self._choice, labels))]


def _suggested(trial: Trial, name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choice):
        return dimension.values[0] if fixed(dimension) else trial.suggest_categorical(name, dimension.values)
    if dimension.whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def shown(values: Mapping[str, Any]) -> str:
    """Values for people, on one line.

    >>> shown({"base": "minilm", "learning_rate": 0.000123456, "epochs": 4})
    'base minilm, learning_rate 0.000123, epochs 4'
    """
    told = {key: f"{value:.3g}" if isinstance(value, float) else str(value) for key, value in values.items()}
    told |= {key: "auto" for key, value in values.items() if value is None}
    return ", ".join(f"{key} {value}" for key, value in told.items())
