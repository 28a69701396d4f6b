"""Labelled rows that are like a text, to be shown as examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import grams, unit
from tunewheel.tasks import Row


class Shelf:
    """Rows by their likeness to a text: the cosine of TF-IDF over n-grams, or of a base's sentence vectors.

    Args:
        rows: labelled rows.
        vectors: a base (`tunewheel.models.load_backbone`) whose sentence vectors are compared; None for TF-IDF.
        balanced: no label has more than its share of the rows chosen, as far as there are others.
    """

    def __init__(self, rows: Sequence[Row], *, vectors: str | None = None, balanced: bool = False) -> None:
        self.rows, self._base, self._balanced = list(rows), vectors, balanced

    def nearest(self, texts: Sequence[str], k: int) -> list[list[Row]]:
        """The ``k`` likest rows of each text, the likest last: what stands nearest to the question weighs most."""
        if not self.rows:
            return [[] for _ in texts]
        likeness = self._likeness(texts)
        return [[self.rows[i] for i in reversed(self._chosen(line, k))] for line in likeness]

    def _chosen(self, likeness: npt.NDArray[Any], k: int) -> list[int]:
        order: list[int] = np.argsort(-likeness, kind="stable").tolist()
        if not self._balanced:
            return order[:k]
        labels = [row["label"] for row in self.rows]
        share, seen = -(-k // len(set(labels))), Counter[str]()
        fair: list[int] = []
        rest: list[int] = []
        for i in order:
            seen[labels[i]] += 1
            (fair if seen[labels[i]] <= share else rest).append(i)
        chosen = set([*fair, *rest][:k])
        return [i for i in order if i in chosen]

    def _likeness(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Cosines [texts, rows]."""
        ours, reader = self._vectors
        if self._base:
            return np.asarray(unit(reader.vectors({"text": text} for text in texts)) @ ours.T)
        return np.asarray((reader.transform(list(texts)) @ ours.T).toarray())

    @cached_property
    def _vectors(self) -> tuple[Any, Any]:
        """The rows' vectors, of length 1, and what makes a text's."""
        texts = [row["text"] for row in self.rows]
        if self._base:
            from tunewheel.models.vectors import sentence_reader

            reader = sentence_reader(self._base)
            return unit(reader.vectors({"text": text} for text in texts)), reader
        from sklearn.feature_extraction.text import TfidfVectorizer

        weigh = TfidfVectorizer(analyzer=grams, sublinear_tf=True, dtype=np.float32)
        # A text without a single word would leave nothing to count.
        weigh.fit(texts if any(grams(text) for text in texts) else ["0"])
        return weigh.transform(texts), weigh
