"""Fits: one method, learned from a part of the rows and asked about the held-out ones; each is done once and recorded.

Every fit has a folder of its own, named by method and part. `RECORD` in it says that the fit is done; what a killed
process left without one is taken up from its checkpoints.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import numpy as np

from tunewheel.models.methods import Adaptation, method_class
from tunewheel.models.recipe import Recipe
from tunewheel.store.files import write_whole
from tunewheel.tasks import Prediction, Row, Task
from tunewheel.tuning.climbing.subsets import Fold, nested

if TYPE_CHECKING:
    from tunewheel.models import Model, Progress, Trained

RECORD = "fit.json"
ASKED = 64
"""Texts that are answered one at a time, at most."""

_RECIPE = "recipe.json"
_MODEL = "model"
Clock = Callable[[], float]


class Prepares(Protocol):
    """How a method is made ready for rows; ``recipe`` is what a try that was cut off had resolved."""

    def __call__(self, method: str, rows: Sequence[Row], recipe: Recipe | None) -> Adaptation:
        """As `tunewheel.models.prepare`; raises `MethodError` or `BackboneError` where the method has no use."""


@dataclass(frozen=True)
class Latency:
    """Seconds for one text at a time (median and 95th percentile), and texts a second in batches."""

    median: float
    p95: float
    per_second: float


class Load(NamedTuple):
    """What a fit has to go through: rows ``learned`` from, each as often as there are epochs, and rows ``asked`` about.

    A method that does not learn may still look at the rows asked about, to be calibrated.
    """

    learned: int
    asked: int


@dataclass(frozen=True)
class Fit:
    """What came of one method on a ``part``-th of the rows.

    ``rows`` were learned from; ``seconds`` went into learning, ``spent`` into all of it. ``load`` is what had to be
    gone through. ``trainable`` of the ``parameters`` learned; ``size`` is the model folder's, in bytes, and
    ``latency`` how it answers, both known for whole fits alone. ``predictions`` are for the held-out rows, in order.
    """

    method: str
    part: int
    rows: int
    seconds: float
    spent: float
    load: Load
    parameters: int
    trainable: int
    size: int | None
    latency: Latency | None
    predictions: list[Prediction]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Build it again from ``dataclasses.asdict``."""
        latency = stored["latency"] and Latency(**stored["latency"])
        return cls(**{**stored, "latency": latency, "load": Load(*stored["load"])})

    def estimate(self, load: Load) -> float:
        """Seconds for another load: learning by what is learned from, the rest by what is asked."""
        learning = self.seconds * load.learned / self.load.learned
        return learning + (self.spent - self.seconds) * load.asked / self.load.asked


class Bench:
    """Carries out fits on ``folds`` and keeps their records in ``folder``.

    With one fold (a dev split) the model of a whole fit is kept and its method may look at the held-out rows to choose
    and calibrate, as in training; with several (cross-fitting) it sees none of them, and `model` learns from all
    ``rows``, in the order in which `train` would take them.
    """

    def __init__(
        self,
        prepare: Prepares,
        task: Task,
        folds: Sequence[Fold],
        folder: Path,
        *,
        seed: int,
        clock: Clock,
        rows: Sequence[Row] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.prepare, self.task, self.folds, self.folder = prepare, task, folds, folder
        given = rows or (self.held if len(folds) > 1 else folds[0].train)
        self.rows: list[Row] = list(given)
        self.seed, self.clock, self.progress = seed, clock, progress

    @property
    def crossed(self) -> bool:
        """Whether rows are judged by cross-fitting."""
        return len(self.folds) > 1

    def done(self, method: str, part: int) -> Fit | None:
        """The record of a fit, None where it is not done."""
        path = self._home(method, part) / RECORD
        return Fit.from_dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def ready(self, method: str, part: int) -> Adaptation:
        """The method made ready for the first fold; raises what `Prepares` does."""
        return self._ready(method, self._rows(method, part, self.folds[0])[0], self._home(method, part) / "0")

    def load(self, method: str, part: int, ready: Adaptation) -> Load:
        """What lies before a fit; its time is taken to be proportional to that."""
        sizes = [tuple(map(len, self._rows(method, part, fold))) for fold in self.folds]
        asked = sum(held for _, held in sizes)
        learned = sum(rows for rows, _ in sizes) if method_class(method).learns else asked
        return Load((ready.recipe.epochs or 1) * learned, asked)

    def fit(self, method: str, part: int, ready: Adaptation, begun: float) -> Fit:
        """Carry a fit out and record it: ``ready`` is what `ready` gave, asked when the clock stood at ``begun``."""
        home, learning = self._home(method, part), 0.0
        load, trainable = self.load(method, part, ready), _trainable(ready)
        predictions: list[Prediction] = []
        answering = 0.0
        for number, fold in enumerate(self.folds):
            learned, held = self._rows(method, part, fold)
            place = home / str(number)
            if number:
                ready = self._ready(method, learned, place)
            started = self.clock()
            model, trained = ready.train(
                learned, [] if self.crossed else held, place / "checkpoints", progress=self.progress
            )
            learning += _whole(self.clock() - started, trained)
            started = self.clock()
            predictions += model.predict(held)
            answering += self.clock() - started
        size, latency = None, None
        if part == 1:
            size = _saved(model, home / _MODEL)
            latency = self._latency(model, held, len(predictions) / max(answering, 1e-9))
        fit = Fit(
            *(method, part, len(learned), learning, 0.0, load, model.parameters),
            *(_learned(model, method) if trainable is None else trainable, size, latency, predictions),
        )
        fit = replace(fit, spent=max(self.clock() - begun, learning))
        self._record(fit)
        return fit

    def model(self, method: str) -> Model:
        """The model of a whole fit; after cross-fitting one that has learned from all rows."""
        from tunewheel.models import Model

        home = self._home(method, 1)
        if not self.crossed:
            return Model.load(home / _MODEL)
        final = home / "final"
        if (final / _MODEL / "tunewheel.json").is_file():
            return Model.load(final / _MODEL)
        ready = self._ready(method, self.rows, final)
        model, _ = ready.train(self.rows, [], final / "checkpoints", progress=self.progress)
        _saved(model, final / _MODEL)
        return model

    @property
    def held(self) -> list[Row]:
        """The rows judged on, in the order of predictions."""
        return [row for fold in self.folds for row in fold.held]

    def _home(self, method: str, part: int) -> Path:
        return self.folder / f"{method}-{part}"

    def _rows(self, method: str, part: int, fold: Fold) -> tuple[list[Row], list[Row]]:
        """Of a method that does not learn, the held-out rows are divided: they are what takes its time."""
        if method_class(method).learns:
            return nested(fold.train, self.task, part, self.seed), fold.held
        return fold.train, nested(fold.held, self.task, part, self.seed)

    def _ready(self, method: str, rows: Sequence[Row], home: Path) -> Adaptation:
        """Made ready by the recipe that a try which was cut off had resolved: what was measured then counts."""
        begun = home / _RECIPE
        known = Recipe(**json.loads(begun.read_text(encoding="utf-8"))) if begun.is_file() else None
        ready = self.prepare(method, rows, known)
        write_whole(begun, json.dumps(asdict(ready.recipe)))
        return ready

    def _record(self, fit: Fit) -> None:
        home = self._home(fit.method, fit.part)
        write_whole(home / RECORD, json.dumps(asdict(fit), ensure_ascii=False))
        for number in range(len(self.folds)):
            shutil.rmtree(home / str(number), ignore_errors=True)
        if self.crossed:
            shutil.rmtree(home / _MODEL, ignore_errors=True)

    def _latency(self, model: Model, held: Sequence[Row], per_second: float) -> Latency:
        asked = held[:ASKED]
        model.predict(asked[:3])
        taken = []
        for row in asked:
            started = self.clock()
            model.predict([row])
            taken.append(self.clock() - started)
        median, p95 = np.quantile(taken, [0.5, 0.95]).tolist()
        return Latency(median, p95, per_second)


def _whole(seconds: float, trained: Trained | None) -> float:
    """Seconds of the whole training, of one that was taken up as if it had never been cut off."""
    made = trained.updates - trained.resumed_from if trained else 0
    return seconds * trained.updates / made if trained and made else seconds


def _trainable(ready: Adaptation) -> int | None:
    """Weights that will learn; None where there is no network to ask yet."""
    from tunewheel.models.neural import Neural

    untrained = ready.untrained
    if untrained is None or not isinstance(untrained.body, Neural):
        return None
    return sum(int(weight.numel()) for weight in untrained.network.parameters() if weight.requires_grad)


def _learned(model: Model, method: str) -> int:
    return model.parameters if method_class(method).learns else 0


def _saved(model: Model, folder: Path) -> int:
    """Save the model in place of what a killed process may have left there; its size in bytes."""
    from tunewheel.models.quiet import quiet

    shutil.rmtree(folder, ignore_errors=True)
    with quiet():
        model.save(folder)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
