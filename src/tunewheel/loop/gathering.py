"""The evidence that the gate decides by: who answered what on which rows, gathered from registry, data and models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tunewheel.loop.reading import LoopError, check_fits, read_dataset
from tunewheel.training import Say

if TYPE_CHECKING:
    from tunewheel.data import Dataset
    from tunewheel.evaluation.intervals import Array
    from tunewheel.models import Model
    from tunewheel.registry import Version
    from tunewheel.registry.gate import Answers, Evidence, RowSet
    from tunewheel.store import Workspace
    from tunewheel.tasks import Row, Task

TIMED, ROUND = 256, 32
"""Rows that are timed, and how many at once."""


@dataclass(frozen=True)
class Gathering:
    """Two versions of one name, and what is known of them here."""

    workspace: Workspace
    challenger: Version
    champion: Version
    metric: str | None
    say: Say
    _models: dict[str, Model] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        """The task of the one that knows more labels: what the other does not know, it gets wrong."""
        ours, theirs = self.model(self.champion).task, self.model(self.challenger).task
        if ours.does != theirs.does:
            raise LoopError(f"{self.champion} does {ours.does}, {self.challenger} does {theirs.does}: no comparison")
        lost = set(ours.labels) - set(theirs.labels)
        if lost and set(theirs.labels) - set(ours.labels):
            raise LoopError(
                f"{self.challenger} lacks labels that {self.champion} knows ({', '.join(sorted(lost)[:5])}), and "
                "knows others: train it on data that has all of them"
            )
        return ours if lost else theirs

    def model(self, version: Version) -> Model:
        """The model, loaded once."""
        from tunewheel.models import Model

        if version.ref not in self._models:
            self._models[version.ref] = Model.load(version.path)
        return self._models[version.ref]

    def evidence(
        self,
        data: str | Path | Dataset | None,
        slices: Sequence[str] | None,
        parity: bool | None,
        options: dict[str, Any],
    ) -> Evidence:
        """Everything the gate looks at."""
        from tunewheel.evaluation.intervals import number_documents
        from tunewheel.evaluation.slices import Part
        from tunewheel.registry.gate import Evidence, find_parts, uses_of

        metric = self.metric or self.task.headline[0]
        pool = _Pool(self.task)
        sets = self._sets(pool, data, options)
        if metric not in (known := self._reduced(sets, pool)):
            raise LoopError(f"no metric {metric!r} for {self.task.name}; it has {', '.join(known)}")
        sets = [replace(found, former=self._former(found, pool, metric)) for found in sets]
        named = {v.ref: v for v in self._stood} | {v.ref: v for v in (self.champion, self.challenger)}
        wanted = dict.fromkeys(
            [self.champion.ref, self.challenger.ref, *(name for found in sets for name in found.former)]
        )
        seconds = self._timed(pool.rows)
        answers = {ref: self._answers(named[ref], pool.rows, metric, seconds.get(ref)) for ref in wanted}
        test = sets[0]
        parts = find_parts(self.task, [pool.rows[i] for i in test.rows], slices)
        spread = [Part(p.name, p.value, _placed(p.inside, test.rows, len(pool.rows))) for p in parts]
        return Evidence(
            *(metric, self.task, self.challenger.ref, self.champion.ref, answers, sets, spread),
            documents=number_documents(pool.rows),
            uses=uses_of(self.workspace, self.champion.name, test.fingerprint),
            parity=self._parity() if parity is None else parity,
            facts={"data": self.champion.dataset or "", "new": str(data) if isinstance(data, str | Path) else ""},
        )

    def _reduced(self, sets: Sequence[RowSet], pool: _Pool) -> list[str]:
        rows = [pool.rows[i] for i in sets[0].rows[:1]]
        return list(self.task.metrics(self.task.score(rows, self._predictions(self.champion, rows))))

    def _sets(self, pool: _Pool, data: str | Path | Dataset | None, options: dict[str, Any]) -> list[RowSet]:
        """The frozen test set, new data and earlier test sets, their rows in the pool."""
        kept, learned = self._kept(self.champion), self._learned()
        frozen = self._unseen(kept, "test", learned, f"the test set of {self.champion}")
        if not frozen:
            raise LoopError(f"the challenger {self.challenger} learned from every test row of {self.champion}")
        sets = [pool.add("test", f"test set of {self.champion}", frozen)]
        new = self._new(data, kept, learned, options)
        if new:
            sets.append(pool.add("new", "new data", new))
        known = {sets[0].fingerprint}
        for fingerprint in self._ancestors():
            earlier = self._found(fingerprint)
            if earlier is None or "test" not in earlier:
                continue
            rows = self._unseen(earlier, "test", learned, f"the earlier test set {fingerprint[:12]}")
            if (
                rows
                and (found := pool.add("earlier", f"test set of data {fingerprint[:12]}", rows)).fingerprint
                not in known
            ):
                known.add(found.fingerprint)
                sets.append(found)
        return sets

    def _new(
        self, data: str | Path | Dataset | None, kept: Dataset, learned: Dataset | None, options: dict[str, Any]
    ) -> list[Row]:
        """Rows that came since: those given, else the test rows of the challenger's data that the champion's lacks."""
        if data is not None:
            given = {"task": self.task.name, **options}
            source = read_dataset(data, self.workspace, dev=0.0, test=0.0, **given)
            check_fits(source, self.task, "the new data", self.challenger.ref)
            split = "test" if "test" in source.splits else source.splits[0]
            called = "the new data"
        elif learned is not None and "test" in learned.splits and learned.fingerprint != kept.fingerprint:
            source, split, called = learned, "test", "the challenger's test set"
        else:
            return []
        before = {(row["text"], _json(self.task.truth(row))) for row in kept["test"]}
        rows = self._unseen(source, split, learned, called)
        fresh = [row for row in rows if (row["text"], _json(self.task.truth(row))) not in before]
        if data is not None and not fresh:
            raise LoopError(f"{data}: the challenger learned from every row, or each stands in the frozen test set")
        return fresh

    def _unseen(self, source: Dataset, split: str, learned: Dataset | None, called: str) -> list[Row]:
        """The rows of a split but those whose text the challenger learned from."""
        rows = list(source[split])
        if learned is None or "train" not in learned.splits:
            return rows
        seen = source.overlap("train", split, of=learned)
        if seen.any():
            self.say("rows", f"{int(seen.sum()):,} of {called} left out: {self.challenger} learned from their text")
        return [row for row, leaked in zip(rows, seen, strict=True) if not leaked]

    def _kept(self, version: Version) -> Dataset:
        found = self._found(version.dataset or "")
        if found is None:
            raise LoopError(f"the rows that {version} learned from are not kept in {self.workspace.home}: no test set")
        if "test" not in found.splits:
            raise LoopError(
                f"the data of {version} has no test split: train on data with one (tunewheel train divides by default)"
            )
        return found

    def _learned(self) -> Dataset | None:
        found = self._found(self.challenger.dataset or "")
        if found is None:
            self.say("rows", f"what {self.challenger} learned from is not kept here: test rows it knows are not told")
        return found

    def _found(self, fingerprint: str) -> Dataset | None:
        from tunewheel.registry import kept_dataset

        return kept_dataset(self.workspace, fingerprint)

    def _parity(self) -> bool | None:
        """Whether all that the challenger was exported to was accepted there; None where it was not exported."""
        from tunewheel.registry.exports import find_export

        record = find_export(self.workspace, self.challenger)
        return None if record is None else not record.summary.get("forced")

    def _ancestors(self) -> list[str]:
        from tunewheel.registry import Registry

        lineage = Registry(self.workspace).lineage(self.champion.ref)
        return [parent["fingerprint"] for parent in lineage["parents"]]

    @cached_property
    def _stood(self) -> list[Version]:
        """The versions that were champion before and still have their files, in the order in which they first were."""
        from tunewheel.registry import CHAMPION, Registry

        registry = Registry(self.workspace)
        moves = registry.history(self.champion.name, CHAMPION)
        known = {version.number: version for version in registry.versions(self.champion.name)}
        ours = (self.challenger.number, self.champion.number)
        found = [known[number] for number in dict.fromkeys(move.number for move in moves) if number not in ours]
        gone = [version.ref for version in found if version.artifact not in self.workspace.artifacts]
        if gone:
            self.say("former", f"the files of {', '.join(gone)} are gone: not compared with")
        return [version for version in found if version.ref not in gone]

    def _former(self, found: RowSet, pool: _Pool, metric: str) -> tuple[str, ...]:
        """The best before the champion on these rows, where it did better, and the first that ever was champion.

        Each champion was chosen by these rows, so luck is part of its score there; that of the first is not.
        """
        if not self._stood:
            return ()
        rows = [pool.rows[i] for i in found.rows]
        values = {version.ref: self._value(version, rows, metric) for version in self._stood}
        best = max(values, key=lambda ref: values[ref])
        better = values[best] > self._value(self.champion, rows, metric)
        return tuple(dict.fromkeys([*([best] if better else []), self._stood[0].ref]))

    def _value(self, version: Version, rows: Sequence[Row], metric: str) -> float:
        """The metric on these rows, from the version's report where that has them all."""
        from tunewheel.evaluation import Report

        if version.report is not None:
            report = Report.load(version.report)
            places = {key: place for place, key in enumerate(report.ids.tolist())}
            at = [places.get(str(row.get("id")), -1) for row in rows]
            if min(at) >= 0:
                return report.task.metrics({key: array[at] for key, array in report.scores.items()})[metric]
        return self.task.metrics(self.task.score(rows, self._predictions(version, rows)))[metric]

    def _answers(self, version: Version, rows: Sequence[Row], metric: str, seconds: Array | None) -> Answers:
        from tunewheel.registry.gate import Answers

        self.say("predict", f"{version} on {len(rows):,} rows")
        return Answers.of(self.task, metric, rows, self._predictions(version, rows), seconds)

    def _predictions(self, version: Version, rows: Sequence[Row]) -> list[Any]:
        return self.model(version).predict(rows)

    def _timed(self, rows: Sequence[Row]) -> dict[str, Array]:
        """Seconds a row of challenger and champion in turn, on the same rows; the first round warms up."""
        rounds = [rows[at : at + ROUND] for at in range(0, min(len(rows), TIMED), ROUND)]
        models = {v.ref: self.model(v).predict for v in (self.champion, self.challenger)}
        spent: dict[str, list[float]] = {ref: [] for ref in models}
        for some in rounds[:1] + rounds:
            for ref, predict in models.items():
                spent[ref].append(_seconds(predict, some))
        return {ref: np.array(found[1:]) for ref, found in spent.items()}


def _seconds(predict: Callable[[Sequence[Row]], Any], rows: Sequence[Row]) -> float:
    start = perf_counter()
    predict(rows)
    return (perf_counter() - start) / len(rows)


class _Pool:
    """All rows that are looked at, each once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.rows: list[Row] = []
        self._at: dict[tuple[str, str, str], int] = {}

    def add(self, kind: Any, name: str, rows: Sequence[Row]) -> RowSet:
        """The places of a set's rows, those new to the pool added to it."""
        from tunewheel.registry.gate import RowSet, fingerprint

        places = []
        for row in rows:
            key = (str(row.get("id")), row["text"], _json(self.task.truth(row)))
            if key not in self._at:
                self._at[key] = len(self.rows)
                self.rows.append(row)
            places.append(self._at[key])
        return RowSet(kind, name, fingerprint(self.task, rows), np.array(places, dtype=np.int64))


def _placed(inside: Array, rows: Array, total: int) -> Array:
    found = np.zeros(total, dtype=bool)
    found[rows[inside]] = True
    return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
