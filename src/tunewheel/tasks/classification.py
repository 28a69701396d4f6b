"""Classification with one label a text; where rows carry several, it hands over to `multi_label`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import (
    Encoder,
    Prediction,
    Probabilities,
    Row,
    Scope,
    Scores,
    TaskError,
    Window,
    ratio,
)
from tunewheel.tasks.calibration import Claims, fit_temperature, temper
from tunewheel.tasks.labelled import Labelled, Weighing, claims_of, label_f1, label_weights
from tunewheel.tasks.multi_label import MultiLabel
from tunewheel.tasks.scope import FEWEST, ScopeScore, choose_score, energy_of, scope_scores
from tunewheel.tasks.soft import averaged, probabilities

if TYPE_CHECKING:
    from tunewheel.tasks.prompts import Lang, Prompt


class Classification(Labelled):
    """One label a text (softmax).

    `from_dataset` and `from_config` build the task of this name, which is `MultiLabel` where a row has several labels.

    With ``out_of_scope`` that label means "none of these": its rows are not learned, and a text whose ``scope_score``
    falls below ``scope_threshold`` is answered with it, with 1 minus the best label's probability as confidence. Both
    are fitted on dev, and so is ``temperature``.

    >>> task = Classification(labels=("no", "yes"))
    >>> scores = task.score([{"label": "yes"}, {"label": "no"}], [{"label": "yes"}, {"label": "yes"}])
    >>> task.metrics(scores)["accuracy"]
    0.5
    """

    columns: ClassVar[tuple[str, ...]] = ("text", "label", "labels")
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    selection: ClassVar[str] = "accuracy"
    proportions: ClassVar[frozenset[str]] = frozenset({"accuracy", "in_scope_accuracy", "oos_recall", "oos_precision"})
    loss: ClassVar[Literal["binary", "cross_entropy"]] = "cross_entropy"
    fitted: ClassVar[tuple[str, ...]] = ("temperature", "scope_score", "scope_threshold")

    def __init__(
        self,
        labels: Sequence[str],
        *,
        weights: Sequence[float] | None = None,
        temperature: float | None = None,
        out_of_scope: str | None = None,
        scope_score: ScopeScore | None = None,
        scope_threshold: float | None = None,
    ) -> None:
        super().__init__(labels, weights=weights, temperature=temperature)
        if len(labels) < 2:
            raise TaskError(f"a classifier needs at least two labels, the training rows hold only {labels[0]!r}")
        if out_of_scope in labels:
            raise TaskError(f"{out_of_scope!r} means out of scope and cannot be a label to learn as well")
        self.labels = self.classes if out_of_scope is None else (*self.classes, out_of_scope)
        self.out_of_scope = out_of_scope
        self.scope_score = scope_score
        self.scope_threshold = scope_threshold
        self._index = {label: i for i, label in enumerate(self.labels)}

    @classmethod
    def from_dataset(
        cls,
        dataset: Any,
        *,
        split: str = "train",
        class_weights: Weighing = "none",
        out_of_scope: str | None = None,
        **options: Any,
    ) -> Labelled:
        """Learn the labels from a split, and their weights when asked for."""
        if dataset.multi_label:
            return MultiLabel.from_dataset(
                dataset, split=split, class_weights=class_weights, out_of_scope=out_of_scope, **options
            )
        column = dataset[split]["label"]
        learned = ((label,) for label in column if out_of_scope is None or label != out_of_scope)
        labels, weights = label_weights(learned, class_weights)
        return cls(labels, weights=weights, out_of_scope=out_of_scope)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Labelled:
        """Build the task again from `config`."""
        if config.get("multi_label"):
            return MultiLabel.from_config(config)
        return cls(**{name: value for name, value in config.items() if name not in ("multi_label", "threshold")})

    def config(self) -> dict[str, Any]:
        """Labels to learn, weights, and what is fitted on dev."""
        return {
            "labels": list(self.classes),
            "weights": list(self.weights) if self.weights is not None else None,
            "temperature": self.temperature,
            "out_of_scope": self.out_of_scope,
            "scope_score": self.scope_score,
            "scope_threshold": self.scope_threshold,
        }

    def _target(self, row: Row) -> int:
        return self._index[row["label"]]

    def learns(self, row: Row) -> bool:
        """Whether a row's label is one to learn."""
        return self.out_of_scope is None or row["label"] != self.out_of_scope

    def standing_for(self, rows: Sequence[Row], whole: Sequence[Row]) -> Self:
        """With a label's weight by the root of how much rarer it is among ``rows`` than in ``whole``; their mean is 1.

        The root, since the few rows that are left of a label would be learned by heart if each counted for all of them:
        ten batches of CLINC150 (50 rows an intent, 5 % of the earlier ones kept) end at 85.1 % by the root, 72.4 % by
        all of it and 69.0 % without (one seed, val).

        >>> a, b = {"label": "a"}, {"label": "b"}
        >>> task = Classification(("a", "b")).standing_for([a, b], [a, a, a, a, b])
        >>> [round(weight, 3) for weight in task.weights]
        [1.333, 0.667]
        """
        here, there = (Counter(row["label"] for row in some if self.learns(row)) for some in (rows, whole))
        rarer = np.array([np.sqrt(there[label] / here[label]) if here[label] else 1.0 for label in self.classes])
        weights = rarer if self.weights is None else rarer * np.array(self.weights)
        count = np.array([here[label] for label in self.classes])
        return self._with({"weights": (weights * count.sum() / (weights @ count)).tolist()}) if count.sum() else self

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Average the windows' probabilities, weighted by their pieces; one prediction a row.

        ``scope`` is the figure that decides whether a text is out of scope, the energy until one is fitted.
        """
        each = partial(probabilities, independent=False)
        raw = averaged(len(rows), windows, outputs, each, len(self.classes))
        shown = temper(raw, self.temperature)
        answers: list[Prediction] = []
        for p, best in zip(shown, raw.argmax(axis=1).tolist(), strict=True):
            sure = float(p[best])
            answers.append({"label": self.classes[best], "confidence": sure, "probabilities": self._named(p)})
        if self.out_of_scope is None:
            return answers
        energy = averaged(len(rows), windows, outputs, energy_of, 1)[:, 0]
        figures = scope_scores(shown, raw, energy)[self.scope_score or "energy"]
        for answer, figure in zip(answers, map(float, figures), strict=True):
            answer["scope"] = figure
            if self.scope_threshold is not None and figure < self.scope_threshold:
                answer |= {"label": self.out_of_scope, "confidence": 1 - answer["confidence"]}
        return answers

    def prompt(self, lang: Lang, told: str | None = None, descriptions: Mapping[str, str] | None = None) -> Prompt:
        """One label, in words; a scored model's log-probabilities are read as a head's outputs are."""
        from tunewheel.tasks.prompts.labels import OneLabel

        return OneLabel(self.labels, self.classes, self.out_of_scope, self._read, lang, told, descriptions or {})

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Indices of the gold and the predicted label; a label never seen is index -1."""
        return {
            "gold": np.array([self._index.get(row["label"], -1) for row in rows], dtype=np.int64),
            "predicted": np.array([self._index.get(p["label"], -1) for p in predictions], dtype=np.int64),
        }

    def _counts(self, scores: Scores, weights: npt.NDArray[Any] | None) -> tuple[npt.NDArray[Any], ...]:
        gold, predicted = scores["gold"], scores["predicted"]
        w = np.ones(len(gold)) if weights is None else np.asarray(weights, dtype=np.float64)
        n = len(self.labels) + 1  # the last bin holds labels the model never learned (index -1)
        hit = gold == predicted
        return (
            np.bincount(gold[hit & (gold >= 0)], w[hit & (gold >= 0)], n)[:-1],
            np.bincount(predicted % n, w, n)[:-1],
            np.bincount(gold % n, w, n)[:-1],
        )

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Accuracy and macro, micro and weighted F1.

        Where rows out of scope are among the gold ones, accuracy on the others and recall and precision on these too.
        """
        correct, found, gold = self._counts(scores, weights)
        w = np.ones(len(scores["gold"])) if weights is None else np.asarray(weights, dtype=np.float64)
        right = (scores["gold"] == scores["predicted"]) & (scores["gold"] >= 0)
        accuracy = float(ratio(w @ right, w.sum()))
        macro, weighted = label_f1(correct, found, gold)
        weighted *= float(ratio(gold.sum(), w.sum()))  # gold labels that were never learned weigh too, with an F1 of 0
        figures = {"accuracy": accuracy, "macro_f1": macro, "micro_f1": accuracy, "weighted_f1": weighted}
        if self.out_of_scope is not None and (scores["gold"] == len(self.classes)).any():
            inside = w * (scores["gold"] != len(self.classes))
            figures |= {
                "in_scope_accuracy": float(ratio(inside @ right, inside.sum())),
                "oos_recall": float(ratio(correct[-1], gold[-1])),
                "oos_precision": float(ratio(correct[-1], found[-1])),
            }
        return figures

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Rows in scope, out of it, or answered so, for the metrics that count only these."""
        outside = len(self.classes)
        if metric == "in_scope_accuracy":
            return np.asarray(scores["gold"] != outside)
        if metric in ("oos_recall", "oos_precision"):
            return np.asarray(scores["gold" if metric == "oos_recall" else "predicted"] == outside)
        return super().counted(metric, scores)

    def confusion(self, scores: Scores) -> npt.NDArray[Any]:
        """Counts [gold, predicted] over the known labels."""
        n = len(self.labels)
        known = (scores["gold"] >= 0) & (scores["predicted"] >= 0)
        flat = np.bincount(scores["gold"][known] * n + scores["predicted"][known], minlength=n * n)
        return flat.reshape(n, n)

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """The label of every row; an answer out of scope claims no label, nor does what stands in for an unread one."""
        made = [
            (i, p["confidence"], p["label"] == row["label"])
            for i, (row, p) in enumerate(zip(rows, predictions, strict=True))
            if "confidence" in p
            and not p.get("unparsed")
            and (self.out_of_scope is None or p["label"] != self.out_of_scope)
        ]
        return claims_of(made)

    def probabilities(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Probabilities | None:
        """The probability of every label to learn, of the rows in scope."""
        shown = self._shown(rows, predictions)
        if shown is None:
            return None
        index = np.array([self._index.get(rows[i]["label"], -1) for i in shown.row])
        return shown._replace(gold=index[:, None] == np.arange(len(self.classes)), exclusive=True)

    def scope(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scope | None:
        """The predictions' ``scope`` figures, where rows in scope and out of it were answered."""
        if self.out_of_scope is None or any("scope" not in p for p in predictions):
            return None
        inside = np.array([self.learns(row) for row in rows], dtype=bool)
        if inside.all() or not inside.any():
            return None
        return Scope(np.array([p["scope"] for p in predictions], dtype=np.float64), inside)

    def facts(self) -> dict[str, str]:
        """How probabilities were calibrated, and how texts out of scope are told."""
        told, outside = super().facts(), self.out_of_scope
        if self.scope_threshold is not None:
            told["scope"] = (
                f"{outside!r} where the {self.scope_score} is below {self.scope_threshold:.4g}, fitted on dev"
            )
        elif outside is not None:
            told["scope"] = f"no threshold: one is fitted where {FEWEST} dev rows are labelled {outside!r}"
        return told

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Fit the temperature on dev, and what tells texts out of scope."""
        if not rows:
            return self
        undone = None if self.temperature is None else 1 / self.temperature
        raw = temper(self._matrix(predictions), undone)
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
        return self._with(found)
