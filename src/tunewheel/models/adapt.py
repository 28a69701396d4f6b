"""Adaptation: a task, a base, a method and labelled rows become a Model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.models.methods import Adaptation, Job, check_continues, check_pair, check_unlabelled
from tunewheel.models.model import Model, Origin
from tunewheel.models.private.privacy import Privacy, check_private
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task


def prepare(
    task: Task,
    base: str,
    train: Sequence[Row],
    recipe: Recipe,
    *,
    method: str = "full",
    options: Mapping[str, Any] | None = None,
    unlabelled: Sequence[Row] = (),
    dataset: str = "",
    parents: Sequence[str] = (),
    split: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    privacy: Privacy | None = None,
    start: Model | None = None,
    gone: Sequence[Row] = (),
) -> Adaptation:
    """Make ``base`` ready to be adapted to ``task`` by ``method``; ``recipe`` is resolved for rows and machine.

    ``options`` are the method's own, ``unlabelled`` rows of text alone for a method that reads such. The same seed
    gives the same beginning. Raises `MethodError` when the method does not go with the task or with what it is given,
    and `tunewheel.models.BackboneError` when the base cannot be loaded or has no use for the word shapes that the
    recipe asks for. With ``privacy`` the weights keep its promise; what would break it is a `MethodError`. ``start``
    is a model made from ``base``, to go on from in its place: its body, and of its head what it knows these labels by.
    What it knows of ``gone`` rows is taken back by a method that remembers; others cannot.
    """
    check_unlabelled(method, bool(unlabelled))
    chosen = check_pair(method, task.name).from_options(options or {})
    if start is not None:
        check_continues(method, task.name, private=bool(privacy))
    if privacy:
        check_private(method, task, base, recipe)
    origin = Origin(
        method,
        base,
        dataset,
        tuple(parents),
        split=dict(split or {}),
        columns=dict(columns or {}),
        settings=dict(settings or {}),
    )
    return chosen.prepare(Job(task, base, train, recipe, origin, unlabelled, privacy, start, gone))
