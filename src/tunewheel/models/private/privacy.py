"""What is promised, to whom, and which settings would break it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.methods import method_class, method_names
from tunewheel.models.methods.base import Method, MethodError
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task

EPOCHS = 20
"""Where none are given: a number that the rows have no part in."""

BATCH_TOKENS = 1024
"""What is computed at once; the mechanism's batch is `Privacy.batch`."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """(ε, δ)-differential privacy of the weights, under adding or removing all training rows of one unit.

    epsilon: the most that training may spend. delta: chance of a worse leak, 1 / units^1.1 by default (it must stay
    below 1 / units, or giving one unit away whole would do). unit: the column whose equal values make a unit, such as
    a customer; each row is one by default. clip: the norm that a unit's gradient is cut to. batch: units that an
    update draws on average, a twentieth of all by default (at least 64). beside: train the same without privacy too,
    for the report alone, to tell what it costs.
    """

    epsilon: float
    delta: float | None = None
    unit: str | None = None
    clip: float = 1.0
    batch: int | None = None
    beside: bool = True


def check_private(method: str, task: Task, base: str, recipe: Recipe) -> None:
    """Raise `MethodError`, before any work, where the guarantee would not hold, or the package is not there."""
    if find_spec("opacus") is None:
        raise MethodError("dp_epsilon needs a package: pip install 'tunewheel[private]'")
    if not _private(method_class(method)):
        able = ", ".join(repr(name) for name in method_names() if _private(method_class(name)))
        raise MethodError(
            f"dp_epsilon: method {method!r} looks at the rows in steps that are not private, or has weights whose "
            f"gradients are not known unit by unit; use one of {able}"
        )
    if base in FROM_NOTHING:
        raise MethodError(
            f"dp_epsilon: base {base!r} makes its vocabulary of the training texts, which gives words of them away; "
            "use a pretrained base"
        )
    if task.writes:
        raise MethodError(f"dp_epsilon: task {task.name!r} writes its answers, which is not learned by private updates")
    head = task.head()
    wrong = {
        "crf: a sequence's labels are scored together with their neighbours by weights outside any layer": (
            head.loss == "crf"
        ),
        "class_weights: they are counted on the rows": head.class_weights is not None,
        "head_first: it fits the head on the rows without any noise": recipe.head_first,
        "precision=bf16: norms are taken in fp32 alone": recipe.precision == "bf16",
        "accumulation: a batch is drawn whole, however large (dp_batch)": recipe.accumulation != 1,
        "packing: rows that share a sequence share a gradient": recipe.packing,
        "optimizer=adafactor: its own scale of updates was not tried with noise": recipe.optimizer == "adafactor",
    }
    found = [why for why, true in wrong.items() if true]
    if found:
        raise MethodError("\n".join(f"dp_epsilon does not go with {why}" for why in found))


def _private(method: type[Method]) -> bool:
    """A method's own word; what it inherits is the road, not that the road is private."""
    return bool(vars(method).get("private", False))


def settled(recipe: Recipe) -> Recipe:
    """The recipe with nothing left to choose by the rows.

    Noise makes clipping of the whole gradient pointless. The table of word shapes is off unless asked for: it learns at
    ten times the rate, and most of what it would be told is noise, which an optimizer like Adam follows at full step.
    """
    return replace(
        recipe,
        epochs=recipe.epochs or EPOCHS,
        batch_tokens=recipe.batch_tokens or BATCH_TOKENS,
        precision="fp32",
        word_shapes=bool(recipe.word_shapes),
        max_grad_norm=0.0,
    )


def units_of(rows: Sequence[Row], unit: str | None) -> list[int]:
    """Each row's unit as a number from 0 on; raises `MethodError` where a row has no value in the column ``unit``.

    >>> units_of([{"who": "a"}, {"who": "b"}, {"who": "a"}], "who")
    [0, 1, 0]
    >>> units_of([{"text": "x"}, {"text": "x"}], None)
    [0, 1]
    """
    if unit is None:
        return list(range(len(rows)))
    lacking = [i for i, row in enumerate(rows) if row.get(unit) in (None, "")]
    if lacking:
        first = rows[lacking[0]].get("id", lacking[0])
        raise MethodError(
            f"dp_unit={unit}: {len(lacking):,} of {len(rows):,} training rows have no {unit!r}, the first is {first}: "
            "whose they are must be known; name a column that every row has, or fill it"
        )
    number: dict[object, int] = {}
    return [number.setdefault(row[unit], len(number)) for row in rows]
