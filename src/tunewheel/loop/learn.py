"""`train`: labelled text in, a registered version with its report out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunewheel.loop.private import PrivateTraining, check_data, check_trackers, private_settings
from tunewheel.loop.reading import LoopError, default_name, read_revision, scope_of
from tunewheel.loop.unlabelled import content_hash, texts_beside
from tunewheel.models.backbones import FROM_NOTHING
from tunewheel.models.methods import check_pair, check_recipe, check_unlabelled, method_class
from tunewheel.models.private import Privacy
from tunewheel.models.private.privacy import check_private
from tunewheel.models.recipe import Recipe
from tunewheel.training import Say, Training, Turn

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.models import Progress

_CHINESE = re.compile(r"[\u3400-\u9fff]")


def train(
    data: str | Path | Dataset,
    *,
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
    base: str | None = None,
    method: str = "full",
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
    home: str | Path | None = None,
    database: str | None = None,
    report_to: Sequence[str] = (),
    again: bool = False,
    lang: Literal["en", "zh"] = "en",
    progress: Progress | None = None,
    say: Say = lambda heading, line: None,
) -> Turn:
    """Read, adapt, evaluate, register: labelled text in, a version with its report out.

    The first version of a name becomes ``champion``; a later one only when it is measurably better on the same test
    rows. A run that was killed is taken up where it stood; a run that was finished with the same data and settings is
    not repeated unless ``again``.

    A name that is trained again inherits the splits of its champion's data, so that both are measured on rows that
    neither has learned from; ``parent`` names another model or a dataset's fingerprint, ``"none"`` divides anew (see
    `tunewheel.Dataset.read`). A `tunewheel.Dataset` is taken as it is unless ``parent`` is named.

    ``method`` names the road from the base to the task (`tunewheel.models.methods`), ``options`` are its own;
    ``unlabelled`` is a file of further texts for the methods that learn from such too.
    ``max_new_tokens``, ``temperature`` and ``top_p`` say how a model that writes does so
    (`tunewheel.tasks.generation.Generation`).

    With ``privacy`` the weights are differentially private for each row or customer of train
    (`tunewheel.models.private.Privacy`); the report tells what was spent, what it cost, and what an attack finds.

    Raises `tunewheel.DataError` for bad input and `LoopError` for settings that do not fit it.

    >>> import tunewheel as tw
    >>> turn = tw.train("tickets.jsonl", base="minilm")        # doctest: +SKIP
    >>> turn.model.predict(["my card was swallowed"])          # doctest: +SKIP
    """
    check_trackers(privacy, report_to)
    _check_trackers(report_to)
    check_recipe(method, recipe or Recipe())
    given: dict[str, Any] = {
        **{"task": task, "text": text, "label": label, "format": format, "ends": ends, "dev": dev, "test": test},
        **{"group": group, "time": time, "on_error": on_error, "parent": parent, "base": base, "method": method},
        **{
            "options": options,
            "unlabelled": unlabelled,
            "class_weights": class_weights,
            "positive": positive,
            "out_of_scope": out_of_scope,
        },
        **{"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p},
        **{"crf": crf, "context": context, "slices": slices, "robustness": robustness, "recipe": recipe, "home": home},
        "privacy": privacy,
    }
    training = planned(data, name=name, database=database, lang=lang, say=say, **given)
    return training.run(progress, report_to, again=again)


def planned(
    data: str | Path | Dataset,
    *,
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
    base: str | None = None,
    method: str = "full",
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
    home: str | Path | None = None,
    database: str | None = None,
    lang: Literal["en", "zh"] = "en",
    say: Say = lambda heading, line: None,
    called: str | None = None,
) -> Training:
    """Read the data and settle what is left open: the work that `train` does, with nothing done yet; see there.

    ``called`` is how messages name the data where it has been read already.
    """
    from tunewheel.data.sources import shown
    from tunewheel.registry import check_name
    from tunewheel.store import Workspace

    recipe = recipe or Recipe()
    check_unlabelled(method, unlabelled is not None)
    road = method_class(method).from_options(options or {})
    chosen = name or default_name(data)
    check_name(chosen)
    workspace = Workspace.open(home, database)
    group = group or (privacy.unit if privacy else None)  # a customer's rows are to be protected all or none
    reading: dict[str, Any] = {
        **{"task": task, "text": text, "label": label, "format": format, "ends": ends, "dev": dev, "test": test},
        **{"seed": recipe.seed, "group": group, "time": time, "on_error": on_error},
    }
    dataset = read_revision(data, workspace, chosen, parent, say, **reading)
    called = shown(data) if isinstance(data, str | Path) else called or dataset.fingerprint
    check_wanted(called, dataset, [method], base, say)
    base = base or (default_base(dataset, say) if road.based else NO_BASE)
    beside = () if unlabelled is None else texts_beside(workspace, dataset, unlabelled, text, say)
    writing = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p, "seed": recipe.seed}
    by_default = crf is None or base in FROM_NOTHING
    crf = base in FROM_NOTHING if crf is None else crf
    labelling = {"class_weights": class_weights, "positive": positive, "crf": crf, "context": context}
    bearing = {**writing, **labelling, "packing": recipe.packing}
    check_task_settings(dataset.task, {**bearing, "crf": crf and not by_default})
    of_task = task_options(dataset, out_of_scope, say, writing=writing, labelling=labelling)
    settings = {
        "data": called,
        "name": chosen,
        **{"task": dataset.task, "text": text, "label": label, "format": format, "ends": ends},
        **{"dev": dev, "test": test, "group": group, "time": time, "on_error": on_error, "parent": parent},
        **{"base": base, "method": method, "options": dict(options or {}), **of_task},
        "out_of_scope": of_task.get("out_of_scope") or out_of_scope,
        **{"slices": None if slices is None else list(slices), "robustness": list(robustness)},
        **asdict(recipe),
    }
    if unlabelled is not None:
        settings |= {"unlabelled": str(unlabelled), "unlabelled_sha256": content_hash(beside)}
    common = (workspace, dataset, chosen, base, method, options or {}, of_task, settings, recipe, lang, say)
    report: dict[str, Any] = {"slices": slices, "robustness": robustness}
    if privacy is None:
        return Training(*common, **report, unlabelled=beside)
    settings |= private_settings(privacy)
    training = PrivateTraining(*common, **report, privacy=privacy)
    check_private(method, training.task, base, recipe)
    check_data(dataset, privacy)
    return training


NO_BASE = "none"
"""Stands where a base would, for methods that start from none."""


def check_wanted(
    called: str, dataset: Dataset, methods: Sequence[str], base: str | Sequence[str] | None, say: Say
) -> None:
    """Say what the dataset notes, and refuse before any work what no method of these could learn from."""
    from tunewheel.data.infer import PLAIN
    from tunewheel.tasks import task_class

    if dataset.task == PLAIN:
        which = "`tunewheel check LABELLED --unlabelled FILE` says which"
        raise LoopError(f"{called} has no labels to learn from: label some rows first; {which}")
    for note in dataset.notes:
        say("data", note)
    if base is None and task_class(dataset.task).writes:
        raise LoopError(
            f"{called} has answers to write, and no language model comes with Tunewheel: name one with --base (a "
            "folder or a hub id; `tunewheel pretrain --objective clm` makes one)"
        )
    for method in methods:
        check_pair(method, dataset.task)
    if base is not None and not any(method_class(method).based for method in methods):
        named = base if isinstance(base, str) else ", ".join(base)
        raise LoopError(f"method {', '.join(map(repr, methods))} starts from no base; leave --base {named} out")


def task_options(
    dataset: Dataset,
    out_of_scope: str | Literal[False] | None,
    say: Say,
    *,
    writing: dict[str, Any],
    labelling: dict[str, Any],
) -> dict[str, Any]:
    """What the dataset's task is built with: one that writes has other options than one that labels."""
    from tunewheel.tasks import task_class

    if task_class(dataset.task).writes:
        return writing
    return {**labelling, "out_of_scope": scope_of(dataset, out_of_scope, say)}


_USUAL = {"class_weights": "none", "max_new_tokens": 128, "temperature": 0.0, "top_p": 1.0}
"""What settings of tasks are where nobody gave them; the others are nothing then."""


def check_task_settings(task: str, given: Mapping[str, Any]) -> None:
    """Refuse settings that are for other tasks: they would be taken and do nothing."""
    from inspect import signature

    from tunewheel.tasks import task_class, task_names

    def taken(name: str) -> set[str]:
        packs = {"packing"} if task_class(name).writes else set()
        return packs.union(signature(task_class(name).from_dataset).parameters)

    odd = [key for key, value in given.items() if value and value != _USUAL.get(key) and key not in taken(task)]
    odd = [key for key in odd if key != "seed"]
    if odd:
        whose = {key: " and ".join(name for name in task_names() if key in taken(name)) for key in odd}
        told = (f"{key}={given[key]}, which is for {names}" for key, names in whose.items())
        raise LoopError(f"task {task!r} makes no use of {'; '.join(told)}; leave it out")


_TRACKERS = ("tensorboard", "mlflow", "wandb")


def _check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is unknown or not installed before any work is done."""
    from importlib.util import find_spec

    for name in names:
        if name not in _TRACKERS:
            raise LoopError(f"--report-to {name}: expected one of {', '.join(_TRACKERS)}")
        if find_spec(name) is None:
            raise LoopError(f"--report-to {name} needs a package: pip install 'tunewheel[{name}]'")


def default_base(dataset: Dataset, say: Say) -> str:
    """``zh-mini`` where a third of the characters are Chinese, else ``minilm``."""
    from itertools import islice

    texts = [row["text"] for row in islice(iter(dataset["train"]), 500)]
    characters = sum(len(text) for text in texts)
    share = sum(len(_CHINESE.findall(text)) for text in texts) / max(1, characters)
    base = "zh-mini" if share > 1 / 3 else "minilm"
    say("base", f"{base}, for text with {share:.0%} Chinese characters (--base to change)")
    return base
