"""Learning on from a version: the new rows, and a few of the old ones that stand for the rest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from tunewheel.loop.reading import LoopError
from tunewheel.training import Training

if TYPE_CHECKING:
    from tunewheel.models import Model
    from tunewheel.registry import Version
    from tunewheel.tasks import Row, Task


@dataclass(frozen=True, kw_only=True)
class ContinuedTraining(Training):
    """The piece of work of a turn that rehearses: from ``start`` on, with ``replay`` of the rows it learned from.

    What is rehearsed is chosen by `tunewheel.data.coverage.covering`, on the version's own sentence vectors, and counts
    for what it was chosen from (`tunewheel.tasks.Task.standing_for`). A method that remembers rehearses nothing.
    """

    start: Version
    replay: float

    @classmethod
    def of(cls, training: Training, start: Version, replay: float) -> Self:
        """The same work, begun from a version."""
        given = {each.name: getattr(training, each.name) for each in fields(Training) if each.init}
        given["settings"] = {**training.settings, "start": start.ref, "replay": replay}
        return cls(**given, start=start, replay=replay)

    @cached_property
    def _learned(self) -> list[Row]:
        """The rows that ``start`` learned from."""
        from tunewheel.registry import kept_dataset

        before = kept_dataset(self.workspace, self.start.dataset or "")
        if before is None:
            raise LoopError(f"the rows that {self.start} learned from are not kept in {self.workspace.home}")
        return list(before["train"])

    @cached_property
    def rows(self) -> list[Row]:
        """The rows that are new since ``start``, and those of the old ones that are rehearsed."""
        from tunewheel.data.coverage import covering
        from tunewheel.models.model import ModelError

        known = {_said(row) for row in self._learned}
        rows = list(self.dataset["train"])
        fresh, old = [r for r in rows if _said(r) not in known], [r for r in rows if _said(r) in known]
        if self._remembers:
            gone = f", {len(self._gone):,} taken back" if self._gone else ""
            self.say("rows", f"{len(fresh):,} new; what {len(old):,} old ones came to is remembered{gone}")
            return fresh
        try:
            vectors = self._begun.vectors(old) if old else None
        except ModelError:
            vectors = None
        taken = covering(_keys(old), vectors, round(self.replay * len(old)), seed=self.recipe.seed)
        self.say("rows", f"{len(fresh):,} new, {len(taken):,} of {len(old):,} old ones again")
        return fresh + [old[place] for place in taken]

    def _task(self) -> Task:
        """The dataset's task, whose labels count for the rows that are not learned again."""
        task = super()._task()
        return task if self._remembers else task.standing_for(self.rows, list(self.dataset["train"]))

    @property
    def _remembers(self) -> bool:
        from tunewheel.models.methods import method_class

        return method_class(self.method).remembers

    @cached_property
    def _gone(self) -> list[Row]:
        """Rows that ``start`` learned from and that are no more, or say something else now."""
        left = {_said(row) for row in self.dataset["train"]}
        return [row for row in self._learned if _said(row) not in left]

    @cached_property
    def _begun(self) -> Model:
        from tunewheel.models import Model

        return Model.load(self.start.path)

    def _declared(self) -> dict[str, Any]:
        return {**super()._declared(), "start": self._begun, "gone": self._gone if self._remembers else []}


def _said(row: Row) -> str:
    """A row by all that it says: a later word on an exchange has the id of the one before."""
    return json.dumps(_filled(row), sort_keys=True, ensure_ascii=False, default=str)


def _filled(value: Any) -> Any:
    """A value without what is None in it: a column that newer rows brought says nothing of an older one."""
    if isinstance(value, Mapping):
        return {key: _filled(inner) for key, inner in value.items() if inner is not None}
    return [_filled(inner) for inner in value] if isinstance(value, list | tuple) else value


def _keys(rows: list[Row]) -> list[str]:
    """What each row stands for: of its labels the one that the fewest rows have."""
    labels = [_labels(row) for row in rows]
    counts = Counter(label for some in labels for label in set(some))
    return [min(some, key=lambda label: (counts[label], label), default="") for some in labels]


def _labels(row: Mapping[str, Any]) -> list[str]:
    if isinstance(row.get("label"), str):
        return [row["label"]]
    if row.get("labels") is not None:
        return list(row["labels"])
    return [entity["label"] for entity in row.get("entities") or ()]
