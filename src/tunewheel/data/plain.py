"""Text without labels: what is collected, checked and cleaned before anybody has labelled it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.data.columns import Columns
from tunewheel.data.infer import PLAIN, TARGETS, Schema, check_named, paired, text_column
from tunewheel.data.names import GROUP, IDS
from tunewheel.data.pairs import named_pair
from tunewheel.data.problems import DataError, Problem


def plain(file: str, sample: Sequence[Mapping[str, Any]], text: str | None, label: str | None) -> Schema:
    """Choose the columns of plain text; all that are not text, id or group are kept. Raises `DataError`.

    >>> plain("raw.jsonl", [{"id": "1", "body": "my card is gone", "source": "desk.txt"}], None, None).columns
    {'text': 'body'}
    """
    columns = Columns(sample)
    if label is not None:
        fix = f"leave out --label, or name the task that learns it in place of --task {PLAIN}"
        raise DataError([Problem(file, 1, label, "no column of labels: plain text has none", f"--label {label}", fix)])
    both = named_pair(text, columns.names)
    text = None if both else text
    check_named(file, columns, text=text)
    pair = both or paired(columns, text)
    chosen = pair[0] if pair else text or text_column(file, columns, None, None)
    notes = [f"'{pair[0]}' and '{pair[1]}' make the text together, a tab between them"] if pair else []
    notes += [f"'{name}' is kept as 'original_{name}'" for name in TARGETS if name in columns.values and name != chosen]
    return Schema(
        task=PLAIN,
        shape=None,
        text=chosen,
        label="",
        id=next((name for name in columns.find(IDS) if name != chosen), None),
        group=next((name for name in columns.find((GROUP,)) if name != chosen), None),
        pair=pair[1] if pair else None,
        notes=tuple(notes),
    )
