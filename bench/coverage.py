"""Intervals: how often 95 % intervals hold the truth, and how often the paired test finds a difference that is not.

Test sets are drawn from models whose true accuracy, macro F1 and entity F1 are known; entities come in documents that
share their difficulty. The paired test sees two models of equal truth that make half of their errors together.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod

os.environ.setdefault("OMP_NUM_THREADS", "1")

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from common import arguments, finish
from tunewheel.evaluation import Report, compare
from tunewheel.evaluation.intervals import intervals
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

SIZES = (100, 300, 1000, 3000)
PAIRED = (300, 1000)
LABELS = tuple("abcdef")
PRIOR = np.array([0.3, 0.25, 0.2, 0.12, 0.08, 0.05])
TYPES = ("LOC", "ORG", "PER")
SENTENCES = 10
"""Sentences a document."""

TOGETHER = 0.5
"""Share of the rows or entities that two models answer alike."""


class Summed(ABC):
    """Sums over the records of a test set, prepared once: millions of resamples in minutes."""

    prepared: dict[int, tuple[Any, np.ndarray]]

    @abstractmethod
    def sums(self, scores: dict[str, Any]) -> np.ndarray:
        """One row a record."""

    def totals(self, scores: dict[str, Any], weights: Any) -> np.ndarray:
        key = id(scores["gold"])
        if key not in self.prepared:
            self.prepared[key] = scores["gold"], self.sums(scores)
        sums = self.prepared[key][1]
        return sums.sum(axis=0) if weights is None else np.asarray(weights @ sums)


class QuickClassification(Summed, Classification):
    """Accuracy and macro F1 alone."""

    def __init__(self, labels: tuple[str, ...] = LABELS) -> None:
        super().__init__(labels)
        self.prepared = {}

    def sums(self, scores: dict[str, Any]) -> np.ndarray:
        """One row a record: right as each label, gold or predicted as each label."""
        gold, found = (np.eye(len(self.labels))[scores[key]] for key in ("gold", "predicted"))
        return np.concatenate([gold * found, gold + found], axis=1)

    def metrics(self, scores: dict[str, Any], weights: Any = None) -> dict[str, float]:
        hit, both = np.split(self.totals(scores, weights), 2)
        present = both > 0
        return {"accuracy": 2 * hit.sum() / both.sum(), "macro_f1": float((2 * hit[present] / both[present]).mean())}


class QuickNer(Summed, Ner):
    """Entity F1 alone, likewise."""

    headline = ("f1",)

    def __init__(self, types: tuple[str, ...] = TYPES) -> None:
        super().__init__(types)
        self.prepared = {}

    def sums(self, scores: dict[str, Any]) -> np.ndarray:
        return np.stack([scores["correct"].sum(axis=1), (scores["gold"] + scores["found"]).sum(axis=1)], axis=1)

    def metrics(self, scores: dict[str, Any], weights: Any = None) -> dict[str, float]:
        correct, both = self.totals(scores, weights)
        return {"f1": float(2 * correct / both) if both else 0.0}


def checked(task: Any, full: Any, scores: dict[str, Any]) -> Any:
    """The quick task, once it gives the figures that the package's own gives."""
    for name, value in task.metrics(scores).items():
        assert abs(value - full.metrics(scores)[name]) < 1e-12, name
    return task


@dataclass(frozen=True)
class Intents:
    """A classifier right in 0.6 to 0.95 of a label's rows, its errors falling on labels as frequent as they are."""

    kind, full = QuickClassification, Classification(LABELS)
    metrics = ("accuracy", "macro_f1")

    @property
    def table(self) -> np.ndarray:
        """Probability [gold, predicted] of each pair."""
        right = np.linspace(0.95, 0.6, len(LABELS))
        wrong = np.tile(PRIOR, (len(LABELS), 1))
        np.fill_diagonal(wrong, 0)
        answer = wrong / wrong.sum(axis=1, keepdims=True) * (1 - right)[:, None] + np.diag(right)
        pairs: np.ndarray = PRIOR[:, None] * answer
        return pairs

    def truth(self) -> dict[str, float]:
        pairs = self.table
        hit, gold, found = np.diag(pairs), pairs.sum(axis=1), pairs.sum(axis=0)
        return {"accuracy": float(hit.sum()), "macro_f1": float((2 * hit / (gold + found)).mean())}

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[dict[str, Any], dict[str, Any], None]:
        """Scores of two models on the same rows, and no documents."""
        gold = rng.choice(len(LABELS), size=rows, p=PRIOR)
        steps = (self.table / PRIOR[:, None]).cumsum(axis=1)[gold]
        one, other = ((rng.random((rows, 1)) > steps).sum(axis=1).clip(max=len(LABELS) - 1) for _ in range(2))
        other = np.where(rng.random(rows) < TOGETHER, one, other)
        return {"gold": gold, "predicted": one}, {"gold": gold, "predicted": other}, None


@dataclass(frozen=True)
class Entities:
    """A recogniser that finds 0.85 of the entities on average, document by document anywhere from hardly to all."""

    kind, full = QuickNer, Ner(TYPES)
    metrics = ("f1",)

    def truth(self) -> dict[str, float]:
        recall = 17 / 20
        return {"f1": 2 * recall / (1 + recall + (1 - recall) / 2)}

    def draw(self, rng: np.random.Generator, rows: int) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
        """Scores of two models, and each row's document; half of the missed entities are found in a wrong place."""
        documents = np.arange(rows) // SENTENCES
        chance = rng.beta(17 / 4, 3 / 4, documents.max() + 1)[documents][:, None]
        gold = np.zeros((rows, len(TYPES) + 1), dtype=np.int64)
        gold[:, :-1] = rng.poisson([0.3, 0.5, 0.7], (rows, len(TYPES)))
        both = rng.binomial(gold, TOGETHER)
        shared = rng.binomial(both, chance)
        sides = []
        for _ in range(2):
            correct = shared + rng.binomial(gold - both, chance)
            found = correct + rng.binomial(gold - correct, 0.5)
            sides.append({"gold": gold, "found": found, "correct": correct, "tokens": gold.sum(axis=1)})
            sides[-1]["tokens_correct"] = correct.sum(axis=1)
        return sides[0], sides[1], documents


WORLDS: dict[str, Intents | Entities] = {"intents": Intents(), "entities": Entities()}


def covered(job: tuple[str, int, int], resamples: int) -> dict[str, bool]:
    """Whether the intervals of one simulated test set hold the truth."""
    name, rows, seed = job
    world = WORLDS[name]
    scores, _, documents = world.draw(np.random.default_rng([seed, rows]), rows)
    task = checked(world.kind(), world.full, scores)
    found = intervals(task, scores, documents, resamples=resamples, seed=seed)
    return {metric: found[metric].low <= true <= found[metric].high for metric, true in world.truth().items()}


def accused(job: tuple[str, int, int], resamples: int) -> dict[str, tuple[bool, bool]]:
    """Whether p is under 0.05, and the verdict one of the two, though both models are equally good."""
    name, rows, seed = job
    world = WORLDS[name]
    one, other, documents = world.draw(np.random.default_rng([seed, rows, 1]), rows)
    task = checked(world.kind(), world.full, one)
    before, after = (_report(task, scores, documents) for scores in (one, other))
    found = compare(before, after, resamples=resamples, seed=seed).differences
    return {metric: (found[metric].p < 0.05, found[metric].verdict != "undecided") for metric in world.metrics}


def _report(task: Any, scores: dict[str, Any], documents: Any) -> Report:
    rows = len(scores["gold"])
    empty: dict[str, Any] = {"dataset": None, "metrics": {}, "table": [], "confusion": None, "clean": None}
    empty |= {"seen_rows": None, "worst": [], "mistakes": 0, "seconds": None, "created": "", "resamples": 0, "seed": 0}
    ids = np.arange(rows)
    return Report(task=task, model="model", rows=rows, scores=scores, ids=ids, documents=documents, **empty)


def main() -> None:
    """Simulate, count, print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=400)
    options = parser.parse_args()
    simulations, resamples = (20, 50) if options.quick else (options.simulations, options.resamples)
    held: dict[str, float] = {}
    alarms: dict[str, dict[str, float]] = {}
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for name, world in WORLDS.items():
            for rows in SIZES:
                jobs = [(name, rows, seed) for seed in range(simulations)]
                found = list(pool.map(partial(covered, resamples=resamples), jobs, chunksize=10))
                held |= {f"{m} of {rows}": float(np.mean([one[m] for one in found])) for m in world.metrics}
                print(rows, {key: held[key] for key in list(held)[-len(world.metrics) :]}, file=sys.stderr, flush=True)
            for rows in PAIRED:
                jobs = [(name, rows, seed) for seed in range(simulations)]
                tested = list(pool.map(partial(accused, resamples=resamples), jobs, chunksize=10))
                for metric in world.metrics:
                    p, verdict = np.mean([one[metric] for one in tested], axis=0).tolist()
                    alarms[f"{metric} of {rows}"] = {"p": p, "verdict": verdict}
                    print(metric, rows, alarms[f"{metric} of {rows}"], file=sys.stderr, flush=True)
    shown = ", ".join(f"{name}: {100 * share:.1f}" for name, share in held.items())
    false = ", ".join(f"{name}: {100 * a['p']:.1f} ({100 * a['verdict']:.1f})" for name, a in alarms.items())
    result = {"simulations": simulations, "resamples": resamples, "covered": held, "false positives": alarms}
    row = f"{simulations:,} × {resamples:,} | {shown} | {false}"
    finish("coverage", row, result, record=not (options.quick or options.no_record))


if __name__ == "__main__":
    main()
