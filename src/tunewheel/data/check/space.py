"""What texts tell as points in one space: those unlike all others, splits of another kind, what no label reaches."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING

from tunewheel.data.check.corpus import Corpus, Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Example, Place, Severity
from tunewheel.data.divide import UNLABELLED

if TYPE_CHECKING:
    from tunewheel.data.features import Vectors

CHANCE = 0.01
"""The probability under which a difference between two splits is no chance."""

MOVED = 0.02
"""Share of rows that would need another label below which splits have the same labels for all that matters."""

APART = 0.05
"""Effect of a drift of texts from which it is a warning."""

_LEAST = 20
_WORDS = 8


class Space:
    """Vectors of the ``rows`` that are looked at, and of texts without labels, all of one kind.

    ``embed`` gives the vectors of texts, TF-IDF reduced by default; ``unlabelled`` are the texts of a file, of which a
    sample is kept beside that of the split of that name.
    """

    def __init__(
        self,
        corpus: Corpus,
        rows: Sequence[Row],
        size: int,
        seed: int,
        embed: Callable[[Sequence[str]], Vectors] | None,
        unlabelled: Iterable[str],
    ) -> None:
        from tunewheel.data.features import text_vectors

        self.corpus, self.rows, self.seed = corpus, rows, seed
        self.open, self.opened = drawn(self._unlabelled(unlabelled), size, seed)
        texts = [*(row.text for row in rows), *self.open]
        vectors = embed(texts) if embed else text_vectors(texts, seed=seed)
        self.vectors, self.beside = vectors[: len(rows)], vectors[len(rows) :]

    @property
    def sampled(self) -> int | None:
        """How many rows are looked at, None where it is all of them."""
        every = sum(self.corpus.dataset.rows[name] for name in self.corpus.labelled)
        return len(self.rows) if len(self.rows) < every else None

    def outliers(self) -> Iterator[Draft]:
        """Texts unlike all others."""
        from tunewheel.data.outliers import outliers

        found = outliers(self.vectors, seed=self.seed)
        if len(found.rows):
            places = [
                Place(self.rows[row].number, f"{distance:.2f}")
                for row, distance in zip(found.rows[:EXAMPLES].tolist(), found.distances.tolist(), strict=False)
            ]
            values = {"share": len(found.rows) / len(found.sample.rows)}
            yield Draft(
                "outliers", "outliers", "info", len(found.rows), values, places, self._looked(found.sample.rows)
            )

    def drift(self, labels: Mapping[str, Mapping[str, int]]) -> Iterator[Draft]:
        """Splits whose texts, or whose single labels (counted by split), are not those of train."""
        places: dict[str, list[int]] = {}
        for place, row in enumerate(self.rows):
            places.setdefault(row.split, []).append(place)
        first = places.pop("train", [])
        for split, second in places.items():
            if min(len(first), len(second)) >= _LEAST:
                yield from self._texts_moved(split, first, second)
            if self.corpus.target == "label" and {"train", split} <= labels.keys():
                yield from _labels_moved(split, labels["train"], labels[split])

    def unreached(self) -> Iterator[Draft]:
        """Clusters of texts without labels that are far from every labelled one."""
        from tunewheel.data.reach import unreached

        if len(self.rows) < 2 or not self.open:
            return
        found = unreached(self.vectors, self.beside, self.open, seed=self.seed)
        if not found.clusters:
            return
        examples = [
            Example("", UNLABELLED, self.open[cluster.rows[0]], note=f"× {cluster.size:,}  {' '.join(cluster.words)}")
            for cluster in found.clusters[:EXAMPLES]
        ]
        values = {"clusters": len(found.clusters), "share": found.share, "words": ", ".join(found.clusters[0].words)}
        looked = len(found.unlabelled.rows)
        sampled = looked if looked < self.opened else None
        yield Draft("coverage", "unreached", "info", found.rows, values, sampled=sampled, examples=examples)

    def _texts_moved(self, split: str, first: Sequence[int], second: Sequence[int]) -> Iterator[Draft]:
        from tunewheel.data.drift import text_drift, two_sample

        found = two_sample(self.vectors[first], self.vectors[second], seed=self.seed)
        if found.p > CHANCE:
            return
        told = text_drift(*([self.rows[place].text for place in side] for side in (first, second)), seed=self.seed)
        words = [shift.word for shift in told.words if shift.score > 0][:_WORDS]
        values = {"left": "train", "right": split, "p": found.p, "effect": round(found.effect, 4)}
        values |= {"words": ", ".join(words) or "–", "unknown": round(told.unknown, 4)}
        looked = len(found.first.rows) + len(found.second.rows)
        sampled = looked if looked < sum(self.corpus.dataset.rows[name] for name in ("train", split)) else None
        severity: Severity = "warning" if found.effect >= APART else "info"
        yield Draft("drift", "text_drift", severity, self.corpus.dataset.rows[split], values, sampled=sampled)

    def _looked(self, rows: Sized) -> int | None:
        return len(rows) if len(rows) < len(self.rows) else self.sampled

    def _unlabelled(self, texts: Iterable[str]) -> Iterator[str]:
        if UNLABELLED in self.corpus.splits:
            yield from (row.text for row in self.corpus.rows() if row.split == UNLABELLED)
        yield from texts


def drawn(texts: Iterable[str], size: int, seed: int) -> tuple[list[str], int]:
    """Up to ``size`` of the texts, each as likely as any other, and how many there were.

    Source: Vitter (1985), "Random Sampling with a Reservoir", algorithm R.

    >>> kept, count = drawn((str(i) for i in range(100)), 3, 13)
    >>> len(kept), count
    (3, 100)
    """
    kept: list[str] = []
    draw, count = random.Random(seed), 0
    for count, text in enumerate(texts, 1):
        if count <= size:
            kept.append(text)
        elif (place := draw.randrange(count)) < size:
            kept[place] = text
    return kept, count


def _labels_moved(split: str, first: Mapping[str, int], second: Mapping[str, int]) -> Iterator[Draft]:
    from tunewheel.data.drift import label_drift

    found = label_drift(first, second)
    if found.p > CHANCE or found.moved < MOVED:
        return
    label, (before, after) = next(iter(found.shares.items()))
    values = {"left": "train", "right": split, "p": found.p, "effect": round(found.effect, 4), "share": found.moved}
    values |= {"label": label, "before": before, "after": after}
    yield Draft("drift", "label_drift", "warning", sum(second.values()), values)
