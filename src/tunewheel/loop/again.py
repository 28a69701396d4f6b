"""What `train` was told when it made a version, to be told again on other rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tunewheel.loop.reading import LoopError
from tunewheel.models.methods import method_class
from tunewheel.models.recipe import Recipe

if TYPE_CHECKING:
    from tunewheel.registry import Version
    from tunewheel.store import Workspace

_KEPT = (
    *("name", "base", "method", "options", "unlabelled", "class_weights", "positive", "out_of_scope", "crf"),
    *("text", "context", "slices", "robustness", "max_new_tokens", "temperature", "top_p"),
)


def settings_of(workspace: Workspace, version: Version) -> dict[str, Any]:
    """What a version's run was told, as `train` takes it; columns and splits are the dataset's by now.

    Raises `LoopError` where its run is not recorded, or it came of another command.
    """
    from tunewheel.store import get_run

    record = get_run(workspace, version.run) if version.run else None
    if record is None:
        raise LoopError(f"{version}: the run that made it is not recorded; train it again by hand")
    if record.command != "train":
        raise LoopError(f"{version} is of `tunewheel {record.command}`; do that again by hand")
    if record.settings.get("dp_epsilon") is not None:
        raise LoopError(f"{version} was trained under privacy, of which learning on would spend more; train it by hand")
    return recorded_settings(record.settings)


def recorded_settings(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run, as `train` takes them."""
    recipe = {each.name: recorded[each.name] for each in fields(Recipe) if each.name in recorded}
    given = {name: recorded[name] for name in _KEPT if name in recorded}
    if not method_class(recorded.get("method", "full")).based:
        given.pop("base", None)
    return {**given, "recipe": Recipe(**recipe)}
