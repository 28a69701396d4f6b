"""An index of texts: exact search by vectors, by words, or by both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from tunewheel.models.retrieval.ranking import Hit, best, fused
from tunewheel.models.retrieval.words import RetrievalError, Words
from tunewheel.store.files import sha256, temporary_folder, write_whole
from tunewheel.tasks import Row

How = Literal["vectors", "words", "hybrid"]

SCHEMA = 1
_DECLARATION = "index.json"
_VECTORS = "vectors.safetensors"
_PROBE = "the same words give the same vector 同样的话，同样的向量"
_ALIKE = 1e-3
_DEEPER = 10
"""A fused ranking looks so many times deeper into each of its two."""


class Reader(Protocol):
    """What turns texts into vectors: a `tunewheel.Model`, or a base as it comes (`sentence_reader`)."""

    def vectors(self, rows: Iterable[Row]) -> npt.NDArray[np.float32]:
        """Vectors [n, width] of rows with a ``text``."""


class Index:
    """Texts by id, to be searched: every text is looked at, so what is found is exactly what scores best.

    With a ``reader`` texts are compared by the cosine of their vectors; without one by their words alone (BM25, English
    and Chinese; the extra ``match``). Product and memory are those of a matrix [texts, width]: half a million texts of
    384 numbers take 770 MB and some tenths of a second.

    >>> index = Index({"lost": "my card is gone", "fee": "一张卡的年费是多少"})
    >>> index.search("年费多少钱")[0].id
    'fee'
    """

    def __init__(self, texts: Mapping[str, str], reader: Reader | None = None) -> None:
        self.reader = reader
        self._texts: dict[str, str] = {}
        self._vectors: npt.NDArray[np.float32] | None = None
        self._settle()
        self.add(texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, id: object) -> bool:
        return id in self._texts

    @property
    def ids(self) -> list[str]:
        """Every text's id, in the order they came."""
        return list(self._ids)

    def __getitem__(self, id: str) -> str:
        return self._texts[id]

    def place(self, id: str) -> int:
        """Where a text stands in the order of `ids` and `scores`; raises `RetrievalError` where it does not."""
        if id not in self._places:
            raise RetrievalError(f"no text {id!r} stands in the index of {len(self):,}")
        return self._places[id]

    def add(self, texts: Mapping[str, str]) -> None:
        """Add texts by id; one whose id stands there already takes its place."""
        if not texts:
            return
        fresh = None if self.reader is None else _read(self.reader, list(texts.values()))
        self.remove([id for id in texts if id in self._texts])
        self._texts |= texts
        if fresh is not None:
            self._vectors = fresh if self._vectors is None else np.concatenate([self._vectors, fresh])
        self._settle()

    def remove(self, ids: Iterable[str]) -> None:
        """Take texts out; raises `RetrievalError`, and takes none out, where one of them does not stand there."""
        gone = {self.place(id) for id in ids}
        if self._vectors is not None and gone:
            self._vectors = np.delete(self._vectors, sorted(gone), axis=0)
        self._texts = {id: text for i, (id, text) in enumerate(self._texts.items()) if i not in gone}
        self._settle()

    def _settle(self) -> None:
        """What follows from the texts; their words are counted when they are first asked for."""
        self._ids = list(self._texts)
        self._places = {id: i for i, id in enumerate(self._ids)}
        self._words: Words | None = None

    def search(self, query: str, count: int = 10, how: How | None = None) -> list[Hit]:
        """The ``count`` texts that answer a query best; see `search_all`."""
        return self.search_all([query], count, how)[0]

    def search_all(self, queries: Sequence[str], count: int = 10, how: How | None = None) -> list[list[Hit]]:
        """The ``count`` best texts for each query, the best first and equal ones in the order they came.

        ``how``: ``vectors`` (cosines), ``words`` (BM25; a text that shares no word is not found) or ``hybrid`` (both
        rankings fused by `fused`); by default vectors where the index has a reader. Raises `RetrievalError` for vectors
        where it has none.
        """
        if how == "hybrid":
            deep = [self.search_all(queries, count * _DEEPER, one) for one in ("vectors", "words")]
            return [self._fused(rankings, count) for rankings in zip(*deep, strict=True)]
        found = []
        for scores in self.scores(queries, how):
            places = [i for i in best(scores, count).tolist() if scores[i] > 0 or self._by(how) == "vectors"]
            found.append([self._hit(i, float(scores[i])) for i in places])
        return found

    def _fused(self, rankings: Iterable[Sequence[Hit]], count: int) -> list[Hit]:
        places = fused([self.place(hit.id) for hit in hits] for hits in rankings)
        return [self._hit(place, score) for place, score in places[:count]]

    def _hit(self, place: int, score: float) -> Hit:
        id = self._ids[place]
        return Hit(id, self._texts[id], score)

    def scores(self, queries: Sequence[str], how: How | None = None) -> npt.NDArray[np.float32]:
        """The score of every text for every query [queries, texts], by vectors or by words."""
        way = self._by(how)
        if way == "hybrid":
            raise RetrievalError("a fused ranking has ranks, and no scores of all texts; ask for vectors or for words")
        if way == "words":
            words = self._words = self._words or Words(list(self._texts.values()))
            return np.stack([words.scores(query) for query in queries]) if queries else self._nothing(queries)
        if self.reader is None:
            raise RetrievalError("this index has no vectors: give it a reader, Index(texts, model), or search by words")
        if self._vectors is None or not queries:
            return self._nothing(queries)
        return np.asarray(_read(self.reader, queries) @ self._vectors.T)

    def _nothing(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.zeros((len(queries), len(self)), dtype=np.float32)

    def _by(self, how: How | None) -> How:
        return how or ("words" if self.reader is None else "vectors")

    def save(self, folder: str | Path) -> Path:
        """Write texts and vectors into a new folder, JSON and safetensors, all of it or nothing.

        Raises `RetrievalError` where the folder holds something already.
        """
        from safetensors.numpy import save_file

        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise RetrievalError(f"{target} is not empty; name a new folder")
        beside = temporary_folder(target.parent, f".{target.name}.tmp-")
        try:
            declared: dict[str, Any] = {"schema": SCHEMA, "texts": self._texts, "vectors": None}
            if self.reader is not None:
                vectors = self._vectors if self._vectors is not None else np.zeros((0, 0), dtype=np.float32)
                save_file({"vectors": vectors, "probe": _read(self.reader, [_PROBE])}, beside / _VECTORS)
                declared["vectors"] = sha256(beside / _VECTORS)
            write_whole(beside / _DECLARATION, json.dumps(declared, ensure_ascii=False) + "\n")
            beside.chmod(0o755)
            beside.replace(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return target

    @classmethod
    def load(cls, folder: str | Path, reader: Reader | None = None) -> Self:
        """Read an index again; ``reader`` must be the one that made its vectors, and without one it is words alone.

        Raises `RetrievalError` for a folder that is damaged, and for a reader that gives other vectors.
        """
        from safetensors.numpy import load_file

        path = Path(folder) / _DECLARATION
        try:
            declared = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RetrievalError(
                f"{path} cannot be read ({error}); an index is a folder that Index.save wrote"
            ) from None
        if declared.get("schema") != SCHEMA:
            raise RetrievalError(
                f"{path}: schema {declared.get('schema')!r}, this Tunewheel reads {SCHEMA}; upgrade it"
            )
        index = cls({}, reader)
        index._texts = declared["texts"]
        index._settle()
        if reader is None:
            return index
        vectors = Path(folder) / _VECTORS
        if declared["vectors"] is None:
            raise RetrievalError(f"{folder} was made without vectors; build it anew: Index(texts, model)")
        if not vectors.is_file() or sha256(vectors) != declared["vectors"]:
            raise RetrievalError(f"{vectors} is missing or was altered: its sha256 is not the one in {_DECLARATION}")
        kept, probe = load_file(vectors), _read(reader, [_PROBE])
        if kept["probe"].shape != probe.shape or np.abs(kept["probe"] - probe).max() > _ALIKE:
            raise RetrievalError(f"{folder}: its vectors were made by another model; build it anew with this one")
        if len(kept["vectors"]) != len(index):
            raise RetrievalError(
                f"{path} was altered: it has {len(index):,} texts for {len(kept['vectors']):,} vectors; build it anew"
            )
        index._vectors = kept["vectors"] if len(index) else None
        return index


def _read(reader: Reader, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Vectors [n, width] of length 1, so that their products are cosines."""
    from tunewheel.models.twin import unit

    return unit(reader.vectors({"text": text} for text in texts))
