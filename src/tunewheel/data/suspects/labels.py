"""Suspects among rows of one label each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Vectors, sample, text_vectors, unit
from tunewheel.data.suspects.suspects import Suspects, carried, deal_folds, quiet, text_groups

Probabilities = npt.NDArray[np.floating]

MOST = 50_000
"""Rows looked at unless said otherwise."""

STRENGTH = 3.0
"""Inverse of the linear model's penalty, chosen on noise of other seeds than the figures stand on."""

_FLOOR = 1e-9


@dataclass(frozen=True)
class LabelSuspect:
    """A row whose label another one outdoes.

    ``probability`` is that of the suggested label, ``score`` by how much it outdoes the given one (the log of their
    ratio, above 0), ``likely`` confident learning's verdict.
    """

    row: int
    given: str
    suggested: str
    probability: float
    score: float
    likely: bool


def label_suspects(
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    vectors: npt.ArrayLike | None = None,
    probabilities: npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    groups: npt.ArrayLike | None = None,
    folds: int = 5,
    most: int | None = MOST,
    seed: int = 13,
) -> Suspects[LabelSuspect]:
    """Rank rows by how strongly the other rows speak against their label.

    Logistic regression on ``vectors`` [rows, width] (without them `text_vectors`) says how probable each label is of
    rows it has not learned from; confident learning (Northcutt et al. 2021) then counts likely errors (`confident`).
    ``probabilities`` [rows, labels], columns in the order of ``names`` (else of the sorted labels), take the place of
    that; they must be of models that had not seen the row. Rows of one ``group`` [rows] share a fold, by default those
    with the same text, signs and case aside. Labels that fewer than ``folds`` groups carry are not judged. Of more
    than ``most`` rows a sample is judged.

    Raises:
        ValueError: the arguments' lengths differ, ``names`` lack a label, or there are fewer than 2 folds.
    """
    _check(len(texts), folds, labels=labels, vectors=vectors, probabilities=probabilities, groups=groups)
    chosen = sample(len(texts), most, seed)
    rows = chosen.rows
    known = list(names) if names is not None else sorted(set(labels))
    codes = _codes([labels[i] for i in rows], known)
    some = [texts[i] for i in rows]
    together = text_groups(some) if groups is None else np.asarray(groups, dtype=np.int64)[rows]
    enough = carried(codes, together, len(known)) >= folds
    if enough.sum() < 2:
        return Suspects([], chosen, _counts(codes, known, ~enough))
    judged: Probabilities
    if probabilities is not None:
        judged = np.asarray(probabilities, dtype=np.float64)[rows]
    else:
        features = text_vectors(some, seed=seed) if vectors is None else unit(np.asarray(vectors)[rows])
        judged = out_of_fold(features, codes, deal_folds(codes, together, folds, seed), len(known))
    at, columns = np.flatnonzero(enough[codes]), np.flatnonzero(enough)
    short = np.cumsum(enough)[codes[at]] - 1
    found = _ranked(rows[at], short, judged[np.ix_(at, columns)], [known[k] for k in columns.tolist()])
    return Suspects(found, chosen, _counts(codes, known, ~enough))


def out_of_fold(
    features: Vectors, codes: npt.NDArray[np.int64], fold: npt.NDArray[np.int64], labels: int
) -> Probabilities:
    """Probabilities [rows, labels] of each row by a linear model of the rows in other folds.

    A label that stands in one fold alone has probability 0 there.
    """
    from sklearn.linear_model import LogisticRegression

    judged = np.zeros((len(codes), labels))
    for k in np.unique(fold):
        inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        seen = np.unique(codes[outside])
        if len(seen) < 2:
            judged[np.ix_(inside, seen)] = 1.0
            continue
        with quiet():
            model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3).fit(features[outside], codes[outside])
            judged[np.ix_(inside, seen)] = model.predict_proba(features[inside])
    return judged


def confident(codes: npt.NDArray[np.int64], judged: Probabilities) -> npt.NDArray[np.bool_]:
    """Which rows are likely errors: as many as confident learning counts, those most outdone first.

    It counts a row whose other label is more probable than that label is on the average of its own rows.
    """
    with quiet():
        from cleanlab.count import num_label_issues

        count = num_label_issues(codes, judged, estimation_method="off_diagonal")
    score = outdone(codes, judged)[1]
    likely = np.zeros(len(codes), dtype=bool)
    likely[np.argsort(-score, kind="stable")[:count]] = True
    return likely & (score > 0)


def outdone(
    codes: npt.NDArray[np.int64], judged: Probabilities
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
    """The most probable other label of each row, and the log of its ratio to the given one."""
    each = np.arange(len(codes))
    others = judged.copy()
    others[each, codes] = -1
    best = others.argmax(1)
    return best, np.log(others[each, best]) - np.log(judged[each, codes])


def _ranked(
    rows: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], judged: Probabilities, names: Sequence[str]
) -> list[LabelSuspect]:
    judged = judged + _FLOOR
    judged /= judged.sum(1, keepdims=True)
    best, score = outdone(codes, judged)
    likely = confident(codes, judged)
    order = np.argsort(-score, kind="stable")
    return [
        LabelSuspect(
            int(rows[i]), names[codes[i]], names[best[i]], float(judged[i, best[i]]), float(score[i]), bool(likely[i])
        )
        for i in order[score[order] > 0].tolist()
    ]


def _counts(codes: npt.NDArray[np.int64], names: Sequence[str], chosen: npt.NDArray[np.bool_]) -> dict[str, int]:
    rows = np.bincount(codes, minlength=len(names))
    return {names[k]: int(rows[k]) for k in np.flatnonzero(chosen).tolist() if rows[k]}


def _codes(labels: Sequence[str], names: Sequence[str]) -> npt.NDArray[np.int64]:
    places = {name: k for k, name in enumerate(names)}
    if missing := sorted(set(labels) - set(places)):
        raise ValueError(f"label {missing[0]!r} is not among the names {', '.join(map(repr, names))}")
    return np.array([places[label] for label in labels], dtype=np.int64)


def _check(rows: int, folds: int, **arguments: object) -> None:
    if folds < 2:
        raise ValueError(f"folds count from 2, got {folds}")
    for name, value in arguments.items():
        if value is not None and len(value) != rows:  # type: ignore[arg-type]
            raise ValueError(f"{name} must have one entry a text, {rows}; got {len(value)}")  # type: ignore[arg-type]
