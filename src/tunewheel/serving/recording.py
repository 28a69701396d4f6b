"""Exchanges, as the recorder takes them, made of a request and its answer."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from tunewheel.feedback.exchanges import Exchange, exchange_id

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tunewheel.serving.shadow import Shadowed


class Recording(Protocol):
    """What the HTTP side needs of a recorder. Masking is the recorder's, and comes before it writes anything."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of the exchanges: ``recorded``, ``dropped``, or ``waiting`` in memory and on the disk."""

    def record(self, exchanges: Sequence[Exchange]) -> None:
        """Take exchanges, and return at once."""


def new_ids(count: int) -> list[str]:
    """Ids for the exchanges of one request, given with the answer before anything is recorded."""
    return [exchange_id() for _ in range(count)]


def shadow_exchanges(shadowed: Shadowed) -> list[Exchange]:
    """The exchanges of a candidate's answers to a copy, each with the one that it is a shadow of."""
    copy, predictions = shadowed.copy, [one["prediction"] for one in shadowed.answers]
    common: dict[str, Any] = {
        **{"name": shadowed.name, "number": shadowed.number, "variant": shadowed.variant, "key": copy.key},
        **{"seconds": shadowed.seconds, "role": "shadow", "vectors": vectors_of(shadowed.answers)},
    }
    made = exchanges(new_ids(len(predictions)), copy.rows, predictions, **common)
    given: Sequence[str | None] = copy.exchanges or [None] * len(made)
    return [replace(one, shadow_of=id) for one, id in zip(made, given, strict=True)]


def vectors_of(answers: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32] | None:
    """The vectors [n, 64] that a worker told with its answers; None of a model that has none."""
    import numpy as np

    if any("vector" not in answer for answer in answers):
        return None
    told = [np.frombuffer(base64.b64decode(answer["vector"]), dtype=np.float16) for answer in answers]
    return np.stack(told).astype(np.float32)


def exchanges(
    ids: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    predictions: Sequence[Mapping[str, Any]],
    *,
    vectors: npt.NDArray[np.float32] | None = None,
    **common: Any,
) -> list[Exchange]:
    """One exchange a row; ``common`` are fields that are the same for all.

    >>> rows, predictions = [{"text": "卡丢了"}], [{"label": "lost"}]
    >>> made = exchanges(["1"], rows, predictions, name="desk", number=3, variant="torch-fp32", seconds=0.01)
    >>> made[0].label, made[0].vector
    ('lost', None)
    """
    return [
        Exchange(id=id, row=dict(row), prediction=dict(prediction), vector=vector, **common)
        for id, row, prediction, vector in zip(
            ids, rows, predictions, [None] * len(ids) if vectors is None else vectors.astype("float16"), strict=True
        )
    ]
