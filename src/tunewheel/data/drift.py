"""Whether two sets of texts, or of labels, are of one kind: tests with a p-value, an effect, and what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunewheel.data.features import Sample, sample
from tunewheel.data.language import language
from tunewheel.data.wording import WordShift, counted, telling_words

MOST = 2_000
"""Rows of either side looked at unless said otherwise."""

_BLOCK = 256

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """Two sets of vectors compared.

    ``statistic`` is their energy distance (about 0 where both are of one kind), ``effect`` its share of twice the
    mean distance between the sets (0: alike, 1: nothing in common), ``p`` the chance of so much between two sets of one
    kind; ``fine`` is that chance by a curve through the permutations (`fine_p`), for where ``p`` is as small as they
    can tell.
    """

    statistic: float
    p: float
    effect: float
    permutations: int
    first: Sample
    second: Sample
    fine: float


@dataclass(frozen=True)
class LabelDrift:
    """Two sets' label counts compared.

    ``effect`` is Cramér's V (0: the same shares, 1: no label in common), ``moved`` the share of rows that would have to
    carry another label, ``shares`` each label's share on either side, the most changed first; ``fine`` as for `Drift`.
    """

    statistic: float
    p: float
    effect: float
    moved: float
    shares: dict[str, tuple[float, float]]
    fine: float


@dataclass(frozen=True)
class TextDrift:
    """Two sets of texts compared by what can be read off them.

    ``lengths`` are the quartiles of the number of characters, ``languages`` the share of texts in each
    (`tunewheel.data.language`), ``unknown`` the share of the second's words that the first never uses (a word
    counts once a text), ``words`` those whose use differs most.
    """

    lengths: tuple[tuple[float, float, float], tuple[float, float, float]]
    languages: dict[str, tuple[float, float]]
    unknown: float
    words: list[WordShift]
    first: Sample
    second: Sample


def two_sample(
    a: npt.ArrayLike, b: npt.ArrayLike, *, seed: int = 13, permutations: int = 999, most: int | None = MOST
) -> Drift:
    """Test whether vectors ``a`` [n, width] and ``b`` [m, width] are of one kind.

    Energy distance (Székely and Rizzo 2013) with a permutation p-value, so false alarms are as rare as p says whatever
    the distribution, as long as rows are independent of each other. The smallest p is 1 / (``permutations`` + 1). Of
    more than ``most`` rows a side a sample is compared; memory and time grow with the square of the rows looked at.

    Raises:
        ValueError: a side has fewer than 2 rows, or the widths differ.
    """
    left, right = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    if min(len(left), len(right)) < 2 or left.ndim != 2 or left.shape[1:] != right.shape[1:]:
        raise ValueError(f"expected two sets of at least 2 vectors of one width, got {left.shape} and {right.shape}")
    # Not the same draw on both sides: of equal sizes it would pair their rows.
    first, second = sample(len(left), most, seed), sample(len(right), most, seed + 1)
    pooled = np.concatenate([left[first.rows], right[second.rows]])
    distances, mean = _distances(pooled)
    energies, between = _energies(distances, len(first.rows), permutations, seed)
    between += mean
    statistic = float(energies[0])
    effect = min(max(statistic / (2 * between), 0.0), 1.0) if between > 0 else 0.0
    # Equal sums in another order differ in their last digits.
    p = float((energies >= statistic - 1e-7).mean())
    return Drift(statistic, p, effect, permutations, first, second, fine_p(statistic, energies[1:], p))


def label_drift(
    first: Mapping[str, int], second: Mapping[str, int], *, seed: int = 13, permutations: int = 999
) -> LabelDrift:
    """Test whether two counts of labels are draws from one distribution.

    Pearson's chi-square; its p-value comes from dealing the same rows out anew, which holds for rare labels too.

    Raises:
        ValueError: a side has no rows.
    """
    names = sorted(first.keys() | second.keys())
    counts = np.array([[side.get(name, 0) for name in names] for side in (first, second)], dtype=np.int64)
    sizes = counts.sum(1) if names else np.zeros(2, dtype=np.int64)
    if not sizes.all():
        raise ValueError(f"expected labelled rows on both sides, got {sizes[0]} and {sizes[1]}")
    both = counts.sum(0)
    statistic = float(_chi_square(counts[None, 0], both, int(sizes[0]))[0])
    draw = np.random.default_rng(seed)
    dealt = draw.multivariate_hypergeometric(both, int(sizes[0]), size=permutations, method="marginals")
    drawn = _chi_square(dealt, both, int(sizes[0]))
    p = float((1 + (drawn >= statistic * (1 - 1e-12)).sum()) / (1 + permutations))
    shares = counts / sizes[:, None]
    change = np.abs(shares[1] - shares[0])
    order = np.argsort(-change, kind="stable").tolist()
    return LabelDrift(
        statistic,
        p,
        float(np.sqrt(statistic / sizes.sum())),
        float(change.sum() / 2),
        {names[i]: (float(shares[0, i]), float(shares[1, i])) for i in order},
        fine_p(statistic, drawn, p),
    )


def fine_p(statistic: float, drawn: Floats, p: float) -> float:
    """The chance of a statistic so large, past what counting permutations can tell.

    ``p`` itself where 20 of the ``drawn`` [permutations] reach the statistic; else the upper tail of the Pearson type
    III curve (a shifted gamma) with their mean, variance and skewness, the usual curve for statistics that are sums of
    squares (Berry & Mielke 1983, "Moment approximations as an alternative to the F test"). Never above ``p``'s own
    resolution, and 1 where all of the drawn are equal.

    >>> from scipy.stats import chi2
    >>> drawn = chi2.rvs(5, size=999, random_state=13)
    >>> 0.5 < fine_p(chi2.isf(1e-5, 5), drawn, 0.001) / 1e-5 < 2
    True
    """
    from scipy.stats import pearson3, skew

    if p * (len(drawn) + 1) > 20 or not (spread := float(drawn.std())):
        return p
    tail = float(pearson3.sf((statistic - drawn.mean()) / spread, max(float(skew(drawn)), 0.0)))
    return min(max(tail, np.finfo(float).tiny), 21 / (len(drawn) + 1))


def text_drift(
    first: Sequence[str], second: Sequence[str], *, top: int = 20, most: int | None = 20_000, seed: int = 13
) -> TextDrift:
    """Compare lengths, languages and words of two sets of texts; of more than ``most`` a side a sample.

    Raises:
        ValueError: a side has no texts.
    """
    if not len(first) or not len(second):
        raise ValueError(f"expected texts on both sides, got {len(first)} and {len(second)}")
    left, right = sample(len(first), most, seed), sample(len(second), most, seed)
    a, b = [first[i] for i in left.rows], [second[i] for i in right.rows]
    found = [Counter(map(language, side)) for side in (a, b)]
    known, used = counted(a)[0], counted(b)[0]
    strange = sum(count for word, count in used.items() if word not in known)
    return TextDrift(
        (_quartiles(a), _quartiles(b)),
        {name: (found[0][name] / len(a), found[1][name] / len(b)) for name in sorted(found[0] | found[1])},
        strange / max(used.total(), 1),
        telling_words(a, b, top),
        left,
        right,
    )


def _quartiles(texts: Sequence[str]) -> tuple[float, float, float]:
    low, middle, high = np.quantile([len(text) for text in texts], [0.25, 0.5, 0.75]).tolist()
    return low, middle, high


def _distances(pooled: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], float]:
    """Euclidean distances of all rows to all, less their mean, 0 on the diagonal; and that mean.

    A constant takes itself out of the energy distance; without it sums lose fewer digits.
    """
    # Rows near the origin lose fewer digits as well.
    rows = pooled - pooled.mean(0)
    squares = np.einsum("ij,ij->i", rows, rows)
    distances = squares[:, None] + squares[None] - 2 * rows @ rows.T
    np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
    np.fill_diagonal(distances, 0)
    mean = float(distances.sum(dtype=np.float64)) / (len(rows) * (len(rows) - 1))
    distances -= np.float32(mean)
    np.fill_diagonal(distances, 0)
    return distances, mean


def _energies(distances: npt.NDArray[np.float32], size: int, permutations: int, seed: int) -> tuple[Floats, float]:
    """Energy distances [1 + permutations], the true sides' first, and the mean distance between the true sides."""
    rows = len(distances)
    other = rows - size
    draw = np.random.default_rng(seed)
    total = float(distances.sum(dtype=np.float64))
    each = distances.sum(1, dtype=np.float64)
    energies, crossing = np.empty(permutations + 1), 0.0
    for at in range(0, permutations + 1, _BLOCK):
        inside = np.zeros((rows, min(_BLOCK, permutations + 1 - at)), dtype=np.float32)
        for k in range(inside.shape[1]):
            inside[draw.permutation(rows)[:size] if at + k else slice(size), k] = 1
        within = np.einsum("ij,ij->j", inside, distances @ inside, dtype=np.float64)
        across = each @ inside - within
        outside = total - within - 2 * across
        energies[at : at + inside.shape[1]] = (
            2 * across / (size * other) - within / (size * (size - 1)) - outside / (other * (other - 1))
        )
        if not at:
            crossing = float(across[0]) / (size * other)
    return energies, crossing


def _chi_square(dealt: npt.NDArray[np.int64], both: npt.NDArray[np.int64], size: int) -> Floats:
    """Pearson's statistic [n] of counts [n, labels] of one side, of ``both`` sides' counts [labels]."""
    total = int(both.sum())
    seen = both > 0
    expected = both[seen] * (size / total)
    # Both sides are off by the same number of rows; the other side's expectation is the rest.
    off = (dealt[:, seen] - expected) ** 2
    return np.asarray((off / expected + off / (both[seen] - expected)).sum(1)) if size < total else np.zeros(len(dealt))
