"""Classification: one label, or several, for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np
import numpy.typing as npt

from tunewheel.data.infer import Target
from tunewheel.tasks.base import (
    Encoder,
    Head,
    Part,
    Prediction,
    Probabilities,
    Row,
    Scope,
    Scores,
    Task,
    TaskError,
    Window,
    f1,
    ratio,
    split_windows,
)
from tunewheel.tasks.calibration import (
    UNCALIBRATED,
    Claims,
    fit_temperature,
    fit_temperature_each,
    temper,
    temper_each,
)
from tunewheel.tasks.scope import FEWEST, ScopeScore, choose_score, scope_scores
from tunewheel.tasks.soft import probabilities

if TYPE_CHECKING:
    from tunewheel.tasks.prompts import Lang, Prompt

STRIDE = 32
"""Pieces that neighbouring windows of a long text share."""


class Classification(Task):
    """One label a text (softmax), or any number of them (``multi_label``: a sigmoid each).

    ``class_weights="balanced"`` weighs a label's loss by ``rows / (labels × rows of the label)`` (King & Zeng 2001),
    so that rare labels are learned; ``weights`` are those figures once known. ``threshold`` decides for several
    labels, on probabilities as the network gives them.

    ``temperature`` cools or heats the probabilities that a prediction shows; it changes no answer. With
    ``out_of_scope`` that label means "none of these": its rows are not learned, and a text whose ``scope_score`` falls
    below ``scope_threshold`` is answered with it, with 1 minus the best label's probability as confidence. All of
    these are fitted on dev.

    >>> task = Classification(labels=("no", "yes"))
    >>> scores = task.score([{"label": "yes"}, {"label": "no"}], [{"label": "yes"}, {"label": "yes"}])
    >>> task.metrics(scores)["accuracy"]
    0.5
    """

    name: ClassVar[str] = "classification"
    columns: ClassVar[tuple[str, ...]] = ("text", "label", "labels")
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    selection: ClassVar[str] = "accuracy"
    proportions: ClassVar[frozenset[str]] = frozenset(
        {"accuracy", "exact_match", "in_scope_accuracy", "oos_recall", "oos_precision"}
    )
    answers: ClassVar[str] = "labels and their probabilities"
    pipeline: ClassVar[str | None] = "text-classification"
    calibrated_by: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        labels: Sequence[str],
        *,
        multi_label: bool = False,
        weights: Sequence[float] | None = None,
        threshold: float = 0.5,
        temperature: float | None = None,
        out_of_scope: str | None = None,
        scope_score: ScopeScore | None = None,
        scope_threshold: float | None = None,
    ) -> None:
        if len(set(labels)) != len(labels) or not labels:
            raise TaskError(f"labels must be distinct and not empty, got {list(labels)!r}")
        if len(labels) < 2 and not multi_label:
            raise TaskError(f"a classifier needs at least two labels, the training rows hold only {labels[0]!r}")
        if out_of_scope is not None and multi_label:
            raise TaskError("out_of_scope is for one label a text; with several, a text out of scope has no label")
        if out_of_scope in labels:
            raise TaskError(f"{out_of_scope!r} means out of scope and cannot be a label to learn as well")
        self.classes = tuple(labels)
        self.labels = self.classes if out_of_scope is None else (*self.classes, out_of_scope)
        self.multi_label = multi_label
        self.weights = tuple(weights) if weights is not None else None
        self.threshold = threshold
        self.temperature = temperature
        self.out_of_scope = out_of_scope
        self.scope_score = scope_score
        self.scope_threshold = scope_threshold
        self._index = {label: i for i, label in enumerate(self.labels)}
        if multi_label:
            self.headline = ("micro_f1", "macro_f1", "exact_match")  # type: ignore[misc]
            self.selection = "micro_f1"  # type: ignore[misc]

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        class_weights: Literal["none", "balanced"] = "none",
        out_of_scope: str | None = None,
        **_options: Any,
    ) -> Self:
        """Learn the labels from a split, and their weights when asked for."""
        multi = bool(dataset.multi_label)
        column = dataset[split]["labels" if multi else "label"]
        counts: dict[str, int] = {}
        rows = 0
        for value in column:
            if out_of_scope is not None and value == out_of_scope:
                continue
            rows += 1
            for label in value if multi else (value,):
                counts[label] = counts.get(label, 0) + 1
        labels = sorted(counts)
        weights = None
        if class_weights == "balanced":
            weights = [rows / (len(labels) * counts[label]) for label in labels]
        return cls(labels, multi_label=multi, weights=weights, out_of_scope=out_of_scope)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Labels to learn, mode, weights, and what is fitted on dev."""
        return {
            "labels": list(self.classes),
            "multi_label": self.multi_label,
            "weights": list(self.weights) if self.weights is not None else None,
            "threshold": self.threshold,
            "temperature": self.temperature,
            "out_of_scope": self.out_of_scope,
            "scope_score": self.scope_score,
            "scope_threshold": self.scope_threshold,
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels that are learned; what is out of scope has no output."""
        return self.classes

    def head(self) -> Head:
        """One output a label to learn, over the whole text."""
        loss: Literal["binary", "cross_entropy"] = "binary" if self.multi_label else "cross_entropy"
        return Head("sequence", len(self.classes), loss, self.weights)

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Cut each text into windows that share `STRIDE` pieces; each window carries the row's label."""
        windows = []
        for index, pieces in enumerate(encoder([row["text"] for row in rows])):
            if labelled and not self.learns(rows[index]):
                continue
            target = self._target(rows[index]) if labelled else None
            for start, stop in split_windows(len(pieces.ids), encoder.room, STRIDE):
                part = Part(index, start, stop, 0)
                windows.append(Window(pieces.ids[start:stop], pieces.shapes[start:stop], (part,), target))
        return windows

    @property
    def target(self) -> Target:
        """The column of its kind of rows."""
        return "labels" if self.multi_label else "label"

    def _target(self, row: Row) -> int | list[float]:
        if self.multi_label:
            present = set(row["labels"])
            return [float(label in present) for label in self.labels]
        return self._index[row["label"]]

    def learns(self, row: Row) -> bool:
        """Whether a row's label is one to learn."""
        return self.out_of_scope is None or row["label"] != self.out_of_scope

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' probabilities, weighted by their pieces; one prediction a row."""
        total = np.zeros((len(rows), len(self.classes)))
        energy, size = np.zeros((len(rows), 1)), np.zeros((len(rows), 1))
        for window, logits in zip(windows, outputs, strict=True):
            part = window.parts[0]
            weight = max(1, part.stop - part.start)
            total[part.row] += weight * probabilities(logits, independent=self.multi_label)
            energy[part.row] += weight * np.logaddexp.reduce(np.asarray(logits, dtype=np.float64))
            size[part.row] += weight
        if self.multi_label:
            return [self._several(raw) for raw in total / size]
        return self._answers(total / size, (energy / size)[:, 0])

    def _several(self, raw: npt.NDArray[np.float64]) -> Prediction:
        chosen = [label for label, p in zip(self.classes, raw, strict=True) if p >= self.threshold]
        return {"labels": chosen, "probabilities": self._named(temper_each(raw, self.temperature))}

    def _answers(self, raw: npt.NDArray[Any], energy: npt.NDArray[Any]) -> list[Prediction]:
        """One label a row; ``scope`` is the figure that decides whether it is out of scope, the energy until fitted."""
        shown = temper(raw, self.temperature)
        answers: list[Prediction] = []
        for p, best in zip(shown, raw.argmax(axis=1).tolist(), strict=True):
            sure = float(p[best])
            answers.append({"label": self.classes[best], "confidence": sure, "probabilities": self._named(p)})
        if self.out_of_scope is None:
            return answers
        figures = scope_scores(shown, raw, energy)[self.scope_score or "energy"]
        for answer, figure in zip(answers, map(float, figures), strict=True):
            answer["scope"] = figure
            if self.scope_threshold is not None and figure < self.scope_threshold:
                answer |= {"label": self.out_of_scope, "confidence": 1 - answer["confidence"]}
        return answers

    def _named(self, p: npt.NDArray[Any]) -> dict[str, float]:
        return dict(zip(self.classes, p.tolist(), strict=True))

    def prompt(self, lang: Lang, told: str | None = None, descriptions: Mapping[str, str] | None = None) -> Prompt:
        """One label, or several, in words; a scored model's log-probabilities are read as a head's outputs are."""
        from tunewheel.tasks.prompts.labels import OneLabel, SeveralLabels

        if self.multi_label:
            return SeveralLabels(self.labels, self._read, lang, told, descriptions or {})
        return OneLabel(self.labels, self.classes, self.out_of_scope, self._read, lang, told, descriptions or {})

    def _read(self, rows: Sequence[Row], logits: npt.NDArray[np.float64]) -> list[Prediction]:
        windows = [Window([], [], (Part(i, 0, 0, 0),)) for i in range(len(rows))]
        return self.decode(rows, cast(Encoder, None), windows, list(logits))

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Indices of the gold and the predicted label, or one bool a label; a label never seen is index -1."""
        if not self.multi_label:
            return {
                "gold": np.array([self._index.get(row["label"], -1) for row in rows], dtype=np.int64),
                "predicted": np.array([self._index.get(p["label"], -1) for p in predictions], dtype=np.int64),
            }
        gold = [self._target(row) for row in rows]
        found = [[label in p["labels"] for label in self.labels] for p in predictions]
        shape = (len(rows), len(self.labels))
        unknown = [any(label not in self._index for label in row["labels"]) for row in rows]
        return {
            "gold": np.array(gold, dtype=bool).reshape(shape),
            "predicted": np.array(found, dtype=bool).reshape(shape),
            "unknown": np.array(unknown, dtype=bool),
        }

    def _counts(self, scores: Scores, weights: npt.NDArray[Any] | None) -> tuple[npt.NDArray[Any], ...]:
        """Correct, predicted and gold counts, one a label."""
        gold, predicted = scores["gold"], scores["predicted"]
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        if self.multi_label:
            return w @ (gold & predicted), w @ predicted, w @ gold
        n = len(self.labels) + 1  # the last bin holds labels the model never learned (index -1)
        hit = gold == predicted
        return (
            np.bincount(gold[hit & (gold >= 0)], w[hit & (gold >= 0)], n)[:-1],
            np.bincount(predicted % n, w, n)[:-1],
            np.bincount(gold % n, w, n)[:-1],
        )

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Accuracy (or exact match) and macro, micro and weighted F1.

        Macro F1 is the mean over the labels that stand in the gold rows or the predictions, as scikit-learn has it.
        Where rows out of scope are among the gold ones, accuracy on the others and recall and precision on these too.
        """
        correct, found, gold = self._counts(scores, weights)
        per_label = f1(ratio(correct, found), ratio(correct, gold))
        present = (found + gold) > 0
        w = np.ones(len(scores["gold"])) if weights is None else np.asarray(weights, dtype=np.float64)
        equal = scores["gold"] == scores["predicted"]
        if self.multi_label:
            right = equal.all(axis=1) & ~scores["unknown"]
            micro = f1(ratio(correct.sum(), found.sum()), ratio(correct.sum(), gold.sum()))
        else:
            right = equal & (scores["gold"] >= 0)
            micro = ratio(w @ right, w.sum())
        exact = float(ratio(w @ right, w.sum()))
        outside = {}
        if self.out_of_scope is not None and (scores["gold"] == len(self.classes)).any():
            inside = w * (scores["gold"] != len(self.classes))
            outside = {
                "in_scope_accuracy": float(ratio(inside @ right, inside.sum())),
                "oos_recall": float(ratio(correct[-1], gold[-1])),
                "oos_precision": float(ratio(correct[-1], found[-1])),
            }
        return {
            ("exact_match" if self.multi_label else "accuracy"): exact,
            "macro_f1": float(per_label[present].mean()) if present.any() else 0.0,
            "micro_f1": float(micro),
            "weighted_f1": float(ratio(per_label @ gold, gold.sum())),
            **outside,
        }

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Rows in scope, out of it, or answered so, for the metrics that count only these."""
        outside = len(self.classes)
        if metric == "in_scope_accuracy":
            return np.asarray(scores["gold"] != outside)
        if metric in ("oos_recall", "oos_precision"):
            return np.asarray(scores["gold" if metric == "oos_recall" else "predicted"] == outside)
        return super().counted(metric, scores)

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and predicted count of every label."""
        correct, found, gold = self._counts(scores, None)
        precision, recall = ratio(correct, found), ratio(correct, gold)
        per_label = f1(precision, recall)
        return [
            {
                "label": label,
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(per_label[i]),
                "support": int(gold[i]),
                "predicted": int(found[i]),
            }
            for i, label in enumerate(self.labels)
        ]

    def confusion(self, scores: Scores) -> npt.NDArray[Any] | None:
        """Counts [gold, predicted] over the known labels; None for several labels a text."""
        if self.multi_label:
            return None
        n = len(self.labels)
        known = (scores["gold"] >= 0) & (scores["predicted"] >= 0)
        flat = np.bincount(scores["gold"][known] * n + scores["predicted"][known], minlength=n * n)
        return flat.reshape(n, n)

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold, answer and the confidence of the error; of several labels, that of the surest wrong one."""
        if not self.multi_label:
            return super().mistake(row, prediction)
        gold, found = set(row["labels"]), set(prediction["labels"])
        if gold == found:
            return None
        p = prediction.get("probabilities") or {}
        sure = [p[label] if label in found else 1 - p[label] for label in gold ^ found if label in p]
        return sorted(gold), sorted(found), max(sure, default=None)

    def agrees(self, row: Row, other: Row) -> bool:
        """Whether two rows have the same label, or the same labels in any order."""
        if not self.multi_label:
            return super().agrees(row, other)
        return set(row["labels"]) == set(other["labels"])

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """The label of every row, or each of the labels it was given; an answer out of scope claims no label.

        Nor does what stands in for an answer that could not be read.
        """
        made: list[tuple[int, float, bool]] = []
        for i, (row, p) in enumerate(zip(rows, predictions, strict=True)):
            if p.get("unparsed"):
                continue
            if "labels" in p and "probabilities" in p:
                made += [(i, p["probabilities"].get(label, 0.0), label in row["labels"]) for label in p["labels"]]
            elif "label" in p and "confidence" in p and (self.out_of_scope is None or p["label"] != self.out_of_scope):
                made.append((i, p["confidence"], p["label"] == row["label"]))
        if not made:
            return None
        row_of, confidence, correct = zip(*made, strict=True)
        return Claims(np.array(row_of), np.array(confidence, dtype=np.float64), np.array(correct, dtype=bool))

    def probabilities(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The probability of every label to learn, of the rows in scope."""
        kept = [i for i, row in enumerate(rows) if self.multi_label or self.learns(row)]
        if not kept or any("probabilities" not in predictions[i] for i in kept):
            return None
        values = self._matrix([predictions[i] for i in kept])
        if self.multi_label:
            gold = np.array([self._target(rows[i]) for i in kept], dtype=bool)
        else:
            index = np.array([self._index.get(rows[i]["label"], -1) for i in kept])
            gold = index[:, None] == np.arange(len(self.classes))
        return Probabilities(np.array(kept), values, gold, not self.multi_label)

    def scope(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scope | None:
        """The predictions' ``scope`` figures, where rows in scope and out of it were answered."""
        if self.out_of_scope is None or any("scope" not in p for p in predictions):
            return None
        inside = np.array([self.learns(row) for row in rows], dtype=bool)
        if inside.all() or not inside.any():
            return None
        return Scope(np.array([p["scope"] for p in predictions], dtype=np.float64), inside)

    def _matrix(self, predictions: Sequence[Prediction]) -> npt.NDArray[np.float64]:
        """Probabilities [rows, classes]; a label that a prediction does not name has none."""
        return np.array([[p["probabilities"].get(label, 0.0) for label in self.classes] for p in predictions])

    def facts(self) -> dict[str, str]:
        """How probabilities were calibrated, and how texts out of scope are told."""
        heat, outside = self.temperature, self.out_of_scope
        told = {"calibration": UNCALIBRATED if heat is None else f"temperature {heat:.3f}, fitted on dev"}
        if self.scope_threshold is not None:
            told["scope"] = (
                f"{outside!r} where the {self.scope_score} is below {self.scope_threshold:.4g}, fitted on dev"
            )
        elif outside is not None:
            told["scope"] = f"no threshold: one is fitted where {FEWEST} dev rows are labelled {outside!r}"
        return told

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Fit the temperature on dev, and the threshold of several labels (best micro F1) or of the scope."""
        if not rows:
            return self
        shown = self._matrix(predictions)
        undone = None if self.temperature is None else 1 / self.temperature
        if self.multi_label:
            found = self._fit_several(rows, temper_each(shown, undone))
        else:
            found = self._fit_one(rows, predictions, temper(shown, undone))
        return type(self)(**{**self.config(), **found})

    def unfitted(self) -> Self:
        """The task without temperature, threshold and figure of scope."""
        config = self.config()
        for name in ("threshold", "temperature", "scope_score", "scope_threshold"):
            del config[name]
        return type(self)(**config)

    def _fit_several(self, rows: Sequence[Row], raw: npt.NDArray[Any]) -> dict[str, Any]:
        gold = np.array([self._target(row) for row in rows], dtype=bool)
        grid = np.arange(0.05, 0.96, 0.05)
        best = max(
            grid,
            key=lambda t: (2 * (gold & (raw >= t)).sum() / max(1, gold.sum() + (raw >= t).sum()), -abs(t - 0.5)),
        )
        return {"threshold": round(float(best), 2), "temperature": fit_temperature_each(raw, gold)}

    def _fit_one(self, rows: Sequence[Row], predictions: Sequence[Prediction], raw: npt.NDArray[Any]) -> dict[str, Any]:
        gold = np.array([self._index.get(row["label"], -1) for row in rows])
        known = (gold >= 0) & (gold < len(self.classes))
        found: dict[str, Any] = {"temperature": fit_temperature(raw[known], gold[known])}
        if self.out_of_scope is not None:
            figure = np.array([p["scope"] for p in predictions], dtype=np.float64)
            # A fitted task shows the figure it chose; only a fresh one shows the energy, which gives all three.
            fresh = scope_scores(temper(raw, found["temperature"]), raw, figure)
            scores = fresh if self.scope_score is None else {self.scope_score: figure}
            chosen = choose_score(scores, raw.argmax(axis=1) == gold, gold != len(self.classes))
            if chosen:
                found |= {"scope_score": chosen[0], "scope_threshold": chosen[1]}
        return found
