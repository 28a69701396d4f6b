"""Texts as weighted counts of their words' and characters' n-grams."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

VOCABULARY = "vocabulary.json"


@dataclass(frozen=True)
class Cut:
    """How a text is cut: runs of 1 to ``longest`` words, or of characters (``within``: inside of a word only)."""

    unit: Literal["word", "char"]
    longest: int
    within: bool = False

    @property
    def analyzer(self) -> str:
        """What scikit-learn calls it."""
        return "char_wb" if self.within else self.unit

    def __str__(self) -> str:
        what = "words" if self.unit == "word" else "characters"
        return f"{what} 1-{self.longest}" + (" within a word" if self.within else "")


@dataclass(frozen=True)
class Counted:
    """The n-grams of one cut: ``terms`` in the order of their columns, and how rare each is (``idf`` [terms])."""

    cut: Cut
    terms: Sequence[str]
    idf: npt.NDArray[np.float64] = field(repr=False)

    @cached_property
    def vectorizer(self) -> Any:
        """scikit-learn's TF-IDF over these terms."""
        made = _vectorizer(self.cut, {term: column for column, term in enumerate(self.terms)})
        made.idf_ = self.idf
        return made


class Ngrams:
    """TF-IDF (Spärck Jones 1972) with 1 + log of a count, each cut's part of a text's vector at length 1.

    It is what scikit-learn's `TfidfVectorizer` computes with ``sublinear_tf``, and nothing of it is pickled: `save`
    writes the vocabulary as JSON and returns the rarities, which belong into safetensors.
    """

    def __init__(self, parts: Sequence[Counted]) -> None:
        self.parts = tuple(parts)

    @classmethod
    def learned(cls, cuts: Sequence[Cut], texts: Sequence[str]) -> tuple[Self, csr_matrix]:
        """Learn the n-grams of ``texts``; returns their vectors too. A cut that finds no term is left out."""
        from scipy.sparse import csr_matrix, hstack

        parts: list[Counted] = []
        vectors: list[Any] = []
        for cut in cuts:
            vectorizer = _vectorizer(cut)
            try:
                vectors.append(vectorizer.fit_transform(texts))
            except ValueError:  # scikit-learn's word for an empty vocabulary
                continue
            parts.append(Counted(cut, vectorizer.get_feature_names_out().tolist(), vectorizer.idf_))
        return cls(parts), hstack(vectors).tocsr() if vectors else csr_matrix((len(texts), 0))

    def __call__(self, texts: Sequence[str]) -> csr_matrix:
        """Vectors [texts, width]; a text's own does not depend on the others."""
        from scipy.sparse import hstack

        return hstack([part.vectorizer.transform(texts) for part in self.parts]).tocsr()

    @property
    def width(self) -> int:
        """Number of different n-grams."""
        return sum(len(part.terms) for part in self.parts)

    def save(self, folder: Path) -> dict[str, npt.NDArray[np.float64]]:
        """Write the vocabulary into ``folder``; returns the rarities by name."""
        told = [{**asdict(part.cut), "terms": list(part.terms)} for part in self.parts]
        (folder / VOCABULARY).write_text(json.dumps(told, ensure_ascii=True), encoding="utf-8")
        return {f"idf.{i}": part.idf for i, part in enumerate(self.parts)}

    @classmethod
    def load(cls, folder: Path, tensors: Mapping[str, npt.NDArray[np.float64]]) -> Self:
        """Read them again, with what `save` returned."""
        told = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        terms = [part.pop("terms") for part in told]
        return cls([Counted(Cut(**part), terms[i], tensors[f"idf.{i}"]) for i, part in enumerate(told)])


def _vectorizer(cut: Cut, vocabulary: Mapping[str, int] | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    runs = (1, cut.longest)
    return TfidfVectorizer(analyzer=cut.analyzer, ngram_range=runs, sublinear_tf=True, vocabulary=vocabulary)
