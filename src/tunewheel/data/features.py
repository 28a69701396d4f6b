"""Light features of texts, English and Chinese alike: n-grams weighed by TF-IDF, and small dense vectors of them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

COLUMNS = 50_000
"""Most n-grams kept, the commonest ones."""

FITTED = 20_000
"""Rows on which n-grams are chosen and vectors fitted; more texts are then only looked up."""

LONGEST = 2_000
"""Characters of a text that are looked at."""

_BLOCK = 10_000

UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of scripts without spaces between words, as a regular expression has them."""

_RUNS = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_FIRST_UNSPACED = re.compile(rf"[{UNSPACED}]")


class Sample(NamedTuple):
    """Which rows were looked at: ``rows`` int64 [looked], ascending, of ``total``."""

    rows: npt.NDArray[np.int64]
    total: int

    @property
    def whole(self) -> bool:
        """Whether every row was looked at."""
        return len(self.rows) == self.total


def sample(total: int, most: int | None, seed: int) -> Sample:
    """Draw at most ``most`` of ``total`` rows (None: all); the same seed draws the same ones.

    >>> sample(3, 5, 13).rows.tolist(), sample(1000, 5, 13).whole
    ([0, 1, 2], False)
    """
    if most is None or total <= most:
        return Sample(np.arange(total, dtype=np.int64), total)
    drawn = np.random.default_rng((seed, total)).choice(total, most, replace=False, shuffle=False)
    return Sample(np.sort(drawn).astype(np.int64), total)


def words(text: str) -> list[str]:
    """Words as they are compared: lower-cased, of one width; where no spaces part words, pairs of characters.

    >>> words("Pay the ＦＥＥ"), words("退款没到"), words("退")
    (['pay', 'the', 'fee'], ['退款', '款没', '没到'], ['退'])
    """
    found: list[str] = []
    for run in _runs(text):
        if _FIRST_UNSPACED.match(run) and len(run) > 1:
            found += (run[i : i + 2] for i in range(len(run) - 1))
        else:
            found.append(run)
    return found


def grams(text: str) -> list[str]:
    """What is counted in a text: words, pairs of them, 3 to 4 characters of a word; of Chinese 1 to 3 characters.

    >>> grams("No fee")
    ['no', '#<no', '#no>', '#<no>', 'fee', '#<fe', '#fee', '#ee>', '#<fee', '#fee>', 'no fee']
    >>> grams("退款")
    ['退', '款', '退款']
    """
    found: list[str] = []
    spaced: list[str] = []
    for run in _runs(text):
        if _FIRST_UNSPACED.match(run):
            found += (run[i : i + n] for n in (1, 2, 3) for i in range(len(run) - n + 1))
        else:
            spaced.append(run)
            found.append(run)
            edged = f"<{run}>"
            found += ("#" + edged[i : i + n] for n in (3, 4) for i in range(len(edged) - n + 1))
    found += (f"{a} {b}" for a, b in itertools.pairwise(spaced))
    return found


def text_features(texts: Sequence[str]) -> Any:
    """TF-IDF of `grams` as a sparse float32 matrix [texts, n-grams], rows of length 1, a row without n-grams all zero.

    The n-grams are the `COLUMNS` commonest of a sample of `FITTED` texts. Memory grows with the texts: `text_vectors`
    holds a block of them at a time.
    """
    from scipy.sparse import csr_matrix, vstack

    if not len(texts):
        return csr_matrix((0, 0), dtype=np.float32)
    weigh = _fitted(texts, 13)
    return vstack([weigh.transform(block) for block in _blocks(texts)]).tocsr()


def text_vectors(texts: Sequence[str], *, width: int = 256, seed: int = 13) -> Vectors:
    """Dense vectors [texts, ≤ width] of length 1: TF-IDF through a truncated SVD (latent semantic analysis).

    Both are fitted on a sample of `FITTED` texts and then applied a block at a time, so only the result grows with the
    texts. Fewer texts or n-grams than ``width`` give fewer columns. A text without words is all zeros (Deerwester et
    al. 1990, "Indexing by Latent Semantic Analysis"; the SVD is Halko et al. 2011).
    """
    return text_space(texts, width=width, seed=seed)(texts) if len(texts) else np.zeros((0, 0), dtype=np.float32)


def text_space(texts: Sequence[str], *, width: int = 256, seed: int = 13) -> Callable[[Sequence[str]], Vectors]:
    """What makes the `text_vectors` of some texts, one at least: to be asked about others, in the same space."""
    from sklearn.decomposition import TruncatedSVD

    weigh = _fitted(texts, seed)
    chosen = sample(len(texts), FITTED, seed).rows
    fitted = weigh.transform([texts[i] for i in chosen])
    reduce = None
    if fitted.shape[1] > 1:  # else there is nothing to reduce, and scikit-learn refuses
        svd = TruncatedSVD(min(width, *fitted.shape), n_iter=2, random_state=seed)
        # A set of equal texts has no variance to explain, which scikit-learn divides by.
        with np.errstate(invalid="ignore", divide="ignore"):
            svd.fit(fitted)
        reduce = svd.transform

    def vectors(asked: Sequence[str]) -> Vectors:
        blocks = (weigh.transform(block) for block in _blocks(asked))
        return np.concatenate([unit(reduce(block) if reduce else block.toarray()) for block in blocks])

    return vectors


def unit(vectors: npt.ArrayLike) -> Vectors:
    """Scale rows to length 1; a row of zeros stays."""
    rows = np.asarray(vectors, dtype=np.float32)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def _fitted(texts: Sequence[str], seed: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    chosen = sample(len(texts), FITTED, seed).rows
    # What stands once among many texts joins none of them.
    rare = 2 if len(chosen) >= 1000 else 1
    weigh = TfidfVectorizer(analyzer=grams, sublinear_tf=True, min_df=rare, max_features=COLUMNS, dtype=np.float32)
    some = [texts[i] for i in chosen]
    # An n-gram of its own, so that texts without a single word are no error; it stands in none of the others.
    return weigh.fit(some if any(grams(text) for text in some) else ["0"] * rare)


def _runs(text: str) -> list[str]:
    return _RUNS.findall(unicodedata.normalize("NFKC", text[:LONGEST]).casefold())


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[at : at + _BLOCK] for at in range(0, len(texts), _BLOCK))
