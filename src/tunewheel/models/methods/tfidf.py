"""A linear model over counted n-grams: the baseline that anything larger has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from tunewheel.data.language import language
from tunewheel.models.linear import Linear, predictions, targets
from tunewheel.models.logistic import fits
from tunewheel.models.methods.base import Adaptation, Job, Method, MethodError, Refusal, whole_texts
from tunewheel.models.methods.fitting import fitted
from tunewheel.models.model import Model
from tunewheel.models.ngrams import Cut, Ngrams
from tunewheel.models.recipe import Recipe
from tunewheel.tasks import Row, Task

if TYPE_CHECKING:
    from tunewheel.models.engine import Progress, Trained

STRENGTHS = (1.0, 10.0, 100.0)
"""What the inverse strength of regularisation is chosen from."""

FOLDS = 5
_LONGEST = {"en": (2, 5), "zh": (0, 3)}
_LONGEST_MIXED = (2, 4)


@dataclass(frozen=True)
class Tfidf(Method):
    """TF-IDF and logistic regression by scikit-learn; one regression a label where a text may have several.

    ``strength`` is its C, chosen on dev by default, without dev by cross-validation on train. ``words`` and
    ``characters`` are the longest n-grams of each (0: none), by the language of the text by default: words 1-2 and
    characters 1-5 within a word for English, characters 1-3 for Chinese, words 1-2 and characters 1-4 for a mixture.
    """

    strength: Annotated[float, Field(gt=0)] | None = None
    words: Annotated[int, Field(ge=0, le=10)] | None = None
    characters: Annotated[int, Field(ge=0, le=10)] | None = None

    name: ClassVar[str] = "tfidf"
    summary: ClassVar[str] = "no base: a linear model learns from counted words and characters, in seconds"
    based: ClassVar[bool] = False
    settings: ClassVar[frozenset[str] | None] = frozenset({"seed"})

    @classmethod
    def refuses(cls, task: type[Task]) -> Refusal | None:
        """It counts what stands in a text, not where."""
        return None if whole_texts(task) else Refusal("it labels whole texts, not places in them", "full")

    def prepare(self, job: Job) -> Adaptation:
        """See how the language asks to be cut."""
        return Counts(self, job, self.cuts([row["text"] for row in job.train]), job.recipe)

    def cuts(self, texts: Sequence[str]) -> list[Cut]:
        """How these texts are cut into n-grams."""
        spoken = language(" ".join(texts[:500]))
        words, characters = _LONGEST.get(spoken, _LONGEST_MIXED)
        words = words if self.words is None else self.words
        characters = characters if self.characters is None else self.characters
        cuts = [Cut("word", words), Cut("char", characters, within=spoken == "en")]
        if not any(cut.longest for cut in cuts):
            raise MethodError(f"method {self.name!r}: words and characters are both 0, which leaves nothing to count")
        return [cut for cut in cuts if cut.longest]


@dataclass(frozen=True)
class Counts(Adaptation):
    """A job for the linear model; of its recipe only the seed is of use."""

    method: Tfidf
    job: Job
    cuts: Sequence[Cut]
    recipe: Recipe

    @property
    def untrained(self) -> None:
        """It says nothing before it has counted."""

    def described(self) -> str:
        """What is counted."""
        given = self.method.strength
        strength = f"strength {given:g}" if given else f"strength chosen from {', '.join(f'{s:g}' for s in STRENGTHS)}"
        return f"none, method {self.method.name}: {' and '.join(map(str, self.cuts))}, {strength}"

    def train(
        self,
        train: Sequence[Row],
        dev: Sequence[Row],
        folder: Path,
        *,
        progress: Progress | None = None,
        report_to: Sequence[str] = (),
    ) -> tuple[Model, Trained | None]:
        """Count and fit, which takes seconds: a killed run begins anew."""
        examples = Examples.of(self.job.task, train)
        if self.method.strength is not None:
            strengths: Sequence[float] = (self.method.strength,)
        else:
            strengths = STRENGTHS if dev else (self._crossed(examples),)
        tried = self._tried(examples, strengths)
        scores = [_scores(self.job.task, dev, body.outputs(_texts(dev))) for _, body in tried] if dev else [{}]
        best = max(range(len(tried)), key=lambda i: scores[i].get(self.job.task.selection, 0.0))
        strength, body = tried[best]
        told = {"seed": self.recipe.seed, "strength": strength, "ngrams": [str(cut) for cut in self.cuts]}
        origin = replace(self.job.origin, settings={**self.job.origin.settings, **told}, dev=scores[best])
        return fitted(Model(body, self.job.task, origin), dev), None

    def _tried(self, examples: Examples, strengths: Sequence[float]) -> list[tuple[float, Linear]]:
        """A model by each strength."""
        ngrams, vectors = Ngrams.learned(self.cuts, _texts(examples.rows))
        if not ngrams.width:
            raise MethodError(f"method {self.method.name!r}: the train split holds no text to count anything in")
        made = fits(vectors, examples.gold, self.job.task.head(), strengths)
        return [(fit.strength, Linear(ngrams, fit.weights, fit.bias)) for fit in made]

    def _crossed(self, examples: Examples) -> float:
        """The strength that answers best for rows of train that were held out; the middle one if none can be."""
        fold = examples.folds(self.recipe.seed)
        held = np.flatnonzero(fold >= 0)
        if not len(held):
            return STRENGTHS[len(STRENGTHS) // 2]
        outputs = np.zeros((len(STRENGTHS), len(fold), self.job.task.head().outputs))
        for k in np.unique(fold[held]):
            out = np.flatnonzero(fold == k)
            tried = self._tried(examples.only(np.flatnonzero(fold != k)), STRENGTHS)
            for i, (_, body) in enumerate(tried):
                outputs[i, out] = body.outputs(_texts(examples.only(out).rows))
        rows = examples.only(held).rows
        scores = [_scores(self.job.task, rows, each[held])[self.job.task.selection] for each in outputs]
        return STRENGTHS[int(np.argmax(scores))]


@dataclass(frozen=True)
class Examples:
    """Rows to learn from, and the target of each: a number [n], or a 0 or 1 for each output [n, outputs]."""

    rows: Sequence[Row]
    gold: npt.NDArray[Any]

    @classmethod
    def of(cls, task: Task, rows: Sequence[Row]) -> Self:
        """Those rows that the task learns from."""
        found = targets(task, rows)
        if not found:
            raise MethodError("the train split holds no row to learn from")
        return cls([rows[window.parts[0].row] for window in found], np.array([window.labels for window in found]))

    def only(self, places: npt.NDArray[Any]) -> Self:
        """The rows at ``places``."""
        return type(self)([self.rows[i] for i in places], self.gold[places])

    def folds(self, seed: int) -> npt.NDArray[np.int64]:
        """A fold [n] for each row, `FOLDS` in all, each label's rows spread over them.

        The only row of a label gets -1: held out, it would leave nothing to know the label by.
        """
        draw = np.random.default_rng(seed)
        labels = self.gold if self.gold.ndim == 1 else np.zeros(len(self.gold), dtype=np.int64)
        folds, dealt = np.full(len(labels), -1), 0
        for label in np.unique(labels):
            members = draw.permutation(np.flatnonzero(labels == label))
            if len(members) > 1:
                folds[members] = (dealt + np.arange(len(members))) % FOLDS
                dealt += len(members)
        return folds


def _texts(rows: Sequence[Row]) -> list[str]:
    return [row["text"] for row in rows]


def _scores(task: Task, rows: Sequence[Row], outputs: npt.NDArray[np.float64]) -> dict[str, float]:
    return task.metrics(task.score(rows, predictions(task, rows, outputs)))
