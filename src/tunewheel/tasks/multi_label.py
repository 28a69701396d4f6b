"""Classification with any number of labels a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import Encoder, Prediction, Probabilities, Row, Scores, TaskError, Window, f1, ratio
from tunewheel.tasks.calibration import Claims, fit_temperature_each, temper_each
from tunewheel.tasks.labelled import Labelled, Weighing, claims_of, label_f1, label_weights
from tunewheel.tasks.soft import averaged, probabilities

if TYPE_CHECKING:
    from tunewheel.tasks.prompts import Lang, Prompt


class MultiLabel(Labelled):
    """Any number of labels a text (a sigmoid each): those whose probability reaches ``threshold``.

    The threshold decides on probabilities as the network gives them; it is fitted on dev, and so is ``temperature``.

    >>> task = MultiLabel(labels=("fee", "app"))
    >>> scores = task.score([{"labels": ["fee"]}, {"labels": []}], [{"labels": ["fee", "app"]}, {"labels": []}])
    >>> task.metrics(scores)["exact_match"]
    0.5
    """

    columns: ClassVar[tuple[str, ...]] = ("text", "labels")
    headline: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "exact_match")
    selection: ClassVar[str] = "micro_f1"
    proportions: ClassVar[frozenset[str]] = frozenset({"exact_match"})
    loss: ClassVar[Literal["binary", "cross_entropy"]] = "binary"
    fitted: ClassVar[tuple[str, ...]] = ("threshold", "temperature")

    def __init__(
        self,
        labels: Sequence[str],
        *,
        weights: Sequence[float] | None = None,
        threshold: float = 0.5,
        temperature: float | None = None,
    ) -> None:
        super().__init__(labels, weights=weights, temperature=temperature)
        self.threshold = threshold

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        class_weights: Weighing = "none",
        out_of_scope: str | None = None,
        **_options: Any,
    ) -> Self:
        """Learn the labels from a split, and their weights when asked for."""
        if out_of_scope is not None:
            raise TaskError("out_of_scope is for one label a text; with several, a text out of scope has no label")
        labels, weights = label_weights(dataset[split]["labels"], class_weights)
        return cls(labels, weights=weights)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(
            **{name: config[name] for name in ("labels", "weights", "threshold", "temperature") if name in config}
        )

    def config(self) -> dict[str, Any]:
        """Labels, that there may be several, weights, and what is fitted on dev."""
        return {
            "labels": list(self.classes),
            "multi_label": True,
            "weights": list(self.weights) if self.weights is not None else None,
            "threshold": self.threshold,
            "temperature": self.temperature,
        }

    def _target(self, row: Row) -> list[float]:
        present = set(row["labels"])
        return [float(label in present) for label in self.labels]

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' probabilities, weighted by their pieces; one prediction a row."""
        each = partial(probabilities, independent=True)
        raw = averaged(len(rows), windows, outputs, each, len(self.classes))
        return [
            {
                "labels": [label for label, p in zip(self.classes, row, strict=True) if p >= self.threshold],
                "probabilities": self._named(temper_each(row, self.temperature)),
            }
            for row in raw
        ]

    def prompt(self, lang: Lang, told: str | None = None, descriptions: Mapping[str, str] | None = None) -> Prompt:
        """Labels in words; a scored model's log-probabilities are read as a head's outputs are."""
        from tunewheel.tasks.prompts.labels import SeveralLabels

        return SeveralLabels(self.labels, self._read, lang, told, descriptions or {})

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """One bool a label, gold and predicted; ``unknown``: whether a row holds a label that was never seen."""
        shape, known = (len(rows), len(self.labels)), set(self.labels)
        found = [[label in p["labels"] for label in self.labels] for p in predictions]
        return {
            "gold": np.array([self._target(row) for row in rows], dtype=bool).reshape(shape),
            "predicted": np.array(found, dtype=bool).reshape(shape),
            "unknown": np.array([not known.issuperset(row["labels"]) for row in rows], dtype=bool),
        }

    def _counts(self, scores: Scores, weights: npt.NDArray[Any] | None) -> tuple[npt.NDArray[Any], ...]:
        gold, predicted = scores["gold"], scores["predicted"]
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        return w @ (gold & predicted), w @ predicted, w @ gold

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """The share of rows with exactly the right labels, and macro, micro and weighted F1."""
        correct, found, gold = self._counts(scores, weights)
        w = np.ones(len(scores["gold"])) if weights is None else np.asarray(weights, dtype=np.float64)
        right = (scores["gold"] == scores["predicted"]).all(axis=1) & ~scores["unknown"]
        macro, weighted = label_f1(correct, found, gold)
        micro = f1(ratio(correct.sum(), found.sum()), ratio(correct.sum(), gold.sum()))
        return {
            "exact_match": float(ratio(w @ right, w.sum())),
            "macro_f1": macro,
            "micro_f1": float(micro),
            "weighted_f1": weighted,
        }

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold, answer and the confidence of the surest wrong label; None when the row is right."""
        gold, found = set(row["labels"]), set(prediction["labels"])
        if gold == found:
            return None
        p = prediction.get("probabilities") or {}
        sure = [p[label] if label in found else 1 - p[label] for label in gold ^ found if label in p]
        return sorted(gold), sorted(found), max(sure, default=None)

    def agrees(self, row: Row, other: Row) -> bool:
        """Whether two rows have the same labels, in any order."""
        return set(row["labels"]) == set(other["labels"])

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """Each of the labels that a row was given; what stands in for an unread answer claims none."""
        made = [
            (i, p["probabilities"].get(label, 0.0), label in row["labels"])
            for i, (row, p) in enumerate(zip(rows, predictions, strict=True))
            if "probabilities" in p and not p.get("unparsed")
            for label in p["labels"]
        ]
        return claims_of(made)

    def probabilities(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The probability of every label, of every row."""
        shown = self._shown(rows, predictions)
        if shown is None:
            return None
        return shown._replace(gold=np.array([self._target(rows[i]) for i in shown.row], dtype=bool))

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Fit the temperature on dev, and the threshold, for the best micro F1."""
        if not rows:
            return self
        undone = None if self.temperature is None else 1 / self.temperature
        raw = temper_each(self._matrix(predictions), undone)
        gold = np.array([self._target(row) for row in rows], dtype=bool)
        best = max(
            np.arange(0.05, 0.96, 0.05),
            key=lambda t: (2 * (gold & (raw >= t)).sum() / max(1, gold.sum() + (raw >= t).sum()), -abs(t - 0.5)),
        )
        return self._with({"threshold": round(float(best), 2), "temperature": fit_temperature_each(raw, gold)})
