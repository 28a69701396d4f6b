"""A report: a model's scores on a dataset, with everything needed to read, keep and compare them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tunewheel.evaluation.figures import Calibration
from tunewheel.evaluation.intervals import Array, EvaluationError, Interval
from tunewheel.evaluation.slices import Slice
from tunewheel.store.files import write_whole

if TYPE_CHECKING:
    from tunewheel.evaluation.comparison import Comparison
    from tunewheel.evaluation.protection import Protection
    from tunewheel.evaluation.robustness import Robustness
    from tunewheel.tasks import Scores, Task

SCHEMA = 1
_SCORE = "score."


@dataclass(frozen=True)
class Mistake:
    """A row the model got wrong.

    ``gold`` and ``predicted`` are a label, a list of labels or a list of entities; ``confidence`` is how sure
    the model was of the error, None where it is not known.
    """

    id: str
    text: str
    gold: Any
    predicted: Any
    confidence: float | None


@dataclass(frozen=True, eq=False)
class Report:
    """A model's scores on one dataset.

    ``metrics`` holds every figure of the task with its interval, headline first; ``clean`` the same on the
    rows whose text does not stand in train (None unless both kinds of rows exist; ``seen_rows`` None: not
    looked at; ``near_rows`` of them stand there but for case, punctuation or width). ``figures`` are those of
    probabilities: areas under curves and how texts out of scope are told; ``calibration`` says how far confidences
    may be believed (both as far as confidences are known). ``table`` has one dict a label: label, precision, recall,
    f1, support, predicted. ``confusion`` counts [gold, predicted]. ``scores`` and ``ids`` are the per-row record that
    `tunewheel.evaluation.compare` works on. ``slices`` are parts of the rows scored apart, ``robustness`` the scores
    on changed rows. ``protection`` tells of a private training.
    """

    task: Task
    model: str
    dataset: str | None
    rows: int
    metrics: dict[str, Interval]
    table: list[dict[str, Any]]
    confusion: Array | None
    clean: dict[str, Interval] | None
    seen_rows: int | None
    worst: list[Mistake]
    mistakes: int
    seconds: float | None
    scores: Scores = field(repr=False)
    ids: Array = field(repr=False)
    documents: Array | None = field(repr=False)
    created: str
    resamples: int
    seed: int
    facts: dict[str, str] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    robustness: list[Robustness] = field(default_factory=list)
    near_rows: int = 0
    figures: dict[str, Interval] = field(default_factory=dict)
    calibration: Calibration | None = None
    protection: Protection | None = None

    @property
    def headline(self) -> dict[str, Interval]:
        """The figures shown first."""
        return {name: self.metrics[name] for name in self.task.headline}

    @property
    def clean_rows(self) -> int | None:
        """Rows whose text does not stand in train; None when that was not looked at."""
        return None if self.seen_rows is None else self.rows - self.seen_rows

    @property
    def resolution(self) -> float:
        """The smallest difference between two models that so many rows show, in the first headline figure.

        √2 times half the interval's width: what two independent models would need; two models on the same
        rows are paired and usually need less.
        """
        first = next(iter(self.headline.values()))
        return sqrt(2) * (first.high - first.low) / 2

    def rows_to_resolve(self, difference: float = 0.01) -> int:
        """How many rows would show a ``difference``: the interval shrinks with the root of the rows."""
        return max(1, ceil(self.rows * (self.resolution / difference) ** 2))

    @property
    def power(self) -> dict[str, float]:
        """What so few rows can show: the smallest ``difference``, and the ``rows_for_one_point`` of a hundred."""
        return {"difference": self.resolution, "rows_for_one_point": self.rows_to_resolve(0.01)}

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, without the per-row record."""
        return {
            "schema": SCHEMA,
            "task": {"name": self.task.name, "config": self.task.config()},
            "model": self.model,
            "dataset": self.dataset,
            "rows": self.rows,
            "metrics": {name: asdict(interval) for name, interval in self.metrics.items()},
            "headline": list(self.task.headline),
            "power": self.power,
            "figures": {name: asdict(interval) for name, interval in self.figures.items()},
            "calibration": self.calibration and asdict(self.calibration),
            "table": self.table,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "clean": self.clean and {name: asdict(interval) for name, interval in self.clean.items()},
            "seen_rows": self.seen_rows,
            "near_rows": self.near_rows,
            "worst": [asdict(mistake) for mistake in self.worst],
            "mistakes": self.mistakes,
            "seconds": self.seconds,
            "created": self.created,
            "resamples": self.resamples,
            "seed": self.seed,
            "facts": self.facts,
            "slices": [part.as_dict() for part in self.slices],
            "robustness": [found.as_dict() for found in self.robustness],
            "privacy": self.protection and self.protection.as_dict(),
        }

    def save(
        self, folder: str | Path, *, comparison: Comparison | None = None, lang: Literal["en", "zh"] = "en"
    ) -> Path:
        """Write ``report.json``, ``report.html`` and ``scores.npz`` (no pickle); return the page's path."""
        from tunewheel.evaluation.html import write_html

        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        arrays = {_SCORE + key: array for key, array in self.scores.items()} | {"ids": self.ids}
        if self.documents is not None:
            arrays["documents"] = self.documents
        packed = BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        write_whole(target / "scores.npz", packed.getvalue())
        page = write_html(self, target / "report.html", comparison=comparison, lang=lang)
        # Last: a folder with report.json is a complete one.
        text = json.dumps(self.as_dict(), ensure_ascii=False, indent=1)
        write_whole(target / "report.json", text + "\n")
        return page

    @classmethod
    def load(cls, folder: str | Path, *, task: Task | None = None) -> Self:
        """Read a report that `save` wrote; the task is built from its stored configuration unless given."""
        from tunewheel.evaluation.protection import Protection
        from tunewheel.evaluation.robustness import Robustness

        source = Path(folder)
        stored = read_report(source)
        try:
            with np.load(source / "scores.npz", allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
        except (OSError, ValueError) as error:
            raise EvaluationError(f"{source} holds no readable report: {error}") from error
        if task is None:
            from tunewheel.tasks import load_task

            task = load_task(stored["task"])
        same = ["model", "dataset", "rows", "table", "seen_rows", "mistakes", "seconds"]
        same += ["created", "resamples", "seed", "facts"]
        return cls(
            task=task,
            metrics=_intervals(stored["metrics"]),
            confusion=None if stored["confusion"] is None else np.array(stored["confusion"], dtype=np.int64),
            clean=stored["clean"] and _intervals(stored["clean"]),
            figures=_intervals(stored.get("figures", {})),
            calibration=Calibration.from_dict(stored["calibration"]) if stored.get("calibration") else None,
            worst=[Mistake(**mistake) for mistake in stored["worst"]],
            scores={key.removeprefix(_SCORE): a for key, a in arrays.items() if key.startswith(_SCORE)},
            ids=arrays["ids"],
            documents=arrays.get("documents"),
            near_rows=stored.get("near_rows", 0),
            slices=[Slice.from_dict(part) for part in stored.get("slices", ())],
            robustness=[Robustness.from_dict(found) for found in stored.get("robustness", ())],
            protection=Protection.from_dict(stored["privacy"]) if stored.get("privacy") else None,
            **{key: stored[key] for key in same},
        )

    def __str__(self) -> str:
        from tunewheel.evaluation.terminal import plain, report_view

        return plain(report_view(self))


def read_report(folder: str | Path) -> dict[str, Any]:
    """What a saved report says of itself (`Report.as_dict`), without its task or its per-row record."""
    try:
        stored: dict[str, Any] = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{folder} holds no readable report: {error}") from error
    if stored.get("schema") != SCHEMA:
        raise EvaluationError(f"{folder}: report schema {stored.get('schema')!r}, this version reads {SCHEMA}")
    return stored


def _intervals(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    return {name: Interval(**interval) for name, interval in stored.items()}


def find_mistakes(
    task: Task, rows: Sequence[Mapping[str, Any]], predictions: Sequence[dict[str, Any]], ids: Sequence[str]
) -> list[Mistake]:
    """Every wrong row as the task sees it, the most confident error first, rows without a confidence last."""
    wrong = []
    for row, prediction, key in zip(rows, predictions, ids, strict=True):
        found = task.mistake(row, prediction)
        if found is not None:
            wrong.append(Mistake(key, row["text"], *found))
    return sorted(wrong, key=lambda m: -1.0 if m.confidence is None else m.confidence, reverse=True)
