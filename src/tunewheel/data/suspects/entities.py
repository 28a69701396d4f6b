"""Suspects among marked entities: missed, spurious, of another type, or with another border."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import sample
from tunewheel.data.suspects.labels import Probabilities, confident
from tunewheel.data.suspects.suspects import Suspects, carried, deal_folds, quiet, text_groups
from tunewheel.data.suspects.tokens import Bounds, hashed, token_bounds

MOST = 20_000
"""Rows looked at unless said otherwise."""

_OUTSIDE = 0
_FLOOR = 1e-6


class Span(NamedTuple):
    """An entity: characters ``start`` to ``end`` (exclusive) and its type."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class EntitySuspect:
    """An entity that is marked (``given``, None: nothing is) and what the other rows suggest (None: nothing).

    ``probability`` is that of the suggestion, ``score`` by how much it outdoes what is given (the log of their ratio, a
    mean over the tokens), ``likely`` confident learning's verdict on any of its tokens.
    """

    row: int
    given: Span | None
    suggested: Span | None
    probability: float
    score: float
    likely: bool

    @property
    def kind(self) -> Literal["missed", "spurious", "border", "type"]:
        """What is wrong, if the suggestion is right."""
        if self.given is None:
            return "missed"
        if self.suggested is None:
            return "spurious"
        return "border" if self.given.label == self.suggested.label else "type"


def entity_suspects(
    rows: Sequence[Mapping[str, Any]],
    *,
    groups: npt.ArrayLike | None = None,
    folds: int = 5,
    most: int | None = MOST,
    seed: int = 13,
) -> Suspects[EntitySuspect]:
    """Rank what is marked in ``rows`` (``text``, ``entities``, ``tokens`` if they have them), and what is not.

    A linear classifier of single tokens by their local features judges rows it has not learned from, and confident
    learning its verdicts (Northcutt et al. 2021; for tokens Wang and Mueller 2022). Rows of one ``group`` [rows]
    share a fold, by default those with the same text. Types that stand in fewer than ``folds`` different texts are not
    judged, nor are entities that overlap an earlier one. Of more than ``most`` rows a sample is judged.

    Raises:
        ValueError: there are fewer than 2 folds.
    """
    if folds < 2:
        raise ValueError(f"folds count from 2, got {folds}")
    chosen = sample(len(rows), most, seed)
    some = [rows[i] for i in chosen.rows]
    texts = [row["text"] for row in some]
    together = text_groups(texts) if groups is None else np.asarray(groups, dtype=np.int64)[chosen.rows]
    types = sorted({entity["label"] for row in some for entity in row["entities"]})
    marked = [_Marked.of(row, types) for row in some]
    enough, counts = _judged_types(marked, together, types, folds)
    unjudged = {name: counts[k] for k, name in enumerate(types) if not enough[k]}
    if not enough.any():
        return Suspects([], chosen, unjudged)
    fold = deal_folds(np.array([max(m.codes, default=0) for m in marked]), together, folds, seed)
    known = np.concatenate([[True], enough])
    codes = np.concatenate([np.array(m.codes, dtype=np.int64) for m in marked])
    place = np.repeat(np.arange(len(marked)), [len(m.codes) for m in marked])
    judged = _out_of_fold(hashed([m.words for m in marked]), codes, fold[place], known, seed)
    likely = _verdicts(codes, judged, known)
    logs, at = np.log(judged + _FLOOR), 0
    found: list[EntitySuspect] = []
    for row, m in zip(chosen.rows.tolist(), marked, strict=True):
        here = slice(at, at + len(m.codes))
        found += _suspects(row, m, types, logs[here], likely[here], known)
        at = here.stop
    return Suspects(sorted(found, key=lambda suspect: -suspect.score), chosen, unjudged)


@dataclass(frozen=True)
class _Marked:
    """A row by tokens: ``codes`` has 0 outside of entities, else the type's number from 1; spans count tokens."""

    text: str
    bounds: Bounds
    codes: list[int]
    spans: list[tuple[int, int, int]]

    @classmethod
    def of(cls, row: Mapping[str, Any], types: Sequence[str]) -> _Marked:
        bounds = token_bounds(row)
        codes, spans = [_OUTSIDE] * len(bounds), []
        for entity in row["entities"]:
            inside = [i for i, (a, b) in enumerate(bounds) if a < entity["end"] and b > entity["start"]]
            if inside and not any(codes[i] for i in inside):
                start, stop, code = inside[0], inside[-1] + 1, types.index(entity["label"]) + 1
                codes[start:stop] = [code] * (stop - start)
                spans.append((start, stop, code))
        return cls(row["text"], bounds, codes, spans)

    @property
    def words(self) -> list[str]:
        return [self.text[a:b] for a, b in self.bounds]

    def span(self, start: int, stop: int, label: str) -> Span:
        return Span(self.bounds[start][0], self.bounds[stop - 1][1], label)


def _judged_types(
    marked: Sequence[_Marked], groups: npt.NDArray[np.int64], types: Sequence[str], folds: int
) -> tuple[npt.NDArray[np.bool_], list[int]]:
    """Which types stand in enough different texts, and how many entities each has."""
    where = [(code - 1, int(group)) for m, group in zip(marked, groups, strict=True) for _, _, code in m.spans]
    if not where:
        return np.zeros(len(types), dtype=bool), [0] * len(types)
    codes, groups = np.array(where, dtype=np.int64).T
    return carried(codes, groups, len(types)) >= folds, np.bincount(codes, minlength=len(types)).tolist()


def _out_of_fold(
    features: Any, codes: npt.NDArray[np.int64], fold: npt.NDArray[np.int64], known: npt.NDArray[np.bool_], seed: int
) -> Probabilities:
    """Probabilities [tokens, types + 1] by a classifier of the other folds' tokens of ``known`` types."""
    from sklearn.linear_model import SGDClassifier

    judged = np.zeros((len(codes), len(known)))
    for k in np.unique(fold):
        inside, outside = np.flatnonzero(fold == k), np.flatnonzero((fold != k) & known[codes])
        seen = np.unique(codes[outside])
        if len(seen) < 2:
            judged[np.ix_(inside, seen)] = 1.0
            continue
        with quiet():
            model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, average=True, random_state=seed)
            model.fit(features[outside], codes[outside])
            judged[np.ix_(inside, seen)] = model.predict_proba(features[inside])
    return judged


def _verdicts(
    codes: npt.NDArray[np.int64], judged: Probabilities, known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Confident learning's verdict a token; tokens of types that are not judged have none."""
    likely = np.zeros(len(codes), dtype=bool)
    at = np.flatnonzero(known[codes])
    probable = judged[np.ix_(at, np.flatnonzero(known))] + _FLOOR
    likely[at] = confident(np.cumsum(known)[codes[at]] - 1, probable / probable.sum(1, keepdims=True))
    return likely


def _suspects(
    row: int,
    marked: _Marked,
    types: Sequence[str],
    logs: npt.NDArray[np.floating],
    likely: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
) -> Iterator[EntitySuspect]:
    ends = {(stop, code): (start, stop) for start, stop, code in marked.spans}
    begins = {(start, code): (start, stop) for start, stop, code in marked.spans}
    for start, stop, code in marked.spans:
        means = logs[start:stop].mean(0)
        best = int(means.argmax())
        if known[code] and best != code:
            suggested = None if best == _OUTSIDE else marked.span(start, stop, types[best - 1])
            given = marked.span(start, stop, types[code - 1])
            yield _suspect(row, given, suggested, means[best], means[code], likely[start:stop])
    for start, stop, code in _missed(marked.codes, logs.argmax(1)):
        means = logs[start:stop].mean(0)
        a, b = ends.get((start, code)) or begins.get((stop, code)) or (start, stop)
        touched = None if (a, b) == (start, stop) else marked.span(a, b, types[code - 1])
        suggested = marked.span(min(a, start), max(b, stop), types[code - 1])
        yield _suspect(row, touched, suggested, means[code], means[_OUTSIDE], likely[start:stop])


def _suspect(
    row: int, given: Span | None, suggested: Span | None, best: float, own: float, likely: npt.NDArray[np.bool_]
) -> EntitySuspect:
    return EntitySuspect(row, given, suggested, float(np.exp(best)), float(best - own), bool(likely.any()))


def _missed(codes: Sequence[int], best: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Runs of tokens outside of all entities that look like one type."""
    start = 0
    while start < len(codes):
        stop = start + 1
        if codes[start] == _OUTSIDE and best[start] != _OUTSIDE:
            while stop < len(codes) and codes[stop] == _OUTSIDE and best[stop] == best[start]:
                stop += 1
            yield start, stop, int(best[start])
        start = stop
