"""What a study is about, in values that travel between processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from tunewheel.models.recipe import Recipe
from tunewheel.tuning.search.space import OF_TASK, OPTION

FINALISTS = 3
"""Settings of a search that are trained again under fresh seeds, beside the defaults."""

Sampler = Literal["tpe", "random"]


@dataclass(frozen=True)
class Plan:
    """One search over settings.

    ``of_task`` and ``options`` are the task's and the method's settings that stay, ``recipe`` the rest of them.
    ``trials`` and ``minutes`` of training are budgets over all workers together (None: without end), ``repeats`` the
    fresh seeds under which the best are trained once more. ``unlabelled`` are texts for the methods that read
    such. ``key`` names the study.
    """

    key: str
    recipe: Recipe
    of_task: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    trials: int | None = None
    minutes: float | None = None
    repeats: int = 2
    prune: bool = True
    sampler: Sampler = "tpe"
    unlabelled: Sequence[str] = ()

    @property
    def seeds(self) -> range:
        """The fresh seeds: the search itself ran under the recipe's own."""
        return range(self.recipe.seed + 1, self.recipe.seed + 1 + self.repeats)

    def to_json(self) -> str:
        """The plan as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The plan that `to_json` told."""
        told = json.loads(text)
        return cls(**{**told, "recipe": Recipe(**told["recipe"])})

    def settled(
        self, values: Mapping[str, Any], seed: int | None = None
    ) -> tuple[Recipe, dict[str, Any], dict[str, Any]]:
        """Recipe, options of the method and options of the task under a trial's ``values``."""
        own = {key.removeprefix(OPTION): value for key, value in values.items() if key.startswith(OPTION)}
        task = {key: values[key] for key in OF_TASK if key in values}
        known = Recipe.__dataclass_fields__
        recipe = replace(self.recipe, **{key: value for key, value in values.items() if key in known})
        return (
            replace(recipe, seed=recipe.seed if seed is None else seed),
            {**self.options, **own},
            {**self.of_task, **task},
        )
