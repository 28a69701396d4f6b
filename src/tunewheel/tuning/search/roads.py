"""The roads that a search goes: each base with each method, what is the default there and what is worth searching."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from tunewheel.models.backbones import FROM_NOTHING, BackboneError
from tunewheel.models.methods import Method, MethodError, check_pair, idle_settings, method_class
from tunewheel.models.recipe import Recipe
from tunewheel.tuning.search.space import KEYS, OF_TASK, OPTION, Choice, Dimension, Range, Road, SpaceError, fixed

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.models import Adaptation
    from tunewheel.tuning.search.plan import Plan

RANKS = Choice((4, 8, 16, 32))
"""Of low-rank adapters: what is searched where a method has the option ``r``."""


def survey(
    plan: Plan,
    dataset: Dataset,
    bases: Sequence[str],
    methods: Sequence[str],
    search: Mapping[str, Dimension],
    tell: Callable[[str, str], None],
) -> list[Road]:
    """Every base with every method, the first pair first; pairs that do not go together are told and left out.

    ``search`` stands in place of what is usually searched. Raises `MethodError` or `BackboneError` where the first pair
    is of no use, `SpaceError` where no road has what ``search`` names.
    """
    for method in methods:
        check_pair(method, dataset.task)
    found: list[Road] = []
    pairs = [(base if method_class(method).based else "none", method) for base in bases for method in methods]
    for base, method in dict.fromkeys(pairs):
        try:
            found.append(_road(plan, dataset, base, method, search))
        except (MethodError, BackboneError) as error:
            if not found:
                raise
            tell("space", f"without {method} on {base}: {error}")
    strange = [key for key in search if not any(key in road.defaults for road in found)]
    if strange and strange[0] in Recipe.__dataclass_fields__:
        raise SpaceError(f"{', '.join(strange)}: {' and '.join(methods)} go by nothing of that; leave it out")
    if strange:
        there = sorted({key for road in found for key in road.defaults if key.startswith(OPTION)})
        known = f"the options here are {', '.join(there)}" if there else "no method here has options"
        raise SpaceError(f"{', '.join(strange)}: no such option; {known}")
    return found


def _road(plan: Plan, dataset: Dataset, base: str, method: str, search: Mapping[str, Dimension]) -> Road:
    from tunewheel.models.methods.head import Solved
    from tunewheel.tuning.search.objective import made_ready

    built = check_pair(method, dataset.task)
    ready = made_ready(plan, dataset, base, method, {})
    if isinstance(ready, Solved) and (told := {key: each.ends[0] for key, each in search.items() if key in KEYS}):
        # What says how updates are made has them made, so that nothing is left to solve.
        ready = made_ready(plan, dataset, base, method, told)
    options = {OPTION + name: value for name, value in _options(built.from_options(plan.options)).items()}
    task = {key: plan.of_task[key] for key in OF_TASK if key in plan.of_task}
    if task.get("crf", False) is None:
        task["crf"] = base in FROM_NOTHING
    idle = idle_settings(method)
    settings = {key: value for key, value in asdict(ready.recipe).items() if key in KEYS and key not in idle}
    defaults = {**settings, **task, **options}
    defaults |= {key: each.ends[0] for key, each in search.items() if key in defaults and fixed(each)}
    usual = {key: each for key, each in _usual(plan, ready, dataset, base, method).items() if key not in idle}
    asked = {key: dimension for key, dimension in search.items() if key in defaults}
    dimensions = {**usual, **asked}
    if "head_first" in asked and True in asked["head_first"].ends and not _labels_texts(ready, dataset, plan):
        raise SpaceError(f"head_first: for a head that labels whole texts, which {method} has not here; leave it out")
    return Road(base, method, defaults, dimensions)


def _usual(plan: Plan, ready: Adaptation, dataset: Dataset, base: str, method: str) -> dict[str, Dimension]:
    """What is worth searching on this road, around what was resolved for it; settings that were set stay."""
    from tunewheel.models.methods.engine import Full
    from tunewheel.models.methods.head import Solved
    from tunewheel.models.methods.ranpac import Gathering

    recipe, built = ready.recipe, check_pair(method, dataset.task)
    found: dict[str, Dimension] = {}
    if isinstance(ready, Solved | Gathering):
        name, penalty = ("decay", Range(1e-6, 1e-1)) if isinstance(ready, Solved) else ("ridge", Range(1e-4, 1.0))
        return {} if name in plan.options else {OPTION + name: penalty}
    if issubclass(built, Full):
        rate, tokens, epochs = recipe.learning_rate or 1e-4, recipe.batch_tokens or 1024, recipe.epochs or 4
        found = {
            "learning_rate": Range(max(1e-9, rate / 8), min(10.0, rate * 8)),
            "batch_tokens": Range(max(64, tokens // 4), tokens * 4, whole=True),
            "epochs": Range(max(1, epochs // 3), epochs * 2, whole=True),
            "weight_decay": Range(1e-4, 0.3),
            "dropout": Range(0.0, 0.3),
            "warmup": Range(0.0, 0.3),
            "label_smoothing": Range(0.0, 0.2),
        }
        if _learns_below(ready):
            found["layer_decay"] = Range(0.6, 1.0)
            if base not in FROM_NOTHING and _labels_texts(ready, dataset, plan):
                found["head_first"] = Choice((False, True))
        plain = Recipe()
        found = {key: value for key, value in found.items() if getattr(plan.recipe, key) == getattr(plain, key)}
    if "r" in _options(built.from_options(plan.options)) and "r" not in plan.options:
        found[f"{OPTION}r"] = RANKS
    return found


def _options(method: Method) -> dict[str, Any]:
    """A method's options with what stands for each; of the peft library's keys those that are plain values."""
    from tunewheel.models.methods.peft import Peft

    if not isinstance(method, Peft):
        own: list[Any] = [field for field in fields(method) if field.init]  # type: ignore[arg-type]
        return {field.name: getattr(method, field.name) for field in own}
    stands, keys = method.configured(), method.keys()
    told = {key: getattr(stands, key) for key in keys}
    return {key: value for key, value in told.items() if isinstance(value, str | int | float | None)}


def _learns_below(ready: Adaptation) -> bool:
    """Whether anything of the backbone learns, so that its layers can differ in their rate."""
    from tunewheel.models.neural import Neural

    model = ready.untrained
    if model is None or not isinstance(model.body, Neural):
        return model is not None
    return any(weight.requires_grad for weight in model.network.backbone.parameters())


def _labels_texts(ready: Adaptation, dataset: Dataset, plan: Plan) -> bool:
    from tunewheel.models.neural import Neural
    from tunewheel.tasks import task_class

    if ready.untrained is not None and isinstance(ready.untrained.body, Neural):
        return bool(ready.untrained.network.config.level == "sequence")
    if task_class(dataset.task).writes:
        return False
    return task_class(dataset.task).from_dataset(dataset, **plan.of_task).head().level == "sequence"
