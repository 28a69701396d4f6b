"""What `topics` hands back: topics with their words and how far to trust them, and the topic of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tunewheel.data.topics.clustering import Floats, Numbers
from tunewheel.pages.shell import Lang

if TYPE_CHECKING:
    from tunewheel.data.dataset import Dataset

OTHER = -1
"""The number of the topic of rows that belong nowhere."""

STABLE, DOUBTFUL = 0.75, 0.6
"""Stability from which a topic counts as one, and as a pattern at least (Hennig's own marks)."""


class TopicsError(ValueError):
    """No topics can be found in what was given."""


@dataclass(frozen=True)
class Topic:
    """A topic, named by its words.

    ``rows`` of the data belong to it, ``texts`` of them distinct. ``stability`` from 0 to 1 is how much of it was found
    again in resamples; below 0.6 it may well be chance. ``examples`` are its most central texts, personal data masked.
    """

    number: int
    name: str
    words: tuple[str, ...]
    rows: int
    texts: int
    share: float
    stability: float
    examples: tuple[str, ...]


class Dot(NamedTuple):
    """A text on the map: where, whose (`OTHER` for nobody's), and what it says, masked and short."""

    x: float
    y: float
    topic: int
    text: str


@dataclass(frozen=True, eq=False)
class Topics:
    """The topics of some text, the largest first.

    Attributes:
        data, fingerprint: what was read.
        rows, texts: how many rows there are, and distinct texts with words: near repeats count once.
        sampled: the texts that topics were made of; the others were told by them.
        topics: the topics.
        other: rows that belong nowhere.
        agreement: the adjusted Rand index between the topics and those of each resample: 1 is the same, 0 is chance.
        by: what gave the vectors, a base or ``TF-IDF``.
        member: int64[rows], each row's topic, in the order of the dataset's splits; `OTHER` for none.
        confidence: float32[rows], the share of the resamples in which the row fell into its topic again.
        distance: float32[rows], cosine distance to the middle of its topic; 0 is the middle.
        central: bool[rows], whether the row is the one of its near repeats that counts.
        dots: a sample of the texts on a plane.
    """

    data: str
    fingerprint: str
    rows: int
    texts: int
    sampled: int
    topics: tuple[Topic, ...]
    other: int
    agreement: tuple[float, ...]
    by: str
    seed: int
    created: str
    member: Numbers = field(repr=False)
    confidence: Floats = field(repr=False)
    distance: Floats = field(repr=False)
    central: Any = field(repr=False)
    dots: Sequence[Dot] = field(repr=False)
    notes: Sequence[str] = ()

    @property
    def agreed(self) -> float:
        """The mean agreement with the resamples."""
        return float(np.mean(self.agreement))

    @property
    def descriptions(self) -> Mapping[str, str]:
        """The words of each topic by its name, as `options.descriptions` of a method takes them."""
        return {topic.name: ", ".join(topic.words) or topic.name for topic in self.topics}

    def as_dict(self) -> dict[str, Any]:
        """The topics as JSON values, without the rows."""
        return {
            **{"data": self.data, "fingerprint": self.fingerprint, "rows": self.rows, "texts": self.texts},
            **{"sampled": self.sampled, "by": self.by, "seed": self.seed, "created": self.created},
            "topics": [asdict(topic) for topic in self.topics],
            **{"other": self.other, "agreement": {"mean": self.agreed, "resamples": list(self.agreement)}},
            "notes": list(self.notes),
        }

    def write_html(self, path: str | Path, lang: Lang = "en") -> Path:
        """Write the page, whole or not at all, and return its path."""
        from tunewheel.data.topics.page import write_html

        return write_html(self, path, lang)

    def write_rows(self, dataset: Dataset, path: str | Path, *, per_topic: int | None = None) -> int:
        """Write rows with their topics as labels, as `tunewheel.train` reads them, and return how many.

        Rows of no topic are left out. With ``per_topic`` only so many of each are written, the most central ones, no
        two of them near repeats. A ``.jsonl`` file, whole or not at all.
        """
        from tunewheel.data.topics.export import write_rows

        return write_rows(self, dataset, path, per_topic)

    def write_descriptions(self, path: str | Path) -> Path:
        """Write `descriptions` as a YAML mapping, whole or not at all, and return its path."""
        from tunewheel.data.topics.export import write_descriptions

        return write_descriptions(self, path)
