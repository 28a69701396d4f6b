"""What drift is told by: rows as arrays, of the reference and of the windows alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class DriftError(ValueError):
    """Drift cannot be looked for in what was given."""


@dataclass(frozen=True)
class Seen:
    """Rows that a model answered: one entry a row in each field; what is not known of any row is None.

    ``texts`` are masked, ``vectors`` [n, width] pooled and projected ones, ``labels`` what was predicted ("" for none),
    ``confidences`` of it in [0, 1] (NaN: not known), ``right`` 1.0 or 0.0 where somebody said so, else NaN, ``times``
    seconds since 1970 in UTC.

    >>> seen = Seen.of(["my card is gone", "我的卡丢了"], confidences=[0.9, 0.8])
    >>> len(seen), seen.languages
    (2, ('en', 'zh'))
    """

    texts: tuple[str, ...]
    languages: tuple[str, ...]
    times: Floats
    vectors: npt.NDArray[np.float32] | None = None
    labels: tuple[str, ...] | None = None
    confidences: Floats | None = None
    right: Floats | None = None

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        *,
        times: npt.ArrayLike | None = None,
        vectors: npt.ArrayLike | None = None,
        labels: Sequence[str] | None = None,
        confidences: npt.ArrayLike | None = None,
        right: npt.ArrayLike | None = None,
        languages: Sequence[str] | None = None,
    ) -> Self:
        """Rows of these columns; languages are read off the texts where they are not given.

        Raises:
            DriftError: a column has another number of rows than ``texts``.
        """
        from tunewheel.data.language import language

        found = cls(
            tuple(texts),
            tuple(map(language, texts) if languages is None else languages),
            np.arange(len(texts), dtype=np.float64) if times is None else np.asarray(times, dtype=np.float64),
            None if vectors is None else np.asarray(vectors, dtype=np.float32),
            None if labels is None else tuple(labels),
            None if confidences is None else np.asarray(confidences, dtype=np.float64),
            None if right is None else np.asarray(right, dtype=np.float64),
        )
        for name, column in found._columns().items():
            if len(column) != len(found):
                raise DriftError(f"{len(column)} {name} for {len(found)} texts: expected one a row")
        return found

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> Self:
        """Some of the rows, in the order asked for."""
        chosen = np.arange(len(self))[rows]
        taken: dict[str, Any] = {
            name: column[chosen] if isinstance(column, np.ndarray) else tuple(column[i] for i in chosen)
            for name, column in self._columns().items()
        }
        return type(self)(**taken)

    def _columns(self) -> Mapping[str, Any]:
        names = ("texts", "languages", "times", "vectors", "labels", "confidences", "right")
        return {name: column for name in names if (column := getattr(self, name)) is not None}


def joined(parts: Sequence[Seen]) -> Seen:
    """The rows of several, one after the other; what one of them does not know is not known of all.

    Raises:
        DriftError: there is none.
    """
    if not parts:
        raise DriftError("no rows to join")
    columns: dict[str, Any] = {}
    for name in Seen.__dataclass_fields__:
        values = [getattr(part, name) for part in parts]
        if any(value is None for value in values):
            continue
        arrays = isinstance(values[0], np.ndarray)
        columns[name] = np.concatenate(values) if arrays else tuple(each for value in values for each in value)
    return Seen(**columns)
