"""Streams for `bench/drift.py`: real texts with the vectors, labels and confidences that a model gives them, kept once.

A classifier (logistic regression on sentence vectors) learns from a few rows of train; the others are traffic. A few
labels are set apart as the new ones: the classifier never saw them, so it answers with one it knows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SEED = 13
MOST = 5_000
LEARNED = 1_500
NEW = 8
"""Labels set apart (of few labels: one)."""

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Pool:
    """Texts that a stream is drawn from, as a service would have recorded them; ``right`` is bool [n]."""

    texts: tuple[str, ...]
    vectors: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    confidences: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    group: npt.NDArray[Any]
    """Each row's true label."""


@dataclass(frozen=True)
class Stream:
    """One data set: traffic as usual, the new labels' rows, the same texts with typing mistakes, Chinese texts."""

    name: str
    usual: Pool
    new: Pool
    typos: Pool
    chinese: Pool | None


def clinc(data: Path) -> tuple[Pairs, Pairs]:
    """Rows to learn from and traffic of CLINC150 (in scope)."""
    read = json.loads((data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    pairs = {split: [(text, label) for text, label in read[split]] for split in ("train", "val", "test")}
    return pairs["train"], pairs["test"] + pairs["val"]


def banking(data: Path) -> tuple[Pairs, Pairs]:
    """Rows to learn from and traffic of BANKING77; the traffic is test and the second half of train."""
    sides = []
    for name in ("train", "test"):
        with (data / f"banking77/{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            sides.append([(row["text"].strip(), row["category"]) for row in csv.DictReader(file)])
    train = [sides[0][i] for i in np.random.default_rng(SEED).permutation(len(sides[0]))]
    return train[: len(train) // 2], sides[1] + train[len(train) // 2 :]


def thucnews(data: Path) -> tuple[Pairs, Pairs]:
    """Rows to learn from and traffic of THUCNews' titles."""
    sides = []
    for name in ("dev", "test"):
        lines = (data / f"thucnews_titles/{name}.txt").read_text(encoding="utf-8").splitlines()
        sides.append([(text, label) for text, label in (line.rsplit("\t", 1) for line in lines)])
    return sides[0], sides[1]


READERS: dict[str, tuple[Callable[[Path], tuple[Pairs, Pairs]], str]] = {
    "CLINC150": (clinc, "minilm"),
    "BANKING77": (banking, "minilm"),
    "THUCNews": (thucnews, "zh-mini"),
}


def read_stream(name: str, data: Path, kept: Path) -> Stream:
    """The stream of one data set; what costs time is kept in the folder ``kept``, in one file a set."""
    read, base = READERS[name]
    learn, traffic = read(data)
    draw = np.random.default_rng(SEED)
    names = sorted({label for _, label in learn})
    apart = set(draw.choice(names, NEW if len(names) > 20 else 1, replace=False).tolist())
    new = [pair for pair in learn[:] + traffic if pair[1] in apart]
    new = [new[i] for i in draw.permutation(len(new))[: MOST // 5]]
    learn = [learn[i] for i in draw.permutation(len(learn)) if learn[i][1] not in apart][:LEARNED]
    used = set(learn)
    usual = [pair for i in draw.permutation(len(traffic)) if (pair := traffic[i])[1] not in apart and pair not in used]
    usual = usual[:MOST]
    sides = {"learn": learn, "usual": usual, "new": new, "typos": mistyped(usual[: MOST // 4])}
    if base == "minilm":
        titles = thucnews(data)[0]
        sides["chinese"] = [titles[i] for i in draw.permutation(len(titles))[: MOST // 5]]
    vectors = _vectors(sides, base, kept / f"{name}.npz")
    answer = _learned(vectors["learn"], [label for _, label in learn], vectors["usual"][-500:], usual[-500:])
    pools = {side: _pool(pairs, vectors[side], answer) for side, pairs in sides.items() if side != "learn"}
    # The last rows settled how sure the classifier may be.
    pools["usual"] = _cut(pools["usual"], len(usual) - 500)
    return Stream(name, pools["usual"], pools["new"], pools["typos"], pools.get("chinese"))


def mistyped(pairs: Pairs) -> Pairs:
    """The texts as a hasty hand writes them (`tunewheel.evaluation.perturbations`)."""
    from tunewheel.evaluation.perturbations import chosen, perturb
    from tunewheel.tasks import task_class

    task = task_class("classification").from_config({"labels": sorted({label for _, label in pairs})})
    rows = [{"id": str(i), "text": text, "label": label} for i, (text, label) in enumerate(pairs)]
    changed = perturb(rows, chosen(["typos"], task)[0], seed=SEED)
    return [(row["text"], row["label"]) for row in changed]


def _vectors(sides: dict[str, Pairs], base: str, path: Path) -> dict[str, npt.NDArray[np.float32]]:
    from tunewheel.models.vectors import sentence_vectors

    sizes = {side: len(pairs) for side, pairs in sides.items()}
    if path.exists():
        with np.load(path) as file:
            if {side: len(file[side]) for side in file.files} == sizes:
                return {side: file[side] for side in file.files}
    found = {side: sentence_vectors(base, [text for text, _ in pairs]) for side, pairs in sides.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found)  # type: ignore[arg-type]
    return found


def _learned(
    vectors: npt.NDArray[np.float32], labels: Sequence[str], held: npt.NDArray[np.float32], held_rows: Pairs
) -> Callable[[npt.NDArray[np.float32]], tuple[npt.NDArray[Any], npt.NDArray[np.float64]]]:
    """Labels and confidences of vectors: a logistic regression, its temperature fitted on held-out rows."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax
    from sklearn.linear_model import LogisticRegression

    from tunewheel.data.features import unit

    model = LogisticRegression(C=10.0, max_iter=300).fit(unit(vectors), labels)
    place = {label: i for i, label in enumerate(model.classes_)}
    scores = model.decision_function(unit(held))
    gold = np.array([place.get(label, -1) for _, label in held_rows])
    seen = gold >= 0

    def loss(log_temperature: float) -> float:
        logs = log_softmax(scores[seen] / np.exp(log_temperature), axis=1)
        return -float(logs[np.arange(len(logs)), gold[seen]].mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))

    def answer(asked: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        logs = log_softmax(model.decision_function(unit(asked)) / temperature, axis=1)
        return model.classes_[logs.argmax(1)], np.exp(logs.max(1))

    return answer


def _pool(pairs: Pairs, vectors: npt.NDArray[np.float32], answer: Callable[..., Any]) -> Pool:
    from tunewheel.feedback.projection import project

    labels, confidences = answer(vectors)
    group = np.array([label for _, label in pairs])
    small = project(vectors).astype(np.float32)
    return Pool(tuple(text for text, _ in pairs), small, labels, confidences, labels == group, group)


def _cut(pool: Pool, rows: int) -> Pool:
    return Pool(
        pool.texts[:rows],
        pool.vectors[:rows],
        pool.labels[:rows],
        pool.confidences[:rows],
        pool.right[:rows],
        pool.group[:rows],
    )
