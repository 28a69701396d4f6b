"""Suspects among rows of several labels each: a label too many or one missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import sample, text_vectors, unit
from tunewheel.data.suspects.labels import MOST, confident, out_of_fold
from tunewheel.data.suspects.suspects import Suspects, deal_folds, text_groups

_FLOOR = 1e-9


@dataclass(frozen=True)
class SetSuspect:
    """A row of whose labels one, ``label``, is doubted: it stands there and should not, or the other way round.

    ``suggested`` are the row's labels with that one changed, ``probability`` the change's, ``score`` its log odds.
    """

    row: int
    label: str
    given: tuple[str, ...]
    suggested: tuple[str, ...]
    probability: float
    score: float
    likely: bool


def set_suspects(
    texts: Sequence[str],
    labels: Sequence[Iterable[str]],
    *,
    vectors: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    folds: int = 5,
    most: int | None = MOST,
    seed: int = 13,
) -> Suspects[SetSuspect]:
    """Judge each label by itself, as `label_suspects` judges one of two: it is there or not.

    A label that fewer than ``folds`` different texts have, or all but so few, is not judged.
    """
    if folds < 2:
        raise ValueError(f"folds count from 2, got {folds}")
    if len(labels) != len(texts):
        raise ValueError(f"labels must have one entry a text, {len(texts)}; got {len(labels)}")
    chosen = sample(len(texts), most, seed)
    some = [texts[i] for i in chosen.rows]
    sets = [tuple(labels[i]) for i in chosen.rows]
    together = text_groups(some) if groups is None else np.asarray(groups, dtype=np.int64)[chosen.rows]
    features = text_vectors(some, seed=seed) if vectors is None else unit(np.asarray(vectors)[chosen.rows])
    found: list[SetSuspect] = []
    unjudged: dict[str, int] = {}
    for name in sorted({name for each in sets for name in each}):
        codes = np.array([name in each for each in sets], dtype=np.int64)
        if min(len(np.unique(together[codes == side])) for side in (0, 1)) < folds:
            unjudged[name] = int(codes.sum())
            continue
        judged = out_of_fold(features, codes, deal_folds(codes, together, folds, seed), 2) + _FLOOR
        judged /= judged.sum(1, keepdims=True)
        likely = confident(codes, judged)
        other = judged[np.arange(len(codes)), 1 - codes]
        for i in np.flatnonzero(other > 0.5):
            odds = float(np.log(other[i]) - np.log(1 - other[i]))
            changed = _changed(sets[i], name)
            row = int(chosen.rows[i])
            found.append(SetSuspect(row, name, sets[i], changed, float(other[i]), odds, bool(likely[i])))
    return Suspects(sorted(found, key=lambda suspect: -suspect.score), chosen, unjudged)


def _changed(labels: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(other for other in labels if other != name) if name in labels else (*labels, name)
