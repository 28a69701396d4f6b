"""`tune`: labelled text in, the settings out that train the best model of it, measured on dev alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.learn import NO_BASE, check_task_settings, check_wanted, default_base, task_options
from tunewheel.loop.private import refuse_private
from tunewheel.loop.reading import LoopError, default_name, read_revision
from tunewheel.loop.unlabelled import content_hash, texts_beside
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.methods import check_recipe, check_unlabelled, method_class
from tunewheel.models.recipe import Recipe
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.models import Progress
    from tunewheel.models.private import Privacy
    from tunewheel.store import Workspace
    from tunewheel.tuning.search.plan import Plan, Sampler
    from tunewheel.tuning.search.result import Tuned

TRIALS = 20
"""Of a search whose budget is not given."""


def tune(
    data: str | Path | Dataset,
    *,
    search: Mapping[str, Any] | None = None,
    trials: int | None = None,
    minutes: float | None = None,
    jobs: int = 1,
    repeats: int = 2,
    prune: bool = True,
    sampler: Sampler = "tpe",
    name: str | None = None,
    task: str | None = None,
    text: str | None = None,
    label: str | None = None,
    format: str | None = None,
    ends: Literal["inclusive", "exclusive"] | None = None,
    dev: float = 0.1,
    test: float = 0.1,
    group: str | None = None,
    time: str | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    parent: str | None = None,
    base: str | Sequence[str] | None = None,
    method: str | Sequence[str] = "full",
    options: Mapping[str, Any] | None = None,
    unlabelled: str | Path | None = None,
    class_weights: Literal["none", "balanced"] = "none",
    positive: str | None = None,
    out_of_scope: str | Literal[False] | None = None,
    crf: bool | None = None,
    context: int = 0,
    max_new_tokens: int = 128,
    temperature: float = 0.0,
    top_p: float = 1.0,
    slices: Sequence[str] | None = None,
    robustness: Sequence[str] = (),
    recipe: Recipe | None = None,
    privacy: Privacy | None = None,
    output: str | Path | None = None,
    home: str | Path | None = None,
    database: str | None = None,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Tuned:
    """Search the settings of `train` by their score on dev; test rows are never looked at.

    The first trial is what `train` would do. What it would choose for the rows and the machine is the middle of what is
    searched; ``search`` narrows or extends that, by setting: ``"1e-5..1e-3"``, a list, or one value, which stays
    (`tunewheel.tuning.search.space`). Settings given otherwise stay too; several bases or methods are searched over.
    Trials that are behind the median of the others at the same part of the run are ended (``prune``). At the end the
    best three and the defaults are trained again under ``repeats`` fresh seeds, which decide: what is no more than a
    standard error ahead of the defaults is not taken for better, and these stay.

    ``trials`` and ``minutes`` of training (all trials and the end together) are budgets over all workers: ``jobs``
    processes here, and whoever runs the same call on the same PostgreSQL. Killed, the same call goes on; with a larger
    budget it goes further. One worker finds the same settings again.

    ``slices`` and ``robustness`` are not searched with; they go with the settings to `train`.

    The settings go to ``output`` (a YAML file, by default among the workspace's reports beside a page of the search).

    Raises `tunewheel.DataError` for bad input, `LoopError` for settings that do not fit it or data without a dev split,
    `tunewheel.tuning.search.space.SpaceError` for a space that cannot be searched.

    >>> import tunewheel as tw
    >>> tuned = tw.tune("tickets.jsonl", minutes=60)                     # doctest: +SKIP
    >>> tw.train("tickets.jsonl", **tuned.arguments())                   # doctest: +SKIP
    """
    from tunewheel.data.sources import shown
    from tunewheel.registry import check_name
    from tunewheel.store import Workspace
    from tunewheel.tuning.search.plan import Plan
    from tunewheel.tuning.search.space import OF_TASK, read_space
    from tunewheel.tuning.search.storage import MissingOptuna, check_optuna

    refuse_private("tune", {"privacy": privacy})
    try:
        check_optuna()
    except MissingOptuna as error:
        raise LoopError(str(error)) from None
    if jobs < 1 or repeats < 1 or (trials is not None and trials < 1) or (minutes is not None and minutes <= 0):
        raise LoopError("jobs, repeats, trials and minutes must be above 0")
    recipe, chosen = recipe or Recipe(), name or default_name(data)
    check_name(chosen)
    space = read_space(search or {})
    methods = [method] if isinstance(method, str) else list(method)
    for each in methods:
        if unlabelled is None or all(method_class(other).unlabelled == "unused" for other in methods):
            check_unlabelled(each, unlabelled is not None)
    if len(methods) == 1:
        check_recipe(methods[0], recipe)
    workspace = Workspace.open(home, database)
    reading: dict[str, Any] = {
        **{"task": task, "text": text, "label": label, "format": format, "ends": ends, "dev": dev, "test": test},
        **{"seed": recipe.seed, "group": group, "time": time, "on_error": on_error},
    }
    dataset = read_revision(data, workspace, chosen, parent, say, **reading)
    called = shown(data) if isinstance(data, str | Path) else dataset.fingerprint
    check_wanted(called, dataset, methods, base, say)
    if not dataset.rows.get("dev"):
        raise LoopError(
            f"{called} has no dev split, and tuning chooses on dev: give one, or take a share of train (--set dev=0.1)"
        )
    beside = () if unlabelled is None else texts_beside(workspace, dataset, unlabelled, text, say)
    bases = [base] if isinstance(base, str) else list(base or ())
    if not bases:
        bases = [default_base(dataset, say) if any(method_class(each).based for each in methods) else NO_BASE]
    writing = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "seed": recipe.seed}
    labelling = {"class_weights": class_weights, "positive": positive, "crf": crf, "context": context}
    searched = {key: str(each) for key, each in space.items() if key in ("packing", *OF_TASK)}
    bearing = {**writing, **labelling, "packing": recipe.packing, **searched}
    check_task_settings(dataset.task, {**bearing, "crf": bearing["crf"] and not {*bases} <= {*FROM_NOTHING}})
    of_task = task_options(dataset, out_of_scope, say, writing=writing, labelling=labelling)
    settings = {
        **({"data": str(data)} if isinstance(data, str | Path) else {}),
        **{key: value for key, value in {**reading, "name": name, "parent": parent}.items() if value is not None},
        **{key: value for key, value in of_task.items() if value is not None},
        **({"out_of_scope": False} if out_of_scope is False else {}),
        **{key: value for key, value in asdict(recipe).items() if value != getattr(Recipe(), key)},
        **({"options": dict(options)} if options else {}),
        **({"unlabelled": str(unlabelled)} if unlabelled is not None else {}),
        **({"slices": list(slices)} if slices is not None else {}),
        **({"robustness": list(robustness)} if robustness else {}),
    }
    told = {"bases": bases, "methods": methods, "space": {key: str(one) for key, one in space.items()}}
    asked = {**told, "of_task": of_task, "options": dict(options or {}), "recipe": asdict(recipe)}
    asked |= {"unlabelled": content_hash(beside)} if beside else {}
    key = _key(dataset, {**asked, "prune": prune, "sampler": sampler})
    budget = trials if trials or minutes else TRIALS
    plan = Plan(key, recipe, of_task, options or {}, budget, minutes, repeats, prune, sampler, beside)
    tuned = _run(workspace, plan, dataset, chosen, settings, (bases, methods, space), jobs, progress, say)
    return _kept(tuned, workspace, output, lang)


def _key(dataset: Dataset, asked: Mapping[str, Any]) -> str:
    """The same data, settings and space are the same study, whatever its budget."""
    content = json.dumps([dataset.fingerprint, asked], sort_keys=True, default=str)
    return f"tune-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _run(
    workspace: Workspace,
    plan: Plan,
    dataset: Dataset,
    name: str,
    settings: Mapping[str, Any],
    space: tuple[Sequence[str], Sequence[str], Mapping[str, Any]],
    jobs: int,
    progress: Progress | None,
    say: Say,
) -> Tuned:
    from tunewheel.registry import keep_dataset
    from tunewheel.store import fail_run, finish_run, start_run
    from tunewheel.tuning.search.result import concluded
    from tunewheel.tuning.search.roads import survey
    from tunewheel.tuning.search.work import Studies, work
    from tunewheel.tuning.search.worker import helpers

    bases, methods, search = space
    record = keep_dataset(workspace, dataset, str(settings.get("data", name)))
    start_run(workspace, plan.key, command="tune", settings=dict(settings), dataset=dataset.fingerprint)
    try:
        with Studies.opened(workspace, plan) as studies:
            roads = studies.roads(lambda: survey(plan, dataset, bases, methods, search, say))
            for road in roads:
                say("space", f"{road.method} on {road.base}: {_space(road.dimensions)}")
            assert record.artifact is not None
            folder = workspace.artifacts.path(record.artifact)
            with helpers(workspace, plan, folder, jobs - 1, say):
                work(studies, roads, dataset, progress, say)
            tuned = concluded(studies, dataset, name, settings)
    except Exception as error:
        fail_run(workspace, plan.key, f"{type(error).__name__}: {error}")
        raise
    finish_run(
        workspace, plan.key, f"best dev {tuned.metric} {tuned.best.mean:.4f}, defaults {tuned.defaults.mean:.4f}"
    )
    return tuned


def _space(dimensions: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {dimension}" for key, dimension in dimensions.items()) or "its defaults alone"


def _kept(tuned: Tuned, workspace: Workspace, output: str | Path | None, lang: Literal["en", "zh"]) -> Tuned:
    """Write the settings and the page, and say where they are."""
    import yaml

    from tunewheel.store import write_whole
    from tunewheel.tuning.search.page import write_page

    file = Path(output) if output else workspace.reports_dir / f"{tuned.name}-tuned.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, yaml.safe_dump(dict(tuned.settings), allow_unicode=True, sort_keys=False))
    page = workspace.reports_dir / f"{tuned.name}-tuning.html"
    kept = replace(tuned, file=file, page=page)
    write_page(kept, page, lang)
    return kept
