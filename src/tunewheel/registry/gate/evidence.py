"""What the gate decides by: per-row scores of two or more versions on the same rows. No text, no row's id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tunewheel.evaluation.intervals import EQUAL, Array, number_documents
from tunewheel.evaluation.slices import MANY, Part, partition
from tunewheel.registry.gate.nouns import GateError
from tunewheel.store.files import write_whole
from tunewheel.tasks.calibration import Claims

if TYPE_CHECKING:
    from tunewheel.tasks import Prediction, Row, Scores, Task

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Answers:
    """What one version answered to all rows of the evidence.

    Where the metric is a share of rows and no row carries a document, ``right`` (bool [n]) says it all and ``scores``
    is empty. ``squared`` [n] is each row's Brier score (nan: it has none), ``claims`` what was claimed how surely,
    ``seconds`` the time a row took in each of several rounds; None where it is not known.
    """

    right: Array | None = None
    scores: Scores = field(default_factory=dict)
    squared: Array | None = None
    claims: Claims | None = None
    seconds: Array | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        metric: str,
        rows: Sequence[Row],
        predictions: Sequence[Prediction],
        seconds: Array | None = None,
    ) -> Self:
        """Score one version's predictions for the rows."""
        scores = task.score(rows, predictions)
        right = _right(task, metric, rows, predictions, scores)
        known = task.probabilities(rows, predictions)
        squared = None
        if known is not None:
            squares = (known.values - known.gold) ** 2
            missing = 1.0 - known.gold.sum(axis=1)
            squared = np.full(len(rows), np.nan)
            squared[known.row] = (squares.sum(axis=1) + missing) / 2 if known.exclusive else squares.mean(axis=1)
        kept = scores if right is None else {}
        return cls(right, kept, squared, task.claims(rows, predictions), seconds)


def _right(
    task: Task, metric: str, rows: Sequence[Row], predictions: Sequence[Prediction], scores: Scores
) -> Array | None:
    """Which rows (bool [n]) are right, for a metric that is just their share; None for any other."""
    if metric not in task.proportions or number_documents(rows) is not None:
        return None
    right = np.array([task.mistake(row, p) is None for row, p in zip(rows, predictions, strict=True)], dtype=bool)
    return right if abs(float(right.mean()) - task.metrics(scores)[metric]) < EQUAL else None


@dataclass(frozen=True, eq=False)
class RowSet:
    """Some of the rows (indices), under the name and fingerprint of the set they are.

    ``former`` are further versions to compare with there, beside the champion: the one that did best of all that ever
    were champion, and the first of them, whose score is the only one that was not chosen by these rows.
    """

    kind: Literal["test", "new", "earlier"]
    name: str
    fingerprint: str
    rows: Array
    former: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Evidence:
    """Answers of challenger, champion and former ones on the frozen test set, new data and earlier test sets.

    ``slices`` divide the rows of the frozen test set (their ``inside`` is bool over all rows); ``documents`` [n] number
    rows that stand or fall together. ``uses`` counts earlier decisions on this test set. ``parity`` says whether what
    the challenger was exported to answers as it does, None where there is no export. ``facts`` are for the reader.
    """

    metric: str
    task: Task
    challenger: str
    champion: str
    answers: Mapping[str, Answers]
    sets: Sequence[RowSet]
    slices: Sequence[Part] = ()
    documents: Array | None = None
    uses: int = 0
    parity: bool | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if [found.kind for found in self.sets].count("test") != 1 or self.sets[0].kind != "test":
            raise GateError("the first set must be the frozen test set, and there is one")
        lacking = {self.challenger, self.champion, *(name for found in self.sets for name in found.former)} - set(
            self.answers
        )
        if lacking:
            raise GateError(f"no answers of {', '.join(sorted(lacking))}")
        if any(not len(found.rows) for found in self.sets):
            raise GateError("a set without rows decides nothing: leave it out")

    @property
    def test(self) -> RowSet:
        """The frozen test set."""
        return self.sets[0]

    def save(self, folder: str | Path) -> Path:
        """Write ``evidence.json`` and ``evidence.npz`` (no pickle) into a folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Array] = {}
        names = list(self.answers)
        for i, given in enumerate(self.answers.values()):
            single = {"right": given.right, "squared": given.squared, "seconds": given.seconds}
            single |= given.claims._asdict() if given.claims is not None else {}
            single |= {f"score.{key}": array for key, array in given.scores.items()}
            arrays |= {f"{i}/{key}": array for key, array in single.items() if array is not None}
        arrays |= {f"set/{i}": found.rows for i, found in enumerate(self.sets)}
        arrays |= {f"slice/{i}": part.inside for i, part in enumerate(self.slices)}
        if self.documents is not None:
            arrays["documents"] = self.documents
        packed = BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        write_whole(target / "evidence.npz", packed.getvalue())
        told = {
            **{"schema": SCHEMA, "metric": self.metric, "challenger": self.challenger, "champion": self.champion},
            "task": {"name": self.task.name, "config": self.task.config()},
            "answers": names,
            "sets": [{k: v for k, v in vars(found).items() if k != "rows"} for found in self.sets],
            "slices": [[part.name, part.value] for part in self.slices],
            **{"uses": self.uses, "parity": self.parity, "facts": dict(self.facts)},
        }
        write_whole(target / "evidence.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        return target

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        from tunewheel.tasks import load_task

        source = Path(folder)
        try:
            told = json.loads((source / "evidence.json").read_text(encoding="utf-8"))
            with np.load(source / "evidence.npz", allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        except (OSError, ValueError) as error:
            raise GateError(f"{source} holds no readable evidence: {error}") from error
        if told.get("schema") != SCHEMA:
            raise GateError(f"{source}: evidence schema {told.get('schema')!r}, this version reads {SCHEMA}")
        answers = {name: _answers(arrays, f"{i}/") for i, name in enumerate(told["answers"])}
        same = {key: told[key] for key in ("metric", "challenger", "champion", "uses", "parity", "facts")}
        return cls(
            task=load_task(told["task"]),
            answers=answers,
            sets=[
                RowSet(rows=arrays[f"set/{i}"], **found | {"former": tuple(found["former"])})
                for i, found in enumerate(told["sets"])
            ],
            slices=[Part(name, value, arrays[f"slice/{i}"]) for i, (name, value) in enumerate(told["slices"])],
            documents=arrays.get("documents"),
            **same,
        )


def _answers(arrays: Mapping[str, Array], start: str) -> Answers:
    own = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
    claims = Claims(own["row"], own["confidence"], own["correct"]) if "row" in own else None
    scores = {key.removeprefix("score."): array for key, array in own.items() if key.startswith("score.")}
    return Answers(own.get("right"), scores, own.get("squared"), claims, own.get("seconds"))


def fingerprint(task: Task, rows: Iterable[Row]) -> str:
    """sha256 of the texts and their own labels, in any order: what makes a test set the same one.

    >>> from tunewheel.tasks.classification import Classification
    >>> task, rows = Classification(("a", "b")), [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}]
    >>> fingerprint(task, rows) == fingerprint(task, rows[::-1])
    True
    """
    told = (json.dumps([row["text"], task.truth(row)], ensure_ascii=False, sort_keys=True) for row in rows)
    single = sorted(hashlib.sha256(each.encode()).digest() for each in told)
    return hashlib.sha256(b"".join(single)).hexdigest()


def find_parts(task: Task, rows: Sequence[Row], columns: Sequence[str] | None = None) -> list[Part]:
    """Slices by length, language and columns (`partition`), and by each label that a row may have."""
    found = partition(task, rows, columns)
    marks = [_marks(task.truth(row)) for row in rows]
    labels = sorted(set().union(*marks))
    if 1 < len(labels) <= 10 * MANY:
        found += [Part("label", label, np.array([label in own for own in marks])) for label in labels]
    return found


def _marks(truth: Any) -> frozenset[str]:
    """The labels that a row's own answer names: itself, several, or its entities'; none of a written answer."""
    if isinstance(truth, str):
        return frozenset({truth})
    if isinstance(truth, Sequence):
        return frozenset(str(each["label"] if isinstance(each, Mapping) else each) for each in truth)
    return frozenset()
