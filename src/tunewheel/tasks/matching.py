"""Matching: whether two texts belong together, and how surely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data.pairs import TAB, join_pair, part_pair
from tunewheel.tasks.base import (
    Encoder,
    Head,
    Part,
    Pieces,
    Prediction,
    Probabilities,
    Row,
    Scores,
    Task,
    TaskError,
    Window,
    f1,
    ratio,
    split_windows,
)
from tunewheel.tasks.calibration import UNCALIBRATED, Claims, fit_temperature_each, temper_each
from tunewheel.tasks.ranks import average_precision, spearman

STRIDE = 32
"""Pieces that neighbouring windows of a long text share."""

SHARPNESS = 20.0
"""How steeply a cosine's distance from the threshold turns into a probability."""

GRADE = "score"
"""The column that says how far two texts belong together, from 0 to 1, where rows know that."""

_TOGETHER = frozenset(
    (
        *("1", "same", "true", "yes", "y", "duplicate", "duplicates", "paraphrase", "match", "similar", "equivalent"),
        *("positive", "relevant", "related", "entailment"),
        *("相同", "一样", "同义", "相似", "匹配", "是", "相关", "重复", "等价"),
    )
)


class Matching(Task):
    """Two texts, together or apart; ``labels`` are the label of texts that are apart and that of those together.

    A row's text is both of its texts with a tab between (`tunewheel.data.infer.join_pair`). Where rows are ``graded``
    their `GRADE` is what is learned in place of the label. ``weight`` is how much a pair that belongs together counts.
    A method that reads the texts apart answers by the cosine of their vectors (`judged`): from ``threshold`` on they
    belong together. Threshold and ``temperature`` are fitted on dev.

    >>> task = Matching(("not", "same"))
    >>> [p["label"] for p in task.judged([0.9, 0.1])]
    ['same', 'not']
    """

    name: ClassVar[str] = "matching"
    columns: ClassVar[tuple[str, ...]] = ("text", "label")
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "f1")
    selection: ClassVar[str] = "average_precision"
    proportions: ClassVar[frozenset[str]] = frozenset({"accuracy"})
    metric_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        "average_precision": ("average precision", "平均精确率（AP）"),
        "spearman": ("Spearman's rank correlation", "斯皮尔曼等级相关"),
    }
    answers: ClassVar[str] = "whether two texts belong together, and a score"
    pipeline: ClassVar[str | None] = "text-ranking"
    compares: ClassVar[bool] = True
    calibrated_by: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        labels: Sequence[str],
        *,
        graded: bool = False,
        weight: float | None = None,
        threshold: float = 0.5,
        temperature: float | None = None,
    ) -> None:
        if len(set(labels)) != 2:
            raise TaskError(f"matching knows two labels, texts apart and texts together, got {list(labels)!r}")
        self.labels = tuple(labels)
        self.graded = graded
        self.weight = weight
        self.threshold = threshold
        self.temperature = temperature
        self._index = {label: i for i, label in enumerate(self.labels)}

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        positive: str | None = None,
        class_weights: Literal["none", "balanced"] = "none",
        **_options: Any,
    ) -> Self:
        """Learn which label says that texts belong together (``positive``, or by its name), and if rows are graded.

        Raises `TaskError` for rows of one text, and for labels that are not two or do not say which is which.
        """
        rows = dataset[split]
        for number, text in enumerate(rows["text"], 1):
            if part_pair(text) is None:
                raise TaskError(
                    f"{split} row {number} holds one text ({text[:40]!r}), and matching is about two: "
                    "call their columns sentence1 and sentence2, or name them: --text FIRST,SECOND"
                )
        labels = _ordered(dataset.labels, positive)
        weight = None
        if class_weights == "balanced":
            together = sum(label == labels[1] for label in rows["label"])
            weight = (len(rows["label"]) - together) / max(1, together)
        given = rows[GRADE] if GRADE in getattr(rows, "column_names", ()) else []
        graded = bool(len(given)) and all(_grade(value) is not None for value in given)
        return cls(labels, graded=graded, weight=weight)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Labels, what is learned, and what is fitted on dev."""
        return {
            "labels": list(self.labels),
            "graded": self.graded,
            "weight": self.weight,
            "threshold": self.threshold,
            "temperature": self.temperature,
        }

    def head(self) -> Head:
        """One number for both texts as they are read together."""
        return Head("sequence", 1, "binary", None if self.weight is None else (self.weight,))

    def sides(self, row: Row) -> tuple[str, str]:
        """The two texts of a row; raises `TaskError` where it holds one."""
        sides = part_pair(row["text"])
        if sides is None:
            told = f"a row holds one text ({row['text'][:40]!r}), and matching is about two"
            raise TaskError(f"{told}: give sentence1 and sentence2, or one text with a tab between them")
        return sides

    def pair(self, first: str, second: str, *, together: bool) -> Row:
        """A labelled row of two texts."""
        return {"text": join_pair(first, second), "label": self.labels[together]}

    def together(self, row: Row) -> bool:
        """Whether a row's label says that its texts belong together."""
        return bool(row["label"] == self.labels[1])

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """First text, separator, second text; where they do not fit both, windows that walk through them together.

        The shorter of two texts stands whole in every window if it takes no more than half the room; else each is cut,
        and pieces at like places stand together. A row of one text, of which only vectors can be asked, stands alone.
        """
        windows = []
        for index, pieces in enumerate(encoder([row["text"] for row in rows])):
            border = _border(rows[index]["text"], pieces)
            target = [self._target(rows[index])] if labelled else None
            for one, other in _ranges(border, len(pieces.ids), encoder.room - len(encoder.separator)):
                windows.append(_window(index, pieces, one, other, encoder.separator))
                windows[-1].labels = target
        return windows

    def _target(self, row: Row) -> float:
        self.sides(row)
        grade = _grade(row.get(GRADE)) if self.graded else None
        return float(self._index[row["label"]]) if grade is None else grade

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' probabilities, weighted by their pieces; one prediction a row."""
        total, size = np.zeros(len(rows)), np.zeros(len(rows))
        for window, logit in zip(windows, outputs, strict=True):
            row = window.parts[0].row
            pieces = max(1, sum(part.stop - part.start for part in window.parts))
            total[row] += pieces * _sigmoid(float(logit[0]))
            size[row] += pieces
        for each in rows:
            self.sides(each)
        return self._answers(total / np.maximum(size, 1))

    def judged(self, cosines: npt.ArrayLike) -> list[Prediction]:
        """Predictions of pairs [n] whose texts were read apart, by the cosines of their vectors."""
        told = np.asarray(cosines, dtype=np.float64)
        answers = self._answers(_sigmoid(SHARPNESS * (told - self.threshold)))
        return [{**answer, "similarity": cosine} for answer, cosine in zip(answers, told.tolist(), strict=True)]

    def _answers(self, raw: npt.NDArray[np.float64]) -> list[Prediction]:
        shown = temper_each(raw, self.temperature).tolist()
        return [
            {
                "label": self.labels[sure >= 0.5],
                "confidence": p if sure >= 0.5 else 1 - p,
                "score": p,
            }
            for sure, p in zip(raw.tolist(), shown, strict=True)
        ]

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Gold and answer as an index of `labels` (-1 for another label), the score, and the rows' grade or nan."""
        grades = [_grade(row.get(GRADE)) if self.graded else None for row in rows]
        return {
            "gold": np.array([self._index.get(row["label"], -1) for row in rows], dtype=np.int64),
            "predicted": np.array([self._index.get(p["label"], -1) for p in predictions], dtype=np.int64),
            "score": np.array([self._shown(p) for p in predictions], dtype=np.float64),
            "grade": np.array([np.nan if grade is None else grade for grade in grades], dtype=np.float64),
        }

    def _shown(self, prediction: Prediction) -> float:
        """The score of a prediction, that of its label alone where none is told."""
        return float(prediction.get("score", self._index.get(prediction["label"], 0)))

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Accuracy; precision, recall and F1 of the pairs that belong together; average precision of the scores.

        Where rows are graded also Spearman's correlation of scores and grades, 0 where it is negative.
        """
        gold, predicted = scores["gold"], scores["predicted"]
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        hit = (gold == 1) & (predicted == 1)
        precision, recall = ratio(w @ hit, w @ (predicted == 1)), ratio(w @ hit, w @ (gold == 1))
        found = {
            "accuracy": float(ratio(w @ ((gold == predicted) & (gold >= 0)), w.sum())),
            "f1": float(f1(precision, recall)),
            "precision": float(precision),
            "recall": float(recall),
            "average_precision": average_precision(scores["score"], gold == 1, w),
        }
        known = ~np.isnan(scores["grade"])
        if known.any():
            found["spearman"] = spearman(scores["score"][known], scores["grade"][known], w[known])
        return found

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Rows that are, or are answered as, texts together, for the figures that count only these."""
        gold, predicted = scores["gold"] == 1, scores["predicted"] == 1
        if metric in ("f1", "precision", "recall"):
            return np.asarray({"f1": gold | predicted, "precision": predicted, "recall": gold}[metric])
        return ~np.isnan(scores["grade"]) if metric == "spearman" else super().counted(metric, scores)

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and predicted count of either label."""
        gold, predicted = scores["gold"], scores["predicted"]
        rows = []
        for i, label in enumerate(self.labels):
            correct, found, support = (gold == i) & (predicted == i), (predicted == i).sum(), (gold == i).sum()
            precision, recall = ratio(correct.sum(), found), ratio(correct.sum(), support)
            figures = {"precision": float(precision), "recall": float(recall), "f1": float(f1(precision, recall))}
            rows.append({"label": label, **figures, "support": int(support), "predicted": int(found)})
        return rows

    def confusion(self, scores: Scores) -> npt.NDArray[Any]:
        """Counts [gold, predicted]."""
        known = (scores["gold"] >= 0) & (scores["predicted"] >= 0)
        return np.bincount(2 * scores["gold"][known] + scores["predicted"][known], minlength=4).reshape(2, 2)

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """Every row's answer."""
        if not rows or any("confidence" not in p for p in predictions):
            return None
        sure = np.array([p["confidence"] for p in predictions], dtype=np.float64)
        right = np.array([p["label"] == row["label"] for row, p in zip(rows, predictions, strict=True)], dtype=bool)
        return Claims(np.arange(len(rows)), sure, right)

    def probabilities(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The score of every row, as the probability of either label."""
        if not rows or any("score" not in p for p in predictions):
            return None
        p = np.array([prediction["score"] for prediction in predictions], dtype=np.float64)
        gold = np.array([self._index.get(row["label"], -1) for row in rows])
        values = np.stack([1 - p, p], axis=1)
        return Probabilities(np.arange(len(rows)), values, gold[:, None] == np.arange(2), exclusive=True)

    def facts(self) -> dict[str, str]:
        """What was learned, and how scores were calibrated."""
        told = UNCALIBRATED if self.temperature is None else f"temperature {self.temperature:.3f}, fitted on dev"
        return {
            "together": f"{self.labels[1]!r} says that two texts belong together"
            + (f"; their {GRADE!r} is learned" if self.graded else ""),
            "calibration": told,
        }

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Fit the temperature on dev, and the threshold of cosines (best accuracy) where texts were read apart."""
        known = [i for i, row in enumerate(rows) if row["label"] in self._index]
        if not known:
            return self
        gold = np.array([self.together(rows[i]) for i in known])
        threshold = self.threshold
        if all("similarity" in predictions[i] for i in known):
            cosines = np.array([predictions[i]["similarity"] for i in known], dtype=np.float64)
            threshold = _best_threshold(cosines, gold, self.threshold)
            raw = _sigmoid(SHARPNESS * (cosines - threshold))
        else:
            undone = None if self.temperature is None else 1 / self.temperature
            raw = temper_each(np.array([predictions[i]["score"] for i in known], dtype=np.float64), undone)
        fitted = {"threshold": threshold, "temperature": fit_temperature_each(raw, gold)}
        return type(self)(**{**self.config(), **fitted})


def _ordered(labels: Sequence[str], positive: str | None) -> tuple[str, str]:
    """The label of texts apart, then that of texts together; raises `TaskError` where that cannot be told."""
    found = sorted(labels)
    if len(found) != 2:
        told = ", ".join(map(repr, found[:8]))
        raise TaskError(
            f"matching knows two labels, the rows hold {len(found)} ({told}); --task classification learns any"
        )
    known = [label for label in found if label.strip().lower() in _TOGETHER]
    if positive is None and len(known) != 1:
        which = f"which of {found[0]!r} and {found[1]!r} says that two texts belong together cannot be told"
        raise TaskError(f"{which}: name it with --set positive={found[1]}")
    chosen = known[0] if positive is None else positive
    if chosen not in found:
        raise TaskError(f"positive={chosen}: the labels are {found[0]!r} and {found[1]!r}")
    return found[found[0] == chosen], chosen


def _grade(value: Any) -> float | None:
    """A grade from 0 to 1; None for anything else."""
    try:
        grade = float(value)
    except (TypeError, ValueError):
        return None
    return grade if 0 <= grade <= 1 else None


def _border(text: str, pieces: Pieces) -> int:
    """The first piece of the second text; all pieces where there is none."""
    tab = text.find(TAB)
    if tab < 0:
        return len(pieces.ids)
    return next((i for i, (_, end) in enumerate(pieces.offsets) if end > tab + 1), len(pieces.ids))


Range = tuple[int, int]


def _ranges(border: int, total: int, room: int) -> Iterator[tuple[Range, Range]]:
    """Which pieces of either text stand in each window: ``room`` pieces in all, the first text's end at ``border``."""
    first, second = border, total - border
    half = room // 2
    ours = room - min(second, half) if second <= first else min(first, half)
    if first <= half and second <= half:
        ours = half
    left = split_windows(first, max(1, ours), STRIDE)
    right = split_windows(second, max(1, room - ours), STRIDE)
    for i in range(count := max(len(left), len(right))):
        one, other = (part[i * len(part) // count] for part in (left, right))
        yield one, (border + other[0], border + other[1])


def _window(row: int, pieces: Pieces, one: Range, other: Range, separator: list[int]) -> Window:
    first, second = slice(*one), slice(*other)
    if one[0] == one[1] or other[0] == other[1]:
        separator = []
    at = one[1] - one[0] + len(separator)
    return Window(
        [*pieces.ids[first], *separator, *pieces.ids[second]],
        [*pieces.shapes[first], *([0] * len(separator)), *pieces.shapes[second]],
        (Part(row, *one, 0), Part(row, *other, at)),
    )


def _best_threshold(cosines: npt.NDArray[Any], gold: npt.NDArray[Any], usual: float) -> float:
    """The cosine from which on answering "together" is right most often; the ``usual`` one where all are alike."""
    if gold.all() or not gold.any():
        return usual
    order = np.argsort(cosines, kind="stable")
    ordered, together = cosines[order], gold[order]
    borders = np.flatnonzero(np.diff(ordered)) + 1
    if not len(borders):
        return usual
    right = (~together).cumsum()[borders - 1] + together.sum() - together.cumsum()[borders - 1]
    best = borders[right == right.max()]
    chosen = best[len(best) // 2]
    return float((ordered[chosen - 1] + ordered[chosen]) / 2)


def _sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))
