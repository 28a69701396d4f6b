"""Methods: the roads from a base to a task. Every one yields the same `tunewheel.models.Model`."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError, Refusal
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Task, task_class

__all__ = [
    "Adaptation",
    "Job",
    "Method",
    "MethodError",
    "Refusal",
    "check_continues",
    "check_pair",
    "check_recipe",
    "check_unlabelled",
    "idle_settings",
    "method_class",
    "method_names",
    "refusal",
]

_OURS = {
    "zero-shot": "zero_shot:ZeroShot",
    "prompt": "prompting:ZeroShot",
    "few-shot": "prompting:FewShot",
    "tfidf": "tfidf:Tfidf",
    "head": "head:HeadOnly",
    "ranpac": "ranpac:RanPac",
    "setfit": "setfit:SetFit",
    "lora": "peft:Lora",
    "dora": "peft:Dora",
    "rslora": "peft:RsLora",
    "qlora": "qlora:QLora",
    "ia3": "peft:Ia3",
    "prefix": "peft:Prefix",
    "prompt-tuning": "peft:PromptTuning",
    "p-tuning": "peft:PTuning",
    "full": "engine:Full",
    "self-training": "self_training:SelfTraining",
    "gan-bert": "gan:GanBert",
    "bi-encoder": "bi_encoder:BiEncoder",
    "dpo": "writing:Dpo",
}


def method_names() -> list[str]:
    """Names of all methods, ours in the order of what they ask of the machine, then third parties'.

    >>> {"full", "head"} <= set(method_names())
    True
    """
    return [*_OURS, *sorted(point.name for point in entry_points(group="tunewheel.methods"))]


def method_class(name: str) -> type[Method]:
    """Look a method up by name; raises `MethodError` with the nearest known name."""
    if name in _OURS:
        module, _, attribute = _OURS[name].partition(":")
        found: type[Method] = getattr(import_module(f"tunewheel.models.methods.{module}"), attribute)
        return found
    for point in entry_points(group="tunewheel.methods", name=name):
        loaded: type[Method] = point.load()
        return loaded
    close = get_close_matches(name, method_names(), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise MethodError(f"no method {name!r} (there are {', '.join(method_names())}){hint}")


def refusal(method: type[Method], task: type[Task]) -> Refusal | None:
    """Why a method is of no use for a task, by its own word or because the task writes; None where it works."""
    # What a method inherits is the road, not that it leads here.
    if task.writes and not vars(method).get("writes", False):
        return method.refuses(task) or Refusal(
            "its answers are texts, which this method does not teach to write", "full"
        )
    return method.refuses(task)


def check_pair(method: str, task: str) -> type[Method]:
    """The class of ``method``; raises `MethodError`, before any work, where it is of no use for the task."""
    found = method_class(method)
    refused = refusal(found, task_class(task))
    if refused:
        raise MethodError(
            f"method {method!r} is of no use for task {task!r}: {refused.reason}; use {refused.nearest!r}"
        )
    return found


def check_continues(method: str, task: str, *, private: bool = False) -> None:
    """Raise `MethodError`, before any work, where a method cannot go on from a model of such a task."""
    if task_class(task).writes or private or not vars(method_class(method)).get("continues", False):
        raise MethodError(f"method {method!r} for task {task!r} cannot go on from a model; begin from its base")


def check_unlabelled(method: str, given: bool) -> None:
    """Raise `MethodError`, before any work, for texts without labels that are lacking, or that nothing would read."""
    use = method_class(method).unlabelled
    if use == "needed" and not given:
        raise MethodError(
            f"method {method!r} learns from texts without labels too; name a file of them: --unlabelled FILE"
        )
    if use == "unused" and given:
        readers = [name for name in method_names() if method_class(name).unlabelled != "unused"]
        raise MethodError(f"method {method!r} makes no use of texts without labels; {', '.join(readers)} do")


def idle_settings(method: str) -> frozenset[str]:
    """The fields of `Recipe` that a method does not go by.

    >>> "epochs" in idle_settings("tfidf"), "epochs" in idle_settings("full")
    (True, False)
    """
    used = method_class(method).settings
    return frozenset() if used is None else frozenset(key.name for key in fields(Recipe)) - used


def check_recipe(method: str, recipe: Recipe) -> None:
    """Raise `MethodError`, before any work, for settings that differ from the defaults and that nothing would go by."""
    plain, unused = Recipe(), idle_settings(method)
    idle = [key.name for key in fields(Recipe) if key.name in unused]
    idle = [name for name in idle if getattr(recipe, name) != getattr(plain, name)]
    if idle:
        names = ", ".join(idle)
        raise MethodError(f"method {method!r} has no use for {names}; leave {'it' if len(idle) == 1 else 'them'} out")
